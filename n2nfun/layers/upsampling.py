"""Enlarging by repetition, alone and followed by a convolution as one layer that never makes the enlarged image."""

from dataclasses import dataclass
from typing import Any, Generic, overload

import torch
from jaxtyping import Float
from torch import Tensor

from n2nfun.geometry import Pair, Size, as_pair, check_image_shape, enlarged, windowed_shape
from n2nfun.init import Initializer, check_generator, xavier_uniform
from n2nfun.layer import ChannelPreserving, In, NoParams, Out, Shape
from n2nfun.layers.channels import KnownIn, KnownOut
from n2nfun.layers.checks import check_cache, check_gradient, check_input, check_params
from n2nfun.layers.convolving import ConvolvingLayer, ConvParams
from n2nfun.layers.lowering import images_of, in_order, lines_of, transformed
from n2nfun.layers.phases import Run, correlate_phases, folded_taps, upsampled_phases
from n2nfun.layers.planes import correlate_planes, planes_fit
from n2nfun.layers.precision import detached, rounded, working
from n2nfun.layers.spread import spread_gradients

__all__ = ["NearestCache", "NearestUpsampling", "Upsampling", "UpsamplingCache"]


@dataclass(frozen=True, slots=True)
class NearestCache:
    """What the backward of nearest upsampling needs of its forward: no numbers."""

    shape: Shape
    """Of the input."""
    dtype: torch.dtype


@dataclass(frozen=True, init=False)
class NearestUpsampling(ChannelPreserving[NoParams, NearestCache]):
    """Repeat every pixel: ``y[b, c, i, j] = x[b, c, floor(i / s), floor(j / s)]``, s times as high and wide.

    Args:
        scale_factor: One whole number, or (vertical, horizontal).

    Raises:
        TypeError: if scale_factor is not of its type.
        ValueError: if it is out of range.

    Example:
        >>> import torch
        >>> y, _ = NearestUpsampling((1, 2)).forward(NoParams(), torch.tensor([[[[1.0, 2.0]]]]))
        >>> y
        tensor([[[[1., 1., 2., 2.]]]])
    """

    scale_factor: Pair

    def __init__(self, scale_factor: Size) -> None:
        object.__setattr__(self, "scale_factor", as_pair("scale_factor", scale_factor))

    def init(self, generator: torch.Generator) -> NoParams:
        """Return no parameters."""
        check_generator(generator)
        return NoParams()

    def output_shape(self, shape: Shape) -> Shape:
        """Return (batch, channels, scale * height, scale * width)."""
        batch, channels, height, width = check_image_shape(shape)
        return batch, channels, enlarged(height, self.scale_factor[0]), enlarged(width, self.scale_factor[1])

    def forward(
        self, params: NoParams, x: Float[Tensor, "batch channels height width"]
    ) -> tuple[Float[Tensor, "batch channels out_height out_width"], NearestCache]:
        """Repeat rows and columns."""
        check_input("NearestUpsampling.forward()", x)
        check_params("NearestUpsampling.forward()", params, NoParams)
        shape = self.output_shape(tuple(x.shape))
        vertical, horizontal = self.scale_factor
        batch, channels, height, width = x.shape
        repeated = detached(x)[:, :, :, None, :, None].expand(batch, channels, height, vertical, width, horizontal)
        return repeated.clone(memory_format=torch.contiguous_format).view(shape), NearestCache(tuple(x.shape), x.dtype)

    def backward(
        self, params: NoParams, cache: NearestCache, grad: Float[Tensor, "batch channels out_height out_width"]
    ) -> tuple[Float[Tensor, "batch channels height width"], NoParams]:
        """``dx`` sums the gradients of each pixel's copies."""
        check_params("NearestUpsampling.backward()", params, NoParams)
        check_cache("NearestUpsampling.backward()", cache, NearestCache)
        check_gradient("NearestUpsampling.backward()", grad, self.output_shape(cache.shape), cache.dtype)
        vertical, horizontal = self.scale_factor
        batch, channels, height, width = cache.shape
        blocks = working(grad).contiguous().view(batch, channels, height, vertical, width, horizontal)
        return rounded(blocks.sum((3, 5)), grad.dtype), NoParams()


