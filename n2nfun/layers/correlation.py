"""Cross-correlation of lines, and its derivative in the kernel: all that the convolving layers are made of.

Everything here is private to ``n2nfun.layers``, and works on lines (see ``lowering.py``)

- ``x``  (height, batch, width, channels), already padded, of any memory layout: the results are the same bits;
- kernels ``k`` (out_channels, kernel_height, kernel_width, in_channels).

    y[i, b, j, o]  =  bias[o] + sum over t, u, c of  x[s*i + t, b, s*j + u, c] * k[o, t, u, c]
    dk[o, c, t, u] =  sum over i, b, j of  x[s*i + t, b, s*j + u, c] * g[i, b, j, o]

Each is computed in the form that fits the geometry; all forms are the same sum.
"""

from collections.abc import Callable, Sequence
from itertools import product
from math import prod
from typing import TypeAlias

import torch
from torch import Tensor

from n2nfun.geometry import Pair
from n2nfun.layers.lowering import (
    Blocks,
    aligned,
    blocks_of,
    lines_at_a_time,
    lowered,
    pad,
    places,
    settled,
    transformed,
)
from n2nfun.layers.reordering import channels_first, reordered, taps_last

Stacks: TypeAlias = tuple[Tensor, ...]
"""Stacks of matrices: those of whole blocks, and that of the rows which are left, if there are any."""

_WIDE = 16
"""With fewer columns than this a matrix product is slow: with some of them twice it is faster."""

_FEWEST = 8
"""With fewer columns than this more would be added than there are."""


_COMPETING = 64
"""The numbers of a column, if rows are a multiple of so many apart in memory, compete for a few places of the cache."""


def widened(columns: int) -> int:
    """Choose how many columns a product has that needs so many: some of them may stand twice."""
    return _WIDE if _FEWEST <= columns < _WIDE else columns


def narrow(columns: int) -> bool:
    """Choose to multiply matrices turned: ``(B^T A^T)^T``."""
    return columns < _WIDE


def turned(numbers: int, columns: int) -> bool:
    """Choose to multiply windows of so many numbers with a gradient as ``g^T W``, and not as ``W^T g``."""
    return narrow(columns) or numbers % _COMPETING == 0


def correlate(x: Tensor, kernel: Tensor, bias: Tensor | None = None, stride: Pair = (1, 1)) -> Tensor:
    """Slide a kernel over padded lines: (out_height, batch, out_width, out_channels), of any memory layout."""
    out_channels, rows, columns, channels = kernel.shape
    height, width = places(x, (rows, columns), stride)
    size = (height, x.shape[1], width, out_channels)
    if stride == (1, 1) and out_channels < _FEWEST and not narrow(channels) and rows * columns > 1 and x.numel():
        planes = _correlate_by_planes(aligned(x), kernel)
        return planes if bias is None else planes + bias
    if widened(out_channels) > out_channels:
        kernel, bias = reordered(kernel, filled), None if bias is None else reordered(bias, filled)
    matrix = aligned(kernel).view(-1, rows * columns * channels).t()
    stacks = blocks_of(x, rows, stride[0]).stacks(matrix)
    pieces = lowered(x, (rows, columns), stride, matrix, bias)
    del x  # which goes when its windows are gathered, if nobody else keeps it
    y: Tensor | None = None
    for chosen, windows in pieces:
        y = multiply(windows, stacks, bias, y, chosen, prod(size[:3]))
    assert y is not None
    if kernel.shape[0] > out_channels:  # else a compiler computes the few columns that are read, one by one
        y = settled(y)
    return y.view(*size[:3], kernel.shape[0])[..., :out_channels]


def filled(tensor: Tensor) -> Tensor:
    """Repeat some along the first dimension, so that it is wide enough: nobody reads what becomes of them."""
    missing = widened(tensor.shape[0]) - tensor.shape[0]
    return torch.cat((tensor, tensor[:missing])) if missing else tensor


