"""Pairs from files and folders, and the refusal of everything else."""

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from n2nfun.data import ImageError, Pairs, PairsError, Picture, read_pairs, read_photographs, write_image


def draw_bytes(*shape: int, seed: int = 0) -> Tensor:
    drawn: Tensor = torch.randint(256, shape, generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)
    return drawn


FIRST, SECOND = draw_bytes(5, 3, 32, 32, seed=1), draw_bytes(5, 3, 32, 32, seed=2)


# The course's files


@pytest.mark.parametrize("as_zip", [True, False])
@pytest.mark.parametrize("container", [tuple[Tensor, ...], list[Tensor]])
def test_the_courses_files_are_read(
    container: Callable[[tuple[Tensor, Tensor]], object], as_zip: bool, tmp_path: Path
) -> None:
    path = tmp_path / "train_data.pkl"
    torch.save(container((FIRST, SECOND)), path, _use_new_zipfile_serialization=as_zip)
    pairs = read_pairs(path)
    assert torch.equal(pairs.first, FIRST)
    assert torch.equal(pairs.second, SECOND)
    assert pairs.clean is None
    validation = read_pairs(str(path), second_is_clean=True)
    assert validation.clean is not None
    assert torch.equal(validation.clean, SECOND)
    assert torch.equal(validation.second, SECOND)


