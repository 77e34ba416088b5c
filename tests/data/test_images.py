"""Pictures survive the way to a file and back."""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from n2nfun.data import FORMATS, ImageError, Picture, format_of, list_images, read_image, write_image

Bits = Literal[8, 16]

LOSSLESS: list[tuple[str, Bits, bool]] = [
    (suffix, bits, alpha)
    for suffix, form in FORMATS.items()
    for bits in (8, 16)
    for alpha in (False, True)
    if form.name != "JPEG" and bits <= form.deepest and alpha <= form.alpha
]


def draw_values(shape: tuple[int, ...], bits: Bits, seed: int) -> Tensor:
    """Values that a file of so many bits holds exactly."""
    levels: Tensor = torch.randint(2**bits, shape, generator=torch.Generator().manual_seed(seed))
    return levels.to(torch.float32).div(2**bits - 1)


def same(one: Tensor | None, other: Tensor | None) -> bool:
    return (one is None and other is None) or (one is not None and other is not None and torch.equal(one, other))


@settings(deadline=None, max_examples=150)
@given(
    case=st.sampled_from(LOSSLESS),
    channels=st.sampled_from([1, 3]),
    height=st.integers(1, 9),
    width=st.integers(1, 9),
    seed=st.integers(0, 2**32),
)
def test_lossless_formats_return_every_bit(
    case: tuple[str, Bits, bool], channels: int, height: int, width: int, seed: int
) -> None:
    suffix, bits, has_alpha = case
    pixels = draw_values((channels, height, width), bits, seed)
    alpha = draw_values((height, width), bits, seed + 1) if has_alpha else None
    if alpha is not None:
        alpha[0, 0] = 0  # an alpha that is opaque everywhere may be dropped by the format
    with TemporaryDirectory() as folder:
        path = Path(folder, f"bild ä 図{suffix}")
        write_image(path, Picture(pixels, bits, alpha))
        found = read_image(path)
        assert [entry.name for entry in Path(folder).iterdir()] == [path.name]
    turned_to_colour = channels == 1 and (suffix == ".webp" or (bits == 16 and has_alpha))
    assert torch.equal(found.pixels, pixels.expand(3, -1, -1) if turned_to_colour else pixels)
    assert found.bits == bits
    assert same(found.alpha, alpha)


@pytest.mark.parametrize("bits", [8, 16])
def test_every_level_survives(bits: Bits, tmp_path: Path) -> None:
    levels = (torch.arange(2**bits, dtype=torch.float32) / (2**bits - 1)).reshape(1, 16, -1)
    write_image(tmp_path / "levels.png", Picture(levels, bits))
    assert torch.equal(read_image(tmp_path / "levels.png").pixels, levels)


@pytest.mark.parametrize("bits", [8, 16])
def test_values_are_clipped_and_rounded_to_the_nearest_level(bits: Bits, tmp_path: Path) -> None:
    top = 2**bits - 1
    values = torch.tensor([-1.0, -0.4 / top, 0.4 / top, 0.6 / top, 1 - 0.6 / top, 1 + 0.4 / top, 7.0, float("inf")])
    write_image(tmp_path / "values.tif", Picture(values.reshape(1, 1, -1), bits))
    levels = (read_image(tmp_path / "values.tif").pixels * top).round().flatten()
    assert torch.equal(levels, torch.tensor([0.0, 0, 0, 1, top - 1, top, top, top]))


@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_has_the_documented_quality(channels: int, tmp_path: Path) -> None:
    write_image(tmp_path / "picture.jpg", Picture(draw_values((channels, 16, 24), 8, 0)))
    reference = BytesIO()
    Image.new("L" if channels == 1 else "RGB", (24, 16)).save(reference, "JPEG", quality=95, subsampling=0)
    with Image.open(tmp_path / "picture.jpg") as written, Image.open(reference) as expected:
        assert getattr(written, "quantization", 0) == getattr(expected, "quantization", 1)
        assert getattr(written, "layer", 0) == getattr(expected, "layer", 1)  # sampling factors of each channel
    found = read_image(tmp_path / "picture.jpg")
    assert (found.bits, found.pixels.shape) == (8, (channels, 16, 24))


