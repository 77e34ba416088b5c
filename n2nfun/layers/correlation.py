"""Cross-correlation of lines, and its derivative in the kernel: all that the convolving layers are made of.

Everything here is private to ``n2nfun.layers``, and works on lines (see ``lowering.py``)

- ``x``  (height, batch, width, channels), already padded, of any memory layout: the results are the same bits;
- kernels ``k`` (out_channels, kernel_height, kernel_width, in_channels).

    y[i, b, j, o]  =  bias[o] + sum over t, u, c of  x[s*i + t, b, s*j + u, c] * k[o, t, u, c]
    dk[o, t, u, c] =  sum over i, b, j of  x[s*i + t, b, s*j + u, c] * g[i, b, j, o]

Each is computed in the form that fits the geometry; all forms are the same sum.
"""

from itertools import product
from math import prod

import torch
from torch import Tensor

from n2nfun.geometry import Pair
from n2nfun.layers import lowering
from n2nfun.layers.lowering import aligned, lines_at_a_time, lowered, matrices, pad, places, vectorized

_WIDE = 16
"""With fewer columns than this a matrix product is slow; one of as few rows is not."""


def narrow(columns: int) -> bool:
    """Choose to multiply matrices turned: ``(B^T A^T)^T``."""
    return columns < _WIDE


def correlate(x: Tensor, kernel: Tensor, bias: Tensor | None = None, stride: Pair = (1, 1)) -> Tensor:
    """Slide a kernel over padded lines: (out_height, batch, out_width, out_channels), of any memory layout."""
    out_channels, rows, columns, channels = kernel.shape
    out_height, out_width = places(x, (rows, columns), stride)
    size = (out_height, x.shape[1], out_width, out_channels)
    if (
        stride == (1, 1)
        and narrow(out_channels)
        and not narrow(channels)
        and prod(size[:3]) * kernel[0].numel() > lowering.COPIED
    ):
        planes = _correlate_by_planes(aligned(x), kernel)
        return planes if bias is None else planes + bias
    matrix = aligned(kernel).view(out_channels, -1)
    y: Tensor | None = None
    for lines, windows in lowered(x, (rows, columns), stride, matrix, bias):
        y = multiply(windows, matrix, bias, y, lines, out_height)
    assert y is not None
    return y.view(size)


def multiply(
    windows: Tensor, matrix: Tensor, bias: Tensor | None, y: Tensor | None, lines: slice, height: int
) -> Tensor:
    """Return y (height, positions, columns), where these of its lines are ``X K^T + bias``.

    Args:
        windows: X (lines, positions, taps * channels).
        matrix: K (columns, taps * channels).
        bias: For each column, or None.
        y: What the call for the lines before returned, which this one changes, or None.
        lines: Which these are.
        height: How many there are in all.
    """
    (count, positions, taps), columns = windows.shape, matrix.shape[0]
    turned = narrow(columns)
    added = None if bias is None else bias[:, None] if turned else bias
    if count == height and windows.is_contiguous():
        flat = windows.view(-1, taps)
        if turned:
            return _product(matrix, flat.t(), added).view(columns, count, positions).permute(1, 2, 0)
        return _product(flat, matrix.t(), added).view(count, positions, columns)
    if turned:
        left, right = matrix.expand(count, columns, taps), windows.transpose(1, 2)
    else:
        left, right = windows, matrix.t().expand(count, taps, columns)
    if count == height:
        y = _products(left, right, added)
        return y.transpose(1, 2) if turned else y
    if y is None:
        y = matrix.new_empty(height, left.shape[1], right.shape[2])
        y = y.transpose(1, 2) if turned else y
    _products(left, right, added, y[lines].transpose(1, 2) if turned else y[lines])
    return y


def _product(left: Tensor, right: Tensor, added: Tensor | None) -> Tensor:
    """Return ``left @ right + added``, of matrices."""
    if added is None:
        return left @ right
    if vectorized(left, right, added):  # there addmm multiplies by its factors, of 1
        return left @ right + added
    return torch.addmm(added, left, right)


