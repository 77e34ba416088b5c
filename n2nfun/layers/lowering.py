"""Windows of images as matrices, without a copy of each number for every tap that reads it.

Of padded images x, for windows of (rows, columns) and a stride of (s, r), only the windows' columns are gathered, for s lines at
a time:

    L[q, b, j, e, u, c]  =  x[s*q + e, b, r*j + u, c],   e < s

A window at line i is the L of lines i, i+1, ... side by side. So a product with all windows is a sum of as many products as s
goes into the rows, each with a matrix that is a run of L's memory, and these runs overlap: L holds each number once for each
column that reads it. Where s does not go into the rows, only some lines are read of the last of them; or e counts all rows, and
a window is one product.
Source: after Cho and Brand, "MEC: Memory-efficient Convolution for Deep Neural Network", ICML 2017, section 3.

Everything here is private to ``n2nfun.layers``. Images are worked on line by line, channels last: as tensors ``(height,
batch, width, channels)``, "lines" for short, in this order in memory.
"""

from collections.abc import Iterator
from functools import partial
from math import prod
from typing import NamedTuple

import torch
from torch import Tensor
from torch._C._functorch import is_batchedtensor  # nothing public tells

from n2nfun.addresses import fills_registers, span
from n2nfun.geometry import Pair
from n2nfun.layer import Shape
from n2nfun.layers.constants import once_for_each

PIECE = 1 << 19
"""So many numbers are made at a time: they stay in cache."""

_OVERLAPPING = 4
"""Fewer lines than this at a time would mostly gather again what the lines before them have read."""

_FEW = 5
"""Images of fewer channels are mostly stored plane by plane."""


_LARGE = 1 << 18
"""Of so many numbers it takes longer to write zeros twice than to find where they stay."""


def lines_of(images: Tensor) -> Tensor:
    """View images (batch, channels, height, width) as lines."""
    return images.permute(2, 0, 3, 1)


def images_of(lines: Tensor) -> Tensor:
    """View lines as images."""
    return lines.permute(1, 3, 0, 2)


def pad(x: Tensor, top: int, bottom: int, left: int, right: int) -> Tensor:
    """Put zeros around lines, or, where a margin is negative, cut off from them."""
    if top == bottom == left == right == 0:
        return x
    if torch.compiler.is_compiling():
        return _pad_runs(dense(x), top, bottom, left, right)
    margins = (0, 0, left, right, 0, 0, top, bottom)
    if min(margins) < 0 or transformed(x):
        return torch.constant_pad_nd(x, margins)
    # The same in a third of the calls, and in the order of memory in which it is read best.
    height, batch, width, channels = x.shape
    tall, wide = height + top + bottom, width + left + right
    order = (batch, channels, tall, wide) if planar(channels) else (tall, batch, wide, channels)
    large = prod(order) >= _LARGE
    made = x.new_empty(order) if large else x.new_zeros(order)
    framed = lines_of(made) if planar(channels) else made
    if large:
        for margin in (framed[:top], framed[top + height :], framed[:, :, :left], framed[:, :, left + width :]):
            margin.zero_()
    strides = framed.stride()
    framed.as_strided(x.shape, strides, top * strides[0] + left * strides[2]).copy_(x)
    return framed


def _pad_runs(x: Tensor, top: int, bottom: int, left: int, right: int) -> Tensor:
    """Do the same for dense lines: a compiler asks for each run of numbers whether it is inside, so runs are whole lines."""
    height, batch, width, channels = x.shape
    margins = (left * channels, right * channels, 0, 0, top, bottom)
    padded = torch.constant_pad_nd(x.view(height, batch, width * channels), margins)
    return settled(padded.view(height + top + bottom, batch, left + width + right, channels))


def planar(channels: int) -> bool:
    """Choose the order in memory of what a layer returns, and of the gradient that comes to it."""
    return channels < _FEW


def in_order(x: Tensor) -> Tensor:
    """Return lines in the one order in memory in which they are summed up: sums round by it."""
    return lines_of(settled(images_of(x).contiguous())) if planar(x.shape[3]) else settled(x.contiguous())


def dense(x: Tensor) -> Tensor:
    """Return lines with their channels last in memory."""
    return settled(x if x.is_contiguous() else copied(x))


def settled(x: Tensor) -> Tensor:
    """Return x; a compiler writes it to memory, as it lies, where it might compute it again for each number that is read."""
    return x.as_strided(x.shape, x.stride()) if torch.compiler.is_compiling() else x


def aligned(x: Tensor) -> Tensor:
    """Return the numbers in their order, from where a vector register can be filled: products round by order and address."""
    dense = x.contiguous()
    if torch.compiler.is_compiling():  # addresses are not known yet, and a compiler chooses those of what it makes
        return dense
    if dense is not x:  # fresh memory, which begins where a register can be filled
        return dense
    return dense if fills_registers(dense) else dense.clone()


def transformed(*tensors: Tensor | None) -> bool:
    """Say whether torch.compile traces, or a tensor is many under ``torch.func.vmap``: neither writes to given memory."""
    if torch.compiler.is_compiling():
        return True
    for tensor in tensors:  # noqa: SIM110 - asked at each step, and any() of a generator takes four times as long
        if tensor is not None and is_batchedtensor(tensor):
            return True
    return False


def places(x: Tensor, kernel_size: Pair, stride: Pair) -> Pair:
    """Count the windows of padded lines in each dimension."""
    return (x.shape[0] - kernel_size[0]) // stride[0] + 1, (x.shape[2] - kernel_size[1]) // stride[1] + 1


