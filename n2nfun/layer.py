"""What a layer is: an immutable value whose methods are pure functions. The ground floor of the library.

    layer.init(generator)               -> params
    layer.forward(params, x)            -> (y, cache)
    layer.backward(params, cache, grad) -> (dx, dparams)
    layer.output_shape(shape)           -> shape

A layer's type says what it takes and makes: ``Layer[P, C, In, Out]`` has params, and their gradients, of type ``P``, a
cache of type ``C``, and takes and makes images of ``In`` and ``Out`` channels. The channels are there for the type
checker alone, as Literals where it can know them. A layer that names none, ``class Mine(Layer[P, C])``, is checked at
run time.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeAlias, overload

from typing_extensions import TypeVar

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from n2nfun.compose.chain import Sequential

__all__ = ["C", "ChannelPreserving", "In", "Layer", "NoParams", "Out", "P", "Shape", "ShapeError"]

Shape: TypeAlias = tuple[int, ...]
"""``(batch, channels, height, width)`` for images; layers of other data may use other lengths."""

P = TypeVar("P")
C = TypeVar("C")
In = TypeVar("In", default=Any)
Out = TypeVar("Out", default=Any)

P2 = TypeVar("P2")
C2 = TypeVar("C2")
I2 = TypeVar("I2")
O2 = TypeVar("O2")


class ShapeError(ValueError):
    """A shape that a layer cannot take; of a network, every such place.

    Attributes:
        problems: One sentence for each mismatch.
        resume: The shape with which a network's check goes on behind this layer, as if the input had been right;
            None where nothing can be said of what follows.
    """

    def __init__(self, *problems: str, resume: Shape | None = None) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems
        self.resume = resume


@dataclass(frozen=True, slots=True)
class NoParams:
    """The parameters of a layer that has none."""


class Layer(ABC, Generic[P, C, In, Out]):
    """A pure function with parameters, and its derivative. Subclasses are frozen dataclasses.

    ``a >> b >> c`` runs one after the other: a layer again, whose params and caches are flat tuples of the layers' own.
    A composition on the right of ``>>`` stays one layer, with a tuple of its own.
    """

    __slots__ = ()

    @abstractmethod
    def init(self, generator: torch.Generator) -> P:
        """Draw the parameters: float32, on the generator's device; the same generator state gives the same bits."""

    @abstractmethod
    def forward(self, params: P, x: Tensor) -> tuple[Tensor, C]:
        """Return ``y = f(params, x)``, and what ``backward`` needs to know of it."""

    def apply(self, params: P, x: Tensor) -> Tensor:
        """Return ``y`` alone, and keep nothing: ``forward(params, x)[0]``."""
        return self.forward(params, x)[0]

    @abstractmethod
    def backward(self, params: P, cache: C, grad: Tensor) -> tuple[Tensor, P]:
        """Return ``(dx, dparams)``: ``grad = dL/dy`` times the derivatives of ``f`` at the cached input."""

    def gradients(self, params: P, cache: C, grad: Tensor) -> P:
        """Return ``dparams`` alone: ``backward(params, cache, grad)[1]``, for the first layer of what is trained."""
        return self.backward(params, cache, grad)[1]

    @abstractmethod
    def output_shape(self, shape: Shape) -> Shape:
        """Return the shape of ``y`` for an ``x`` of this shape, without computing or allocating anything.

        Raises:
            ShapeError: if ``forward`` cannot take such an ``x``.
        """

    def count_parameters(self) -> int:
        """Count the numbers in the parameters."""
        return 0

    def multiply_adds(self, shape: Shape) -> int:
        """Count the multiply-adds of ``forward`` for an ``x`` of this shape, elementwise functions not counted."""
        self.output_shape(shape)
        return 0

    # `| Layer[P2, C2, Literal[0], O2]`, which no layer is: faced with two candidates, mypy infers the right operand's type
    # from its own arguments. With one it would infer it from the left operand's channels, and where these do not fit
    # fall back on the constructor for channels that are known only at run time: no error.
    @overload
    def __rshift__(self, other: ChannelPreserving[P2, C2]) -> Sequential[tuple[P, P2], tuple[C, C2], In, Out]: ...
    @overload
    def __rshift__(
        self, other: Layer[P2, C2, Out, O2] | Layer[P2, C2, Literal[0], O2]
    ) -> Sequential[tuple[P, P2], tuple[C, C2], In, O2]: ...
    def __rshift__(self, other: Layer[Any, Any]) -> Layer[Any, Any]:
        """Return the composition ``x -> other(self(x))``."""
        from n2nfun.compose.chain import Sequential  # noqa: PLC0415 - it is a layer itself

        return Sequential((self, other))


class ChannelPreserving(Layer[P, C]):
    """A layer that takes any number of channels and makes as many."""

    __slots__ = ()

    def __rshift__(self, other: Layer[P2, C2, I2, O2]) -> Sequential[tuple[P, P2], tuple[C, C2], I2, O2]:
        """Return the composition ``x -> other(self(x))``."""
        from n2nfun.compose.chain import Sequential  # noqa: PLC0415 - it is a layer itself

        return Sequential((self, other))
