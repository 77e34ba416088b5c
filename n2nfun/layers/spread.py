"""The derivatives of an upsampling, by what each pixel is spread to.

Pixel q of one dimension is copied to ``s*q`` up to ``s*q + s - 1``, and copy m is read by output i with tap ``m + p - i``. So
with sums over s neighbouring gradients

    G[j] = g[j] + ... + g[j + s - 1]

the gradient in the pixel is ``sum over t of  G[s*q + p - t] * w[t]``: a correlation of G, of stride s, with the kernel turned
around, as if its taps were read by one pixel each. The same windows of G, times the pixels, are the gradient in the taps.
"""

from functools import reduce

import torch
from torch import Tensor

from n2nfun.geometry import Pair
from n2nfun.layers.correlation import Stacks, accumulate, as_kernel, filled, multiply, widened
from n2nfun.layers.lowering import aligned, blocks_of, lowered, pad, settled
from n2nfun.layers.reordering import reordered, taps_first, taps_last


def spread_gradients(x: Tensor, weight: Tensor, grad: Tensor, scale: Pair, padding: Pair) -> tuple[Tensor, Tensor]:
    """Return dx, as lines, and dweight.

    Args:
        x: Lines (height, batch, width, in_channels), of any memory layout.
        weight: (out_channels, in_channels, kernel_height, kernel_width).
        grad: Lines (out_height, batch, out_width, out_channels), likewise.
        scale: How often each row and column of x is repeated.
        padding: Zeros around the enlarged x.
    """
    out_channels, in_channels, rows, columns = weight.shape
    sums = _sums(x, grad, (rows, columns), scale, padding)
    blocks = blocks_of(sums, rows, scale[0])
    pixels = settled(aligned(x)).view(-1, in_channels)
    wide = widened(in_channels)
    pieces = lowered(sums, (rows, columns), scale, weight, pixels)
    # Together, sums, windows and kernels would be the most that a step holds: each goes as soon as it is used.
    del sums
    stacks: Stacks = ()
    dx: Tensor | None = None
    total: Tensor | None = None
    for chosen, windows in pieces:
        stacks = stacks or blocks.stacks(reordered(weight, _wide_taps).view(-1, wide))
        dx = multiply(windows, stacks, None, dx, chosen, pixels.shape[0])
        if chosen.stop == pixels.shape[0]:
            stacks = ()
        total = accumulate(total, windows, pixels[chosen])
        del windows
    assert dx is not None
    assert total is not None
    dx = dx.view(*x.shape[:3], wide)
    if wide > in_channels:  # a copy, as torch computes slowly what is of it, in short runs with gaps between
        dx = dx[..., :in_channels].contiguous()
    return dx, reordered(total, as_kernel, blocks, columns, out_channels, in_channels, taps_last)


def _wide_taps(kernel: Tensor) -> Tensor:
    """Return the kernel with its taps first, and with as many input channels as a product has columns."""
    return taps_first(filled(kernel.transpose(0, 1)).transpose(0, 1))


def _sums(x: Tensor, grad: Tensor, kernel: Pair, scale: Pair, padding: Pair) -> Tensor:
    """Return G for each window of each pixel, and for as many lines as the windows' last blocks take."""
    margins: list[int] = []
    lines = kernel[0] + -kernel[0] % scale[0], kernel[1]
    axes = zip(kernel, scale, padding, lines, x.shape[::2], grad.shape[::2], strict=True)
    for taps, s, p, reach, pixels, outputs in axes:
        before = taps - 1 - p
        margins += before, s * (pixels - 1) + reach + s - 1 - before - outputs
    total = pad(grad, *margins)
    for axis, s in zip((0, 2), scale, strict=True):
        places = total.shape[axis] - s + 1
        total = reduce(torch.add, [total.narrow(axis, first, places) for first in range(s)])
    return settled(total)
