"""Cross-correlation in channels-last order, and its derivative in the kernel: all that the convolving layers are made of.

Everything here is private to ``n2nfun.layers``, and works on

- images ``x``  (batch, height, width, channels), already padded, of any memory layout: the results are the same bits;
- kernels ``k`` (out_channels, kernel_height, kernel_width, in_channels).

    y[b, i, j, o]  =  bias[o] + sum over t, u, c of  x[b, s*i + t, s*j + u, c] * k[o, t, u, c]
    dk[o, t, u, c] =  sum over b, i, j of  x[b, s*i + t, s*j + u, c] * g[b, i, j, o]

Each is computed in the form that fits the geometry; all forms are the same sum.
"""

from collections.abc import Iterator
from itertools import product
from math import prod

import torch
from torch import Tensor
from torch._C._functorch import is_batchedtensor  # nothing public tells

from n2nfun.geometry import Pair

_PIECE = 1 << 18
"""Windows are gathered for as many images, or lines of one, at a time as fill about this many numbers: they stay in cache."""

_WIDE = 16
"""With fewer columns than this a matrix product is slow; one of as few rows is not."""

_FEW = 5
"""Images of fewer channels are worked on plane by plane, as images mostly are stored: their channels are no run to copy."""

_REGISTER = 64
"""Bytes of the widest vector register."""


def pad(x: Tensor, top: int, bottom: int, left: int, right: int) -> Tensor:
    """Put zeros around channels-last images, or, where a margin is negative, cut off from them."""
    if top == bottom == left == right == 0:
        return x
    if by_planes(x):
        return torch.constant_pad_nd(x.permute(0, 3, 1, 2), (left, right, top, bottom)).permute(0, 2, 3, 1)
    return torch.constant_pad_nd(x, (0, 0, left, right, top, bottom))


def narrow(columns: int) -> bool:
    """Choose to multiply matrices turned: ``(B^T A^T)^T``."""
    return columns < _WIDE


def by_planes(x: Tensor) -> bool:
    """Choose the order in memory in which channels-last images are worked on."""
    return x.shape[-1] < _FEW


def in_order(x: Tensor) -> Tensor:
    """Return channels-last images in the order in memory in which they are worked on."""
    return x.permute(0, 3, 1, 2).contiguous().permute(0, 2, 3, 1) if by_planes(x) else x.contiguous()


def aligned(x: Tensor) -> Tensor:
    """Return the numbers in their order, from where a vector register can be filled: products round by order and address."""
    dense = x.contiguous()
    if torch.compiler.is_compiling():  # addresses are not known yet, and a compiler chooses those of what it makes
        return dense
    return dense if dense.storage_offset() * dense.element_size() % _REGISTER == 0 else dense.clone()


def vectorized(*tensors: Tensor | None) -> bool:
    """Say whether a tensor is many under ``torch.func.vmap``, which has no products into given memory, or none by pieces."""
    return any(tensor is not None and is_batchedtensor(tensor) for tensor in tensors)


def correlate(x: Tensor, kernel: Tensor, bias: Tensor | None = None, stride: Pair = (1, 1)) -> Tensor:
    """Slide a kernel over padded images: (batch, out_height, out_width, out_channels), of any memory layout."""
    found = windows(x, (kernel.shape[1], kernel.shape[2]), stride)
    if not _by_taps(found, stride):
        return _correlate_by_windows(found, kernel, bias)
    form = _correlate_by_planes if narrow(kernel.shape[0]) else _correlate_by_taps
    y = form(aligned(x), kernel)
    return y if bias is None else y + bias


def kernel_gradient(x: Tensor, grad: Tensor, kernel_size: Pair, stride: Pair = (1, 1)) -> Tensor:
    """Return dk (out_channels, kernel_height, kernel_width, in_channels), given the gradient of what ``correlate`` made."""
    found = windows(x, kernel_size, stride)
    if _by_taps(found, stride) and grad.shape[3] >= _WIDE:
        return _kernel_gradient_by_taps(aligned(x), aligned(grad), kernel_size)
    if stride == (1, 1) and grad.shape[3] < x.shape[3]:
        # The same sum over the other index: pixel p meets g[p - (t, u)]. Windows of the narrower side are gathered.
        (rows, columns), channels = kernel_size, x.shape[3]
        framed = pad(grad, rows - 1, rows - 1, columns - 1, columns - 1)
        turned = _kernel_gradient_by_windows(windows(framed, kernel_size), x)
        return turned.view(channels, rows, columns, -1).flip(1, 2).permute(3, 1, 2, 0)
    return _kernel_gradient_by_windows(found, grad)


