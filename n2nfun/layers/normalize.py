"""Shift and scale numbers to where a network learns well."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from n2nfun.arguments import check_number
from n2nfun.layer import NoParams, Shape
from n2nfun.layers.activations import Elementwise
from n2nfun.layers.checks import check_cache, check_gradient, check_input, check_params
from n2nfun.layers.precision import rounded, working

__all__ = ["Normalize", "NormalizeCache"]


@dataclass(frozen=True, slots=True)
class NormalizeCache:
    """What the backward of Normalize needs of its forward: no numbers."""

    shape: Shape
    dtype: torch.dtype


@dataclass(frozen=True, slots=True)
class Normalize(Elementwise[NormalizeCache]):
    """Subtract a mean and divide by a deviation, both given: ``y = (x - mean) / std``, of any shape; ``dx = grad / std``.

    Gradient descent learns fastest from inputs around 0 of deviation about 1. In front of a convolution it also decides
    what padding means: the zeros around y are the mean of x, for images grey instead of black.

    Args:
        mean: What becomes 0.
        std: What becomes 1 above it.

    Raises:
        TypeError: if an argument is not a number.
        ValueError: if mean is not finite, or std not positive and finite.

    Source: LeCun, Bottou, Orr and Müller, "Efficient BackProp", 1998, section 4.3.

    Example:
        >>> import torch
        >>> Normalize(0.5, 0.25).forward(NoParams(), torch.tensor([0.0, 0.5, 1.0]))[0]
        tensor([-2.,  0.,  2.])
    """

    mean: float
    std: float

    def __post_init__(self) -> None:
        check_number("mean", self.mean, signed=True)
        check_number("std", self.std, positive=True)

    def forward(self, params: NoParams, x: Float[Tensor, "*shape"]) -> tuple[Float[Tensor, "*shape"], NormalizeCache]:
        """``y = (x - mean) / std``."""
        check_input("Normalize.forward()", x)
        check_params("Normalize.forward()", params, NoParams)
        y = (working(x) - self.mean) / self.std
        return rounded(y, x.dtype), NormalizeCache(tuple(x.shape), x.dtype)

    def backward(
        self, params: NoParams, cache: NormalizeCache, grad: Float[Tensor, "*shape"]
    ) -> tuple[Float[Tensor, "*shape"], NoParams]:
        """``dx = grad / std``."""
        check_params("Normalize.backward()", params, NoParams)
        check_cache("Normalize.backward()", cache, NormalizeCache)
        check_gradient("Normalize.backward()", grad, cache.shape, cache.dtype)
        return rounded(working(grad) / self.std, grad.dtype), NoParams()
