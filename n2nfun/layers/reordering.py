"""Kernels in other orders in memory: their numbers moved in one call, by an index of where each comes from.

Torch copies in runs along the last dimension, and a run takes its time however short it is: those of a kernel are of a few taps.
"""

from collections.abc import Callable, Hashable
from functools import partial
from math import prod

import torch
from torch import Tensor

from n2nfun.layer import Shape
from n2nfun.layers.constants import once_for_each
from n2nfun.layers.lowering import transformed

__all__ = ["channels_first", "reordered", "taps_first", "taps_last"]

_MOST = 1 << 18
"""An index of more numbers than this would fill the cache by itself."""


def reordered(x: Tensor, order: Callable[..., Tensor], *terms: Hashable) -> Tensor:
    """Return ``order(x, *terms)``, which moves numbers, and may choose some of them, in contiguous memory."""
    if transformed(x) or x.numel() > _MOST:
        return order(x, *terms).contiguous()
    where, shape = _index(tuple(x.shape), x.device, order, *terms)
    return x.reshape(-1).index_select(0, where).view(shape)


def channels_first(kernel: Tensor) -> Tensor:
    """Return a kernel (kernel_height, kernel_width, in_channels, out_channels) with its channels before its taps."""
    return kernel.permute(3, 2, 0, 1)


def taps_first(kernel: Tensor) -> Tensor:
    """Return a kernel (one, other, kernel_height, kernel_width) with its taps in the other order, and before the channels."""
    return kernel.flip(2, 3).permute(2, 3, 0, 1)


def taps_last(kernel: Tensor) -> Tensor:
    """Undo :func:`taps_first`."""
    return kernel.permute(2, 3, 0, 1).flip(2, 3)


@partial(once_for_each, most=128)
def _index(shape: Shape, device: torch.device, order: Callable[..., Tensor], *terms: Hashable) -> tuple[Tensor, Shape]:
    """Return of each number where it comes from, in the order of memory of a tensor of this shape, and the result's shape."""
    places = order(torch.arange(prod(shape), device=device).view(shape), *terms)
    return places.flatten(), tuple(places.shape)
