"""Pictures to image files: the format from the suffix, everything else from the picture, and never half a file."""

import struct
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from n2nfun.data.images.opencv import encode_sixteen_bits
from n2nfun.data.images.picture import FileFormat, ImageError, Picture, format_of
from n2nfun.files import write_atomically

_OPTIONS: dict[str, dict[str, int | bool | str]] = {
    "PNG": {},
    "TIFF": {"compression": "tiff_lzw"},
    "JPEG": {"quality": 95, "subsampling": 0},
    "WEBP": {"lossless": True, "exact": True},
    "BMP": {},
}


def write_image(path: str | Path, picture: Picture) -> None:
    """Write one image file, whole or not at all: a temporary file in the same folder takes the name when complete.

    Values are clipped to [0, 1] and rounded to the nearest of ``2**bits - 1`` steps. PNG, TIFF, WebP and BMP are
    written without loss, JPEG with quality 95 and full colour resolution (4:4:4). Grey stays grey, but for WebP,
    which has only RGB, and for 16-bit grey with alpha, which is written as RGBA. The ICC profile is kept except in
    BMP and 16-bit TIFF.

    Args:
        path: The file, with a supported suffix: see `format_of`. An existing file is replaced.
        picture: What to write.

    Raises:
        ImageError: If the suffix is not supported, if its format cannot hold the picture's bits or alpha, if a value
            is not a number, or if the file cannot be written.

    Example:
        >>> write_image("picture.gif", Picture(torch.zeros(3, 4, 4)))
        Traceback (most recent call last):
        n2nfun.data.images.picture.ImageError: picture.gif: suffix '.gif' is not supported; expected one of .png, ...
    """
    path = Path(path)
    form = format_of(path)
    if picture.bits > form.deepest:
        raise ImageError(
            f"{path}: {form.name} holds {form.deepest} bits per value, not {picture.bits}; use .png or .tif"
        )
    if picture.alpha is not None and not form.alpha:
        raise ImageError(f"{path}: {form.name} cannot hold the picture's alpha; use .png or .tif")
    samples = _samples(path, picture)
    encoded = (
        _sixteen_bits(form, samples, picture.profile)
        if picture.bits == 16
        else _eight_bits(form, samples, picture.profile)
    )
    if encoded is None:
        raise ImageError(f"{path}: {form.name} cannot hold an image of {samples.shape[1]}x{samples.shape[0]} pixels")
    _replace(path, encoded)


def _samples(path: Path, picture: Picture) -> NDArray[np.uint16]:
    """The picture's integers (height, width, channels), alpha the last channel."""
    top = 2**picture.bits - 1
    planes = [*picture.pixels] if picture.alpha is None else [*picture.pixels, picture.alpha]
    values = torch.stack(planes, dim=-1)
    if bool(values.isnan().any()):
        raise ImageError(f"{path}: the picture has values that are not numbers (NaN); expected numbers in [0, 1]")
    rounded: NDArray[np.float32] = (values.clip(0, 1) * top).round().cpu().numpy()
    return rounded.astype(np.uint16)


def _eight_bits(form: FileFormat, samples: NDArray[np.uint16], profile: bytes | None) -> bytes | None:
    """The bytes of an 8-bit file."""
    from PIL import Image  # noqa: PLC0415 - `import n2nfun.data` does not pay for Pillow

    array = samples.astype(np.uint8)
    buffer = BytesIO()
    try:
        image = Image.fromarray(array[:, :, 0] if array.shape[2] == 1 else array)
        image.save(buffer, form.name, icc_profile=profile, **_OPTIONS[form.name])
    except (OSError, ValueError, struct.error):
        return None
    return buffer.getvalue()


def _sixteen_bits(form: FileFormat, samples: NDArray[np.uint16], profile: bytes | None) -> bytes | None:
    """The bytes of a 16-bit file."""
    if samples.shape[2] == 2:  # OpenCV has no grey with alpha
        samples = samples[:, :, [0, 0, 0, 1]]
    encoded = encode_sixteen_bits(f".{form.name.lower()}", samples)
    return (
        _with_profile(encoded, profile)
        if encoded is not None and form.name == "PNG" and profile is not None
        else encoded
    )


def _with_profile(png: bytes, profile: bytes) -> bytes:
    """A PNG file with the colour profile put in: an iCCP chunk, right behind the header of 33 bytes."""
    body = b"iCCP" + b"ICC profile\0\0" + zlib.compress(profile)
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    return png[:33] + chunk + png[33:]


def _replace(path: Path, data: bytes) -> None:
    """Put the bytes at the path in one step."""
    try:
        write_atomically(path, data)
    except OSError as error:
        raise ImageError(f"{path}: cannot be written: {error.strerror}") from error
