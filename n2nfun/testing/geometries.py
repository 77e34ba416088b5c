"""Sizes of windowed layers for Hypothesis: constructed so that every draw is legal, and small ones come first."""

from dataclasses import dataclass

import torch
from hypothesis import strategies as st
from torch import Tensor

from n2nfun.layer import Shape
from n2nfun.layers import Conv2d, Upsampling

CHANNELS = st.sampled_from([(1, 1), (2, 1), (1, 2), (2, 3), (3, 2), (16, 2), (2, 16), (17, 16)])
"""Of input and output. From 16 on, convolutions of stride 1 are computed in another way."""


@dataclass(frozen=True)
class Axis:
    """One dimension of a convolution."""

    size: int
    kernel: int
    stride: int
    padding: int

    def covered(self) -> list[bool]:
        """Tell of each index of the input whether a window reads it."""
        windows = (self.size + 2 * self.padding - self.kernel) // self.stride + 1
        read = {self.stride * i + t - self.padding for i in range(windows) for t in range(self.kernel)}
        return [index in read for index in range(self.size)]

    def leaves_border(self) -> bool:
        """Tell whether no window reads the last index."""
        return not self.covered()[-1]

    def leaves_gap(self) -> bool:
        """Tell whether no window reads some index between two that are read."""
        covered = self.covered()
        if True not in covered:
            return False
        return False in covered[covered.index(True) : len(covered) - covered[::-1].index(True)]


@st.composite
def axes(draw: st.DrawFn, longest: int) -> Axis:
    """Draw kernel, stride, number of windows and what is left behind the last one; the input's size follows."""
    kernel, stride, windows = draw(st.integers(1, 4)), draw(st.integers(1, 5)), draw(st.integers(1, longest))
    padded = kernel + stride * (windows - 1) + draw(st.integers(0, stride - 1))
    padding = draw(st.integers(0, min((padded - 1) // 2, kernel + 2)))
    return Axis(padded - 2 * padding, kernel, stride, padding)


@dataclass(frozen=True)
class ConvGeometry:
    """A convolution and an input for it."""

    layer: Conv2d
    shape: Shape
    vertical: Axis
    horizontal: Axis

    def uncovered(self) -> Tensor:
        """Return a mask (height, width) of the input that no window reads."""
        rows, columns = torch.tensor(self.vertical.covered()), torch.tensor(self.horizontal.covered())
        return ~(rows[:, None] & columns)


@st.composite
def conv_geometries(draw: st.DrawFn) -> ConvGeometry:
    """Draw a convolution and an input for it: constructed, so that every draw is legal.

    Of the draws at least 1 in 3 leaves a border of the input uncovered, 1 in 3 a gap between windows, 1 in 3 nothing; 1
    in 3 is padded by at least its kernel in a dimension; 1 in 7 has a kernel of 1x1; 1 in 7 a single window; 1 in 20 is
    ten times as long as wide; 1 in 20 has 30 columns or more; 1 in 5 has an empty batch; 1 in 40 has a stride of 1 and
    16 channels or more.
    """
    vertical, horizontal = draw(axes(5)), draw(axes(5) | axes(24))
    layer = Conv2d(
        *draw(CHANNELS),
        (vertical.kernel, horizontal.kernel),
        stride=(vertical.stride, horizontal.stride),
        padding=(vertical.padding, horizontal.padding),
        bias=draw(st.booleans()),
    )
    shape = (draw(st.sampled_from([1, 2, 3, 0])), layer.in_channels, vertical.size, horizontal.size)
    return ConvGeometry(layer, shape, vertical, horizontal)


@st.composite
def upsampling_axes(draw: st.DrawFn) -> tuple[int, int, int, int, int]:
    """Draw (size, scale, padding, kernel, trim) of one dimension of an upsampling."""
    size, scale, padding = draw(st.integers(1, 5)), draw(st.integers(1, 4)), draw(st.integers(0, 4))
    padded = scale * size + 2 * padding
    kernel = draw(st.integers(1, min(padded, 6)))
    return size, scale, padding, kernel, draw(st.integers(0, min(padded - kernel, 2)))


@st.composite
def upsamplings(draw: st.DrawFn) -> tuple[Upsampling, Shape]:
    """Draw an upsampling, and the shape of an input for it.

    Of the draws at least 1 in 3 makes rows or columns that are no multiple of the scale; 1 in 3 is trimmed; 1 in 3 is
    padded by at least its kernel in a dimension; 1 in 3 has a scale of 1 in a dimension; 1 in 5 a kernel smaller than
    its scale in a dimension; 1 in 5 has an empty batch.
    """
    vertical, horizontal = draw(upsampling_axes()), draw(upsampling_axes())
    scale, padding, kernel, trim = zip(vertical[1:], horizontal[1:], strict=True)
    layer = Upsampling(
        *draw(CHANNELS),
        kernel,
        scale_factor=scale,
        padding=padding,
        bias=draw(st.booleans()),
        trim=trim,
    )
    return layer, (draw(st.sampled_from([1, 2, 3, 0])), layer.in_channels, vertical[0], horizontal[0])
