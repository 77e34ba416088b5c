"""What a picture is once it is read, and the file formats that can hold one."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import torch
from jaxtyping import Float32
from torch import Tensor


class ImageError(ValueError):
    """A file that cannot be read or written as a picture: names the file, what is wrong, what was expected."""


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """The pixels of one image file, and what is needed to write the file again as it was.

    Attributes:
        pixels: Values in [0, 1], one channel (grey) or three (red, green, blue), as encoded: no gamma is undone.
        bits: Bits per value in the file.
        alpha: Opacity in [0, 1], apart from the pixels, which are not multiplied by it. None where the file has none.
        profile: The ICC colour profile, as its bytes.

    Raises:
        TypeError: If a tensor is not float32.
        ValueError: If a shape does not fit.

    Example:
        >>> Picture(torch.zeros(3, 4, 6), bits=16).pixels.shape
        torch.Size([3, 4, 6])
    """

    pixels: Float32[Tensor, "channels height width"]
    bits: Literal[8, 16] = 8
    alpha: Float32[Tensor, "height width"] | None = None
    profile: bytes | None = None

    def __post_init__(self) -> None:
        if self.pixels.dtype != torch.float32:
            raise TypeError(
                f"pixels are {self.pixels.dtype}; expected torch.float32 in [0, 1]: use pixels.float() / 255"
            )
        if self.pixels.ndim != 3 or self.pixels.shape[0] not in {1, 3} or self.pixels.numel() == 0:
            raise ValueError(
                f"pixels have shape {tuple(self.pixels.shape)}; expected (channels, height, width) with 1 or 3 "
                "channels and at least one pixel"
            )
        if self.bits not in {8, 16}:
            raise ValueError(f"bits is {self.bits!r}; expected 8 or 16")
        if self.alpha is not None:
            if self.alpha.dtype != torch.float32:
                raise TypeError(f"alpha is {self.alpha.dtype}; expected torch.float32 in [0, 1]")
            if self.alpha.shape != self.pixels.shape[1:]:
                raise ValueError(
                    f"alpha has shape {tuple(self.alpha.shape)}; expected the pixels' {tuple(self.pixels.shape[1:])}"
                )


@dataclass(frozen=True, slots=True)
class FileFormat:
    """A file format, by Pillow's name, and what it can hold."""

    name: str
    deepest: Literal[8, 16]
    alpha: bool


_PNG = FileFormat("PNG", deepest=16, alpha=True)
_TIFF = FileFormat("TIFF", deepest=16, alpha=True)
_JPEG = FileFormat("JPEG", deepest=8, alpha=False)
_WEBP = FileFormat("WEBP", deepest=8, alpha=True)
_BMP = FileFormat("BMP", deepest=8, alpha=False)

FORMATS: Mapping[str, FileFormat] = MappingProxyType(
    {
        ".png": _PNG,
        ".tif": _TIFF,
        ".tiff": _TIFF,
        ".jpg": _JPEG,
        ".jpeg": _JPEG,
        ".webp": _WEBP,
        ".bmp": _BMP,
    }
)
"""The supported formats, by the suffix of the file's name in lower case."""


def format_of(path: Path) -> FileFormat:
    """The format that a file's suffix asks for.

    Raises:
        ImageError: If no supported format has that suffix.

    Example:
        >>> format_of(Path("holiday.JPG")).name
        'JPEG'
    """
    found = FORMATS.get(path.suffix.lower())
    if found is None:
        raise ImageError(f"{path}: suffix {path.suffix!r} is not supported; expected one of {', '.join(FORMATS)}")
    return found
