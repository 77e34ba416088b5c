"""Losses against autograd: exact where sums are, within a derived bound elsewhere."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from n2nfun.layer import Shape, ShapeError
from n2nfun.losses import L0, L1, MSE, LossCache
from n2nfun.testing.bits import assert_same_bits
from n2nfun.testing.layouts import LAYOUTS
from n2nfun.testing.numbers import listed, normal_numbers, seeded, seeds, whole_numbers
from tests.purity import assert_outside_autograd, nothing_changed
from tests.refusals import Refusal, each
from tests.rounding import DTYPES, assert_within, gamma, half_smallest, unit_roundoff, working_dtype

LOSSES: list[Any] = [MSE(), L1(), L0(0.5), L0(2.0, eps=0.01)]
each_loss = pytest.mark.parametrize("loss", LOSSES, ids=repr)
each_dtype = pytest.mark.parametrize("dtype", DTYPES)
shapes = st.lists(st.integers(1, 5), max_size=4).map(tuple)
shapes_of_powers_of_two = st.lists(st.sampled_from([1, 2, 4, 8]), max_size=4).map(tuple)


def reference(loss: Any, prediction: Tensor, target: Tensor) -> Tensor:
    """Compute a loss as PyTorch would."""
    match loss:
        case MSE():
            return functional.mse_loss(prediction, target)
        case L1():
            return functional.l1_loss(prediction, target)
        case L0():
            return (((prediction - target).abs() + loss.eps) ** loss.gamma).mean()
        case _:
            raise NotImplementedError(loss)


def differentiate(loss: Any, prediction: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Compute a loss and its gradient with autograd."""
    variable = prediction.clone().requires_grad_()
    value = reference(loss, variable, target)
    return value.detach(), torch.autograd.grad(value, variable)[0]


