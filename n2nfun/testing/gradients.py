"""Check gradients against differences, without autograd.

The central difference ``(L(p + h) - L(p - h)) / 2h`` of ``L = <f(params, x), g>`` has no truncation error where f is linear
between p - h and p + h, and no rounding error on small whole numbers with h a power of two. Where f bends in between, as
ReLU at 0, the differences to the left and to the right are not the same, and the number is passed over.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from n2nfun.testing.comparing import compute
from n2nfun.testing.law import AnyLayer
from n2nfun.tree import leaves, paths, rebuild

__all__ = ["check_gradients", "derivative_fault"]

_STEP = 2.0**-5

_ULPS = 8
"""So many units in the last place the numbers that f computes are taken to be off, where f is not exact."""


def check_gradients(
    layer: AnyLayer, params: Any, x: Tensor, grad: Tensor, *, exact: bool, generator: torch.Generator, most: int = 12
) -> None:
    """Require that ``backward`` gives the derivatives of ``<forward(params, x), grad>``, by central differences.

    Args:
        layer: What to check.
        params: Where, in float64.
        x: Likewise.
        grad: Of the output.
        exact: Whether f is piecewise linear, and params, x and grad are small whole numbers: then nothing may differ.
            Otherwise three steps, halved each time, tell how far the derivative is known.
        generator: Chooses the numbers that are compared.
        most: So many of each tensor.

    Raises:
        AssertionError: that names the number, what it is and what was expected.

    Example:
        >>> from n2nfun import Conv2d, ConvParams
        >>> layer, ones = Conv2d(1, 1, 2), torch.ones(1, 1, 2, 2, dtype=torch.float64)
        >>> params = ConvParams(ones, torch.zeros(1, dtype=torch.float64))
        >>> check_gradients(layer, params, ones, ones[:, :, :1, :1], exact=True, generator=torch.Generator())
    """
    fault = derivative_fault(layer, params, x, grad, exact=exact, generator=generator, most=most)
    if fault is not None:
        raise AssertionError(f"{layer!r}: {fault}")


def derivative_fault(
    layer: AnyLayer, params: Any, x: Tensor, grad: Tensor, *, exact: bool, generator: torch.Generator, most: int
) -> str | None:
    """Say where dx or dparams first differs from the difference, as :func:`check_gradients`."""
    y, dx, dparams = compute(layer, params, x, grad)
    there = y * grad
    inputs = [("dx", x, dx)]
    inputs += [(f"dparams{path}", leaf, own) for (path, leaf), own in zip(paths(params), leaves(dparams), strict=True)]

    def terms(place: int, moved: Tensor) -> Tensor:
        given = [moved if index == place else tensor for index, (_, tensor, _) in enumerate(inputs)]
        return layer.apply(rebuild(params, given[1:]), given[0]) * grad

    for place, (name, tensor, computed) in enumerate(inputs):
        for flat in torch.randperm(tensor.numel(), generator=generator)[:most]:
            index = tuple(int(i) for i in torch.unravel_index(flat, tensor.shape))

            def along(
                step: float, place: int = place, tensor: Tensor = tensor, index: tuple[int, ...] = index
            ) -> Tensor:
                moved = tensor.clone()
                moved[index] += step
                return terms(place, moved)

            known = _exactly(along, there) if exact else _nearly(along, there)
            got = float(computed[index])
            if known is not None and not abs(got - known[0]) <= known[1]:
                near = "" if exact else f" to within {known[1]:.2g}"
                return f"{name}{list(index)} is {got!r}, expected {known[0]!r}{near}, by central differences"
    return None


def _exactly(along: Callable[[float], Tensor], there: Tensor) -> tuple[float, float] | None:
    """Return the difference, which is the derivative, or None where f bends."""
    left, middle, right = (float(terms.sum()) for terms in (along(-_STEP), there, along(_STEP)))
    return None if right - middle != middle - left else ((right - left) / (2 * _STEP), 0.0)


def _nearly(along: Callable[[float], Tensor], there: Tensor) -> tuple[float, float]:
    """Return Richardson's extrapolation, and how far it may be off.

    The truncation error of a difference falls by 4 with each halving of the step. What the extrapolations from two pairs
    of steps differ in bounds what is left of it. Each value is off by the rounding of its n terms and of their sum.
    """
    steps = [2.0**-k for k in (8, 9, 10)]
    slopes = [(float(along(step).sum()) - float(along(-step).sum())) / (2 * step) for step in steps]
    better, best = (fine + (fine - coarse) / 3 for coarse, fine in pairwise(slopes))
    rounding = (_ULPS + there.numel()) * torch.finfo(there.dtype).eps * float(there.abs().sum())
    return best, abs(best - better) + 3 * rounding / steps[-1]
