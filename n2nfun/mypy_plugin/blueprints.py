"""Layers as far as a type checker knows them, and what follows for their channels, shapes and parameters.

A number that is known only at run time is None, and so is all that follows from it. Nothing here imports torch or mypy.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias, cast

from n2nfun.geometry import UNKNOWN, enlarged, show_shape, windowed_shape
from n2nfun.layer import ShapeError

__all__ = ["Blueprint", "Chain", "Elementwise", "Opaque", "Residual", "Scaling", "Windowed", "from_text", "to_text"]

Size: TypeAlias = int | None
Pair: TypeAlias = tuple[Size, Size]
Shape: TypeAlias = tuple[Size, ...] | None
"""None where not even the number of dimensions is known."""


@dataclass(frozen=True, slots=True)
class Windowed:
    """A convolution, or an upsampling that is one layer with its convolution."""

    name: str
    takes: Size
    makes: Size
    kernel_size: Pair
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    scale: Pair = (1, 1)
    trim: Pair = (0, 0)
    bias: bool | None = True

    preserves = False

    def shape(self, shape: Shape) -> tuple[Shape, tuple[str, ...]]:
        """Return the output's shape, and what of the input does not fit."""
        if shape is None:
            return (None, self.makes, None, None), ()
        sizes = list(_standing_in(shape))
        if len(sizes) == 4 and (self.takes is None or shape[1] is None):
            sizes[1] = self.takes or 1
        axes = [self._axis(axis) for axis in (0, 1)]
        for axis, numbers in enumerate(axes):
            if numbers is None and len(sizes) == 4:
                sizes[2 + axis] = UNKNOWN
        (kernel, stride, padding, scale, trim) = zip(*(numbers or (1, 1, 0, 1, 0) for numbers in axes), strict=True)
        try:
            out = windowed_shape(
                tuple(sizes),
                in_channels=sizes[1] if self.takes is None else self.takes,
                out_channels=self.makes or 1,
                kernel_size=kernel,
                stride=stride,
                padding=padding,
                scale=scale,
                trim=trim,
            )
        except ShapeError as error:
            after = (None, self.makes, None, None) if error.resume is None else self._known(error.resume, shape)
            return after, error.problems
        return self._known(out, shape), ()

    def _axis(self, axis: int) -> tuple[int, int, int, int, int] | None:
        """Return kernel, stride, padding, scale and trim of one axis, if all are known."""
        kernel, stride, padding, scale, trim = (
            pair[axis] for pair in (self.kernel_size, self.stride, self.padding, self.scale, self.trim)
        )
        if kernel is None or stride is None or padding is None or scale is None or trim is None:
            return None
        return kernel, stride, padding, scale, trim

    def _known(self, out: tuple[int, ...], shape: tuple[Size, ...]) -> tuple[Size, ...]:
        _, _, height, width = out
        return shape[0], self.makes, *(None if size >= UNKNOWN else size for size in (height, width))

    def parameters(self) -> Size:
        """Count the weights and biases."""
        height, width = self.kernel_size
        if self.takes is None or self.makes is None or height is None or width is None or self.bias is None:
            return None
        return self.makes * (self.takes * height * width + self.bias)


@dataclass(frozen=True, slots=True)
class Elementwise:
    """A function of each number by itself."""

    name: str

    takes = None
    makes = None
    preserves = True

    def shape(self, shape: Shape) -> tuple[Shape, tuple[str, ...]]:
        """Return the shape itself."""
        return shape, ()

    def parameters(self) -> Size:
        """Count none."""
        return 0


@dataclass(frozen=True, slots=True)
class Scaling:
    """Nearest upsampling."""

    name: str
    scale: Pair

    takes = None
    makes = None
    preserves = True

    def shape(self, shape: Shape) -> tuple[Shape, tuple[str, ...]]:
        """Multiply height and width."""
        if shape is None or len(shape) != 4:
            return None, ()
        sizes = (
            None if size is None or scale is None else enlarged(size, scale)
            for size, scale in zip(shape[2:], self.scale, strict=True)
        )
        return (*shape[:2], *sizes), ()

    def parameters(self) -> Size:
        """Count none."""
        return 0


@dataclass(frozen=True, slots=True)
class Opaque:
    """A layer of which no more is known than its channels, if these."""

    name: str
    takes: Size = None
    makes: Size = None
    preserves: bool = False

    def shape(self, shape: Shape) -> tuple[Shape, tuple[str, ...]]:
        """Return nothing known."""
        return None, ()

    def parameters(self) -> Size:
        """Count nothing known."""
        return None


