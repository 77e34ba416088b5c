"""Functions of each number by itself: ReLU, Sigmoid, Identity."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from n2nfun.arguments import shown
from n2nfun.geometry import check_ints
from n2nfun.init import check_generator
from n2nfun.layer import ChannelPreserving, NoParams, Shape, ShapeError
from n2nfun.layers.checks import check_cache, check_gradient, check_input, check_params
from n2nfun.layers.precision import detached

__all__ = ["Identity", "IdentityCache", "ReLU", "ReLUCache", "Sigmoid", "SigmoidCache"]


C = TypeVar("C")


class Elementwise(ChannelPreserving[NoParams, C]):
    """A layer without parameters that takes any shape and keeps it."""

    __slots__ = ()

    def init(self, generator: torch.Generator) -> NoParams:
        """Return no parameters."""
        check_generator(generator)
        return NoParams()

    def output_shape(self, shape: Shape) -> Shape:
        """Return the shape itself, of any rank and with any zeros.

        Raises:
            TypeError: if it is not a tuple of ints.
            ShapeError: if a size is negative.
        """
        check_ints(shape, "a tuple of ints")
        if any(size < 0 for size in shape):
            raise ShapeError(f"x has shape {shown(tuple(shape))}, expected no negative size")
        return shape


@dataclass(frozen=True, slots=True)
class ReLUCache:
    """What the backward of ReLU needs of its forward."""

    y: Float[Tensor, "*shape"]
    """The output: positive exactly where the input was."""


@dataclass(frozen=True, slots=True)
class ReLU(Elementwise[ReLUCache]):
    """Keep what is positive: ``y = max(x, 0)``, of any shape; the derivative at 0 is 0. NaN stays NaN.

    Source: Nair and Hinton, "Rectified Linear Units Improve Restricted Boltzmann Machines", ICML 2010.

    Example:
        >>> import torch
        >>> y, cache = ReLU().forward(NoParams(), torch.tensor([-1.0, 0.0, 2.0]))
        >>> y, ReLU().backward(NoParams(), cache, torch.ones(3))[0]
        (tensor([0., 0., 2.]), tensor([0., 0., 1.]))
    """

    def forward(self, params: NoParams, x: Float[Tensor, "*shape"]) -> tuple[Float[Tensor, "*shape"], ReLUCache]:
        """``y = max(x, 0)``."""
        check_input("ReLU.forward()", x)
        check_params("ReLU.forward()", params, NoParams)
        y = _as_it_lies(_positive, detached(x))
        return y, ReLUCache(y)

    def backward(
        self, params: NoParams, cache: ReLUCache, grad: Float[Tensor, "*shape"]
    ) -> tuple[Float[Tensor, "*shape"], NoParams]:
        """``dx = grad`` where ``y > 0``, else 0."""
        check_params("ReLU.backward()", params, NoParams)
        check_cache("ReLU.backward()", cache, ReLUCache)
        check_gradient("ReLU.backward()", grad, tuple(cache.y.shape), cache.y.dtype, cache.y.device)
        return _as_it_lies(_where_positive, detached(grad), cache.y), NoParams()


def _positive(x: Tensor) -> Tensor:
    return torch.clamp_min(x, 0)


def _where_positive(grad: Tensor, y: Tensor) -> Tensor:
    """Return grad where ``y > 0`` (or NaN), else 0, in one pass and without a mask in memory."""
    chosen: Tensor = torch.ops.aten.threshold_backward(grad, y, 0)
    return chosen


def _as_it_lies(function: Callable[..., Tensor], x: Tensor, *others: Tensor) -> Tensor:
    """Return a function of each number, in the order of x in memory: a compiler would choose that of the dimensions."""
    if not torch.compiler.is_compiling():
        return function(x, *others)
    strides = x.stride()
    order = sorted(range(x.dim()), key=lambda axis: -strides[axis])
    found = function(*[tensor.permute(order) for tensor in (x, *others)])
    return found.permute([order.index(axis) for axis in range(x.dim())])


@dataclass(frozen=True, slots=True)
class SigmoidCache:
    """What the backward of Sigmoid needs of its forward."""

    y: Float[Tensor, "*shape"]
    """The output, of which the derivative is a function."""


@dataclass(frozen=True, slots=True)
class Sigmoid(Elementwise[SigmoidCache]):
    """Squash into (0, 1): ``y = 1 / (1 + exp(-x))``, of any shape.

    The equal form ``exp(x) / (1 + exp(x))`` gives NaN where exp overflows, in float32 from x = 89 on; this one tends to
    0 and 1 there.

    Example:
        >>> import torch
        >>> Sigmoid().forward(NoParams(), torch.tensor([-1000.0, 0.0, 1000.0]))[0]
        tensor([0.0000, 0.5000, 1.0000])
    """

    def forward(self, params: NoParams, x: Float[Tensor, "*shape"]) -> tuple[Float[Tensor, "*shape"], SigmoidCache]:
        """``y = 1 / (1 + exp(-x))``."""
        check_input("Sigmoid.forward()", x)
        check_params("Sigmoid.forward()", params, NoParams)
        # Numbers at the end of the memory are computed in another way than by eight, of another last bit: the order of
        # the memory must always be the same.
        y = torch.sigmoid(detached(x).contiguous())
        return y, SigmoidCache(y)

    def backward(
        self, params: NoParams, cache: SigmoidCache, grad: Float[Tensor, "*shape"]
    ) -> tuple[Float[Tensor, "*shape"], NoParams]:
        """``dx = grad * y * (1 - y)``."""
        check_params("Sigmoid.backward()", params, NoParams)
        check_cache("Sigmoid.backward()", cache, SigmoidCache)
        check_gradient("Sigmoid.backward()", grad, tuple(cache.y.shape), cache.y.dtype, cache.y.device)
        return (1 - cache.y).mul_(cache.y) * detached(grad), NoParams()


@dataclass(frozen=True, slots=True)
class IdentityCache:
    """What the backward of Identity needs of its forward: no numbers."""

    shape: Shape
    dtype: torch.dtype


@dataclass(frozen=True, slots=True)
class Identity(Elementwise[IdentityCache]):
    """Return the input: ``y = x``, of any shape, as memory of its own.

    Example:
        >>> import torch
        >>> Identity().forward(NoParams(), torch.tensor([1.0, 2.0]))[0]
        tensor([1., 2.])
    """

    def forward(self, params: NoParams, x: Float[Tensor, "*shape"]) -> tuple[Float[Tensor, "*shape"], IdentityCache]:
        """``y = x``."""
        check_input("Identity.forward()", x)
        check_params("Identity.forward()", params, NoParams)
        return detached(x).clone(), IdentityCache(tuple(x.shape), x.dtype)

    def backward(
        self, params: NoParams, cache: IdentityCache, grad: Float[Tensor, "*shape"]
    ) -> tuple[Float[Tensor, "*shape"], NoParams]:
        """``dx = grad``."""
        check_params("Identity.backward()", params, NoParams)
        check_cache("Identity.backward()", cache, IdentityCache)
        check_gradient("Identity.backward()", grad, cache.shape, cache.dtype)
        return detached(grad).clone(), NoParams()