@dataclass(frozen=True, slots=True)
class UpsamplingCache:
    """What the backward of an upsampling needs of its forward."""

    x: Float[Tensor, "height batch width in_channels"]
    """The input, line by line, in the precision it is computed in."""
    output_shape: Shape


@dataclass(frozen=True, init=False)
class Upsampling(ConvolvingLayer[UpsamplingCache, In, Out], Generic[In, Out]):
    """Enlarge by repetition, then convolve: ``y = Conv2d(NearestUpsampling(x))``, without the enlarged image.

    The kernel is folded onto the low-resolution pixels that its taps fall on (see ``phases.py``), so the layer is a
    convolution at low resolution that makes every phase of the output at once; or, where that saves a third of the products,
    each pixel is multiplied by each tap, and the products are added up (see ``planes.py``). Shapes: x (batch, in_channels,
    height, width) to y (batch, out_channels, height', width'), where
    ``height' = scale*height + 2*padding - kernel + 1 - trim``.

    Args:
        in_channels: Channels of x.
        out_channels: Channels of y.
        kernel_size: Of the convolution at high resolution: one number, or (height, width).
        scale_factor: How many times as high and wide, likewise.
        padding: Rows and columns of zeros on each side of the enlarged image, likewise.
        bias: Whether a number is added to each channel; it starts at 0.
        trim: Rows and columns left out at the bottom and right, likewise. An even kernel makes ``scale*height + 1`` rows
            with ``padding=kernel // 2``, and one fewer than ``scale*height`` with less: ``trim=1`` mends the first.
        initializer: How the weights start; the default is Xavier's uniform distribution.

    Raises:
        TypeError: if an argument is not of its type.
        ValueError: if a size is out of range.

    Source: resize-convolution is from Odena et al., "Deconvolution and Checkerboard Artifacts", Distill 2016; the phases
    are those of polyphase interpolation.

    Example:
        >>> import torch
        >>> from n2nfun.layers import Conv2d
        >>> layer = Upsampling(32, 16, 5, scale_factor=2, padding=2)
        >>> layer.output_shape((4, 32, 8, 8))
        (4, 16, 16, 16)
        >>> params = layer.init(torch.Generator().manual_seed(0))
        >>> whole = ConvParams((1024 * params.weight).round(), params.bias)  # their sums are exact
        >>> y, cache = layer.forward(whole, torch.ones(4, 32, 8, 8))
        >>> enlarged, _ = NearestUpsampling(2).forward(NoParams(), torch.ones(4, 32, 8, 8))
        >>> expected, _ = Conv2d(32, 16, 5, padding=2).forward(whole, enlarged)
        >>> torch.equal(y, expected)
        True
    """

    scale_factor: Pair
    trim: Pair

    @overload
    def __init__(
        self: "Upsampling[KnownIn, KnownOut]",
        in_channels: KnownIn,
        out_channels: KnownOut,
        kernel_size: Size,
        *,
        scale_factor: Size = ...,
        padding: Size = ...,
        bias: bool = ...,
        trim: Size = ...,
        initializer: Initializer = ...,
    ) -> None: ...
    @overload
    def __init__(
        self: "Upsampling[KnownIn, Any]",
        in_channels: KnownIn,
        out_channels: int,
        kernel_size: Size,
        *,
        scale_factor: Size = ...,
        padding: Size = ...,
        bias: bool = ...,
        trim: Size = ...,
        initializer: Initializer = ...,
    ) -> None: ...
    @overload
    def __init__(
        self: "Upsampling[Any, KnownOut]",
        in_channels: int,
        out_channels: KnownOut,
        kernel_size: Size,
        *,
        scale_factor: Size = ...,
        padding: Size = ...,
        bias: bool = ...,
        trim: Size = ...,
        initializer: Initializer = ...,
    ) -> None: ...
    @overload
    def __init__(
        self: "Upsampling[Any, Any]",
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        *,
        scale_factor: Size = ...,
        padding: Size = ...,
        bias: bool = ...,
        trim: Size = ...,
        initializer: Initializer = ...,
    ) -> None: ...
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        *,
        scale_factor: Size = 2,
        padding: Size = 0,
        bias: bool = True,
        trim: Size = 0,
        initializer: Initializer = xavier_uniform,
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, padding=padding, bias=bias, initializer=initializer)
        object.__setattr__(self, "scale_factor", as_pair("scale_factor", scale_factor))
        object.__setattr__(self, "trim", as_pair("trim", trim, least=0))

    def output_shape(self, shape: Shape) -> Shape:
        """Return (batch, out_channels, height', width')."""
        return windowed_shape(
            shape,
            in_channels=self.in_channels,
            out_channels=self.out_channels,
            kernel_size=self.kernel_size,
            padding=self.padding,
            scale=self.scale_factor,
            trim=self.trim,
        )

    def forward(
        self, params: ConvParams, x: Float[Tensor, "batch in_channels height width"]
    ) -> tuple[Float[Tensor, "batch out_channels out_height out_width"], UpsamplingCache]:
        """Correlate with the folded kernels of all phases, or with each tap, and lay the phases between each other."""
        check_input("Upsampling.forward()", x)
        shape = self.output_shape(tuple(x.shape))
        self._check_params("Upsampling.forward()", params, "x", x)
        low = lines_of(working(x))
        bias = None if params.bias is None else working(params.bias)
        size, weight = (shape[2], shape[3]), working(params.weight)
        if self._planes_fit((x.shape[2], x.shape[3]), size) and not transformed(x, weight, bias):
            y = correlate_planes(low, weight, bias, self.scale_factor, self.padding, size)
        else:
            y = correlate_phases(low, weight, bias, self._runs(), self.scale_factor, size)
        return rounded(images_of(y), x.dtype), UpsamplingCache(low, shape)

    def backward(
        self, params: ConvParams, cache: UpsamplingCache, grad: Float[Tensor, "batch out_channels out_height out_width"]
    ) -> tuple[Float[Tensor, "batch in_channels height width"], ConvParams]:
        """``dx`` and ``dw`` from the windows of grad that each pixel reaches (see ``spread.py``); ``dbias = sum of grad``."""
        check_cache("Upsampling.backward()", cache, UpsamplingCache)
        check_gradient("Upsampling.backward()", grad, cache.output_shape)
        self._check_params("Upsampling.backward()", params, "grad", grad)
        height, batch, width, channels = cache.x.shape
        self._check_cached("Upsampling.backward()", cache.x, grad, (batch, channels, height, width), cache.output_shape)
        g = in_order(lines_of(working(grad)))
        dx, dweight = spread_gradients(cache.x, working(params.weight), g, self.scale_factor, self.padding)
        return rounded(images_of(dx), grad.dtype), self._gradients(dweight, g, grad.dtype)

    def multiply_adds(self, shape: Shape) -> int:
        """Count one for each weight that ``forward`` multiplies a low-resolution pixel with: of the kernel, or of folded ones."""
        out = self.output_shape(shape)
        pixels, size = (shape[2], shape[3]), (out[2], out[3])
        if self._planes_fit(pixels, size):
            return shape[0] * pixels[0] * pixels[1] * self.kernel_size[0] * self.kernel_size[1] * shape[1] * out[1]
        steps = [-(-length // scale) for length, scale in zip(size, self.scale_factor, strict=True)]
        return shape[0] * steps[0] * steps[1] * self._folded_taps() * shape[1] * out[1]

    def _planes_fit(self, pixels: Pair, size: Pair) -> bool:
        """Choose how to compute ``forward``."""
        kernel, products = self.kernel_size, self._folded_taps()
        return planes_fit(pixels, size, kernel, self.scale_factor, self.padding, self.out_channels, products)

    def _folded_taps(self) -> int:
        return folded_taps(self.kernel_size, self.scale_factor, self.padding)

    def _runs(self) -> tuple[tuple[Run, ...], tuple[Run, ...]]:
        """Return the phases of the rows and of the columns."""
        (height, width), (rows, columns) = self.kernel_size, self.scale_factor
        return upsampled_phases(height, rows, self.padding[0]), upsampled_phases(width, columns, self.padding[1])
