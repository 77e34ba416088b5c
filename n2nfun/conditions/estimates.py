"""Means and ratios over independent samples, with their standard errors, and when they count as certain."""

import math
from dataclasses import dataclass
from statistics import NormalDist

from torch import Tensor

_FALSE_ALARM = 1e-3  # of one whole inspection


@dataclass(frozen=True, slots=True)
class Estimate:
    """A measured value and its standard error, estimated from the spread over the pieces."""

    value: float
    error: float

    @property
    def z(self) -> float:
        """The value in standard errors."""
        if self.error == 0:
            return math.copysign(math.inf, self.value) if self.value else 0.0
        return self.value / self.error


def mean(samples: Tensor) -> Estimate:
    """The mean of independent samples, and its standard error."""
    return Estimate(float(samples.mean()), float(samples.std() / math.sqrt(len(samples))))


def ratio(top: Tensor, bottom: Tensor) -> Estimate:
    """The ratio of two means over the same samples, and its standard error to first order."""
    whole = bottom.mean()
    if not float(whole) > 0:
        return Estimate(0.0, math.inf)
    quotient = top.mean() / whole
    return Estimate(float(quotient), mean((top - quotient * bottom) / whole).error)


def certainty_threshold(tests: int, samples: int) -> float:
    """Student's two-sided t for the false alarm probability shared by the tests (Abramowitz and Stegun 26.7.5)."""
    z, n = NormalDist().inv_cdf(1 - _FALSE_ALARM / (2 * tests)), samples - 1
    return (
        z
        + (z**3 + z) / (4 * n)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * n**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * n**3)
    )


def floats(values: Tensor) -> tuple[float, ...]:
    """Copy the values of a vector."""
    return tuple(float(value) for value in values)
