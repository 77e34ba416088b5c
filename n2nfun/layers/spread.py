"""The derivatives of an upsampling, by what each pixel is spread to: the windows of the gradient that it reaches.

Pixel q of one dimension is copied to ``s*q`` up to ``s*q + s - 1``, and so reaches the outputs from ``s*q + p - k + 1`` on,
k + s - 1 of them. The e-th is reached from copy c by tap ``k - 1 - e + c``; so it is reached by the sum of these taps, and
the gradient in the pixel is a correlation of the output's gradient, of stride s, with these sums. The same windows of the
gradient, times the pixels, are the gradient in the sums, and so in the taps.
"""

import torch
from torch import Tensor

from n2nfun.geometry import Pair
from n2nfun.layers.constants import once_for_each
from n2nfun.layers.correlation import accumulate, multiply, narrow
from n2nfun.layers.lowering import aligned, blocks_of, lowered, pad


@once_for_each
def spread_map(kernel: Pair, scale: Pair, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return the map of a kernel's taps to the outputs that a pixel reaches: a matrix of zeros and ones.

    Its rows are (output row, output column), its columns (kernel row, kernel column).
    """
    rows, columns = (
        torch.tensor(_spread(k, s), dtype=dtype, device=device) for k, s in zip(kernel, scale, strict=True)
    )
    return torch.kron(rows, columns)


def _spread(kernel: int, scale: int) -> list[list[float]]:
    """Return the map of one dimension."""
    return [[float(0 <= t + e - kernel + 1 < scale) for t in range(kernel)] for e in range(kernel + scale - 1)]


def spread_gradients(x: Tensor, weight: Tensor, grad: Tensor, scale: Pair, padding: Pair) -> tuple[Tensor, Tensor]:
    """Return dx, as lines, and dweight.

    Args:
        x: Lines (height, batch, width, in_channels), of any memory layout.
        weight: (out_channels, in_channels, kernel_height, kernel_width).
        grad: Lines (out_height, batch, out_width, out_channels), likewise.
        scale: How often each row and column of x is repeated.
        padding: Zeros around the enlarged x.
    """
    _, in_channels, *kernel = weight.shape
    taps = (kernel[0], kernel[1])
    reach = (taps[0] + scale[0] - 1, taps[1] + scale[1] - 1)
    first = (taps[0] - 1 - padding[0], taps[1] - 1 - padding[1])
    # As many zeros behind as give a window to each pixel.
    last = [
        s * (pixels - 1) + size - before - outputs
        for s, pixels, size, before, outputs in zip(scale, x.shape[::2], reach, first, grad.shape[::2], strict=True)
    ]
    framed = pad(grad, first[0], last[0], first[1], last[1])
    spread = spread_map(taps, scale, weight.dtype, weight.device)
    blocks, _ = blocks_of(reach[0], scale[0])
    matrix = spread @ aligned(weight).view(-1, spread.shape[1]).t()
    stack = matrix.view(blocks, -1, in_channels)
    pixels, turned = aligned(x).view(-1, in_channels), narrow(in_channels)
    dx: Tensor | None = None
    dstack: Tensor | None = None
    for chosen, windows in lowered(framed, reach, scale, stack, pixels):
        dx = multiply(windows, stack, None, dx, chosen, len(pixels))
        dstack = accumulate(dstack, windows, pixels[chosen], turned=turned)
    assert dx is not None
    assert dstack is not None
    dmatrix = (dstack.transpose(1, 2) if turned else dstack).reshape(len(spread), -1)
    return dx.view(x.shape), (dmatrix.t() @ spread).view(weight.shape)
