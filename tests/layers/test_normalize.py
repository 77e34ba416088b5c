"""Normalize: within a derived bound of the quotient, exact where mean and deviation are dyadic, and its refusals."""

import math
from fractions import Fraction
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from n2nfun.layer import NoParams, ShapeError
from n2nfun.layers import Identity, Normalize, NormalizeCache
from n2nfun.testing.comparing import compute
from n2nfun.testing.numbers import listed
from tests.refusals import Refusal, each
from tests.rounding import DTYPES, gamma, half_smallest, unit_roundoff, working_dtype

numbers = st.lists(st.floats(-1000, 1000, width=16), max_size=20)


@pytest.mark.parametrize("dtype", DTYPES)
@given(values=numbers, mean=st.floats(-10, 10), std=st.floats(0.01, 10))
def test_is_the_quotient(dtype: torch.dtype, values: list[float], mean: float, std: float) -> None:
    x = torch.tensor(values, dtype=torch.float64).to(dtype)
    y, dx, dparams = compute(Normalize(mean, std), NoParams(), x, x)
    assert y.dtype is dx.dtype is dtype
    assert dparams == NoParams()
    # Mean, deviation, difference and quotient are rounded once each, 16-bit results once more.
    work = working_dtype(dtype)
    relative = Fraction(gamma(4, work).item())
    smallest = Fraction(torch.finfo(work).tiny) * Fraction(torch.finfo(work).eps)
    for value, made, outgoing in zip(*map(listed, (x, y, dx)), strict=True):
        for result, exact, size in (
            (made, (Fraction(value) - Fraction(mean)) / Fraction(std), abs(Fraction(value)) + abs(Fraction(mean))),
            (outgoing, Fraction(value) / Fraction(std), abs(Fraction(value))),
        ):
            bound = (relative * size + smallest) / Fraction(std) + smallest
            if work is not dtype:
                bound += Fraction(unit_roundoff(dtype)) * (abs(exact) + bound) + Fraction(half_smallest(dtype))
            largest = torch.finfo(dtype).max
            if abs(exact) + bound >= largest:
                assert abs(result) >= float(largest - bound)
            else:
                assert abs(Fraction(result) - exact) <= bound


@given(values=st.lists(st.integers(-1000, 1000), max_size=20))
def test_is_exact_where_arithmetic_is(values: list[int]) -> None:
    x = torch.tensor(values, dtype=torch.float32)
    y, dx, _ = compute(Normalize(0.5, 0.25), NoParams(), x, x)
    assert listed(y) == [4 * value - 2 for value in values]
    assert listed(dx) == [4 * value for value in values]


layer: Any = Normalize
one = Normalize(0.0, 1.0)
cache = NormalizeCache((2,), torch.float32)
unknown: Any = object()

REFUSALS = [
    Refusal(lambda: layer(math.nan, 1.0), ValueError, "mean is nan, expected a finite number"),
    Refusal(lambda: layer(-math.inf, 1.0), ValueError, "mean is -inf, expected a finite number"),
    Refusal(lambda: layer("0", 1.0), TypeError, "mean is '0', expected a number"),
    Refusal(lambda: layer(0.5, 0), ValueError, "std is 0, expected a positive finite number"),
    Refusal(lambda: layer(0.5, -1.0), ValueError, "std is -1.0, expected a positive finite number"),
    Refusal(lambda: layer(0.5, math.inf), ValueError, "std is inf, expected a positive finite number"),
    Refusal(lambda: layer(0.5, True), TypeError, "std is True, expected a number"),
    Refusal(
        lambda: one.forward(NoParams(), torch.ones(2).byte()),
        TypeError,
        "Normalize.forward(): x is torch.uint8, expected float32, float64, float16 or bfloat16: convert it first, "
        "images of 8 bits with x.float() / 255",
    ),
    Refusal(
        lambda: one.forward(unknown, torch.ones(2)),
        TypeError,
        "Normalize.forward(): params is a object, expected NoParams, as init() makes",
    ),
    Refusal(
        lambda: layer(0.0, 1.0).backward(NoParams(), Identity().forward(NoParams(), torch.ones(2))[1], torch.ones(2)),
        TypeError,
        "Normalize.backward(): cache is a IdentityCache, expected the NormalizeCache that forward() returned",
    ),
    Refusal(
        lambda: one.backward(NoParams(), cache, torch.ones(3)),
        ShapeError,
        "Normalize.backward(): grad has shape (3,), expected that of forward's output, (2,)",
    ),
    Refusal(
        lambda: one.backward(NoParams(), one.forward(NoParams(), torch.ones(2))[1], torch.ones(2).double()),
        TypeError,
        "Normalize.backward(): grad is torch.float64, expected that of forward's output, torch.float32",
    ),
    Refusal(
        lambda: one.backward(unknown, cache, torch.ones(2)),
        TypeError,
        "Normalize.backward(): params is a object, expected NoParams, as init() makes",
    ),
    Refusal(lambda: one.output_shape((1, -3, 0)), ShapeError, "x has shape (1, -3, 0), expected no negative size"),
]


@each(REFUSALS)
def test_refuses(refusal: Refusal) -> None:
    refusal.check()