def multiply(
    windows: Stacks, stacks: Stacks, bias: Tensor | None, y: Tensor | None, chosen: slice, length: int
) -> Tensor:
    """Return y (length, columns), where these of its rows are ``bias + sum of W K`` over pairs of a window and a kernel.

    Args:
        windows: Of matrices W (blocks, rows, numbers).
        stacks: Of matrices K (blocks, numbers, columns).
        bias: For each column, or None.
        y: What the call for the rows before returned, which this one changes, or None.
        chosen: Which rows these are.
        length: How many there are in all.
    """
    columns = stacks[0].shape[2]
    few = narrow(columns)
    added = None if bias is None else bias[:, None] if few else bias
    pairs = [
        (stack.transpose(1, 2), window.transpose(1, 2)) if few else (window, stack)
        for window, stack in zip(windows, stacks, strict=True)
    ]
    if chosen == slice(0, length):
        y = _sum_of_products(added, pairs)
        return y.t() if few else y
    if y is None:
        like = stacks[0]
        y = like.new_empty(columns, length).t() if few else like.new_empty(length, columns)
    _sum_of_products(added, pairs, out=y[chosen].t() if few else y[chosen])
    return y


def _sum_of_products(added: Tensor | None, pairs: Sequence[tuple[Tensor, Tensor]], out: Tensor | None = None) -> Tensor:
    """Return ``added + sum of A B`` over pairs of matrices of pairs of stacks, of which all but the first are of one matrix."""
    (left, right), *others = pairs
    if transformed(left, right, added):
        # There addbmm would keep all products, and addmm multiplies by its factors, of 1. A compiler would make addmm of
        # a sum of products that it sees, with a copy of all that it adds to, where it can add while it reads the sum.
        total = added
        for one, other in (each for stacks in pairs for each in zip(*stacks, strict=True)):
            found = settled(one @ other)
            total = found if total is None else total + found
        assert total is not None
        return total
    if added is not None:
        total = torch.addbmm(added, left, right, out=out)
    elif left.shape[0] == 1:
        total = torch.mm(left[0], right[0], out=out)
    else:
        total = torch.addbmm(left.new_empty(()), left, right, beta=0, out=out)
    for one, other in others:
        total.addmm_(one[0], other[0])
    return total


def kernel_gradient(x: Tensor, grad: Tensor, kernel_size: Pair, stride: Pair = (1, 1)) -> Tensor:
    """Return dk (out_channels, in_channels, kernel_height, kernel_width), given the gradient of what ``correlate`` made."""
    if stride == (1, 1) and grad.shape[3] < x.shape[3]:
        # The same sum over the other index: pixel p meets g[p - (t, u)]. Windows of the narrower side are gathered.
        rows, columns = kernel_size
        framed = pad(grad, rows - 1, rows - 1, columns - 1, columns - 1)
        return _kernel_gradient(framed, x, kernel_size, stride, taps_last)
    return _kernel_gradient(x, grad, kernel_size, stride, channels_first)


def _kernel_gradient(
    x: Tensor, grad: Tensor, kernel_size: Pair, stride: Pair, order: Callable[[Tensor], Tensor]
) -> Tensor:
    """Return the gradient (kernel_height, kernel_width, in_channels, out_channels), in another order."""
    (rows, width), channels, columns = kernel_size, x.shape[3], grad.shape[3]
    g = aligned(grad).view(-1, columns)
    blocks = blocks_of(x, rows, stride[0])
    total: Tensor | None = None
    for chosen, windows in lowered(x, kernel_size, stride, g):
        total = accumulate(total, windows, g[chosen])
        del windows  # which go before their gradient is copied
    assert total is not None
    return reordered(total, as_kernel, blocks, width, channels, columns, order)