def compute(loss: Any, prediction: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Compute a loss and its gradient with the loss itself."""
    value, cache = loss.forward(prediction, target)
    return value, loss.backward(cache)


@pytest.mark.parametrize("loss", [MSE(), L1()], ids=repr)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@given(shape=shapes_of_powers_of_two, generator=seeds())
def test_equals_autograd_exactly_on_whole_numbers(
    loss: Any, dtype: torch.dtype, shape: Shape, generator: torch.Generator
) -> None:
    prediction, target = (whole_numbers(shape, generator, dtype) for _ in range(2))
    assert_same_bits(compute(loss, prediction, target), differentiate(loss, prediction, target))


def test_by_hand() -> None:
    prediction, target = torch.tensor([3.0, -1.0, 2.0, 0.0]), torch.tensor([1.0, -1.0, 5.0, 0.5])
    value, dprediction = compute(MSE(), prediction, target)
    assert value.item() == (4 + 0 + 9 + 0.25) / 4
    assert listed(dprediction) == [1.0, 0.0, -1.5, -0.25]
    value, dprediction = compute(L1(), prediction, target)
    assert value.item() == (2 + 0 + 3 + 0.5) / 4
    assert listed(dprediction) == [0.25, 0.0, -0.25, -0.25]
    value, dprediction = compute(L0(2.0, eps=0.5), prediction, target)
    assert value.item() == (6.25 + 0.25 + 12.25 + 1) / 4
    assert listed(dprediction) == [1.25, 0.0, -1.75, -0.5]


def test_the_gradient_is_that_of_the_mean() -> None:
    # The report prints it without the 1/N.
    ones = torch.ones(2, 3, 4, 5)
    assert_same_bits(MSE().backward(MSE().forward(3 * ones, ones)[1]), 2 * (3 * ones - ones) * (1 / 120))


def power_of(loss: Any) -> float:
    """Return the loss's power, by which a relative error of its base is multiplied."""
    return 2.0 if loss == MSE() else 1.0 if loss == L1() else float(loss.gamma)


@each_dtype
@each_loss
@given(shape=shapes, generator=seeds())
def test_rounding_is_within_its_bound(loss: Any, dtype: torch.dtype, shape: Shape, generator: torch.Generator) -> None:
    prediction, target = (normal_numbers(shape, generator, dtype) for _ in range(2))
    value, dprediction = compute(loss, prediction, target)
    assert value.dtype is dprediction.dtype is dtype
    exact, dexact = differentiate(loss, prediction.double(), target.double())
    work, wide, size, power = working_dtype(dtype), torch.float64, prediction.numel(), power_of(loss)
    # The difference is rounded in the dtype of its parts, then eps is rounded and added: three roundings of the base. The
    # power is off by one unit in the last place, 2 u, the mean of n numbers by n roundings; then the result is rounded.
    base = gamma(1, dtype) + gamma(2, work)
    relative = gamma(1, dtype) + power * base + gamma(size + 2, work) + gamma(size + 3 * power + 3, wide)
    assert_within(value, exact, relative * (1 + relative) * exact.abs() + half_smallest(dtype))
    # The gradient has the next lower power, a factor before it and a quotient behind it.
    relative = gamma(2, dtype) + abs(power - 1) * base + gamma(6, work) + gamma(3 * power + 6, wide)
    assert_within(dprediction, dexact, relative * (1 + relative) * dexact.abs() + half_smallest(dtype))


@each_loss
def test_the_derivative_at_zero_is_zero(loss: Any) -> None:
    x = torch.tensor([0.0, -0.0, 1.5])
    _, dprediction = compute(loss, x, x)
    assert not bool(dprediction.any())


@each_loss
def test_nan_shows(loss: Any) -> None:
    value, dprediction = compute(loss, torch.tensor([torch.nan, 1.0]), torch.zeros(2))
    assert math.isnan(value.item())
    if loss != L1():  # torch.sign(nan) is 0, so autograd's gradient is, too
        assert math.isnan(dprediction[0].item())
    assert not math.isnan(dprediction[1].item())


@each_dtype
@each_loss
def test_of_no_numbers_the_loss_is_nan_and_the_gradient_empty(loss: Any, dtype: torch.dtype) -> None:
    empty = torch.zeros(0, 3, 4, 4, dtype=dtype)
    value, dprediction = compute(loss, empty, empty)
    assert math.isnan(value.item())
    assert_same_bits(dprediction, empty)


@each_dtype
@pytest.mark.parametrize("loss", [MSE(), L1()], ids=repr)
def test_large_means_do_not_overflow_in_their_sum(loss: Any, dtype: torch.dtype) -> None:
    # 2^20 numbers: in 16 bits their sum is beyond the range, or beyond what 8 bits of mantissa can count.
    value, _ = compute(loss, torch.full((1 << 20,), 2.0, dtype=dtype), torch.ones(1 << 20, dtype=dtype))
    assert value.item() == 1


@each_loss
def test_purity(loss: Any) -> None:
    prediction, target = (normal_numbers((2, 3, 4, 5), seeded(seed), torch.float32) for seed in (0, 1))
    variables = prediction.clone().requires_grad_(), target.clone().requires_grad_()
    with nothing_changed(*variables):
        value, cache = loss.forward(*variables)
    with nothing_changed(*variables, cache):
        first, second = loss.backward(cache), loss.backward(cache)
    assert_outside_autograd(value, cache, first)
    assert_same_bits(first, second)
    assert_same_bits((value, first), compute(loss, prediction, target))


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.__name__)
@each_loss
def test_the_memory_layout_does_not_matter(loss: Any, layout: Callable[[Tensor], Tensor]) -> None:
    prediction, target = (normal_numbers((3, 5, 7, 9), seeded(seed), torch.float32) for seed in (0, 1))
    expected = compute(loss, prediction, target)
    assert_same_bits(compute(loss, layout(prediction), layout(target)), expected)
    assert_same_bits(compute(loss, layout(prediction), target), expected)


def test_losses_are_values() -> None:
    assert MSE() == MSE()
    assert L0(2.0) == L0(2.0, eps=1e-8)
    assert hash(L0(2.0)) == hash(L0(2.0))
    assert L0(2.0) != L0(1.0)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@each_loss
