"""Two-dimensional convolution, forward and backward, as matrix products."""

from dataclasses import dataclass
from typing import Any, Generic, overload

import torch
from jaxtyping import Float
from torch import Tensor

from n2nfun.geometry import Pair, Size, as_pair, windowed_shape
from n2nfun.init import Initializer, xavier_uniform
from n2nfun.layer import In, Out, Shape
from n2nfun.layers.channels import KnownIn, KnownOut
from n2nfun.layers.checks import check_cache, check_gradient, check_input
from n2nfun.layers.convolving import ConvolvingLayer, ConvParams
from n2nfun.layers.correlation import correlate, kernel_gradient
from n2nfun.layers.lowering import images_of, in_order, lines_of, pad
from n2nfun.layers.phases import adjoint_phases, correlate_phases
from n2nfun.layers.precision import rounded, working
from n2nfun.layers.reordering import reordered

__all__ = ["Conv2d", "ConvCache"]


@dataclass(frozen=True, slots=True)
class ConvCache:
    """What the backward of a convolution needs of its forward."""

    padded: Float[Tensor, "padded_height batch padded_width in_channels"]
    """The input with the zeros around it, line by line, in the precision it is computed in."""
    output_shape: Shape


@dataclass(frozen=True, init=False)
class Conv2d(ConvolvingLayer[ConvCache, In, Out], Generic[In, Out]):
    """Slide kernels over images.

    ``y[b, o, i, j] = bias[o] + sum over c, t, u of w[o, c, t, u] * x[b, c, s*i - p + t, s*j - p + u]``.
    It is the cross-correlation that the field calls convolution; x is zero outside its borders. Shapes: x (batch,
    in_channels, height, width) to y (batch, out_channels, height', width'), where
    ``height' = floor((height + 2*padding - kernel) / stride) + 1``. The gradient is exactly 0 for input that no window
    reads.

    Args:
        in_channels: Channels of x.
        out_channels: Channels of y: the number of kernels.
        kernel_size: One number, or (height, width).
        stride: From each window to the next, likewise.
        padding: Rows and columns of zeros on each side, likewise.
        bias: Whether a number is added to each channel; it starts at 0.
        initializer: How the weights start; the default is Xavier's uniform distribution.

    Raises:
        TypeError: if an argument is not of its type.
        ValueError: if a size is out of range.

    Source: Dumoulin and Visin, "A guide to convolution arithmetic for deep learning", 2016, sections 2 and 4.

    Example:
        >>> import torch
        >>> layer = Conv2d(3, 16, 2, stride=2)
        >>> layer.output_shape((4, 3, 32, 32))
        (4, 16, 16, 16)
        >>> params = layer.init(torch.Generator().manual_seed(0))
        >>> y, cache = layer.forward(params, torch.ones(4, 3, 32, 32))
        >>> dx, dparams = layer.backward(params, cache, torch.ones_like(y))
        >>> dx.shape, dparams.weight.shape
        (torch.Size([4, 3, 32, 32]), torch.Size([16, 3, 2, 2]))
    """

    stride: Pair

    @overload
    def __init__(
        self: "Conv2d[KnownIn, KnownOut]",
        in_channels: KnownIn,
        out_channels: KnownOut,
        kernel_size: Size,
        *,
        stride: Size = ...,
        padding: Size = ...,
        bias: bool = ...,
        initializer: Initializer = ...,
    ) -> None: ...
    @overload
    def __init__(
        self: "Conv2d[KnownIn, Any]",
        in_channels: KnownIn,
        out_channels: int,
        kernel_size: Size,
        *,
        stride: Size = ...,
        padding: Size = ...,
        bias: bool = ...,
        initializer: Initializer = ...,
    ) -> None: ...
    @overload
    def __init__(
        self: "Conv2d[Any, KnownOut]",
        in_channels: int,
        out_channels: KnownOut,
        kernel_size: Size,
        *,
        stride: Size = ...,
        padding: Size = ...,
        bias: bool = ...,
        initializer: Initializer = ...,
    ) -> None: ...
    @overload
    def __init__(
        self: "Conv2d[Any, Any]",
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        *,
        stride: Size = ...,
        padding: Size = ...,
        bias: bool = ...,
        initializer: Initializer = ...,
    ) -> None: ...
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        *,
        stride: Size = 1,
        padding: Size = 0,
        bias: bool = True,
        initializer: Initializer = xavier_uniform,
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, padding=padding, bias=bias, initializer=initializer)
        object.__setattr__(self, "stride", as_pair("stride", stride))

    def output_shape(self, shape: Shape) -> Shape:
        """Return (batch, out_channels, height', width')."""
        return windowed_shape(
            shape,
            in_channels=self.in_channels,
            out_channels=self.out_channels,
            kernel_size=self.kernel_size,
            stride=self.stride,
            padding=self.padding,
        )

    def forward(
        self, params: ConvParams, x: Float[Tensor, "batch in_channels height width"]
    ) -> tuple[Float[Tensor, "batch out_channels out_height out_width"], ConvCache]:
        """Pad, correlate, add the bias."""
        check_input("Conv2d.forward()", x)
        shape = self.output_shape(tuple(x.shape))
        self._check_params("Conv2d.forward()", params, "x", x)
        vertical, horizontal = self.padding
        padded = pad(lines_of(working(x)), vertical, vertical, horizontal, horizontal)
        bias = None if params.bias is None else working(params.bias)
        y = correlate(padded, reordered(working(params.weight), torch.permute, (0, 2, 3, 1)), bias, self.stride)
        return rounded(images_of(y), x.dtype), ConvCache(padded, shape)

    def backward(
        self, params: ConvParams, cache: ConvCache, grad: Float[Tensor, "batch out_channels out_height out_width"]
    ) -> tuple[Float[Tensor, "batch in_channels height width"], ConvParams]:
        """``dx``: what each window that reads a pixel brings it, times the tap that reads it; and the :meth:`gradients`."""
        g = self._output_gradient(params, cache, grad)
        (rows, columns), (down, right), (vertical, horizontal) = self.kernel_size, self.stride, self.padding
        size = (cache.padded.shape[0] - 2 * vertical, cache.padded.shape[2] - 2 * horizontal)
        runs = (adjoint_phases(rows, down, vertical), adjoint_phases(columns, right, horizontal))
        dx = correlate_phases(g, working(params.weight).transpose(0, 1), None, runs, self.stride, size)
        return rounded(images_of(dx), grad.dtype), self._parameter_gradients(cache, g, grad)

    def gradients(
        self, params: ConvParams, cache: ConvCache, grad: Float[Tensor, "batch out_channels out_height out_width"]
    ) -> ConvParams:
        """``dw = patches^T g``, ``dbias = sum of g`` over batch and space."""
        return self._parameter_gradients(cache, self._output_gradient(params, cache, grad), grad)

    def _output_gradient(self, params: ConvParams, cache: ConvCache, grad: Tensor) -> Tensor:
        """Check the arguments of a backward, and return grad as lines in order, in the working precision."""
        check_cache("Conv2d.backward()", cache, ConvCache)
        check_gradient("Conv2d.backward()", grad, cache.output_shape)
        self._check_params("Conv2d.backward()", params, "grad", grad)
        height, batch, width, channels = cache.padded.shape
        inside = (batch, channels, height - 2 * self.padding[0], width - 2 * self.padding[1])
        self._check_cached("Conv2d.backward()", cache.padded, grad, inside, cache.output_shape)
        return in_order(lines_of(working(grad)))

    def _parameter_gradients(self, cache: ConvCache, g: Tensor, grad: Tensor) -> ConvParams:
        return self._gradients(kernel_gradient(cache.padded, g, self.kernel_size, self.stride), g, grad.dtype)

    def multiply_adds(self, shape: Shape) -> int:
        """Count one for each weight of each window."""
        batch, channels, height, width = self.output_shape(shape)
        return batch * channels * height * width * self.in_channels * self.kernel_size[0] * self.kernel_size[1]
