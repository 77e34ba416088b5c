"""Learning rates as pure functions of the step: ``rate = schedule(step)``, where the first step is 0."""

import math
from collections.abc import Callable
from typing import TypeAlias

from n2nfun.arguments import check_int, check_number

__all__ = ["Schedule", "constant", "cosine"]

Schedule: TypeAlias = Callable[[int], float]


def constant(lr: float) -> Schedule:
    """Keep the learning rate: ``lr(step) = lr``.

    Raises:
        TypeError: if lr is not a number.
        ValueError: if lr is negative or not finite.

    Example:
        >>> constant(0.01)(1000)
        0.01
    """
    check_number("lr", lr)

    def rate(step: int) -> float:
        check_int("step", step, least=0)
        return lr

    return rate


def cosine(peak: float, steps: int, *, warmup: int = 0, final: float = 0.0) -> Schedule:
    """Rise linearly to a peak, then fall along half a cosine.

    ``lr(t) = peak * (t + 1) / warmup`` for t < warmup, then
    ``lr(t) = final + (peak - final) * (1 + cos(pi * (t - warmup) / (steps - warmup))) / 2``, and ``final`` from ``steps`` on.

    Args:
        peak: The highest rate.
        steps: The length of the whole schedule.
        warmup: How many of the steps rise.
        final: The rate at the end.

    Raises:
        TypeError: if an argument is not a number, or steps or warmup not an int.
        ValueError: if a rate is negative or not finite, or unless 0 <= warmup <= steps and steps >= 1.

    Source: Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", ICLR 2017, equation 5.

    Example:
        >>> rate = cosine(1.0, 12, warmup=2)
        >>> [round(rate(step), 3) for step in (0, 1, 2, 7, 12, 99)]
        [0.5, 1.0, 1.0, 0.5, 0.0, 0.0]
    """
    check_number("peak", peak)
    check_number("final", final)
    check_int("steps", steps)
    if check_int("warmup", warmup, least=0) > steps:
        raise ValueError(f"warmup is {warmup}, expected from 0 to steps, which is {steps}")

    def rate(step: int) -> float:
        check_int("step", step, least=0)
        if step < warmup:
            return peak * (step + 1) / warmup
        if step >= steps:
            return final
        progress = (step - warmup) / (steps - warmup)
        return final + (peak - final) * (1 + math.cos(math.pi * progress)) / 2

    return rate