@given(generator=seeds())
def test_16_bit_gradients_are_rounded_no_more_than_the_bound_of_the_difference(
    loss: Any, dtype: torch.dtype, generator: torch.Generator
) -> None:
    # Of one number alone: the cached difference, then one rounding of what follows from it in float32.
    prediction, target = (normal_numbers((1,), generator, dtype) for _ in range(2))
    value, cache = loss.forward(prediction, target)
    exact, dexact = differentiate(loss, cache.difference.double(), torch.zeros(1, dtype=torch.float64))
    apart = (3 * power_of(loss) + 6) * unit_roundoff(torch.float32) * 2
    for computed, expected in ((value, exact), (loss.backward(cache), dexact)):
        bound = expected.abs() * (unit_roundoff(dtype) * (1 + apart) + apart) + half_smallest(dtype)
        assert_within(computed, expected, bound)


# For callers without a type checker.
mse: Any = MSE()
l1: Any = L1()
power: Any = L0
x = torch.ones(2, 3)


def refusals_of(loss: Any, name: str) -> list[Refusal]:
    owner = f"{name}.forward()"
    return [
        Refusal(lambda: loss.forward(1.0, x), TypeError, f"{owner}: prediction is a float, expected a tensor"),
        Refusal(lambda: loss.forward(x, x.numpy()), TypeError, f"{owner}: target is a ndarray, expected a tensor"),
        Refusal(
            lambda: loss.forward(x.int(), x),
            TypeError,
            f"{owner}: prediction is torch.int32, expected float32, float64, float16 or bfloat16: convert it first, "
            "images of 8 bits with prediction.float() / 255",
        ),
        Refusal(
            lambda: loss.forward(x, x.byte()),
            TypeError,
            f"{owner}: target is torch.uint8, expected float32, float64, float16 or bfloat16: convert it first, "
            "images of 8 bits with target.float() / 255",
        ),
        Refusal(
            lambda: loss.forward(x, x[:1]),
            ShapeError,
            f"{owner}: prediction has shape (2, 3), target (1, 3), expected the same",
        ),
        Refusal(
            lambda: loss.forward(x, x.double()),
            TypeError,
            f"{owner}: prediction is torch.float32, target torch.float64: convert one, target.to(torch.float32)",
        ),
        Refusal(
            lambda: loss.forward(x, x.to("meta")),
            TypeError,
            f"{owner}: prediction is on cpu, target on meta: move one to the other's device",
        ),
        Refusal(
            lambda: loss.forward(x, x.to(torch.complex64)),
            TypeError,
            f"{owner}: target is torch.complex64, expected float32, float64, float16 or bfloat16",
        ),
    ]


REFUSALS = [
    *refusals_of(mse, "MSE"),
    *refusals_of(l1, "L1"),
    *refusals_of(power(1.0), "L0"),
    Refusal(lambda: power(-1.0), ValueError, "gamma is -1.0, expected a finite number of at least 0"),
    Refusal(lambda: power(math.nan), ValueError, "gamma is nan, expected a finite number of at least 0"),
    Refusal(lambda: power(math.inf), ValueError, "gamma is inf, expected a finite number of at least 0"),
    Refusal(lambda: power(1.0, eps=0.0), ValueError, "eps is 0.0, expected a positive finite number"),
    Refusal(lambda: power(1.0, eps=math.inf), ValueError, "eps is inf, expected a positive finite number"),
]


@each(REFUSALS)
def test_refuses(refusal: Refusal) -> None:
    refusal.check()


@pytest.mark.parametrize(("arguments", "name"), [(("2",), "gamma"), ((1.0, None), "eps"), ((True,), "gamma")])
def test_l0_refuses_what_is_no_number(arguments: tuple[object, ...], name: str) -> None:
    with pytest.raises(TypeError, match=rf"^{name} is {arguments[-1]!r}, expected a number"):
        power(*arguments)


@pytest.mark.parametrize("loss", [mse, l1], ids=repr)
def test_refuses_floats_that_layers_do_not_take(loss: Any) -> None:
    tiny = x.to(torch.float8_e4m3fn)
    with pytest.raises(TypeError, match=r"prediction is torch\.float8_e4m3fn, expected"):
        loss.forward(tiny, tiny)


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_refuses_another_cache(loss: Any) -> None:
    with pytest.raises(TypeError, match=rf"^{type(loss).__name__}\.backward\(\): cache is a Tensor, expected"):
        loss.backward(x)


def test_the_cache_is_the_difference() -> None:
    assert_same_bits(MSE().forward(3 * x, x)[1], LossCache(2 * x))
