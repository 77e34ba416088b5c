"""Layers one after the other: the chain rule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar, TypeVarTuple, cast, overload

from n2nfun.arguments import shown
from n2nfun.compose.checks import require_layer, require_tensor
from n2nfun.layer import C, ChannelPreserving, In, Layer, Out, P, Shape, ShapeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import torch
    from torch import Tensor

__all__ = ["Sequential"]

P2 = TypeVar("P2")
C2 = TypeVar("C2")
O2 = TypeVar("O2")
T = TypeVar("T")
Args = TypeVarTuple("Args")
Ps = TypeVarTuple("Ps")
Cs = TypeVarTuple("Cs")


@dataclass(frozen=True, slots=True)
class Sequential(Layer[P, C, In, Out]):
    """Layers one after the other: ``y = f_n(… f_2(f_1(x)))``, made by ``sequential(…)`` or ``>>``.

    Its params and cache are tuples of the layers' own; backward is the chain rule, from the last layer to the first.

    Raises:
        TypeError: if something among the layers is not a layer.
        ValueError: if there are none.

    Example:
        >>> import torch
        >>> from n2nfun.layers import Conv2d, ReLU
        >>> network = Conv2d(3, 16, 2, stride=2) >> ReLU() >> Conv2d(16, 32, 2, stride=2)
        >>> network.output_shape((1, 3, 32, 32))
        (1, 32, 8, 8)
        >>> params = network.init(torch.Generator().manual_seed(0))
        >>> params[0].weight.shape, params[1]
        (torch.Size([16, 3, 2, 2]), NoParams())
        >>> network.output_shape((1, 4, 3, 1))
        Traceback (most recent call last):
        n2nfun.layer.ShapeError: layer 0 "Conv2d": x has 4 channels (shape (1, 4, 3, 1)), expected in_channels=3
        layer 0 "Conv2d": kernel width 2 does not fit x's padded width 1 + 2 * 0 = 1 (shape (1, 4, 3, 1))
        layer 2 "Conv2d": kernel height 2 does not fit x's padded height 1 + 2 * 0 = 1 (shape (1, 16, 1, ?))
    """

    layers: tuple[Layer[Any, Any], ...]

    def __post_init__(self) -> None:
        if not isinstance(self.layers, tuple):
            raise TypeError(f"Sequential: layers is {shown(self.layers)}, expected a tuple of layers")
        if not self.layers:
            raise ValueError("sequential(): no layers given, expected at least one; Identity() returns its input")
        for index, layer in enumerate(self.layers):
            require_layer(f"sequential(): argument {index}", layer)

    def init(self, generator: torch.Generator) -> P:
        """Draw the parameters of each layer, in their order."""
        return cast("P", tuple(layer.init(generator) for layer in self.layers))

    def output_shape(self, shape: Shape) -> Shape:
        """Return the shape behind the last layer.

        Raises:
            ShapeError: with every mismatch of every layer, by its index and name.
        """
        problems: list[str] = []
        for index, layer in enumerate(self.layers):
            try:
                shape = layer.output_shape(shape)
            except ShapeError as error:
                problems += [f"{_name(index, layer)}: {problem}" for problem in error.problems]
                if error.resume is None:
                    raise ShapeError(*problems) from None
                shape = error.resume
        if problems:
            raise ShapeError(*problems, resume=shape)
        return shape

    def forward(self, params: P, x: Tensor) -> tuple[Tensor, C]:
        """Run the layers from the first to the last, keeping each one's cache."""
        own_params = self._parts("params", params)
        require_tensor("Sequential", x)
        self.output_shape(tuple(x.shape))
        caches: list[object] = []
        for index, layer in enumerate(self.layers):
            x, cache = _located(index, layer, layer.forward, own_params[index], x)
            caches.append(cache)
        return x, cast("C", tuple(caches))

    def apply(self, params: P, x: Tensor) -> Tensor:
        """Run the layers from the first to the last, keeping nothing."""
        own_params = self._parts("params", params)
        require_tensor("Sequential", x)
        self.output_shape(tuple(x.shape))
        for index, layer in enumerate(self.layers):
            x = _located(index, layer, layer.apply, own_params[index], x)
        return x

    def backward(self, params: P, cache: C, grad: Tensor) -> tuple[Tensor, P]:
        """Run the layers' backwards from the last to the first, each on the gradient of its own output."""
        own_params, caches = self._parts("params", params), self._parts("cache", cache)
        grad, grads = self._back_to(0, own_params, caches, grad)
        return grad, cast("P", grads)

    def gradients(self, params: P, cache: C, grad: Tensor) -> P:
        """Do as ``backward``, without the gradient of the first layer's input."""
        own_params, caches = self._parts("params", params), self._parts("cache", cache)
        grad, grads = self._back_to(1, own_params, caches, grad)
        first = self.layers[0]
        return cast("P", (_located(0, first, first.gradients, own_params[0], caches[0], grad), *grads))

    def count_parameters(self) -> int:
        """Add up the layers' parameters."""
        return sum(layer.count_parameters() for layer in self.layers)

    def multiply_adds(self, shape: Shape) -> int:
        """Add up the layers' multiply-adds."""
        return sum(layer.multiply_adds(before) for _, layer, before in self.stages(shape))

    def stages(self, shape: Shape) -> Iterator[tuple[int, Layer[Any, Any], Shape]]:
        """List the layers with their index and the shape of their input."""
        self.output_shape(shape)
        for index, layer in enumerate(self.layers):
            yield index, layer, shape
            shape = layer.output_shape(shape)

    # Flat, where a single layer's own would nest: (a >> b) >> c has three params.
    @overload  # type: ignore[override]  # it takes what Layer's takes, and returns a longer tuple
    def __rshift__(
        self: Sequential[tuple[*Ps], tuple[*Cs], In, Out], other: ChannelPreserving[P2, C2]
    ) -> Sequential[tuple[*Ps, P2], tuple[*Cs, C2], In, Out]: ...
    @overload
    def __rshift__(
        self: Sequential[tuple[*Ps], tuple[*Cs], In, Out], other: Layer[P2, C2, Out, O2] | Layer[P2, C2, Literal[0], O2]
    ) -> Sequential[tuple[*Ps, P2], tuple[*Cs, C2], In, O2]: ...
    def __rshift__(self, other: Layer[Any, Any]) -> Layer[Any, Any]:  # pyright: ignore[reportIncompatibleMethodOverride]  # the same
        """Return the composition with one more layer at the end."""
        return Sequential((*self.layers, other))

    def _back_to(
        self, first: int, own_params: tuple[Any, ...], caches: tuple[Any, ...], grad: Tensor
    ) -> tuple[Tensor, tuple[object, ...]]:
        """Run the backwards from the last layer to the one of index ``first``."""
        grads: list[object] = []
        for index in reversed(range(first, len(self.layers))):
            layer = self.layers[index]
            grad, dparams = _located(index, layer, layer.backward, own_params[index], caches[index], grad)
            grads.append(dparams)
        return grad, tuple(reversed(grads))

    def _parts(self, what: str, value: object) -> tuple[Any, ...]:
        """Return the layers' own params or caches.

        Raises:
            TypeError: unless there is one for each layer.
        """
        if not isinstance(value, tuple):
            raise TypeError(f"Sequential: {what} is a {type(value).__name__}, expected a tuple of {len(self.layers)}")
        parts = cast("tuple[Any, ...]", value)  # type: ignore[redundant-cast]  # pyright sees Unknown in it
        if len(parts) != len(self.layers):
            raise TypeError(
                f"Sequential: {what} has {len(parts)} items, expected {len(self.layers)}, one for each layer"
            )
        return parts


def _name(index: int, layer: Layer[Any, Any]) -> str:
    return f'layer {index} "{type(layer).__name__}"'


def _located(index: int, layer: Layer[Any, Any], method: Callable[[*Args], T], *args: *Args) -> T:
    """Call a layer's method, and say of an error in which layer it arose; a context manager takes longer than some layers."""
    try:
        return method(*args)
    except (TypeError, ValueError) as error:
        error.add_note(f"in {_name(index, layer)}")
        raise