@dataclass(frozen=True, slots=True)
class Chain:
    """Layers one after the other."""

    layers: "tuple[Blueprint, ...]"

    name = "Sequential"

    @property
    def preserves(self) -> bool:
        """Whether every layer keeps its channels, whatever their number."""
        return all(layer.preserves for layer in self.layers)

    @property
    def takes(self) -> Size:
        """Channels of the first layer that has a number of its own."""
        return next((layer.takes for layer in self.layers if not layer.preserves), None)

    @property
    def makes(self) -> Size:
        """Channels of the last layer that has a number of its own."""
        return next((layer.makes for layer in reversed(self.layers) if not layer.preserves), None)

    def mismatches(self) -> Iterator[str]:
        """Say where a layer takes another number of channels than the one before makes."""
        made: tuple[int, Blueprint] | None = None
        for index, layer in enumerate(self.layers):
            if layer.preserves:
                continue
            if made is not None and None not in {made[1].makes, layer.takes} and made[1].makes != layer.takes:
                yield (
                    f'layer {made[0]} "{made[1].name}" makes {made[1].makes} channels, '
                    f'layer {index} "{layer.name}" takes {layer.takes}'
                )
            made = (index, layer)

    def shape(self, shape: Shape) -> tuple[Shape, tuple[str, ...]]:
        """Return the shape behind the last layer, and all that does not fit on the way."""
        problems: list[str] = []
        for index, layer in enumerate(self.layers):
            shape, found = layer.shape(shape)
            problems += [f'layer {index} "{layer.name}": {problem}' for problem in found]
        return shape, tuple(problems)

    def parameters(self) -> Size:
        """Add up the layers' parameters."""
        total = 0
        for layer in self.layers:
            own = layer.parameters()
            if own is None:
                return None
            total += own
        return total


@dataclass(frozen=True, slots=True)
class Residual:
    """A layer and its input added: as many channels out as in."""

    layer: "Blueprint"

    name = "Residual"

    @property
    def preserves(self) -> bool:
        """Whether the layer does."""
        return self.layer.preserves

    @property
    def takes(self) -> Size:
        """The layer's channels, of either end: they are equal."""
        return self.layer.makes if self.layer.takes is None else self.layer.takes

    makes = takes

    def mismatches(self) -> Iterator[str]:
        """Say whether the layer makes another number of channels than it takes."""
        takes, makes = self.layer.takes, self.layer.makes
        if None not in {takes, makes} and takes != makes:
            yield f'"{self.layer.name}" takes {takes} channels and makes {makes}, expected as many'

    def shape(self, shape: Shape) -> tuple[Shape, tuple[str, ...]]:
        """Return the shape itself."""
        out, problems = self.layer.shape(shape)
        if problems:
            return shape, tuple(f"inside residual(): {problem}" for problem in problems)
        if shape is None or out is None:
            return out if shape is None else shape, ()
        known = [(size, own) for size, own in zip(shape, out, strict=False) if size is not None and own is not None]
        if len(shape) != len(out) or any(size != own for size, own in known):
            made, given = (show_shape(_standing_in(sizes)) for sizes in (out, shape))
            return shape, (f"residual({self.layer.name}) makes {made} of x's {given}, expected the same shape",)
        return tuple(own if size is None else size for size, own in zip(shape, out, strict=True)), ()

    def parameters(self) -> Size:
        """Count the layer's."""
        return self.layer.parameters()


Blueprint: TypeAlias = Windowed | Elementwise | Scaling | Opaque | Chain | Residual

_KINDS: dict[str, Callable[..., Blueprint]] = {
    kind.__name__: kind for kind in (Windowed, Elementwise, Scaling, Opaque, Residual)
}


def _standing_in(shape: tuple[Size, ...]) -> tuple[int, ...]:
    """Let what is unknown stand as a size that causes no mismatch."""
    return tuple(UNKNOWN if size is None else size for size in shape)


def to_text(blueprint: Blueprint) -> str:
    """Write a blueprint as text, for a type to carry it."""
    return json.dumps(_plain(blueprint), separators=(",", ":"))


@lru_cache(maxsize=1024)  # the same text is read at every use of a layer
def from_text(text: str) -> Blueprint:
    """Read what :func:`to_text` wrote.

    Example:
        >>> from_text(to_text(Chain((Elementwise("ReLU"), Opaque("Mine", 3)))))
        Chain(layers=(Elementwise(name='ReLU'), Opaque(name='Mine', takes=3, makes=None, preserves=False)))
    """
    return _built(json.loads(text))


def _pair(plain: object) -> object:
    """Return a pair, which JSON makes a list, as it was."""
    return tuple(cast("list[Size]", plain)) if isinstance(plain, list) else plain


def _plain(blueprint: Blueprint) -> list[Any]:
    match blueprint:
        case Chain(layers):
            return ["Chain", *(_plain(layer) for layer in layers)]
        case Residual(layer):
            return ["Residual", _plain(layer)]
        case _:
            return [type(blueprint).__name__, *(getattr(blueprint, name) for name in blueprint.__slots__)]


def _built(plain: list[Any]) -> Blueprint:
    name, *rest = plain
    match name:
        case "Chain":
            return Chain(tuple(_built(layer) for layer in rest))
        case "Residual":
            return Residual(_built(rest[0]))
        case _:
            return _KINDS[name](*map(_pair, rest))
