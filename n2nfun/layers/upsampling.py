"""Enlarging by repetition, alone and followed by a convolution as one layer that never makes the enlarged image."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any, Generic, overload

import torch
from jaxtyping import Float
from torch import Tensor

from n2nfun.geometry import Pair, Size, as_pair, check_image_shape, enlarged, windowed_shape
from n2nfun.init import Initializer, xavier_uniform
from n2nfun.layer import ChannelPreserving, In, NoParams, Out, Shape
from n2nfun.layers.channels import KnownIn, KnownOut
from n2nfun.layers.checks import check_cache, check_gradient, check_input, check_params
from n2nfun.layers.convolving import ConvolvingLayer, ConvParams
from n2nfun.layers.correlation import correlate, correlate_input_gradient, correlate_kernel_gradient, pad
from n2nfun.layers.phases import Phases, collapse_map, phase_groups
from n2nfun.layers.precision import working

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
        repeated = x.detach()[:, :, :, None, :, None].expand(batch, channels, height, vertical, width, horizontal)
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
        return blocks.sum((3, 5)).to(grad.dtype), NoParams()


@dataclass(frozen=True, slots=True)
class UpsamplingCache:
    """What the backward of an upsampling needs of its forward."""

    x: Float[Tensor, "batch height width in_channels"]
    """The input, channels last, in the precision it is computed in."""
    output_shape: Shape


@dataclass(frozen=True, init=False)
class Upsampling(ConvolvingLayer[UpsamplingCache, In, Out], Generic[In, Out]):
    """Enlarge by repetition, then convolve: ``y = Conv2d(NearestUpsampling(x))``, without the enlarged image.

    The kernel is folded onto the low-resolution pixels that its taps fall on (see ``phases.py``), so the layer is a
    convolution at low resolution that makes every phase of the output at once. Shapes: x (batch, in_channels, height,
    width) to y (batch, out_channels, height', width'), where ``height' = scale*height + 2*padding - kernel + 1 - trim``.

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
        >>> y, cache = layer.forward(params, torch.ones(4, 32, 8, 8))
        >>> enlarged, _ = NearestUpsampling(2).forward(NoParams(), torch.ones(4, 32, 8, 8))
        >>> expected, _ = Conv2d(32, 16, 5, padding=2).forward(params, enlarged)
        >>> torch.allclose(y, expected, atol=1e-5)
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
        """Correlate with the folded kernel of each group of phases, and lay the phases between each other."""
        check_input("Upsampling.forward()", x)
        shape = self.output_shape(tuple(x.shape))
        self._check_params("Upsampling.forward()", params, "x", x)
        low = working(x).permute(0, 2, 3, 1).contiguous()
        kernel = self._kernel(params)
        steps = self._steps(shape)
        batch, channels = shape[:2]
        y = low.new_empty(batch, steps[0], self.scale_factor[0], steps[1], self.scale_factor[1], channels)
        for rows, columns in self._groups():
            part = correlate(pad(low, *self._margins(low, rows, columns, steps)), self._fold(kernel, rows, columns))
            _of_group(y, rows, columns).copy_(
                part.reshape(batch, *steps, rows.size, columns.size, channels).permute(0, 1, 3, 2, 4, 5)
            )
        y = y.view(batch, steps[0] * self.scale_factor[0], steps[1] * self.scale_factor[1], channels)
        y = y[:, : shape[2], : shape[3]]
        if params.bias is not None:
            y = y + working(params.bias)
        return y.permute(0, 3, 1, 2).to(x.dtype), UpsamplingCache(low, shape)

    def backward(
        self, params: ConvParams, cache: UpsamplingCache, grad: Float[Tensor, "batch out_channels out_height out_width"]
    ) -> tuple[Float[Tensor, "batch in_channels height width"], ConvParams]:
        """The adjoint of each group: its phases of grad give its part of dx, and the gradient of its folded kernel."""
        check_cache("Upsampling.backward()", cache, UpsamplingCache)
        check_gradient("Upsampling.backward()", grad, cache.output_shape)
        self._check_params("Upsampling.backward()", params, "grad", grad)
        batch, height, width, channels = cache.x.shape
        self._check_cached("Upsampling.backward()", cache.x, grad, (batch, channels, height, width), cache.output_shape)
        low, kernel, steps = cache.x, self._kernel(params), self._steps(cache.output_shape)
        vertical, horizontal = self.scale_factor
        whole = working(grad).permute(0, 2, 3, 1).contiguous()
        g = pad(whole, 0, steps[0] * vertical - whole.shape[1], 0, steps[1] * horizontal - whole.shape[2])
        g = g.view(batch, steps[0], vertical, steps[1], horizontal, self.out_channels)
        dx = torch.zeros_like(low)
        dkernel = torch.zeros_like(kernel)
        for rows, columns in self._groups():
            phases = rows.size * columns.size * self.out_channels
            part = _of_group(g, rows, columns).permute(0, 1, 3, 2, 4, 5).reshape(batch, *steps, phases)
            margins = self._margins(low, rows, columns, steps)
            padded, folded = pad(low, *margins), self._fold(kernel, rows, columns)
            dpadded = correlate_input_gradient(part, folded, (padded.shape[1], padded.shape[2]))
            top, bottom, left, right = (-margin for margin in margins)
            dx += pad(dpadded, top, bottom, left, right)
            dkernel += self._unfold(correlate_kernel_gradient(padded, part, (rows.taps, columns.taps)), rows, columns)
        return dx.permute(0, 3, 1, 2).to(grad.dtype), self._gradients(dkernel, whole, grad.dtype)

    def multiply_adds(self, shape: Shape) -> int:
        """Count one for each weight of each folded kernel at each low-resolution pixel: what ``forward`` computes."""
        steps = self._steps(self.output_shape(shape))
        taps = sum(r.size * r.taps * c.size * c.taps for r, c in self._groups())
        return shape[0] * steps[0] * steps[1] * taps * self.in_channels * self.out_channels

    def _groups(self) -> Iterator[tuple[Phases, Phases]]:
        return product(
            phase_groups(self.kernel_size[0], self.scale_factor[0], self.padding[0]),
            phase_groups(self.kernel_size[1], self.scale_factor[1], self.padding[1]),
        )

    def _steps(self, shape: Shape) -> Pair:
        """Count the low-resolution positions that the output begins at, the last of which may be cut."""
        return -(-shape[2] // self.scale_factor[0]), -(-shape[3] // self.scale_factor[1])

    def _margins(self, low: Tensor, rows: Phases, columns: Phases, steps: Pair) -> tuple[int, int, int, int]:
        """Return the rows and columns (top, bottom, left, right) that a group reads around x; negative where it stops short."""
        bottom = steps[0] - 1 + rows.low + rows.taps - low.shape[1]
        right = steps[1] - 1 + columns.low + columns.taps - low.shape[2]
        return -rows.low, bottom, -columns.low, right

    def _collapse(self, rows: Phases, columns: Phases, like: Tensor) -> Tensor:
        return collapse_map(rows, columns, self.kernel_size, self.scale_factor, self.padding, like.dtype, like.device)

    def _fold(self, kernel: Tensor, rows: Phases, columns: Phases) -> Tensor:
        """Return the kernel of a group of phases (row taps, column taps, in_channels, phases * out_channels)."""
        folded = self._collapse(rows, columns, kernel) @ kernel.view(-1, self.in_channels * self.out_channels)
        folded = folded.view(rows.taps, columns.taps, rows.size * columns.size, self.in_channels, self.out_channels)
        return folded.transpose(2, 3).reshape(rows.taps, columns.taps, self.in_channels, -1)

    def _unfold(self, dfolded: Tensor, rows: Phases, columns: Phases) -> Tensor:
        """Return the gradient of the kernel from that of a group's: the transpose of :meth:`_fold`."""
        apart = dfolded.view(rows.taps, columns.taps, self.in_channels, -1, self.out_channels).transpose(2, 3)
        dkernel = self._collapse(rows, columns, dfolded).T @ apart.reshape(-1, self.in_channels * self.out_channels)
        return dkernel.view(*self.kernel_size, self.in_channels, self.out_channels)


def _of_group(phases: Tensor, rows: Phases, columns: Phases) -> Tensor:
    """View the phases of one group among all (batch, row steps, row phases, column steps, column phases, channels)."""
    return phases[:, :, rows.first : rows.first + rows.size, :, columns.first : columns.first + columns.size]