class Mischief:
    """A pickle of this touches a file when it is loaded as pickles usually are."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[[Path], None], tuple[Path]]:
        return Path.touch, (self.path,)


def test_code_in_a_pickle_is_not_run(tmp_path: Path) -> None:
    for path, save in (("plain.pkl", pickle_plainly), ("saved.pkl", torch.save)):
        save((FIRST, Mischief(tmp_path / "touched")), tmp_path / path)
        with pytest.raises(
            PairsError, match=rf"{path}: damaged, or not a file of plain tensors \(nothing in it was run\)"
        ):
            read_pairs(tmp_path / path)
        assert not (tmp_path / "touched").exists()


def pickle_plainly(content: object, path: Path) -> None:
    path.write_bytes(pickle.dumps(content))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ((FIRST, SECOND, SECOND), "holds a tuple of other things than two tensors"),
        (FIRST, "holds a Tensor of other things"),
        ({"first": FIRST, "second": SECOND}, "holds a dict of other things"),
        ((FIRST, "second"), "holds a tuple of other things"),
        ((FIRST.float(), SECOND.float()), "holds a tensor of torch.float32, shape (5, 3, 32, 32); expected"),
        ((FIRST, torch.zeros(1, dtype=torch.uint8).expand(10**12)), "holds a tensor of torch.uint8"),
        ((FIRST.to_sparse(), SECOND), "holds a tensor of torch.uint8"),
        ((FIRST, SECOND[:4].clone()), "second is torch.uint8 of shape (4, 3, 32, 32)"),
        (
            (draw_bytes(5, 3, 0, 32), draw_bytes(5, 3, 0, 32)),
            "shape (5, 3, 0, 32); expected (pairs, channels, height, ",
        ),
        ((draw_bytes(5, 32, 32), draw_bytes(5, 32, 32)), "shape (5, 32, 32)"),
    ],
)
def test_other_tensors_are_refused(content: object, message: str, tmp_path: Path) -> None:
    path = tmp_path / "pairs.pkl"
    torch.save(content, path)
    with pytest.raises(PairsError) as caught:
        read_pairs(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)


@pytest.mark.parametrize("name", ["pairs.pkl", "pairs.npz"])
@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04", b"\x80\x02", bytes(1000)])
def test_damaged_files_are_refused(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(PairsError, match=rf"{name}: damaged"):
        read_pairs(tmp_path / name)


@pytest.mark.parametrize("name", ["pairs.pkl", "pairs.npz"])
def test_truncated_files_are_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    if name.endswith("pkl"):
        torch.save((FIRST, SECOND), path)
    else:
        np.savez(path, first=FIRST.numpy(), second=SECOND.numpy())
    data = path.read_bytes()
    for length in range(0, len(data), 997):
        path.write_bytes(data[:length])
        with pytest.raises(PairsError, match=rf"{name}: damaged"):
            read_pairs(path)


@pytest.mark.parametrize("name", ["none.pkl", "none.npz"])
def test_missing_files_are_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(PairsError, match=rf"{name}: cannot be read: No such file"):
        read_pairs(tmp_path / name)


# NumPy's archives


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("with_clean", [False, True])
def test_archives_are_read(dtype: type[np.generic], with_clean: bool, tmp_path: Path) -> None:
    arrays = {"first": FIRST.numpy().astype(dtype), "second": SECOND.numpy().astype(dtype)}
    if with_clean:
        arrays["clean"] = np.asfortranarray(FIRST.numpy().astype(dtype))
    np.savez_compressed(tmp_path / "pairs.npz", allow_pickle=False, **arrays)
    pairs = read_pairs(tmp_path / "pairs.npz")
    assert pairs.first.dtype == (torch.uint8 if dtype is np.uint8 else torch.float32)
    assert torch.equal(pairs.first.byte(), FIRST)
    assert torch.equal(pairs.second.byte(), SECOND)
    assert (pairs.clean is not None) == with_clean
    if pairs.clean is not None:
        assert torch.equal(pairs.clean.byte(), FIRST)
        with pytest.raises(PairsError, match="has clean images of its own"):
            read_pairs(tmp_path / "pairs.npz", second_is_clean=True)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"first": FIRST.numpy()}, "has no array second; expected first, second and maybe clean"),
        ({"a": FIRST.numpy()}, "has no array first and second"),
        ({"first": FIRST.numpy(), "second": np.array([{}], dtype=object)}, "second is damaged or holds objects"),
        ({"first": FIRST.double().numpy(), "second": SECOND.numpy()}, "first is float64; expected uint8, or float32"),
        ({"first": FIRST.numpy().astype(">f4"), "second": SECOND.numpy()}, "first is >f4"),
        (
            {"first": np.full((1, 1, 2, 2), np.nan, np.float32), "second": SECOND.numpy()},
            "first has values that are not",
        ),
        (
            {"first": FIRST.permute(0, 2, 3, 1).numpy(), "second": SECOND.numpy()},
            "shape (5, 32, 32, 3); expected (pairs",
        ),
        (
            {"first": FIRST[:, :, :, :0].numpy(), "second": SECOND[:, :, :, :0].numpy()},
            "shape (5, 3, 32, 0); expected (pairs, channels, height, width) with 1 or 3 channels, and a height and a width",
        ),
        ({"first": FIRST.numpy(), "second": SECOND[:3].numpy()}, "second is torch.uint8 of shape (3, 3, 32, 32)"),
    ],
)
def test_other_archives_are_refused(arrays: dict[str, np.ndarray], message: str, tmp_path: Path) -> None:
    path = tmp_path / "pairs.npz"
    np.savez(path, allow_pickle=True, **arrays)
    with pytest.raises(PairsError) as caught:
        read_pairs(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)


# Folders


def write_pair(folder: Path, name: str, first: Picture, second: Picture) -> tuple[Path, Path]:
    for side, picture in (("first", first), ("second", second)):
        (folder / side).mkdir(exist_ok=True)
        write_image(folder / side / name, picture)
    return folder / "first", folder / "second"


def picture(*shape: int, seed: int = 0) -> Picture:
    return Picture(draw_bytes(*shape, seed=seed).to(torch.float32) / 255)


def test_two_folders_are_read_whole(tmp_path: Path) -> None:
    folders = write_pair(tmp_path, "b10.png", picture(3, 5, 6, seed=1), picture(3, 5, 6, seed=2))
    write_pair(tmp_path, "b9.tif", picture(3, 5, 6, seed=3), picture(3, 5, 6, seed=4))
    pairs = read_pairs(folders)
    assert torch.equal(pairs.first, torch.stack([draw_bytes(3, 5, 6, seed=3), draw_bytes(3, 5, 6, seed=1)]))
    assert torch.equal(pairs.second, torch.stack([draw_bytes(3, 5, 6, seed=4), draw_bytes(3, 5, 6, seed=2)]))
    assert pairs.clean is None
    clean = read_pairs(folders, second_is_clean=True).clean
    assert clean is not None
    assert torch.equal(clean, pairs.second)


def test_two_folders_are_cut_into_tiles(tmp_path: Path) -> None:
    folders = write_pair(tmp_path, "a.png", picture(1, 7, 9, seed=1), picture(1, 7, 9, seed=2))
    write_pair(tmp_path, "b.png", picture(1, 3, 4, seed=3), picture(1, 3, 4, seed=4))
    pairs = read_pairs(folders, size=(3, 4))
    images = draw_bytes(1, 7, 9, seed=1), draw_bytes(1, 3, 4, seed=3)
    tiles = [images[0][:, y : y + 3, x : x + 4] for y in (0, 3) for x in (0, 4)]
    assert torch.equal(pairs.first, torch.stack([*tiles, images[1]]))


def test_one_file_of_sixteen_bits_makes_values_of_all(tmp_path: Path) -> None:
    deep = Picture(torch.full((1, 2, 2), 20001.0).div(65535), bits=16)
    folders = write_pair(tmp_path, "a.png", picture(1, 2, 2), deep)
    pairs = read_pairs(folders)
    assert torch.equal(pairs.first[0], picture(1, 2, 2).pixels)
    assert torch.equal(pairs.second[0], deep.pixels)


def test_folders_that_do_not_match_are_refused(tmp_path: Path) -> None:
    folders = write_pair(tmp_path, "a.png", picture(3, 5, 6), picture(3, 5, 6))
    for index in range(7):
        write_image(folders[0] / f"only{index}.png", picture(3, 5, 6))
    with pytest.raises(
        PairsError, match=r"second: has no only0\.png, .*only4\.png and 2 more; expected the same names"
    ):
        read_pairs(folders)
    with pytest.raises(PairsError, match=r"second: has no only0\.png"):
        read_pairs((folders[1], folders[0]))


@pytest.mark.parametrize(
    ("first", "second", "size", "message"),
    [
        (picture(3, 5, 6), picture(3, 5, 7), None, r"b\.png is 5x6 of colour pixels, .*b\.png is 5x7 of colour pixels"),
        (picture(3, 5, 6), picture(1, 5, 6), None, r"b\.png is 5x6 of colour pixels, .*b\.png is 5x6 of grey pixels"),
        (picture(1, 5, 6), picture(1, 5, 6), None, r"b\.png: has grey pixels, the images before it colour pixels"),
        (picture(3, 9, 6), picture(3, 9, 6), None, r"b\.png is 9x6 .*before it are 5x6 .*: give a size to cut them"),
        (picture(3, 4, 6), picture(3, 4, 6), 5, r"b\.png is 4x6 of colour pixels, smaller than a tile of 5x5"),
    ],
)
def test_images_that_do_not_match_are_refused(
    first: Picture, second: Picture, size: int | None, message: str, tmp_path: Path
) -> None:
    folders = write_pair(tmp_path, "a.png", picture(3, 5, 6), picture(3, 5, 6))
    write_pair(tmp_path, "b.png", first, second)
    with pytest.raises(PairsError, match=message):
        read_pairs(folders, size=size)


def test_other_sources_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        PairsError, match=r"suffix '.txt' is not known; expected a .pkl, .pt or .npz file, or two folders"
    ):
        read_pairs("pairs.txt")
    with pytest.raises(PairsError, match="size is 32, but only the images of two folders are cut"):
        read_pairs("pairs.npz", size=32)
    with pytest.raises(ImageError, match="nowhere: no such folder"):
        read_pairs((tmp_path / "nowhere", tmp_path))


def test_photographs_are_read_in_their_depth(tmp_path: Path) -> None:
    write_image(tmp_path / "a2.png", picture(3, 5, 6, seed=1))
    write_image(tmp_path / "a10.png", Picture(torch.full((3, 4, 4), 0.3), bits=16))
    shallow, deep = read_photographs(tmp_path)
    assert torch.equal(shallow, draw_bytes(3, 5, 6, seed=1))
    assert deep.dtype == torch.float32
    write_image(tmp_path / "b.png", picture(1, 5, 6))
    with pytest.raises(ImageError, match=r"b\.png: has grey pixels, the images before it have colour pixels"):
        read_photographs(tmp_path)
    (tmp_path / "a3.png").write_text("not an image")
    with pytest.raises(ImageError, match=r"a3\.png: not an image, or damaged"):
        read_photographs(tmp_path)


def test_pairs_of_bytes_and_pairs_of_values_agree(tmp_path: Path) -> None:
    np.savez(tmp_path / "values.npz", first=FIRST.numpy() / np.float32(255), second=SECOND.numpy() / np.float32(255))
    values, stored = read_pairs(tmp_path / "values.npz"), Pairs(FIRST, SECOND)
    assert torch.equal(values[:].first, stored[:].first)
