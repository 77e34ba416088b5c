"""Compare what layers compute: tensors and trees of them, in words."""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor

from n2nfun.testing.bits import bits
from n2nfun.testing.law import AnyLayer
from n2nfun.tree import paths

__all__ = ["Results", "compute", "differing", "differing_results", "differing_trees", "equal", "nearly", "same"]

Alike: TypeAlias = Callable[[Tensor, Tensor], Tensor]
"""Tells of each number whether it agrees with the other."""


class Results(NamedTuple):
    """A forward and its backward."""

    y: Tensor
    dx: Tensor
    dparams: Any


def compute(layer: AnyLayer, params: Any, x: Tensor, grad: Tensor) -> Results:
    """Run a layer forward and backward."""
    y, cache = layer.forward(params, x)
    return Results(y, *layer.backward(params, cache, grad))


def equal(a: Tensor, b: Tensor) -> Tensor:
    """Tell of each number whether it is equal to the other: NaN equals NaN, and -0 equals 0."""
    return (a == b) | (a.isnan() & b.isnan())


def same(a: Tensor, b: Tensor) -> Tensor:
    """Tell of each number whether it has the bits of the other."""
    return bits(a) == bits(b)


def nearly(a: Tensor, b: Tensor) -> Tensor:
    """Tell of each number whether it is off by no more than float32's rounding of the largest."""
    known = torch.finfo(torch.float32).eps / 2 * b.abs().amax() if b.numel() else 0
    return equal(a, b) | ((a - b).abs() <= known)


def differing(name: str, got: Tensor, expected: Tensor, *, alike: Alike = equal) -> str | None:
    """Say at which index two tensors first differ."""
    if got.shape != expected.shape:
        return f"{name} has shape {tuple(got.shape)}, expected {tuple(expected.shape)}"
    if got.dtype != expected.dtype:
        return f"{name} is {got.dtype}, expected {expected.dtype}"
    apart = ~alike(got, expected)
    if not bool(apart.any()):
        return None
    index = tuple(int(place) for place in apart.nonzero()[0])
    place = str(list(index)) if index else ""  # of a scalar
    others = f" ({int(apart.sum())} of {got.numel()} numbers differ)" if index else ""
    return f"{name}{place} is {got[index].item()!r}, expected {expected[index].item()!r}{others}"


def differing_trees(name: str, got: object, expected: object, *, alike: Alike = equal) -> str | None:
    """Say where two trees first differ in structure, shape, dtype or number."""
    one, two = dict(paths(got)), dict(paths(expected))
    if list(one) != list(two):
        return f"{name} has tensors at {list(one)}, expected them at {list(two)}"
    for path, leaf in one.items():
        fault = differing(f"{name}{path}", leaf, two[path], alike=alike)
        if fault is not None:
            return fault
    return None


def differing_results(where: str, got: Results, expected: Results, *, alike: Alike = equal) -> str | None:
    """Say where y, dx or dparams first differ."""
    for name, one, other in zip(Results._fields, got, expected, strict=True):
        fault = differing_trees(f"{where}{name}", one, other, alike=alike)
        if fault is not None:
            return fault
    return None