@pytest.mark.parametrize(("name", "bits"), [("a.png", 8), ("a.png", 16), ("a.tif", 8), ("a.jpg", 8), ("a.webp", 8)])
def test_colour_profile_is_kept(name: str, bits: Bits, tmp_path: Path) -> None:
    profile = bytes(range(256)) * 3
    write_image(tmp_path / name, Picture(torch.zeros(3, 2, 2), bits, profile=profile))
    assert read_image(tmp_path / name).profile == profile


def upright(stored: NDArray[Any], orientation: int) -> NDArray[Any]:
    """What the eight Exif orientations mean, in quarter turns and mirrors."""
    return {
        1: stored,
        2: np.fliplr(stored),
        3: np.rot90(stored, 2),
        4: np.flipud(stored),
        5: stored.T,
        6: np.rot90(stored, -1),
        7: np.rot90(stored.T, 2),
        8: np.rot90(stored),
    }[orientation]


@pytest.mark.parametrize(
    ("name", "mode"),
    [(f"upright.{suffix}", mode) for suffix in ("png", "tif", "jpg", "webp") for mode in ("L", "RGB")]
    + [("upright.png", "I;16"), ("upright.tif", "I;16")],
)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied(name: str, mode: str, orientation: int, tmp_path: Path) -> None:
    array = np.arange(0, 240, 20, dtype=np.uint16 if mode == "I;16" else np.uint8).reshape(3, 4)
    image = Image.fromarray(array)
    exif = Image.Exif()
    exif[0x0112] = orientation
    (image.convert("RGB") if mode == "RGB" else image).save(tmp_path / name, exif=exif, lossless=True)
    if name == "upright.jpg":  # not lossless
        with Image.open(tmp_path / name) as reopened:
            array = np.asarray(reopened.convert("L"))
    found = read_image(tmp_path / name).pixels
    levels = (found[0] * (65535 if mode == "I;16" else 255)).round().numpy()
    assert np.array_equal(levels, upright(array, orientation))


def save_one_bit(path: Path) -> Image.Image:
    image = Image.fromarray(np.eye(9, dtype=bool))
    image.save(path)
    return image.convert("L")


def save_palette(path: Path) -> Image.Image:
    image = Image.fromarray(np.arange(60, dtype=np.uint8).reshape(4, 5, 3)).convert("P")
    image.save(path)
    return image.convert("RGB")


def save_transparent_palette(path: Path) -> Image.Image:
    image = Image.fromarray(np.arange(60, dtype=np.uint8).reshape(4, 5, 3)).convert("P")
    image.save(path, transparency=2)
    with Image.open(path) as stored:
        return stored.convert("RGBA")


def save_colour_key(path: Path) -> Image.Image:
    Image.fromarray(np.arange(20, dtype=np.uint8).reshape(4, 5)).save(path, transparency=7)
    with Image.open(path) as stored:
        return stored.convert("LA")


def save_grey_alpha(path: Path) -> Image.Image:
    image = Image.fromarray(np.arange(40, dtype=np.uint8).reshape(4, 5, 2))
    image.save(path)
    return image


def save_cmyk(path: Path) -> Image.Image:
    image = Image.fromarray(np.arange(80, dtype=np.uint8).reshape(4, 5, 4), mode=None).convert("RGB").convert("CMYK")
    image.save(path, icc_profile=b"a profile of inks")
    return image.convert("RGB")


def save_four_levels(path: Path) -> Image.Image:
    image = Image.fromarray(np.arange(20, dtype=np.uint8).reshape(4, 5) % 4)
    image.putpalette([level for grey in (0, 85, 170, 255) for level in (grey, grey, grey)])
    image.save(path, bits=2)
    return image.convert("RGB")


