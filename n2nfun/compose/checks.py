"""Compositions are made of layers, and say so where they are given something else."""

from torch import Tensor

from n2nfun.layer import Layer

__all__ = ["require_layer", "require_tensor"]


def require_layer(what: str, value: object) -> None:
    """Require a layer.

    Raises:
        TypeError: if the value is anything else, such as a layer's class.
    """
    if not isinstance(value, Layer):
        hint = f": call it, {value.__name__}(...), to make one" if isinstance(value, type) else ""
        raise TypeError(f"{what} is {value!r}, expected a layer{hint}")


def require_tensor(owner: str, x: object) -> None:
    """Require a tensor.

    Raises:
        TypeError: if x is anything else.
    """
    if not isinstance(x, Tensor):
        raise TypeError(f"{owner}: x is a {type(x).__name__}, expected a tensor")
