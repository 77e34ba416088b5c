"""Compositions are made of layers, and say so where they are given something else."""

from n2nfun.layer import Layer

__all__ = ["require_layer"]


def require_layer(what: str, value: object) -> None:
    """Require a layer.

    Raises:
        TypeError: if the value is anything else, such as a layer's class.
    """
    if not isinstance(value, Layer):
        hint = f": call it, {value.__name__}(...), to make one" if isinstance(value, type) else ""
        raise TypeError(f"{what} is {value!r}, expected a layer{hint}")
