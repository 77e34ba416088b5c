"""What the layers with a kernel share: their arguments, parameters and checks."""

from dataclasses import dataclass, field
from typing import Generic

import torch
from jaxtyping import Float
from torch import Tensor

from n2nfun.arguments import check_flag, shown
from n2nfun.geometry import Pair, Size, as_pair, check_count
from n2nfun.init import Initializer, check_generator
from n2nfun.layer import C, In, Layer, Out, Shape, ShapeError
from n2nfun.layers.checks import check_cached_device, check_float, check_parameter, check_params
from n2nfun.layers.precision import rounded, working

__all__ = ["ConvParams", "ConvolvingLayer"]


@dataclass(frozen=True, slots=True)
class ConvParams:
    """The parameters of a layer with a kernel, and the gradients with respect to them."""

    weight: Float[Tensor, "*models out_channels in_channels kernel_height kernel_width"]
    """Of one model, and of several side by side where they are trained as one."""
    bias: Float[Tensor, "*models out_channels"] | None
    """None for a layer without bias."""


@dataclass(frozen=True, init=False)
class ConvolvingLayer(Layer[ConvParams, C, In, Out], Generic[C, In, Out]):
    """A layer with a kernel of weights for each pair of channels, and a bias for each output channel."""

    in_channels: int
    out_channels: int
    kernel_size: Pair
    padding: Pair
    bias: bool
    initializer: Initializer = field(repr=False)

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        *,
        padding: Size,
        bias: bool,
        initializer: Initializer,
    ) -> None:
        if not callable(initializer):
            raise TypeError(f"initializer is {shown(initializer)}, expected a function, such as xavier_uniform")
        put = object.__setattr__  # the dataclass is frozen for everyone else
        put(self, "in_channels", check_count("in_channels", in_channels))
        put(self, "out_channels", check_count("out_channels", out_channels))
        put(self, "kernel_size", as_pair("kernel_size", kernel_size))
        put(self, "padding", as_pair("padding", padding, least=0))
        put(self, "bias", check_flag("bias", bias))
        put(self, "initializer", initializer)

    def init(self, generator: torch.Generator) -> ConvParams:
        """Draw the weights from the initializer; the bias is 0.

        Raises:
            TypeError: if generator is none, or the initializer returns no floating-point tensor.
            ShapeError: if it returns another shape than it is asked for.
        """
        check_generator(generator)
        shape = (self.out_channels, self.in_channels, *self.kernel_size)
        weight = self.initializer(shape, generator)
        owner = f"{type(self).__name__}.init()"
        check_float(owner, "what initializer returned", weight)
        if weight.shape != shape:
            raise ShapeError(f"{owner}: initializer returned shape {tuple(weight.shape)}, expected {shape}")
        return ConvParams(weight, weight.new_zeros(self.out_channels) if self.bias else None)

    def count_parameters(self) -> int:
        """Count the weights, and the biases if there are any."""
        weights = self.out_channels * self.in_channels * self.kernel_size[0] * self.kernel_size[1]
        return weights + (self.out_channels if self.bias else 0)

    def _gradients(self, dweight: Tensor, g: Tensor, dtype: torch.dtype) -> ConvParams:
        """Return the gradients of the parameters, from that of the weight and from grad, as lines in order."""
        return ConvParams(rounded(dweight.contiguous(), dtype), rounded(g.sum((0, 1, 2)), dtype) if self.bias else None)

    def _check_cached(self, owner: str, cached: Tensor, grad: Tensor, shape: Shape, output_shape: Shape) -> None:
        """Require that this layer made the cache, of params of grad's dtype and device.

        Raises:
            ShapeError: if an input of this shape would not have given this output.
            TypeError: if it was computed in another dtype or on another device.
        """
        try:
            fits = self.output_shape(shape) == output_shape
        except ShapeError:
            fits = False
        if not fits:
            raise ShapeError(f"{owner}: cache is that of another layer: it has input {shape} and output {output_shape}")
        if cached.dtype != working(grad).dtype:
            raise TypeError(f"{owner}: grad is {grad.dtype}, cache was computed in {cached.dtype}")
        check_cached_device(owner, grad, cached.device)

    def _check_params(self, owner: str, params: ConvParams, what: str, like: Tensor) -> None:
        check_params(owner, params, ConvParams)
        shape = (self.out_channels, self.in_channels, *self.kernel_size)
        check_parameter(owner, "weight", params.weight, shape, what, like)
        if self.bias:
            check_parameter(owner, "bias", params.bias, (self.out_channels,), what, like)
        elif params.bias is not None:
            raise TypeError(f"{owner}: params.bias is a tensor, expected None from a layer with bias=False")