def windows(x: Tensor, kernel_size: Pair, stride: Pair = (1, 1)) -> Tensor:
    """View padded images as their windows (batch, out_height, out_width, kernel_height, kernel_width, channels)."""
    batch, height, width, channels = x.shape
    (rows, columns), (down, right) = kernel_size, stride
    size = (batch, (height - rows) // down + 1, (width - columns) // right + 1, rows, columns, channels)
    image, row, column, channel = x.stride()
    return x.as_strided(size, (image, row * down, column * right, row, column, channel))


def _by_taps(found: Tensor, stride: Pair) -> bool:
    """Choose a product for each tap where windows are too many to gather at once, and channels enough for wide products."""
    if stride != (1, 1) or found.shape[5] < _WIDE or found.numel() <= _PIECE:
        return False
    _, height, width, rows, columns, _ = found.shape
    # Products of taps also compute the windows that wrap around.
    return 5 * height * width >= 4 * (height + rows - 1) * (width + columns - 1)


def all_gathered(found: Tensor) -> Tensor:
    """Copy windows into the rows of a matrix (positions, taps * channels), all of them; its memory is that of their copy."""
    positions, columns = prod(found.shape[:3]), prod(found.shape[3:])
    if by_planes(found):
        return aligned(_taps_first(found).reshape(columns, positions)).t()
    return aligned(found.reshape(positions, columns))


def _taps_first(found: Tensor) -> Tensor:
    """View windows as the planes that each tap sees in each channel."""
    return found.permute(3, 4, 5, 0, 1, 2)


def at_once(found: Tensor, *others: Tensor | None) -> bool:
    """Choose to gather all windows at once where they stay in cache, and where their product must be in memory of its own.

    A compiler makes memory of its own of each piece that is written, and copies the rest.
    """
    return found.numel() <= _PIECE or torch.compiler.is_compiling() or vectorized(found, *others)


def gathered(found: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """Copy windows into the rows of a matrix (positions, taps * channels), a piece at a time.

    Yields which of all positions a piece holds, and the piece; the next one takes its memory.
    """
    batch, height, width, *taps = found.shape
    columns = prod(taps)
    images = min(batch, max(1, _PIECE // (height * width * columns)))
    lines = min(height, max(1, _PIECE // (width * columns)))
    # To map fresh memory for each piece takes longer than to fill it.
    memory = found.new_empty(images * lines * width * columns)
    for image, line in product(range(0, batch, images), range(0, height, lines)):
        piece = found[image : image + images, line : line + lines]
        positions = piece.shape[0] * piece.shape[1] * width
        start = (image * height + line) * width
        part = memory[: positions * columns]
        if by_planes(found):
            piece = _taps_first(piece)
            rows = part.view(columns, positions).t()
        else:
            rows = part.view(positions, columns)
        part.view(piece.shape).copy_(piece)
        yield slice(start, start + positions), rows


def _correlate_by_windows(found: Tensor, kernel: Tensor, bias: Tensor | None) -> Tensor:
    """Return ``X K + bias``, with a window in each row of X; of a narrow kernel ``K^T X^T + bias``."""
    batch, height, width = found.shape[:3]
    positions, out_channels = batch * height * width, kernel.shape[0]
    matrix = aligned(kernel).view(out_channels, -1)
    once = at_once(found, kernel, bias)
    if not narrow(out_channels):
        if once:
            return _product(all_gathered(found), matrix.t(), bias).view(batch, height, width, out_channels)
        y = matrix.new_empty(positions, out_channels)
        for place, rows in gathered(found):
            _product(rows, matrix.t(), bias, y[place])
        return y.view(batch, height, width, out_channels)
    column = None if bias is None else bias[:, None]
    if once:
        y = _product(matrix, all_gathered(found).t(), column)
    else:
        y = matrix.new_empty(out_channels, positions)
        for place, rows in gathered(found):
            _product(matrix, rows.t(), column, y[:, place])
    return y.view(out_channels, batch, height, width).permute(1, 2, 3, 0)


def _product(left: Tensor, right: Tensor, added: Tensor | None, out: Tensor | None = None) -> Tensor:
    if added is None:
        return torch.mm(left, right, out=out)
    if vectorized(left, right, added):  # there addmm multiplies by its factors, of 1
        return left @ right + added
    return torch.addmm(added, left, right, out=out)


def _correlate_by_taps(x: Tensor, kernel: Tensor) -> Tensor:
    """Add one product per tap, each reading the flattened images at the tap's own offset: nothing is gathered.

    In the flattened images a shift by (t, u) is an offset of t rows and u columns, so each tap is one product of a
    contiguous block. It also computes the windows that wrap around the right and lower borders; they are cut off.
    """
    batch, height, width, channels = x.shape
    out_channels, rows, columns, _ = kernel.shape
    taps = aligned(kernel.permute(1, 2, 3, 0))
    flat, count = x.view(-1, channels), _starts(x, (rows, columns))
    total = torch.mm(flat[:count], taps[0, 0])
    for t, u in product(range(rows), range(columns)):
        if (t, u) == (0, 0):
            continue
        block = flat[t * width + u :][:count]
        if vectorized(x, kernel):  # there addmm_ is computed model by model
            total += block @ taps[t, u]
        else:
            total.addmm_(block, taps[t, u])
    size = (batch, height - rows + 1, width - columns + 1, out_channels)
    return total.as_strided(size, (height * width * out_channels, width * out_channels, out_channels, 1))


def _correlate_by_planes(x: Tensor, kernel: Tensor) -> Tensor:
    """Multiply every pixel by every tap at once, and add up the planes that this makes, each shifted by its tap's offset.

    For few output channels: products with few columns are slow, but with all taps side by side they are as many.
    """
    batch, height, width, channels = x.shape
    out_channels, rows, columns, _ = kernel.shape
    matrix = aligned(kernel.permute(1, 2, 0, 3)).view(rows * columns * out_channels, channels)
    planes = (matrix @ x.view(-1, channels).t()).view(rows, columns, out_channels, -1)
    count = _starts(x, (rows, columns))
    total, *others = (planes[t, u, :, t * width + u :][:, :count] for t, u in product(range(rows), range(columns)))
    for plane in others:
        total = total + plane if torch.compiler.is_compiling() else total.add_(plane)
    size = (batch, height - rows + 1, width - columns + 1, out_channels)
    return total.as_strided(size, (height * width, width, 1, total.stride(0)))


def _starts(x: Tensor, kernel_size: Pair) -> int:
    """Count the places of the flattened images from the first window's to the last one's."""
    batch, height, width, _ = x.shape
    return batch * height * width - (kernel_size[0] - 1) * width - (kernel_size[1] - 1)


def _kernel_gradient_by_windows(found: Tensor, grad: Tensor) -> Tensor:
    """Return ``G^T X``, or its transpose: a product of few rows is faster than one of few columns."""
    out_channels = grad.shape[3]
    g = aligned(grad).view(-1, out_channels)
    fewer = out_channels <= prod(found.shape[3:])
    pieces = [(slice(None), all_gathered(found))] if at_once(found, g) else gathered(found)
    total: Tensor | None = None
    for place, rows in pieces:
        left, right = (g[place].t(), rows) if fewer else (rows.t(), g[place])
        total = left @ right if total is None else total.addmm_(left, right)
    assert total is not None
    return (total if fewer else total.t()).reshape(out_channels, *found.shape[3:])


def _kernel_gradient_by_taps(x: Tensor, grad: Tensor, kernel_size: Pair) -> Tensor:
    """Return each tap's part as one product of the gradient and the flattened images at the tap's offset."""
    width, channels = x.shape[2:]
    rows, columns = kernel_size
    flat = x.view(-1, channels)
    count = _starts(x, kernel_size)
    # Zeros where windows would wrap around the borders.
    g = pad(grad, 0, rows - 1, 0, columns - 1).reshape(-1, grad.shape[3])[:count].t()
    parts = [g @ flat[t * width + u :][:count] for t, u in product(range(rows), range(columns))]
    return torch.stack(parts, 1).view(grad.shape[3], rows, columns, channels)
