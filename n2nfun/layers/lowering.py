"""Windows of images as matrices, without a copy of each number for every tap that reads it.

Of padded images x, for windows of (rows, columns) and a stride of s, only the windows' columns are gathered:

    L[b, j, h, u, c]  =  x[h, b, s*j + u, c]

A window at line i is a run of it, ``rows`` lines long, from ``L[b, j, s*i]`` on. So the windows of one line are the rows of a
matrix, and overlap those of the next line in memory. L holds each number once for each column that reads it.
Source: Cho and Brand, "MEC: Memory-efficient Convolution for Deep Neural Network", ICML 2017, section 3.

Everything here is private to ``n2nfun.layers``. Images are worked on line by line, channels last: as tensors ``(height,
batch, width, channels)``, "lines" for short, in this order in memory.
"""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch._C._functorch import is_batchedtensor  # nothing public tells

from n2nfun.geometry import Pair

COPIED = 1 << 17
"""So many numbers of windows at most are copied once more, for one large product in place of small ones."""

PIECE = 1 << 19
"""So many numbers are made at a time: they stay in cache."""

_OVERLAPPING = 4
"""Fewer lines than this at a time would mostly gather again what the lines before them have read."""

_FEW = 5
"""Images of fewer channels are mostly stored plane by plane."""

_REGISTER = 64
"""Bytes of the widest vector register."""


def lines_of(images: Tensor) -> Tensor:
    """View images (batch, channels, height, width) as lines."""
    return images.permute(2, 0, 3, 1)


def images_of(lines: Tensor) -> Tensor:
    """View lines as images."""
    return lines.permute(1, 3, 0, 2)


def pad(x: Tensor, top: int, bottom: int, left: int, right: int) -> Tensor:
    """Put zeros around lines, or, where a margin is negative, cut off from them."""
    if top == bottom == left == right == 0:
        return x.contiguous()
    return torch.constant_pad_nd(x, (0, 0, left, right, 0, 0, top, bottom))


def planar(channels: int) -> bool:
    """Choose the order in memory of what a layer returns, and of the gradient that comes to it."""
    return channels < _FEW


def in_order(x: Tensor) -> Tensor:
    """Return lines in the one order in memory in which they are summed up: sums round by it."""
    return lines_of(images_of(x).contiguous()) if planar(x.shape[3]) else x.contiguous()


def aligned(x: Tensor) -> Tensor:
    """Return the numbers in their order, from where a vector register can be filled: products round by order and address."""
    dense = x.contiguous()
    if torch.compiler.is_compiling():  # addresses are not known yet, and a compiler chooses those of what it makes
        return dense
    return dense if dense.storage_offset() * dense.element_size() % _REGISTER == 0 else dense.clone()


def matrices(x: Tensor) -> Tensor:
    """View lines as matrices (height, batch * width, channels)."""
    return aligned(x).view(x.shape[0], -1, x.shape[3])


def vectorized(*tensors: Tensor | None) -> bool:
    """Say whether a tensor is many under ``torch.func.vmap``, which has no products into given memory."""
    return any(tensor is not None and is_batchedtensor(tensor) for tensor in tensors)


def places(x: Tensor, kernel_size: Pair, stride: Pair) -> Pair:
    """Count the windows of padded lines in each dimension."""
    return (x.shape[0] - kernel_size[0]) // stride[0] + 1, (x.shape[2] - kernel_size[1]) // stride[1] + 1


def lines_at_a_time(lines: int, each: int) -> int:
    """Choose of how many lines a piece is, where so many numbers are made for each of them."""
    if torch.compiler.is_compiling():  # a compiler makes memory of its own of each piece that is written
        return lines
    return min(lines, max(_OVERLAPPING, PIECE // each))


def lowered(x: Tensor, kernel_size: Pair, stride: Pair, *others: Tensor | None) -> Iterator[tuple[slice, Tensor]]:
    """Gather the windows of padded lines x, some lines at a time.

    Yields which lines of windows these are, and the windows: (lines, batch * out_width, taps * channels), of which the next
    take the memory. They are a stack of overlapping matrices; or few windows, and then contiguous: one matrix.
    """
    if kernel_size == stride == (1, 1):
        yield slice(0, x.shape[0]), matrices(x)
        return
    x = x.contiguous()
    _, batch, width, channels = x.shape
    (rows, columns), (down, right) = kernel_size, stride
    out_height, out_width = places(x, kernel_size, stride)
    positions, taps = batch * out_width, rows * columns * channels
    # What is many under vmap is one product for all models only where it is a product of two matrices.
    flat = out_height * positions * taps <= COPIED or vectorized(x, *others)
    lines = out_height if flat else lines_at_a_time(out_height, down * columns * channels * positions)
    image, line, pixel, run = width * channels, batch * width * channels, right * channels, columns * channels
    memory: Tensor | None = None
    for first in range(0, out_height, lines):
        count = min(lines, out_height - first)
        size = (batch, out_width, (count - 1) * down + rows, run)
        found = (x[first * down :] if first else x).as_strided(size, (image, pixel, line, 1))
        if count == out_height:
            memory = found.clone(memory_format=torch.contiguous_format)
        else:
            # To map fresh memory for each piece takes longer than to fill it.
            memory = x.new_empty(found.numel()) if memory is None else memory
            memory[: found.numel()].view(size).copy_(found)
        windows = memory.as_strided((count, positions, rows * run), (down * run, size[2] * run, 1))
        if flat:
            windows, memory = windows.contiguous(), None  # freed before the product is made
        yield slice(first, first + count), windows
