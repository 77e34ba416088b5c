"""Algebra: a backward is linear, and is the derivative of its forward."""

from typing import Any

import torch
from torch import Tensor

from n2nfun.testing.comparing import compute, differing, differing_trees
from n2nfun.testing.gradients import derivative_fault
from n2nfun.testing.law import AnyLayer, Example, Law, Traits, exact, linear
from n2nfun.testing.numbers import seeded, whole_numbers
from n2nfun.tree import leaves, tree_map, zeros_like

__all__ = ["ALGEBRA"]


def _is_linear_in_x(layer: AnyLayer, example: Example) -> str | None:
    params, x, _ = example.whole(layer)
    other = whole_numbers(example.shape, seeded(example.seed + 1), example.dtype)
    constant = layer.apply(params, torch.zeros_like(x))
    together = layer.apply(params, 3 * x + other) - constant
    apart = 3 * (layer.apply(params, x) - constant) + (layer.apply(params, other) - constant)
    return differing("f(3 x + x') - f(0)", together, apart)


def _has_a_linear_backward(layer: AnyLayer, example: Example) -> str | None:
    params, x, grad = example.whole(layer)
    other = whole_numbers(tuple(grad.shape), seeded(example.seed + 1), example.dtype)
    _, cache = layer.forward(params, x)
    one, two = layer.backward(params, cache, grad), layer.backward(params, cache, other)
    together = layer.backward(params, cache, 3 * grad + other)
    return differing_trees("backward(3 g + g')", together, tree_map(lambda a, b: 3 * a + b, one, two))


def _gives_nothing_for_nothing(layer: AnyLayer, example: Example) -> str | None:
    params, x, grad = example.normal(layer)
    _, cache = layer.forward(params, x)
    got = layer.backward(params, cache, torch.zeros_like(grad))
    return differing_trees("backward(0)", got, tree_map(torch.zeros_like, got))


def _scales_by_powers_of_two(layer: AnyLayer, example: Example) -> str | None:
    params, x, grad = example.normal(layer)
    _, cache = layer.forward(params, x)
    once, scaled = layer.backward(params, cache, grad), layer.backward(params, cache, 1024 * grad)
    return differing_trees("backward(1024 g)", scaled, tree_map(lambda leaf: 1024 * leaf, once))


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum()


def _has_its_adjoint(layer: AnyLayer, example: Example) -> str | None:
    params, x, grad = example.whole(layer)
    y, dx, _ = compute(layer, params, x, grad)
    constant = layer.apply(params, torch.zeros_like(x))
    return differing("<x, dx>, against <f(x) - f(0), g>,", _dot(x, dx), _dot(y - constant, grad))


def _has_its_adjoint_in_params(layer: AnyLayer, example: Example) -> str | None:
    params, x, grad = example.whole(layer)
    y, _, dparams = compute(layer, params, x, grad)
    constant = layer.apply(zeros_like(params), x)
    products = [_dot(p, d) for p, d in zip(leaves(params), leaves(dparams), strict=True)]
    inner = torch.stack(products).sum() if products else x.new_zeros(())
    return differing("<w, dw>, against <f(w) - f(0), g>,", inner, _dot(y - constant, grad))


def _computes_in_full_precision(layer: AnyLayer, example: Example) -> str | None:
    params, x, grad = example.whole(layer)
    constant = layer.apply(params, torch.zeros_like(x))
    for name, own, incoming in (("x", _of_30_bits(x), grad), ("grad", x, _of_30_bits(grad))):
        y, dx, _ = compute(layer, params, own, incoming)
        fault = differing(
            f"with {name} of 30 bits <x, dx>, against <f(x) - f(0), g>,", _dot(own, dx), _dot(y - constant, incoming)
        )
        if fault is not None:
            return fault
    return None


def _of_30_bits(whole: Tensor) -> Tensor:
    """Make numbers that float64 can hold and float32 cannot."""
    return whole * 2**26 + whole


def _off_the_bends(x: Tensor, example: Example) -> Tensor:
    """Move numbers by odd sixteenths, so that few sums are 0, where ReLU bends."""
    sixteenths = 2 * torch.randint(-4, 4, x.shape, generator=seeded(example.seed + 2)) + 1
    return x + sixteenths.to(x.dtype) / 16


def _differentiates(layer: AnyLayer, example: Example) -> str | None:
    params, x, grad = example.whole(layer)
    return _derivative_fault(layer, params, _off_the_bends(x, example), grad, example.seed, exact=True)


def _differentiates_nearly(layer: AnyLayer, example: Example) -> str | None:
    params, x, grad = example.normal(layer)
    return _derivative_fault(layer, params, x, grad, example.seed, exact=False)


def _derivative_fault(layer: AnyLayer, params: Any, x: Tensor, grad: Tensor, seed: int, *, exact: bool) -> str | None:
    """Compare a few numbers of each tensor; others get their turn in other examples."""
    return derivative_fault(layer, params, x, grad, exact=exact, generator=seeded(seed), most=4)


def _linear_in_params(traits: Traits) -> bool:
    return traits.linear_in_params


def _smooth(traits: Traits) -> bool:
    return not traits.exact


ALGEBRA = (
    Law("linear", "f(x) - f(0) is linear in x.", _is_linear_in_x, linear),
    Law("linear backward", "backward is linear in grad.", _has_a_linear_backward, exact),
    Law("zero", "backward of 0 is 0.", _gives_nothing_for_nothing),
    Law(
        "powers of two",
        "backward of 1024 grad is 1024 times that of grad, to the bit.",
        _scales_by_powers_of_two,
    ),
    Law("adjoint", "<f(x) - f(0), g> = <x, dx>.", _has_its_adjoint, linear),
    Law(
        "adjoint in params",
        "<f(w) - f(0), g> = <w, dw>, with f a function of the params.",
        _has_its_adjoint_in_params,
        _linear_in_params,
    ),
    Law("precision", "float64 is computed in float64.", _computes_in_full_precision, linear),
    Law(
        "derivative",
        "dx and dparams are the derivatives of <f, g>, by differences without error.",
        _differentiates,
        exact,
    ),
    Law(
        "derivative of a curve",
        "dx and dparams are the derivatives of <f, g>, to the error of differences.",
        _differentiates_nearly,
        _smooth,
    ),
)
