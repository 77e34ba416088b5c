"""The derivatives of an upsampling, by what each pixel is spread to: the windows of the gradient that it reaches.

Pixel q of one dimension is copied to ``s*q`` up to ``s*q + s - 1``, and so reaches the outputs from ``s*q + p - k + 1`` on,
k + s - 1 of them. The e-th is reached from copy c by tap ``k - 1 - e + c``; so it is reached by the sum of these taps, and
the gradient in the pixel is a correlation of the output's gradient, of stride s, with these sums. The same windows of the
gradient, times the pixels, are the gradient in the sums, and so in the taps.
"""

from functools import lru_cache

import torch
from torch import Tensor

from n2nfun.geometry import Pair
from n2nfun.layers.correlation import aligned, all_gathered, at_once, gathered, pad, windows


@lru_cache(maxsize=256)
def spread_map(kernel: Pair, scale: Pair, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return the map of a kernel's taps to the outputs that a pixel reaches: a matrix of zeros and ones.

    Its rows are (kernel row, kernel column), its columns (output row, output column).
    """
    rows, columns = (
        torch.tensor(_spread(k, s), dtype=dtype, device=device) for k, s in zip(kernel, scale, strict=True)
    )
    return torch.kron(rows, columns)


def _spread(kernel: int, scale: int) -> list[list[float]]:
    """Return the map of one dimension."""
    return [[float(0 <= t + e - kernel + 1 < scale) for e in range(kernel + scale - 1)] for t in range(kernel)]


def spread_gradients(x: Tensor, weight: Tensor, grad: Tensor, scale: Pair, padding: Pair) -> tuple[Tensor, Tensor]:
    """Return dx and dweight.

    Args:
        x: (batch, height, width, in_channels), of any memory layout.
        weight: (out_channels, in_channels, kernel_height, kernel_width).
        grad: (batch, out_height, out_width, out_channels), likewise.
        scale: How often each row and column of x is repeated.
        padding: Zeros around the enlarged x.
    """
    out_channels, in_channels, *kernel = weight.shape
    taps = (kernel[0], kernel[1])
    reach = (taps[0] + scale[0] - 1, taps[1] + scale[1] - 1)
    first = (taps[0] - 1 - padding[0], taps[1] - 1 - padding[1])
    # As many zeros behind as give a window to each pixel.
    last = [
        s * (pixels - 1) + size - before - outputs
        for s, pixels, size, before, outputs in zip(scale, x.shape[1:3], reach, first, grad.shape[1:3], strict=True)
    ]
    found = windows(pad(grad, first[0], last[0], first[1], last[1]), reach, scale)
    spread = spread_map(taps, scale, weight.dtype, weight.device)
    sums = (aligned(weight).view(-1, spread.shape[0]) @ spread).view(out_channels, in_channels, *reach)
    matrix = sums.permute(2, 3, 0, 1).reshape(-1, in_channels).contiguous()
    pixels = aligned(x).view(-1, in_channels)
    if at_once(found, matrix):
        rows = all_gathered(found)
        dx, dmatrix = rows @ matrix, pixels.t() @ rows
    else:
        dx = pixels.new_empty(pixels.shape)
        dmatrix = matrix.new_zeros(in_channels, len(matrix))
        for place, rows in gathered(found):
            torch.mm(rows, matrix, out=dx[place])
            dmatrix.addmm_(pixels[place].t(), rows)
    dsums = (
        dmatrix.view(in_channels, *reach, out_channels).permute(3, 0, 1, 2).reshape(-1, spread.shape[1]).contiguous()
    )
    return dx.view(x.shape), (dsums @ spread.t()).view(weight.shape)
