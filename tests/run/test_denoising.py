"""Files in, files out: everything but the noise stays."""

from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
import torch
from PIL import Image, ImageCms
from torch import Tensor

from n2nfun.config import ConfigError, TrainConfig
from n2nfun.data import ImageError, Picture, read_image, write_image
from n2nfun.restore import restore
from n2nfun.run.denoising import Denoised, Failed, denoise_files, plan_files
from n2nfun.run.folder import LoadedRun
from n2nfun.testing.bits import assert_same_bits
from n2nfun.testing.numbers import seeded
from tests.data.test_hostile_images import BOMB
from tests.fresh_runs import fresh_run

SIZES = [(1, 1), (1, 7), (2, 3), (9, 1), (13, 18), (16, 16)]
# Pillow leaves the type of a profile open.
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]


@pytest.fixture
def run(tmp_path: Path) -> LoadedRun:
    """A denoiser that changes nothing."""
    return fresh_run(tmp_path / "run")


def levels(*shape: int, bits: Literal[8, 16], seed: int = 0) -> Tensor:
    """Draw values that a file of so many bits can hold."""
    top = 2**bits - 1
    drawn: Tensor = torch.randint(top + 1, shape, generator=seeded(seed)).to(torch.float32) / top
    return drawn


def denoised(run: LoadedRun, out: Path, *sources: Path, tile: int = 512) -> list[Denoised | Failed]:
    return list(denoise_files(run, plan_files(sources, out), out, tile=tile))


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_identity_gives_the_same_image(
    run: LoadedRun, channels: int, alpha: bool, bits: Literal[8, 16], suffix: str, tmp_path: Path
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for height, width in SIZES:
        opacity = levels(height, width, bits=bits, seed=1) if alpha else None
        picture = Picture(levels(channels, height, width, bits=bits), bits, opacity, PROFILE)
        write_image(folder / f"{height}x{width}{suffix}", picture)
    results = denoised(run, tmp_path / "out", folder, tile=5)
    assert [result.path.name for result in results] == [f"{height}x{width}{suffix}" for height, width in SIZES]
    for result in results:
        assert isinstance(result, Denoised)
        assert result.path.parent == tmp_path / "out"
        before, after = read_image(folder / result.path.name), read_image(result.path)
        assert_same_bits(after.pixels, before.pixels)
        assert after.bits == before.bits == bits
        assert after.profile == before.profile
        assert_same_bits((after.alpha,), (before.alpha,))


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_jpeg_stays_jpeg(run: LoadedRun, mode: str, tmp_path: Path) -> None:
    source = tmp_path / "photo.JPG"
    Image.new(mode, (11, 7), 100).save(source, "JPEG", icc_profile=PROFILE)
    [result] = denoised(run, tmp_path / "out", source)
    with Image.open(result.path) as image:
        assert (image.format, image.mode, image.size) == ("JPEG", mode, (11, 7))
        assert image.info["icc_profile"] == PROFILE


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_a_network_with_a_multiple_restores_every_size(height: int, width: int, tmp_path: Path) -> None:
    run = fresh_run(tmp_path / "run", TrainConfig(model="paper", hidden=(2, 3)))
    assert run.model.multiple == 4
    pixels = levels(3, height, width, bits=16)
    write_image(tmp_path / "a.png", Picture(pixels, 16))
    [result] = denoised(run, tmp_path / "out", tmp_path / "a.png")
    expected = restore(run.model, run.params, pixels[None])[0]
    assert not torch.equal(expected, pixels)
    assert_same_bits(read_image(result.path).pixels, (expected * 65535).round() / 65535)


def test_a_grey_network_restores_colour(tmp_path: Path) -> None:
    run = fresh_run(tmp_path / "run", channels=1)
    pixels = levels(3, 6, 5, bits=8)
    write_image(tmp_path / "a.png", Picture(pixels))
    [result] = denoised(run, tmp_path / "out", tmp_path / "a.png")
    assert_same_bits(read_image(result.path).pixels, pixels)


def test_hostile_files_are_named_and_the_others_done(run: LoadedRun, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    write_image(folder / "a good one.png", Picture(levels(3, 4, 4, bits=8)))
    write_image(folder / "größe 2.tif", Picture(levels(1, 4, 4, bits=16), 16))
    (folder / "bomb.png").write_bytes(BOMB)
    (folder / "text.png").write_text("not an image")
    (folder / "truncated.png").write_bytes((folder / "a good one.png").read_bytes()[:60])
    Image.new("RGB", (3, 3)).save(
        folder / "animation.webp", save_all=True, append_images=[Image.new("RGB", (3, 3), "red")]
    )
    (folder / "notes.txt").write_text("not listed")
    results = denoised(run, tmp_path / "out", folder, tmp_path / "missing.png")
    failed = {result.path.name: result.reason for result in results if isinstance(result, Failed)}
    assert list(failed) == ["animation.webp", "bomb.png", "text.png", "truncated.png", "missing.png"]
    for result in results:
        if isinstance(result, Failed):
            assert result.reason.startswith(f"{result.path}: ")
            assert "\n" not in result.reason
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a good one.png", "größe 2.tif"]


def test_a_result_that_cannot_be_written_is_named(run: LoadedRun, tmp_path: Path) -> None:
    for name in ("a.gif", "b.png"):
        Image.new("RGB", (3, 3)).save(tmp_path / name)
    (tmp_path / "deep.jpg").write_bytes(b"")
    write_image(tmp_path / "deep.png", Picture(levels(3, 4, 4, bits=16), 16))
    (tmp_path / "deep.png").replace(tmp_path / "deep.jpg")  # its content is a PNG's, of 16 bits
    results = denoised(run, tmp_path / "out", tmp_path / "a.gif", tmp_path / "deep.jpg", tmp_path / "b.png")
    first, second, third = results
    assert isinstance(first, Failed)
    assert "suffix '.gif' is not supported" in first.reason
    assert isinstance(second, Failed)
    assert "JPEG holds 8 bits per value, not 16" in second.reason
    assert isinstance(third, Denoised)


def test_results_come_one_by_one(run: LoadedRun, tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        write_image(tmp_path / name, Picture(levels(1, 2, 2, bits=8)))
    results = denoise_files(run, (tmp_path / "a.png", tmp_path / "b.png"), tmp_path / "new" / "out")
    first = next(results)
    assert isinstance(first, Denoised)
    assert first.seconds > 0
    assert [path.name for path in (tmp_path / "new" / "out").iterdir()] == ["a.png"]


def test_an_existing_result_is_replaced(run: LoadedRun, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    write_image(tmp_path / "a.png", Picture(levels(1, 2, 2, bits=8)))
    (tmp_path / "out" / "a.png").write_text("old")
    denoised(run, tmp_path / "out", tmp_path / "a.png")
    assert read_image(tmp_path / "out" / "a.png").pixels.shape == (1, 2, 2)


def test_tiles_do_not_show(run: LoadedRun, tmp_path: Path) -> None:
    noisy = replace(run, params=run.model.layer.init(seeded(9)))
    write_image(tmp_path / "a.png", Picture(levels(3, 20, 30, bits=8)))
    for tile in (7, 512):
        denoised(noisy, tmp_path / str(tile), tmp_path / "a.png", tile=tile)
    assert (tmp_path / "7" / "a.png").read_bytes() == (tmp_path / "512" / "a.png").read_bytes()


# Refusals, before anything is done


def test_folders_and_files_are_planned_in_order(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in ("in/shot10.png", "in/shot2.png", "in/.hidden.png", "alone.png"):
        (tmp_path / name).touch()
    planned = plan_files((tmp_path / "alone.png", tmp_path / "in"), tmp_path / "out")
    assert [path.name for path in planned] == ["alone.png", "shot2.png", "shot10.png"]
    assert not (tmp_path / "out").exists()


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    for folder in ("x", "y"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.png").touch()
    with pytest.raises(ConfigError) as caught:
        plan_files((tmp_path / "x", tmp_path / "y" / "a.png"), tmp_path / "out")
    assert str(caught.value) == (
        f"{tmp_path}/x/a.png and {tmp_path}/y/a.png would both be written to {tmp_path}/out/a.png: restore them apart"
    )


def test_a_result_onto_its_source_is_refused(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.png").touch()
    (tmp_path / "link").symlink_to(tmp_path / "in")
    for source, out in (("in", "in"), ("in/a.png", "in"), ("in", "link"), ("link/a.png", "in/../in")):
        with pytest.raises(ConfigError, match=r"a\.png: its result would replace it, expected another folder than"):
            plan_files((tmp_path / source,), tmp_path / out)


def test_other_refusals(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match=r"file: is a file, expected a folder for the results"):
        plan_files((tmp_path / "a.png",), tmp_path / "file")
    with pytest.raises(ConfigError, match=r"no images are given, expected image files, or folders of them"):
        plan_files((), tmp_path / "out")
    with pytest.raises(ImageError, match=r"empty: no images; expected files ending in"):
        plan_files((tmp_path / "empty",), tmp_path / "out")
