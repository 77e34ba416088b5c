"""Files that are damaged, or are not what they say: each is refused by one error that names it, and in silence."""

import os
import struct
import zlib
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from n2nfun.data import ImageError, Picture, read_image, write_image


def png(width: int, height: int, *chunks: tuple[bytes, bytes], bits: int = 8, colour: int = 2) -> bytes:
    """A PNG file by hand."""
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    every = ((b"IHDR", header), *chunks, (b"IEND", b""))
    parts = (
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in every
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def image_data(array: NDArray[np.uint16]) -> tuple[bytes, bytes]:
    """The IDAT chunk of 16-bit samples (height, samples in a row)."""
    return b"IDAT", zlib.compress(b"".join(b"\0" + row.astype(">u2").tobytes() for row in array))


def saved(mode: str, form: str, **options: object) -> bytes:
    """A file that Pillow writes."""
    buffer = BytesIO()
    Image.new(mode, (6, 5)).save(buffer, form, **options)
    return buffer.getvalue()


def pages(form: str) -> bytes:
    """A file with two images."""
    return saved("RGB", form, save_all=True, append_images=[Image.new("RGB", (6, 5), "white")])


BOMB = png(20_000, 20_000, (b"IDAT", bytes(8)))

REFUSED = {
    "empty": (b"", "empty file"),
    "text": (b"This is not an image.\n" * 9, "not an image, or damaged; expected PNG, TIFF, JPEG, WEBP, BMP"),
    "signature only": (b"\x89PNG\r\n\x1a\n", "not an image, or damaged"),
    "no pixels": (png(4, 4), "truncated or damaged"),
    "no width": (png(0, 4, (b"IDAT", bytes(8))), "damaged"),
    "bomb": (BOMB, "more than the limit of 89478485 pixels"),
    "bomb that Pillow only warns of": (png(10_000, 9_000, (b"IDAT", bytes(8))), "more than the limit"),
    "other format": (saved("RGB", "GIF"), "not an image, or damaged"),
    "script": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an image, or damaged"),
    "animation": (pages("PNG"), "holds 2 images; expected one"),
    "animated WebP": (pages("WEBP"), "holds 2 images; expected one"),
    "two pages": (pages("TIFF"), "holds 2 images; expected one"),
    "floating point": (saved("F", "TIFF"), "32-bit samples; expected 1, 2, 4, 8 or 16 bits"),
    "32-bit integers": (saved("I", "TIFF"), "32-bit samples"),
    "Lab": (saved("LAB", "TIFF"), "pixels of mode LAB; expected grey, RGB"),
    "16 bits with one transparent colour": (
        png(2, 2, (b"tRNS", bytes(6)), image_data(np.zeros((2, 6), np.uint16)), bits=16),
        "one colour made transparent",
    ),
}


@pytest.mark.parametrize(("data", "message"), REFUSED.values(), ids=REFUSED)
def test_refused_by_name_and_in_silence(
    data: bytes, message: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "größe.png"
    path.write_bytes(data)
    with pytest.raises(ImageError, match=f"größe\\.png: .*{message}"):
        read_image(path)
    assert capfd.readouterr() == ("", "")


def test_the_bomb_is_as_small_as_it_is_claimed() -> None:
    assert len(BOMB) == 65


def test_what_is_not_a_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"nothing\.png: no such file"):
        read_image(tmp_path / "nothing.png")
    with pytest.raises(ImageError, match="is a folder; expected an image file"):
        read_image(tmp_path)
    os.mkfifo(tmp_path / "pipe.png")  # opening it would wait for a writer
    with pytest.raises(ImageError, match=r"pipe\.png: not a regular file"):
        read_image(tmp_path / "pipe.png")


def test_sixteen_bit_grey_with_alpha_is_grey_with_alpha(tmp_path: Path) -> None:
    samples = np.arange(24, dtype=np.uint16).reshape(3, 8) * 2500
    (tmp_path / "grey.png").write_bytes(png(4, 3, image_data(samples), bits=16, colour=4))
    found = read_image(tmp_path / "grey.png")
    assert found.bits == 16
    assert found.alpha is not None
    assert np.array_equal((found.pixels[0] * 65535).round().numpy(), samples[:, ::2])
    assert np.array_equal((found.alpha * 65535).round().numpy(), samples[:, 1::2])


def test_sixteen_bit_colour_is_turned_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn clockwise
    samples = np.arange(18, dtype=np.uint16).reshape(2, 9) * 3000
    body = exif.tobytes().removeprefix(b"Exif\0\0")
    (tmp_path / "colour.png").write_bytes(png(3, 2, (b"eXIf", body), image_data(samples), bits=16))
    levels = (read_image(tmp_path / "colour.png").pixels * 65535).round().numpy()
    assert np.array_equal(levels.transpose(1, 2, 0), np.rot90(samples.reshape(2, 3, 3), -1))


def test_a_decoder_that_disagrees_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_image(tmp_path / "picture.png", Picture(torch.rand(3, 4, 5), bits=16))
    other = np.full((4, 5, 3), 7, dtype=np.uint16)

    def decode(_: object, __: int) -> NDArray[np.uint16]:
        return other

    monkeypatch.setattr(cv2, "imdecode", decode)
    with pytest.raises(ImageError, match="this kind of 16-bit file is not supported"):
        read_image(tmp_path / "picture.png")


FILES: dict[str, tuple[bytes, torch.Tensor]] = {}
with TemporaryDirectory() as _folder:
    for _name, _bits in (
        ("a.png", 8),
        ("b.png", 16),
        ("a.tif", 8),
        ("b.tif", 16),
        ("a.bmp", 8),
        ("a.webp", 8),
        ("a.jpg", 8),
    ):
        _path = Path(_folder, _name)
        _pixels = torch.rand(3, 9, 11, generator=torch.Generator().manual_seed(0))
        write_image(_path, Picture(_pixels, 16 if _bits == 16 else 8))
        FILES[_name] = _path.read_bytes(), read_image(_path).pixels


@settings(deadline=None, max_examples=300)
@given(name=st.sampled_from([*FILES]), fraction=st.floats(0, 1, exclude_max=True))
def test_a_truncated_file_is_refused_or_lacks_nothing(name: str, fraction: float) -> None:
    data, pixels = FILES[name]
    with TemporaryDirectory() as folder:
        path = Path(folder, name)
        path.write_bytes(data[: int(fraction * len(data))])
        try:
            found = read_image(path)
        except ImageError as error:
            assert str(error).startswith(f"{path}: ")  # noqa: PT017 - either outcome is right
        else:
            assert torch.equal(found.pixels, pixels)


@settings(deadline=None, max_examples=300)
@given(name=st.sampled_from([*FILES]), place=st.floats(0, 1, exclude_max=True), byte=st.integers(0, 255))
def test_a_damaged_byte_raises_nothing_but_an_image_error(name: str, place: float, byte: int) -> None:
    data = bytearray(FILES[name][0])
    data[int(place * len(data))] = byte
    with TemporaryDirectory() as folder:
        path = Path(folder, name)
        path.write_bytes(data)
        try:
            assert read_image(path).pixels.dtype == torch.float32
        except ImageError as error:
            assert str(error).startswith(f"{path}: ")  # noqa: PT017 - either outcome is right
