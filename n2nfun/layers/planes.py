"""An upsampling as one product of each pixel with every tap, and sums of what they make.

Pixel q of one dimension is copied to ``s*q`` up to ``s*q + s - 1``, and output i reads copy ``i - p + t`` with tap t. So with

    P[q, t] = x[q] * w[t]

output ``s*q + r`` is the sum over t of ``P[q + floor((r - p + t) / s), t]``. That is one product for each tap, of pixels as they
lie, where a kernel for each phase (see ``phases.py``) has one for each pixel that the phase reads: 16 for 9 taps, if an image
is enlarged twice. The sums are made along one dimension after the other, each in the place between the phases where it stays.
"""

from typing import TypeAlias

import torch
from torch import Tensor

from n2nfun.geometry import Pair
from n2nfun.layers.constants import once_for_each
from n2nfun.layers.correlation import multiply
from n2nfun.layers.lowering import aligned, pad
from n2nfun.layers.reordering import reordered

Falls: TypeAlias = tuple[tuple[int, ...], ...]
"""For each phase, for each tap: on which pixel it falls, from q."""

_MOST = 1 << 20
"""So many numbers of P stay in a cache until they are added up."""

_RUN = 8
"""Torch adds runs of channels, and takes its time for each: of fewer channels than this it takes longer than the products."""

_GAIN = 1.5
"""So many times the products have to be saved: sums are made for them."""


@once_for_each
def planes_fit(
    pixels: Pair, size: Pair, taps: Pair, scale: Pair, padding: Pair, out_channels: int, products: int
) -> bool:
    """Choose this form of an upsampling, for images of any number.

    Tap p, which falls on pixel q in each phase, has to read a pixel for each output.

    Args:
        pixels: (height, width) of the image.
        size: (height, width) of the result.
        taps: (height, width) of the kernel.
        scale: How often each row and column is repeated.
        padding: Zeros around the enlarged image.
        out_channels: Of the result.
        products: Of each pixel with numbers of an output channel, in the other form.
    """
    numbers = pixels[0] * pixels[1] * taps[0] * taps[1] * out_channels
    if out_channels < _RUN or numbers > _MOST or products < _GAIN * taps[0] * taps[1]:
        return False
    axes = zip(pixels, size, taps, scale, padding, strict=True)
    return all(p < kernel and out <= s * length for length, out, kernel, s, p in axes)


def correlate_planes(x: Tensor, weight: Tensor, bias: Tensor | None, scale: Pair, padding: Pair, size: Pair) -> Tensor:
    """Enlarge an image and correlate it with a kernel, where that form fits.

    Args:
        x: Lines (height, batch, width, in_channels), of any memory layout.
        weight: (out_channels, in_channels, kernel_height, kernel_width), likewise.
        bias: For each output channel, or None.
        scale: How often each row and column of x is repeated.
        padding: Zeros around the enlarged x.
        size: (height, width) of the result.

    Returns:
        Lines (height, batch, width, out_channels).
    """
    height, batch, width, channels = x.shape
    out_channels, _, rows, columns = weight.shape
    of_rows, of_columns = _falls(rows, scale[0], padding[0]), _falls(columns, scale[1], padding[1])
    steps = -(-size[0] // scale[0]), -(-size[1] // scale[1])
    matrix = reordered(weight, torch.permute, (1, 2, 3, 0)).view(channels, -1)
    before = padding[0] * columns + padding[1]
    # To the products of tap p alone, one of which is in each output.
    added = None if bias is None else pad(bias.view(1, 1, 1, -1), before, rows * columns - 1 - before, 0, 0).reshape(-1)

    y = x.new_empty(scale[0] * steps[0], batch, steps[1], scale[1], out_channels)
    images = max(1, _MOST // max(1, height * width * matrix.shape[1]))
    for first in range(0, batch, images):
        chosen = slice(first, first + images)
        pixels = aligned(x[:, chosen]).view(1, -1, channels)
        length = pixels.shape[1]
        planes = multiply((pixels,), (matrix[None],), added, None, slice(0, length), length)
        planes = planes.view(height, -1, width, rows, columns, out_channels)
        tall = x.new_empty(steps[0], scale[0], planes.shape[1], width, columns, out_channels)
        _write_sums(planes, 0, of_rows, tall)
        _write_sums(tall.flatten(0, 1), 2, of_columns, y[:, chosen])
    return y.flatten(2, 3)[: size[0], :, : size[1]]


@once_for_each
def _falls(kernel: int, scale: int, padding: int) -> Falls:
    return tuple(tuple((r - padding + t) // scale for t in range(kernel)) for r in range(scale))


def _write_sums(planes: Tensor, axis: int, falls: Falls, out: Tensor) -> None:
    """Write the sums over the taps of one dimension, which are in dimension 3, for each phase.

    Args:
        planes: P, of all positions along this axis.
        axis: The dimension of positions.
        falls: The pixel of each tap.
        out: Where to, with the phases in the dimension behind.
    """
    steps, length = out.shape[axis], planes.shape[axis]
    taps = planes.unbind(3)
    for total, pixels in zip(out.unbind(axis + 1), falls, strict=True):
        first, *others = (plane for plane, pixel in zip(taps, pixels, strict=True) if pixel == 0)
        if steps < length:
            first, *others = (plane.narrow(axis, 0, steps) for plane in (first, *others))
        if others:
            torch.add(first, others[0], out=total)
        else:
            total.copy_(first)
        for plane in others[1:]:
            total.add_(plane)
        for plane, pixel in zip(taps, pixels, strict=True):
            low, high = max(0, -pixel), min(steps, length - pixel)
            if pixel and low < high:
                total.narrow(axis, low, high - low).add_(plane.narrow(axis, low + pixel, high - low))
