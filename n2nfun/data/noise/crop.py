"""Random crops of photographs."""

from collections.abc import Callable

import torch
from jaxtyping import Float32, UInt8
from torch import Tensor

from n2nfun.data.noise.protocol import Image, NoiseError, NoisyPair, Photo


def as_size(size: int | tuple[int, int]) -> tuple[int, int]:
    """Height and width.

    Raises:
        ValueError: If one is below 1.
    """
    height, width = (size, size) if isinstance(size, int) else size
    if height < 1 or width < 1:
        raise ValueError(f"size is {size!r}; expected a height and a width of at least 1")
    return height, width


def draw_integer(low: int, high: int, generator: torch.Generator) -> int:
    """A uniformly random integer, both ends included."""
    return int(torch.randint(low, high + 1, (), generator=generator))


def draw_crop(photograph: Photo, height: int, width: int, generator: torch.Generator) -> Photo:
    """A uniformly random crop: a view of the photograph."""
    check_photograph(photograph)
    if height > photograph.shape[1] or width > photograph.shape[2]:
        raise NoiseError(
            f"the photograph is {photograph.shape[1]}x{photograph.shape[2]}, too small for a crop of {height}x{width} "
            "(height x width); use larger photographs or a smaller size"
        )
    top = draw_integer(0, photograph.shape[1] - height, generator)
    left = draw_integer(0, photograph.shape[2] - width, generator)
    return photograph[:, top : top + height, left : left + width]


def check_photograph(photograph: Photo) -> None:
    """Refuse what is not one image of bytes or float32 values.

    Raises:
        TypeError: If the dtype is another.
        ValueError: If the shape is not (channels, height, width).
    """
    if photograph.dtype not in {torch.uint8, torch.float32}:
        raise TypeError(f"the photograph is {photograph.dtype}; expected torch.uint8, or torch.float32 in [0, 1]")
    if photograph.ndim != 3 or photograph.numel() == 0:
        raise ValueError(
            f"the photograph has shape {tuple(photograph.shape)}; expected (channels, height, width), none of them 0"
        )


def as_values(
    samples: Float32[Tensor, "*shape"] | UInt8[Tensor, "*shape"],
) -> Float32[Tensor, "*shape"]:
    """Bytes to values in [0, 1]; float32 values as they are."""
    return samples.to(torch.float32) / 255 if samples.dtype == torch.uint8 else samples


def corrupted_pair(
    photograph: Photo,
    size: int | tuple[int, int] | None,
    generator: torch.Generator,
    corrupt: Callable[[Image, torch.Generator], Image],
) -> NoisyPair:
    """The pair of a noise that corrupts an image in its own size."""
    check_photograph(photograph)
    height, width = tuple(photograph.shape[1:]) if size is None else as_size(size)
    clean = as_values(draw_crop(photograph, height, width, generator)).clone()
    return NoisyPair(first=corrupt(clean, generator), second=corrupt(clean, generator), clean=clean)