class Blocks(NamedTuple):
    """The rows of a kernel: so many blocks of so many rows each, and the rows that are left."""

    whole: int
    each: int
    rest: int

    def stacks(self, matrix: Tensor) -> tuple[Tensor, ...]:
        """View a matrix with a row for each number of a window as stacks of matrices: of whole blocks, and of what is left."""
        length, columns = matrix.shape
        numbers = length * self.each // (self.whole * self.each + self.rest)
        if not self.rest:
            return (matrix.reshape(self.whole, numbers, columns),)
        end = self.whole * numbers
        return matrix[:end].reshape(self.whole, numbers, columns), matrix[end:][None]


def blocks_of(x: Tensor, rows: int, down: int) -> Blocks:
    """Divide the rows of a kernel, for windows ``down`` lines apart on padded lines x.

    Where rows are left, a line is gathered for each of a whole block, so there have to be as many; else each window is one
    block. So it is, too, if there is but one and a rest: two products take longer than to gather what they share.
    """
    each = min(rows, down)
    whole, rest = divmod(rows, each)
    lines = x.shape[0]
    if rest and (whole == 1 or lines < (lines - rows) // down * down + (whole + 1) * each):
        return Blocks(1, rows, 0)
    return Blocks(whole, each, rest)


def lines_at_a_time(lines: int, each: int) -> int:
    """Choose of how many lines a piece is, where so many numbers are made for each of them."""
    return min(lines, max(_OVERLAPPING, PIECE // max(each, 1)))


def lowered(
    x: Tensor, kernel_size: Pair, stride: Pair, *others: Tensor | None
) -> Iterator[tuple[slice, tuple[Tensor, ...]]]:
    """Gather the windows of padded lines x, some lines at a time.

    Args:
        x: Of any memory layout.
        kernel_size: (rows, columns) of a window.
        stride: From each window to the next.
        others: What else goes into the products.

    Yields:
        Which rows of the result of all products these windows make, ``batch * out_width`` for each line; and the windows, as
        matrices (blocks, rows, numbers) that overlap in memory, which the next ones take. Behind them comes one, of fewer
        numbers, of the kernel's rows that are left.
    """
    (rows, columns), (down, right) = kernel_size, stride
    height, width = places(x, kernel_size, stride)
    blocks, each, rest = blocks_of(x, rows, down)
    batch, channels = x.shape[1], x.shape[3]
    positions, numbers = batch * width, each * columns * channels

    at_once = transformed(x, *others)
    # A compiler gathers windows of planes number by number, but turned, each number of all windows in a row, in runs.
    upright = torch.compiler.is_compiling() and planar(channels) and x.stride(3) != 1 and not rest

    def matrices(gathered: Tensor, lines: int) -> tuple[Tensor, ...]:
        strides = (positions, 1, gathered.numel() // numbers) if upright else (positions * numbers, numbers, 1)
        whole = gathered.as_strided((blocks, lines * positions, numbers), strides)
        if not rest:
            return (whole,)
        return whole, gathered[blocks:].as_strided((1, lines * positions, rest * columns * channels), strides)

    del others  # this frame would keep them as long as windows are gathered
    if not at_once and columns == 1 and stride == (1, 1):
        yield slice(0, height * positions), matrices(aligned(x), height)
        return
    # as_strided looks at memory, and so lets a compiler write what it would compute for each tap anew.
    if at_once and not upright:
        x = dense(x)
    line, image, pixel, channel = x.stride()
    lines = height if at_once else lines_at_a_time(height, positions * numbers)
    memory: Tensor | None = None
    for first in range(0, height, lines):
        count = min(lines, height - first)
        found = (x[first * down :] if first else x).as_strided(
            (count + blocks + bool(rest) - 1, batch, width, each, columns, channels),
            (down * line, image, right * pixel, line, pixel, channel),
        )
        if upright:
            found = found.permute(3, 4, 5, 0, 1, 2)
        if count < height and memory is None:  # to map fresh memory for each piece takes longer than to fill it
            memory = x.new_empty(found.numel())
        gathered = copied(found, None if memory is None else memory[: found.numel()])
        del found
        if first + count == height:
            x = gathered  # which lets go of what is not read any more
        yield slice(first * positions, (first + count) * positions), matrices(gathered, count)


def copied(view: Tensor, out: Tensor | None = None) -> Tensor:
    """Copy the numbers of a view in the order of its dimensions, into flat memory if it is given.

    Torch copies in runs along the last dimension, and a run takes its time however short it is. Where it is of few channels,
    an index tells the places of all numbers. A compiler copies as badly there, but writes each plane between the others well.
    """
    few = planar(view.shape[-1]) and view.numel() > 0
    # A stack of one would be a view: not memory of its own, in which to look for numbers.
    if few and torch.compiler.is_compiling() and view.stride(-1) != 1 < view.shape[-1]:
        return torch.stack(view.unbind(-1), -1)
    if few and not transformed(view):
        size, strides = tuple(view.shape), view.stride()
        flat = view.as_strided((span(size, strides),), (1,))
        where = _places_in_memory(size, strides, view.device)
        return (flat.index_select(0, where) if out is None else torch.index_select(flat, 0, where, out=out)).view(size)
    if out is None:
        return view.clone(memory_format=torch.contiguous_format)
    return out.view(view.shape).copy_(view)


@partial(once_for_each, most=32)
def _places_in_memory(size: Shape, strides: Shape, device: torch.device) -> Tensor:
    """Return how far from the first each number of a view lies, in the order of its dimensions."""
    return torch.arange(span(size, strides), device=device).as_strided(size, strides).flatten()