def accumulate(total: Tensor | None, windows: Stacks, g: Tensor) -> Tensor:
    """Return ``total + W^T g`` for each matrix W (rows, numbers) of the windows, with g (rows, columns); or :func:`turned`.

    They lie one after the other in one dimension. Where there is a total, it is changed.
    """
    columns = g.shape[1]
    turns = [turned(stack.shape[2], columns) for stack in windows]
    if transformed(g, *windows):
        found = [_products(stack, g, turn=turn).reshape(-1) for stack, turn in zip(windows, turns, strict=True)]
        return found[0] if len(found) == 1 else torch.cat(found)
    fresh = total is None
    if total is None:
        total = g.new_empty(sum(stack.shape[0] * stack.shape[2] * columns for stack in windows))
    first = 0
    for stack, turn in zip(windows, turns, strict=True):
        left, right = _sides(stack, g, turn=turn)
        shape = stack.shape[0], left.shape[1], right.shape[2]
        place = total.narrow(0, first, prod(shape)).view(shape)
        first += prod(shape)
        if fresh:
            torch.bmm(left, right, out=place)
        else:
            place.baddbmm_(left, right)
    return total


def _sides(stack: Tensor, g: Tensor, *, turn: bool) -> tuple[Tensor, Tensor]:
    """Return the factors of ``W^T g``, or ``g^T W``, for each W of a stack."""
    whole = g.expand(stack.shape[0], -1, -1)
    return (whole.transpose(1, 2), stack) if turn else (stack.transpose(1, 2), whole)


def _products(stack: Tensor, g: Tensor, *, turn: bool) -> Tensor:
    if torch.compiler.is_compiling():  # a compiler would copy g for each of the windows
        return torch.stack([g.t() @ one if turn else one.t() @ g for one in stack])
    return torch.bmm(*_sides(stack, g, turn=turn))


def as_kernel(
    total: Tensor, blocks: Blocks, width: int, channels: int, columns: int, order: Callable[[Tensor], Tensor]
) -> Tensor:
    """View what :func:`accumulate` made as a kernel (kernel_height, kernel_width, channels, columns), in another order."""
    parts: list[Tensor] = []
    for count, rows in ((blocks.whole, blocks.each), (1, blocks.rest)):
        numbers = rows * width * channels
        part, total = total.tensor_split((count * numbers * columns,))
        if turned(numbers, columns):
            part = part.view(count, columns, rows, width, channels).permute(0, 2, 3, 4, 1)
        parts.append(part.reshape(count * rows, width, channels, columns))
    return order(torch.cat(parts) if blocks.rest else parts[0])


def _correlate_by_planes(x: Tensor, kernel: Tensor) -> Tensor:
    """Multiply every pixel by every tap at once, and add up the planes that this makes, each shifted by its tap's offset.

    For few output channels: products with few columns are slow, but with all taps side by side they are as many.
    """
    height, batch, width, channels = x.shape
    out_channels, rows, columns, _ = kernel.shape
    matrix = aligned(kernel.permute(1, 2, 0, 3)).view(rows * columns * out_channels, channels)
    line, out_height = batch * width, height - rows + 1
    at_once = transformed(x, matrix)
    lines = out_height if at_once else lines_at_a_time(out_height, matrix.shape[0] * line)
    y: Tensor | None = None
    for first in range(0, out_height, lines):
        count = min(lines, out_height - first)
        flat = x[first : first + count + rows - 1].view(-1, channels)
        planes = (matrix @ flat.t()).view(rows * columns, out_channels, -1)
        # In flat lines a shift by (t, u) is an offset. The windows that wrap around a border are computed too, and cut off.
        within = count * line - (columns - 1)
        offsets = [t * line + u for t, u in product(range(rows), range(columns))]
        total, *others = (planes[tap].narrow(1, offset, within) for tap, offset in enumerate(offsets))
        for plane in others:
            total = total + plane if at_once else total.add_(plane)
        if count == out_height:
            y = total
        else:
            y = total.new_empty(out_channels, out_height * line) if y is None else y
            y[:, first * line :][:, :within] = total
    assert y is not None
    return y.as_strided((out_height, batch, width - columns + 1, out_channels), (line, width, 1, y.stride(0)))
