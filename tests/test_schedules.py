"""Schedules: their formula in exact arithmetic, their bounds, and that they rise and fall."""

import math
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from n2nfun.schedules import constant, cosine
from tests.refusals import Refusal, each

EPSILON = 2.0**-53
rates = st.floats(1e-6, 10)


@st.composite
def lengths(draw: st.DrawFn) -> tuple[int, int]:
    """Draw (steps, warmup)."""
    steps = draw(st.integers(1, 300))
    return steps, draw(st.integers(0, steps))


@given(st.floats(0, 1e300), st.integers(0, 10**12))
def test_constant(lr: float, step: int) -> None:
    assert constant(lr)(step) == lr


@given(rates, st.floats(0, 1), lengths())
def test_cosine_is_its_formula(peak: float, share: float, length: tuple[int, int]) -> None:
    (steps, warmup), final = length, peak * share
    schedule = cosine(peak, steps, warmup=warmup, final=final)
    for step in range(steps + 3):
        if step < warmup:
            exact = Fraction(peak) * (step + 1) / warmup
        elif step >= steps:
            exact = Fraction(final)
        else:
            turn = math.cos(math.pi * (step - warmup) / (steps - warmup))
            exact = Fraction(final) + (Fraction(peak) - Fraction(final)) * (1 + Fraction(turn)) / 2
        # Two roundings while it rises. Then the angle has 4 roundings of at most pi, the cosine, seen twice, is off by a
        # unit in the last place each time, and 4 more operations are rounded, none of them on a number larger than 2 peak.
        assert abs(Fraction(schedule(step)) - exact) <= (8 * math.pi + 4 + 16) * EPSILON * Fraction(peak)


@given(rates, st.floats(0, 1), lengths())
def test_cosine_rises_to_its_peak_and_falls_to_its_end(peak: float, share: float, length: tuple[int, int]) -> None:
    (steps, warmup), final = length, peak * share
    schedule = cosine(peak, steps, warmup=warmup, final=final)
    values = [schedule(step) for step in range(steps + 3)]
    assert values[:warmup] == sorted(values[:warmup])
    # Cosines of at most 300 angles in half a turn differ by more than 1e-5, far above their rounding.
    assert values[warmup:] == sorted(values[warmup:], reverse=True)
    slack = 1 + 4 * EPSILON
    assert values[0] > 0 or warmup == 0
    assert max(values) <= peak * slack
    assert min(values[warmup:]) >= final / slack
    assert set(values[steps:]) == {final}


def test_cosine_by_hand() -> None:
    schedule = cosine(4.0, 8, warmup=4, final=2.0)
    assert [schedule(step) for step in (0, 1, 2, 3, 4, 8, 9, 10**9)] == [1.0, 2.0, 3.0, 4.0, 4.0, 2.0, 2.0, 2.0]
    assert abs(schedule(6) - 3) <= 4 * EPSILON
    assert [cosine(1.0, 1)(step) for step in (0, 1)] == [1.0, 0.0]
    assert [cosine(1.0, 2, warmup=2)(step) for step in (0, 1, 2)] == [0.5, 1.0, 0.0]


# For callers without a type checker.
constantly: Any = constant
cosinely: Any = cosine

REFUSALS = [
    Refusal(lambda: constantly(-0.1), ValueError, "lr is -0.1, expected a finite number of at least 0"),
    Refusal(lambda: constantly(math.nan), ValueError, "lr is nan, expected a finite number of at least 0"),
    Refusal(lambda: constantly(math.inf), ValueError, "lr is inf, expected a finite number of at least 0"),
    Refusal(lambda: cosinely(-1.0, 10), ValueError, "peak is -1.0, expected a finite number of at least 0"),
    Refusal(lambda: cosinely(math.inf, 10), ValueError, "peak is inf, expected a finite number of at least 0"),
    Refusal(lambda: cosinely(1.0, 10, final=-0.5), ValueError, "final is -0.5, expected a finite number of at least 0"),
    Refusal(lambda: cosinely(1.0, 0), ValueError, "steps is 0, expected an int of at least 1"),
    Refusal(lambda: cosinely(1.0, -3), ValueError, "steps is -3, expected an int of at least 1"),
    Refusal(lambda: cosinely(1.0, 10, warmup=-1), ValueError, "warmup is -1, expected an int of at least 0"),
    Refusal(lambda: cosinely(1.0, 10, warmup=11), ValueError, "warmup is 11, expected from 0 to steps, which is 10"),
    Refusal(lambda: constantly(0.1)("a"), TypeError, "step is 'a', expected an int"),
    Refusal(lambda: constantly(0.1)(-1), ValueError, "step is -1, expected an int of at least 0"),
    Refusal(lambda: cosinely(1.0, 10)("a"), TypeError, "step is 'a', expected an int"),
    Refusal(lambda: cosinely(1.0, 10)(1.5), TypeError, "step is 1.5, expected an int"),
    Refusal(lambda: cosinely(1.0, 10)(-1), ValueError, "step is -1, expected an int of at least 0"),
]


@each(REFUSALS)
def test_refuses(refusal: Refusal) -> None:
    refusal.check()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: constantly("0.1"), r"^lr is '0\.1', expected a number"),
        (lambda: constantly(None), r"^lr is None, expected a number"),
        (lambda: cosinely("1", 10), r"^peak is '1', expected a number"),
        (lambda: cosinely(1.0, "10"), r"^steps is '10', expected an int"),
        (lambda: cosinely(1.0, 2.5), r"^steps is 2\.5, expected an int"),
        (lambda: cosinely(1.0, 10, warmup=0.5), r"^warmup is 0\.5, expected an int"),
    ],
)
def test_refuses_what_is_no_number(call: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        call()
