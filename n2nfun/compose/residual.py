"""A layer and its input added."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from n2nfun.compose.checks import require_layer, require_tensor
from n2nfun.geometry import show_shape
from n2nfun.layer import C, In, Layer, Out, P, Shape, ShapeError
from n2nfun.layers.precision import detached

if TYPE_CHECKING:
    import torch
    from torch import Tensor

__all__ = ["Residual", "residual"]

N = TypeVar("N")


@dataclass(frozen=True, slots=True)
class Residual(Layer[P, C, In, Out]):
    """Add a layer's output to its input: ``y = x + f(x)``; ``dx = grad + f'(x)^T grad``. Made by ``residual(…)``.

    Its params and cache are the layer's own.
    """

    layer: Layer[P, C, In, Out]

    def __post_init__(self) -> None:
        require_layer("residual(): layer", self.layer)

    def init(self, generator: torch.Generator) -> P:
        """Draw the layer's parameters."""
        return self.layer.init(generator)

    def output_shape(self, shape: Shape) -> Shape:
        """Return the shape itself.

        Raises:
            ShapeError: if the layer cannot take it, or makes another.
        """
        try:
            out = self.layer.output_shape(shape)
        except ShapeError as error:
            problems = [f"inside residual(): {problem}" for problem in error.problems]
            raise ShapeError(*problems, resume=shape) from None
        if out != shape:
            name = type(self.layer).__name__
            raise ShapeError(
                f"residual({name}) makes {show_shape(out)} of x's {show_shape(shape)}, expected the same shape",
                resume=shape,
            )
        return out

    def forward(self, params: P, x: Tensor) -> tuple[Tensor, C]:
        """``y = x + f(x)``."""
        require_tensor("Residual", x)
        self.output_shape(tuple(x.shape))
        y, cache = self.layer.forward(params, x)
        return detached(x) + y, cache

    def apply(self, params: P, x: Tensor) -> Tensor:
        """``y = x + f(x)``, nothing kept."""
        require_tensor("Residual", x)
        self.output_shape(tuple(x.shape))
        return detached(x) + self.layer.apply(params, x)

    def backward(self, params: P, cache: C, grad: Tensor) -> tuple[Tensor, P]:
        """``dx = grad + the layer's own dx``."""
        dx, dparams = self.layer.backward(params, cache, grad)
        return detached(grad) + dx, dparams

    def gradients(self, params: P, cache: C, grad: Tensor) -> P:
        """Return the layer's own."""
        return self.layer.gradients(params, cache, grad)

    def count_parameters(self) -> int:
        """Count the layer's parameters."""
        return self.layer.count_parameters()

    def multiply_adds(self, shape: Shape) -> int:
        """Count the layer's multiply-adds."""
        return self.layer.multiply_adds(shape)


def residual(layer: Layer[P, C, N, N]) -> Residual[P, C, N, N]:
    """Make the layer ``x + layer(x)``, of as many channels out as in.

    Source: He et al., "Deep Residual Learning for Image Recognition", CVPR 2016, section 3.1.

    Raises:
        TypeError: if the argument is not a layer.

    Example:
        >>> import torch
        >>> from n2nfun.layers import Conv2d
        >>> layer = residual(Conv2d(3, 3, 3, padding=1))
        >>> layer.output_shape((1, 3, 8, 8))
        (1, 3, 8, 8)
        >>> residual(Conv2d(3, 3, 3)).output_shape((1, 3, 8, 8))
        Traceback (most recent call last):
        n2nfun.layer.ShapeError: residual(Conv2d) makes (1, 3, 6, 6) of x's (1, 3, 8, 8), expected the same shape
    """
    return Residual(layer)