@pytest.mark.parametrize(
    ("save", "name"),
    [
        (save_one_bit, "a.png"),
        (save_one_bit, "a.tif"),
        (save_one_bit, "a.bmp"),
        (save_palette, "a.png"),
        (save_palette, "a.tif"),
        (save_palette, "a.bmp"),
        (save_transparent_palette, "a.png"),
        (save_colour_key, "a.png"),
        (save_grey_alpha, "a.png"),
        (save_grey_alpha, "a.tif"),
        (save_cmyk, "a.tif"),
        (save_four_levels, "a.png"),
    ],
)
def test_unusual_pixels_become_plain_ones(save: Callable[[Path], Image.Image], name: str, tmp_path: Path) -> None:
    image = save(tmp_path / name)
    expected = torch.as_tensor(np.asarray(image).copy()).reshape(*image.size[::-1], -1).permute(2, 0, 1) / 255
    found = read_image(tmp_path / name)
    has_alpha = image.mode in {"LA", "RGBA"}
    assert torch.equal(found.pixels, expected[:-1] if has_alpha else expected)
    assert same(found.alpha, expected[-1] if has_alpha else None)
    assert (found.bits, found.profile) == (8, None)


def test_of_several_pictures_in_a_jpeg_the_first_is_the_photograph(tmp_path: Path) -> None:
    preview = Image.new("RGB", (3, 2), "black")
    Image.new("RGB", (6, 5), "white").save(tmp_path / "phone.jpg", "MPO", save_all=True, append_images=[preview])
    assert torch.equal(read_image(tmp_path / "phone.jpg").pixels, torch.ones(3, 5, 6))


@pytest.mark.parametrize("mode", ["I;16", "I;16B"])
def test_sixteen_bit_grey_of_either_byte_order(mode: str, tmp_path: Path) -> None:
    values = np.arange(0, 60000, 3000, dtype=np.uint16).reshape(4, 5)
    data = values.astype("<u2" if mode == "I;16" else ">u2").tobytes()
    Image.frombytes(mode, (5, 4), data).save(tmp_path / "grey.tif")
    found = read_image(tmp_path / "grey.tif")
    assert found.bits == 16
    assert np.array_equal((found.pixels[0] * 65535).round().numpy(), values)


def test_sixteen_bit_grey_where_white_is_zero(tmp_path: Path) -> None:
    values = np.arange(0, 60000, 3000, dtype=np.uint16).reshape(4, 5)
    Image.fromarray(values).save(tmp_path / "grey.tif")
    data = bytearray((tmp_path / "grey.tif").read_bytes())
    entry = data.index((262).to_bytes(2, "little") + (3).to_bytes(2, "little"))  # PhotometricInterpretation, a short
    data[entry + 8] = 0
    (tmp_path / "grey.tif").write_bytes(data)
    found = (read_image(tmp_path / "grey.tif").pixels[0] * 65535).round().numpy()
    assert np.array_equal(found, 65535 - values)


def test_the_content_decides_the_format_when_reading(tmp_path: Path) -> None:
    write_image(tmp_path / "picture.png", Picture(torch.ones(1, 2, 3)))
    (tmp_path / "picture.png").rename(tmp_path / "picture.jpg")
    assert torch.equal(read_image(tmp_path / "picture.jpg").pixels, torch.ones(1, 2, 3))


