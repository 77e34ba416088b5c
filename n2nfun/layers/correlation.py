"""Cross-correlation in channels-last order, and its two adjoints: all that the convolving layers are made of.

Everything here is private to ``n2nfun.layers``, and works on

- images ``x``  (batch, height, width, channels), already padded, laid out in that order;
- kernels ``k`` (kernel_height, kernel_width, in_channels, out_channels).

``correlate`` is the definition, ``correlate_kernel_gradient`` and ``correlate_input_gradient`` its derivatives:

    y[b, i, j, o]  =  sum over t, u, c of  x[b, s*i + t, s*j + u, c] * k[t, u, c, o]
    dk[t, u, c, o] =  sum over b, i, j of  x[b, s*i + t, s*j + u, c] * g[b, i, j, o]
    dx             =  for each residue of the stride, a correlation of g with the taps of that residue, turned by 180°
"""

from itertools import groupby, product
from typing import NamedTuple

import torch
from torch import Tensor

Pair = tuple[int, int]

_PIECE = 1 << 18
"""Patches are made for as many images at a time as fill about this many numbers, so that they stay in cache."""

_WIDE = 16
"""From this many channels on, a matrix product is wide enough to run at full speed."""


def pad(x: Tensor, top: int, bottom: int, left: int, right: int) -> Tensor:
    """Put zeros around channels-last images; the result is contiguous."""
    if top == bottom == left == right == 0:
        return x.contiguous()
    return torch.constant_pad_nd(x, (0, 0, left, right, top, bottom)).contiguous()


def output_size(size: int, kernel: int, stride: int) -> int:
    """Count the windows of a kernel in a padded length."""
    return (size - kernel) // stride + 1


def correlate(x: Tensor, kernel: Tensor, stride: Pair = (1, 1)) -> Tensor:
    """Slide a kernel over padded images, as matrix products in the form that fits the geometry: all are the same sum."""
    height, width, in_channels, out_channels = kernel.shape
    if (height, width) == (1, 1) and stride == (1, 1):
        return x @ kernel[0, 0]
    if stride != (1, 1) or in_channels < _WIDE:
        return _correlate_by_patches(x, kernel, stride)
    if out_channels < _WIDE:
        return _correlate_by_planes(x, kernel)
    return _correlate_by_taps(x, kernel)


def _correlate_by_taps(x: Tensor, kernel: Tensor) -> Tensor:
    """Add one product per tap, each reading the flattened images at the tap's own offset: nothing is gathered.

    In the flattened images a shift by (t, u) is an offset of t rows and u columns, so each tap is one product of a
    contiguous block. It also computes the windows that wrap around the right and lower borders; they are cut off.
    """
    batch, height, width, channels = x.shape
    rows, columns, _, out_channels = kernel.shape
    flat = x.reshape(batch * height * width, channels)
    # The last window of the last image starts (rows-1) rows and (columns-1) columns before the end.
    count = max(batch * height * width - (rows - 1) * width - (columns - 1), 0)
    total = flat.new_empty(batch * height * width, out_channels)
    inside = total[:count]
    for t, u in product(range(rows), range(columns)):
        offset = t * width + u
        block = flat[offset : offset + count]
        if offset == 0:
            torch.mm(block, kernel[t, u], out=inside)
        else:
            inside.addmm_(block, kernel[t, u])
    return total.view(batch, height, width, out_channels)[:, : height - rows + 1, : width - columns + 1]


def _correlate_by_planes(x: Tensor, kernel: Tensor) -> Tensor:
    """Multiply every pixel by every tap at once, and add up the planes that this makes, each shifted by its tap's offset.

    For few output channels: products with few columns are slow, but with all taps side by side they are as many.
    """
    batch, height, width, channels = x.shape
    rows, columns, _, out_channels = kernel.shape
    count = max(batch * height * width - (rows - 1) * width - (columns - 1), 0)
    matrix = kernel.permute(0, 1, 3, 2).reshape(rows * columns * out_channels, channels)
    planes = (matrix @ x.reshape(-1, channels).T).view(rows, columns, out_channels, -1)
    total = planes[0, 0]
    inside = total[:, :count]
    for t, u in product(range(rows), range(columns)):
        if (t, u) != (0, 0):
            offset = t * width + u
            inside += planes[t, u, :, offset : offset + count]
    image = total.view(out_channels, batch, height, width).permute(1, 2, 3, 0)
    return image[:, : height - rows + 1, : width - columns + 1]


def patches(x: Tensor, kernel_size: Pair, stride: Pair) -> Tensor:
    """View padded images as their windows (batch, out_height, out_width, kernel_height, kernel_width, channels)."""
    batch, height, width, channels = x.shape
    step = x.stride()
    size = (
        batch,
        output_size(height, kernel_size[0], stride[0]),
        output_size(width, kernel_size[1], stride[1]),
        *kernel_size,
        channels,
    )
    return x.as_strided(size, (step[0], step[1] * stride[0], step[2] * stride[1], step[1], step[2], step[3]))