def _products(left: Tensor, right: Tensor, added: Tensor | None, out: Tensor | None = None) -> Tensor:
    """Return ``left @ right + added``, of stacks of matrices."""
    return torch.bmm(left, right, out=out) if added is None else torch.baddbmm(added, left, right, out=out)


def kernel_gradient(x: Tensor, grad: Tensor, kernel_size: Pair, stride: Pair = (1, 1)) -> Tensor:
    """Return dk (out_channels, kernel_height, kernel_width, in_channels), given the gradient of what ``correlate`` made."""
    if stride == (1, 1) and grad.shape[3] < x.shape[3]:
        # The same sum over the other index: pixel p meets g[p - (t, u)]. Windows of the narrower side are gathered.
        rows, columns = kernel_size
        framed = pad(grad, rows - 1, rows - 1, columns - 1, columns - 1)
        return _kernel_gradient(framed, x, kernel_size, stride).flip(1, 2).permute(3, 1, 2, 0)
    return _kernel_gradient(x, grad, kernel_size, stride)


def _kernel_gradient(x: Tensor, grad: Tensor, kernel_size: Pair, stride: Pair) -> Tensor:
    g, taps = matrices(grad), kernel_size[0] * kernel_size[1] * x.shape[3]
    few = g.shape[2] <= taps
    total: Tensor | None = None
    for lines, windows in lowered(x, kernel_size, stride, g):
        # A product of few rows is faster than one of few columns.
        total = accumulate(total, g[lines], windows) if few else accumulate(total, windows, g[lines])
    assert total is not None
    return (total if few else total.t()).reshape(g.shape[2], *kernel_size, x.shape[3])


def accumulate(total: Tensor | None, left: Tensor, right: Tensor) -> Tensor:
    """Return ``total + sum of A^T B``, over matrices A (rows, n) of the left stack and B (rows, m) of the right one.

    Where there is a total (n, m), it is changed.
    """
    if left.is_contiguous() and right.is_contiguous():
        one, other = left.view(-1, left.shape[2]).t(), right.view(-1, right.shape[2])
        return one @ other if total is None else total.addmm_(one, other)
    if total is None:
        return torch.addbmm(left.new_zeros(()), left.transpose(1, 2), right)
    return total.addbmm_(left.transpose(1, 2), right)


def _correlate_by_planes(x: Tensor, kernel: Tensor) -> Tensor:
    """Multiply every pixel by every tap at once, and add up the planes that this makes, each shifted by its tap's offset.

    For few output channels: products with few columns are slow, but with all taps side by side they are as many.
    """
    height, batch, width, channels = x.shape
    out_channels, rows, columns, _ = kernel.shape
    matrix = aligned(kernel.permute(1, 2, 0, 3)).view(rows * columns * out_channels, channels)
    line, out_height = batch * width, height - rows + 1
    lines = lines_at_a_time(out_height, matrix.shape[0] * line)
    y: Tensor | None = None
    for first in range(0, out_height, lines):
        count = min(lines, out_height - first)
        flat = x[first : first + count + rows - 1].view(-1, channels)
        planes = (matrix @ flat.t()).view(rows, columns, out_channels, -1)
        # In flat lines a shift by (t, u) is an offset. The windows that wrap around a border are computed too, and cut off.
        within = count * line - (columns - 1)
        total, *others = (planes[t, u, :, t * line + u :][:, :within] for t, u in product(range(rows), range(columns)))
        for plane in others:
            total = total + plane if torch.compiler.is_compiling() else total.add_(plane)
        if count == out_height:
            y = total
        else:
            y = total.new_empty(out_channels, out_height * line) if y is None else y
            y[:, first * line :][:, :within] = total
    assert y is not None
    return y.as_strided((out_height, batch, width - columns + 1, out_channels), (line, width, 1, y.stride(0)))
