"""One tensor in many memory layouts, of equal numbers: results must not depend on which."""

from collections.abc import Callable

import torch
from torch import Tensor


def permuted(x: Tensor) -> Tensor:
    """Lay the dimensions out in the reverse order."""
    order = tuple(reversed(range(x.dim())))
    return x.permute(order).contiguous().permute(order)


def last_dimensions_swapped(x: Tensor) -> Tensor:
    """Lay columns out next to each other."""
    return x if x.dim() < 2 else x.transpose(-1, -2).contiguous().transpose(-1, -2)


def channels_last(x: Tensor) -> Tensor:
    """Lay the channels of a pixel out next to each other."""
    return x if x.dim() < 4 else x.contiguous(memory_format=torch.channels_last)


def with_holes(x: Tensor) -> Tensor:
    """Keep every second number of a larger tensor, in each dimension, with NaN between."""
    larger = torch.full([2 * size + 1 for size in x.shape], torch.nan, dtype=x.dtype)
    view = larger[tuple(slice(1, None, 2) for _ in x.shape)]
    view.copy_(x)
    return view


def with_offset(x: Tensor) -> Tensor:
    """Begin in the middle of a larger memory, at an address that no vector register likes."""
    memory = torch.full((x.numel() + 8,), torch.nan, dtype=x.dtype)
    view = memory[5 : 5 + x.numel()].view(x.shape)
    view.copy_(x)
    return view


def channels_last_with_offset(x: Tensor) -> Tensor:
    """Lay the channels of a pixel out next to each other, from such an address on."""
    return x if x.dim() < 4 else with_offset(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def odd_strides_of_single_rows(x: Tensor) -> Tensor:
    """Give the dimensions of size 1 strides that mean nothing."""
    strides = [7 if size == 1 else stride for size, stride in zip(x.shape, x.stride(), strict=True)]
    return x.as_strided(x.shape, strides)


LAYOUTS: list[Callable[[Tensor], Tensor]] = [
    channels_last,
    last_dimensions_swapped,
    permuted,
    with_holes,
    with_offset,
    channels_last_with_offset,
    odd_strides_of_single_rows,
]
