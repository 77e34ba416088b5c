"""Nearest upsampling followed by a k-tap kernel, seen from the low resolution: which taps fall on which pixel.

In one dimension, output ``s*q + r`` (phase r of low-resolution pixel q) reads, for tap t, the upsampled index
``s*q + r - p + t``, which is the low-resolution index ``q + floor((r - p + t) / s)``. So the k taps of a phase fall on a
few neighbouring low-resolution pixels, and taps that fall on the same one add up: a convolution by a smaller kernel.
Zero padding agrees exactly, since an upsampled index is outside the image exactly when its low-resolution index is.
"""

from functools import lru_cache
from itertools import groupby
from typing import NamedTuple

import torch
from torch import Tensor

from n2nfun.geometry import Pair


class Phases(NamedTuple):
    """Phases first … first+size-1 of one dimension, whose taps fall on the same low-resolution pixels."""

    first: int
    size: int
    low: int
    """Offset of the first of these pixels from q: 0 or negative."""
    taps: int
    """How many pixels they are."""


@lru_cache(maxsize=256)
def phase_groups(kernel: int, scale: int, padding: int) -> tuple[Phases, ...]:
    """Group the phases of one dimension by the low-resolution pixels that they read."""

    def span(r: int) -> Pair:
        return (r - padding) // scale, (r - padding + kernel - 1) // scale

    groups: list[Phases] = []
    for (low, high), members in groupby(range(scale), key=span):
        found = list(members)
        groups.append(Phases(found[0], len(found), low, high - low + 1))
    return tuple(groups)


def _collapse(group: Phases, kernel: int, scale: int, padding: int) -> Tensor:
    """Return the 0/1 map (phases, low-resolution taps, kernel taps) of one dimension."""
    fold = torch.zeros(group.size, group.taps, kernel, dtype=torch.float64)
    for i in range(group.size):
        for t in range(kernel):
            fold[i, (group.first + i - padding + t) // scale - group.low, t] = 1
    return fold


@lru_cache(maxsize=256)
def collapse_map(
    rows: Phases, columns: Phases, kernel: Pair, scale: Pair, padding: Pair, dtype: torch.dtype, device: torch.device
) -> Tensor:
    """Return the map of a kernel to its low-resolution kernels, a matrix of zeros and ones.

    Its rows are (row tap, column tap, row phase, column phase), its columns (kernel row, kernel column). Its transpose
    carries the gradient back.
    """
    vertical = _collapse(rows, kernel[0], scale[0], padding[0])
    horizontal = _collapse(columns, kernel[1], scale[1], padding[1])
    both = vertical.permute(1, 0, 2)[:, None, :, None, :, None] * horizontal.permute(1, 0, 2)[None, :, None, :, None, :]
    return both.reshape(-1, kernel[0] * kernel[1]).to(device=device, dtype=dtype)
