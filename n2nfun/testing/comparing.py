"""Compare what layers compute: trees of tensors, in words."""

from typing import Any, NamedTuple

from torch import Tensor

from n2nfun.testing.law import AnyLayer, differing
from n2nfun.tree import paths

__all__ = ["Results", "compute", "differing_trees"]


class Results(NamedTuple):
    """A forward and its backward."""

    y: Tensor
    dx: Tensor
    dparams: Any


def compute(layer: AnyLayer, params: Any, x: Tensor, grad: Tensor) -> Results:
    """Run a layer forward and backward."""
    y, cache = layer.forward(params, x)
    return Results(y, *layer.backward(params, cache, grad))


def differing_trees(name: str, got: object, expected: object) -> str | None:
    """Say where two trees first differ in structure, shape, dtype or number."""
    one, two = dict(paths(got)), dict(paths(expected))
    if list(one) != list(two):
        return f"{name} has tensors at {list(one)}, expected them at {list(two)}"
    for path, leaf in one.items():
        fault = differing(f"{name}{path}", leaf, two[path])
        if fault is not None:
            return fault
    return None
