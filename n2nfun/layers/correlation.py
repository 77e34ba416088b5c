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
from n2nfun.layers.lowering import aligned, blocks_of, lines_at_a_time, lowered, pad, places, settled, transformed
from n2nfun.layers.reordering import channels_first, reordered, taps_last

Stacks: TypeAlias = tuple[Tensor, ...]
"""Stacks of matrices: those of whole blocks, and that of the rows which are left, if there are any."""

_WIDE = 16
"""With fewer columns than this a matrix product is slow: with some of them twice it is faster."""

_FEWEST = 8
"""With fewer columns than this more would be added than there are."""


_COMPETING = 64
"""The numbers of a column, if rows are a multiple of so many apart in memory, compete for a few places of the cache."""


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
    if _FEWEST <= out_channels < _WIDE:
        kernel, bias = reordered(kernel, _filled), None if bias is None else reordered(bias, _filled)
    matrix = aligned(kernel).view(-1, rows * columns * channels).t()
    stacks = blocks_of(x, rows, stride[0]).stacks(matrix)
    pieces = lowered(x, (rows, columns), stride, matrix, bias)
    del x  # which goes when its windows are gathered, if nobody else keeps it
    y: Tensor | None = None
    for chosen, windows in pieces:
        y = multiply(windows, stacks, bias, y, chosen, prod(size[:3]))
    assert y is not None
    if len(kernel) > out_channels:  # else a compiler computes the few columns that are read, one by one
        y = settled(y)
    return y.view(*size[:3], len(kernel))[..., :out_channels]


def _filled(tensor: Tensor) -> Tensor:
    """Repeat some along the first dimension, so that it is wide enough: nobody reads what becomes of them."""
    return torch.cat((tensor, tensor[: _WIDE - len(tensor)]))


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
    elif len(left) == 1:
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
    g = aligned(grad).view(-1, grad.shape[3])
    totals: Stacks | None = None
    for chosen, windows in lowered(x, kernel_size, stride, g):
        totals = accumulate(totals, windows, g[chosen])
    assert totals is not None
    return as_kernel(totals, kernel_size[1], x.shape[3], g.shape[1], order)


def accumulate(totals: Stacks | None, windows: Stacks, g: Tensor) -> Stacks:
    """Return ``total + W^T g`` for each matrix W (rows, numbers) of the windows, with g (rows, columns); or :func:`turned`.

    Where there are totals, they are changed.
    """
    found: list[Tensor] = []
    for index, stack in enumerate(windows):
        turn = turned(stack.shape[2], g.shape[1])
        if torch.compiler.is_compiling() and totals is None:  # a compiler would copy g for each of the windows
            found.append(torch.stack([g.t() @ one if turn else one.t() @ g for one in stack]))
            continue
        whole = g.expand(len(stack), -1, -1)
        left, right = (whole, stack) if turn else (stack, whole)
        if totals is None:
            found.append(torch.bmm(left.transpose(1, 2), right))
        else:
            found.append(totals[index].baddbmm_(left.transpose(1, 2), right))
    return tuple(found)


def as_kernel(totals: Stacks, width: int, channels: int, columns: int, order: Callable[[Tensor], Tensor]) -> Tensor:
    """Return what :func:`accumulate` made as a kernel (kernel_height, kernel_width, channels, columns), in another order."""
    blocks = tuple((len(total), total.shape[1] * total.shape[2] // columns) for total in totals)
    flat = [total.reshape(-1) for total in totals]
    whole = flat[0] if len(flat) == 1 else torch.cat(flat)
    return reordered(whole, _as_kernel, blocks, width, channels, columns, order)


def _as_kernel(
    flat: Tensor, blocks: tuple[Pair, ...], width: int, channels: int, columns: int, order: Callable[[Tensor], Tensor]
) -> Tensor:
    parts: list[Tensor] = []
    first = 0
    for count, numbers in blocks:
        total = flat.narrow(0, first, count * numbers * columns)
        first += len(total)
        if turned(numbers, columns):
            part = total.view(count, columns, -1, width, channels).permute(0, 2, 3, 4, 1)
        else:
            part = total.view(count, -1, width, channels, columns)
        parts.append(part.reshape(-1, width, channels, columns))
    return order(parts[0] if len(parts) == 1 else torch.cat(parts))


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