def _pieces(windows: Tensor) -> list[Tensor]:
    """Gather windows into matrices (batch piece * out_height * out_width, taps * channels) that stay in cache."""
    batch, height, width = windows.shape[:3]
    row = windows.shape[3] * windows.shape[4] * windows.shape[5]
    images = max(1, _PIECE // max(1, height * width * row))
    return list(torch.split(windows, images)) if batch else []


def _correlate_by_patches(x: Tensor, kernel: Tensor, stride: Pair) -> Tensor:
    """Gather every window into a row, and multiply: a piece of the batch at a time."""
    rows, columns, _, out_channels = kernel.shape
    windows = patches(x, (rows, columns), stride)
    matrix = kernel.reshape(-1, out_channels)
    batch, height, width = windows.shape[:3]
    out = x.new_empty(batch, height, width, out_channels)
    start = 0
    for piece in _pieces(windows):
        count = piece.shape[0]
        torch.mm(piece.reshape(-1, matrix.shape[0]), matrix, out=out[start : start + count].view(-1, out_channels))
        start += count
    return out


def correlate_kernel_gradient(x: Tensor, grad: Tensor, kernel_size: Pair, stride: Pair = (1, 1)) -> Tensor:
    """Return dk, given the padded images that ``correlate`` read and the gradient of what it returned."""
    channels, out_channels = x.shape[-1], grad.shape[-1]
    if stride == (1, 1) and out_channels < channels:
        # The same sum over the other index: pixel p meets g[p - (t, u)]. Windows of the narrower side are gathered.
        rows, columns = kernel_size
        framed = pad(grad, rows - 1, rows - 1, columns - 1, columns - 1)
        turned = correlate_kernel_gradient(framed, x, kernel_size)
        return turned.flip(0, 1).transpose(2, 3)
    windows = patches(x, kernel_size, stride)
    total = x.new_zeros(kernel_size[0] * kernel_size[1] * channels, out_channels)
    start = 0
    for piece in _pieces(windows):
        count = piece.shape[0]
        g = grad[start : start + count].reshape(-1, out_channels)
        total.addmm_(piece.reshape(-1, total.shape[0]).T, g)
        start += count
    return total.view(*kernel_size, channels, out_channels)


class _Residues(NamedTuple):
    """Residues first … first+size-1 of the stride, each of which meets the same number of the kernel's taps."""

    first: int
    size: int
    taps: int


def _residues(kernel: int, stride: int) -> list[_Residues]:
    """Group the residues by how many taps (r, r+stride, …) read them; leave out those that none reads."""
    groups: list[_Residues] = []
    for taps, members in groupby(range(stride), key=lambda r: max(0, -(-(kernel - r) // stride))):
        found = list(members)
        if taps:
            groups.append(_Residues(found[0], len(found), taps))
    return groups


def _adjoint_kernel(kernel: Tensor, stride: Pair, rows: _Residues, columns: _Residues) -> Tensor:
    """Return the taps of a group of residues, turned by 180°: (taps, taps, out_channels, residues * in_channels)."""
    in_channels, out_channels = kernel.shape[2:]
    part = torch.stack(
        [
            torch.stack(
                [
                    kernel[r :: stride[0], c :: stride[1]].flip(0, 1)
                    for c in range(columns.first, columns.first + columns.size)
                ]
            )
            for r in range(rows.first, rows.first + rows.size)
        ]
    )  # (row residues, column residues, row taps, column taps, in, out)
    return part.permute(2, 3, 5, 0, 1, 4).reshape(
        rows.taps, columns.taps, out_channels, rows.size * columns.size * in_channels
    )


def correlate_input_gradient(grad: Tensor, kernel: Tensor, padded_size: Pair, stride: Pair = (1, 1)) -> Tensor:
    """Return dx for the padded images: exactly 0 wherever no window reads.

    The index that tap t of window i reads is p = s*i + t. Of all p with residue r = p mod s, only the taps r, r+s, … can
    read them, so these p see a stride-1 correlation of the gradient with those taps in reverse. Residues with equally
    many taps are computed together, as more output channels of one product, and laid between each other afterwards.
    """
    batch = grad.shape[0]
    in_channels, (height, width) = kernel.shape[2], padded_size
    row_groups = _residues(kernel.shape[0], stride[0])
    column_groups = _residues(kernel.shape[1], stride[1])
    dx: Tensor | None = None
    for rows, columns in product(row_groups, column_groups):
        framed = pad(grad, rows.taps - 1, rows.taps - 1, columns.taps - 1, columns.taps - 1)
        part = correlate(framed, _adjoint_kernel(kernel, stride, rows, columns))
        if stride == (1, 1) and part.shape[1:3] == (height, width):
            return part  # the only group, and nothing left uncovered
        if dx is None:
            dx = grad.new_zeros(batch, *padded_size, in_channels)
        steps = part.shape[1:3]
        part = part.reshape(batch, *steps, rows.size, columns.size, in_channels)
        for r, c in product(range(rows.size), range(columns.size)):
            target = dx[:, rows.first + r :: stride[0], columns.first + c :: stride[1]]
            # `steps` windows reach into this residue; what lies beyond is not covered, and stays 0.
            target[:, : steps[0], : steps[1]] = part[:, :, :, r, c]
    return grad.new_zeros(batch, *padded_size, in_channels) if dx is None else dx
