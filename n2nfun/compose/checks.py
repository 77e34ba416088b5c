"""Compositions are made of layers, and say so where they are given something else."""

from torch import Tensor

from n2nfun.arguments import shown
from n2nfun.layer import Layer

__all__ = ["require_layer", "require_tensor"]


def require_layer(what: str, value: object) -> None:
    """Require a layer.

    Raises:
        TypeError: if the value is anything else, such as a layer's class.
    """
    if not isinstance(value, Layer):
        raise TypeError(f"{what} is {_describe(value)}")


def _describe(value: object) -> str:
    """Say what stands in a layer's place; of an object its full type, as other libraries' layers have our names."""
    if isinstance(value, type):
        hint = f": call it, {value.__name__}(...), to make one" if issubclass(value, Layer) else ""
        return f"{value!r}, expected a layer{hint}"
    kind = type(value)
    named = shown(value) if kind.__module__ == "builtins" else f"a {kind.__module__}.{kind.__qualname__}"
    return f"{named}, expected a layer"


def require_tensor(owner: str, x: object) -> None:
    """Require a tensor.

    Raises:
        TypeError: if x is anything else.
    """
    if not isinstance(x, Tensor):
        raise TypeError(f"{owner}: x is a {type(x).__name__}, expected a tensor")