@pytest.mark.parametrize(
    ("name", "picture", "message"),
    [
        ("a.gif", Picture(torch.zeros(1, 2, 2)), r"a\.gif: suffix '\.gif' is not supported; expected one of \.png"),
        ("a", Picture(torch.zeros(1, 2, 2)), "suffix '' is not supported"),
        ("a.jpg", Picture(torch.zeros(1, 2, 2), bits=16), "JPEG holds 8 bits per value, not 16; use .png or .tif"),
        ("a.webp", Picture(torch.zeros(1, 2, 2), bits=16), "WEBP holds 8 bits per value, not 16"),
        ("a.jpg", Picture(torch.zeros(1, 2, 2), alpha=torch.zeros(2, 2)), "JPEG cannot hold the picture's alpha"),
        ("a.bmp", Picture(torch.zeros(1, 2, 2), alpha=torch.zeros(2, 2)), "BMP cannot hold the picture's alpha"),
        ("a.png", Picture(torch.full((1, 2, 2), float("nan"))), "not numbers"),
        ("a.webp", Picture(torch.zeros(1, 1, 16384)), "WEBP cannot hold an image of 16384x1 pixels"),
        ("no such folder/a.png", Picture(torch.zeros(1, 2, 2)), "cannot be written: No such file or directory"),
    ],
)
def test_what_cannot_be_written_is_refused(name: str, picture: Picture, message: str, tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=message):
        write_image(tmp_path / name, picture)
    assert not [*tmp_path.iterdir()]


def test_an_interrupted_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "picture.png"
    write_image(path, Picture(torch.ones(1, 2, 2)))

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(ImageError, match=r"picture\.png: cannot be written: No space left"):
        write_image(path, Picture(torch.zeros(1, 2, 2)))
    assert [*tmp_path.iterdir()] == [path]
    assert torch.equal(read_image(path).pixels, torch.ones(1, 2, 2))


def test_writing_does_not_change_the_picture(tmp_path: Path) -> None:
    pixels = torch.linspace(-1, 2, 12).reshape(3, 2, 2)
    before = pixels.clone()
    write_image(tmp_path / "picture.png", Picture(pixels))
    assert torch.equal(pixels, before)


@pytest.mark.parametrize(
    ("pixels", "error", "message"),
    [
        (torch.zeros(3, 2, 2, dtype=torch.uint8), TypeError, r"pixels are torch\.uint8; expected torch\.float32"),
        (torch.zeros(2, 2), ValueError, r"shape \(2, 2\); expected \(channels, height, width\)"),
        (torch.zeros(2, 2, 2), ValueError, "1 or 3 channels"),
        (torch.zeros(3, 0, 2), ValueError, "at least one pixel"),
    ],
)
def test_a_picture_checks_its_pixels(pixels: Tensor, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        Picture(pixels)


@pytest.mark.parametrize(
    ("alpha", "error", "message"),
    [
        (torch.zeros(2, 3), ValueError, r"alpha has shape \(2, 3\); expected the pixels' \(2, 2\)"),
        (torch.zeros(2, 2, dtype=torch.float64), TypeError, r"alpha is torch\.float64"),
    ],
)
def test_a_picture_checks_its_alpha(alpha: Tensor, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        Picture(torch.zeros(1, 2, 2), alpha=alpha)


def test_a_format_is_found_by_the_suffix_in_any_case() -> None:
    assert format_of(Path("A.TiFF")) == FORMATS[".tif"]


def test_images_are_listed_in_natural_order(tmp_path: Path) -> None:
    for name in ("b10.png", "b9.JPG", "a.tiff", ".hidden.png", "notes.txt", "B2.bmp", "b02.bmp", "b2.bmp", "10.png"):
        (tmp_path / name).touch()
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "link to folder.png").symlink_to("folder.png")
    (tmp_path / "link.png").symlink_to("nowhere")
    names = [path.name for path in list_images(tmp_path)]
    assert names == ["10.png", "a.tiff", "B2.bmp", "b02.bmp", "b2.bmp", "b9.JPG", "b10.png", "link.png"]


def test_a_list_of_images_is_never_empty(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"no images; expected files ending in \.png"):
        list_images(tmp_path)
    with pytest.raises(ImageError, match="nowhere: no such folder"):
        list_images(tmp_path / "nowhere")
    (tmp_path / "file").touch()
    with pytest.raises(ImageError, match="file: not a folder"):
        list_images(tmp_path / "file")
