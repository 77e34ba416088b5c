"""Hold a loss to its laws: a pure scalar function, whose backward is its derivative."""

from typing import Any

import torch
from hypothesis import strategies as st
from torch import Tensor

from n2nfun.losses import Loss
from n2nfun.testing.bits import all_as_before, bits
from n2nfun.testing.comparing import differing
from n2nfun.testing.law import LawBroken, for_all
from n2nfun.testing.numbers import seeded, whole_numbers
from n2nfun.tree import leaves

__all__ = ["check_loss"]

_SHAPES = ((1, 1, 1, 1), (2, 1, 1, 2), (1, 1, 4, 2), (2, 2, 2, 4))
"""Of powers of two numbers each, so that their mean is exact."""

_STEP = 2.0**-5


def check_loss(loss: Loss[Any], *, max_examples: int | None = None) -> None:
    """Hold a loss that is piecewise quadratic, such as MSE and L1, to its laws, on inputs that hypothesis draws.

    The value is one number of the prediction's dtype; the same call gives the same bits; no call changes an argument; the
    gradient has the prediction's shape, and is the central difference, which of a quadratic function has no error.

    Args:
        loss: What to check.
        max_examples: As many are drawn; by default as many as hypothesis's settings say.

    Raises:
        LawBroken: if a law does not hold; the message names the law, the number and what was expected.

    Example:
        >>> from n2nfun import MSE
        >>> check_loss(MSE(), max_examples=20)
    """

    def check(drawn: tuple[tuple[int, ...], int]) -> None:
        shape, seed = drawn
        fault = _fault(loss, shape, seed)
        if fault is not None:
            raise LawBroken(f"{loss!r}, on a prediction of shape {shape} from seed {seed}: {fault}")

    for_all(st.tuples(st.sampled_from(_SHAPES), st.integers(0, 2**32 - 1)), check, max_examples)


def _fault(loss: Loss[Any], shape: tuple[int, ...], seed: int) -> str | None:
    generator = seeded(seed)
    target = whole_numbers(shape, generator)
    # Odd sixteenths off the whole numbers: the step does not cross 0, where the absolute value bends.
    prediction = whole_numbers(shape, generator) + (2 * torch.randint(-8, 8, shape, generator=generator) + 1) / 16
    before = [bits(tensor) for tensor in (prediction, target)]
    value, cache = loss.forward(prediction, target)
    held = leaves(cache)
    kept = [bits(tensor) for tensor in held]
    grad = loss.backward(cache)
    if value.shape != () or value.dtype != prediction.dtype:
        return f"its value is {value.dtype} of shape {tuple(value.shape)}, expected one number of {prediction.dtype}"
    if not all_as_before((prediction, target), before):
        return "it changes its arguments"
    if not all_as_before(held, kept):
        return "backward changes the cache"
    again = loss.backward(loss.forward(prediction, target)[1])
    fault = differing("the second gradient", again, grad)
    return fault or differing("its gradient", grad, _differences(loss, prediction, target))


def _differences(loss: Loss[Any], prediction: Tensor, target: Tensor) -> Tensor:
    """Return the central difference of the value in each number of the prediction."""
    slopes = torch.empty_like(prediction)
    for flat in range(prediction.numel()):
        ends: list[Tensor] = []
        for step in (_STEP, -_STEP):
            moved = prediction.clone()
            moved.view(-1)[flat] += step
            ends.append(loss.forward(moved, target)[0])
        slopes.view(-1)[flat] = (ends[0] - ends[1]) / (2 * _STEP)
    return slopes
