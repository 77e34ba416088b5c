"""ReLU, Sigmoid and Identity: exact where they are, within a derived bound elsewhere, to the ends of the number line."""

import math
from decimal import Decimal
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from n2nfun.layer import NoParams, ShapeError
from n2nfun.layers import Conv2d, ConvCache, Identity, IdentityCache, ReLU, Sigmoid
from n2nfun.testing.bits import assert_same_bits
from n2nfun.testing.comparing import compute
from n2nfun.testing.numbers import listed, normal_numbers, seeded, seeds
from tests.oracle import differentiate
from tests.refusals import Refusal, each
from tests.rounding import DTYPES, assert_within, gamma, half_smallest, unit_roundoff, working_dtype

ENDS = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    1000.0,
    -1000.0,
    math.inf,
    -math.inf,
    1e-40,
    -1e-40,
    88.0,
    -88.0,
    89.0,
    -89.0,
    1e30,
    -1e30,
]


class Given(TorchDispatchMode):  # type: ignore[no-untyped-call]  # PyTorch does not type it
    """Notes whether the first tensor that ReLU gives to PyTorch lies in the order of its dimensions."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # nor this  # pyright: ignore[reportUnknownMemberType]
        self.dense: dict[str, bool] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if str(func).startswith(("aten.clamp_min", "aten.threshold_backward")):
            self.dense[str(func)] = args[0].is_contiguous()
        return func(*args, **(kwargs or {}))


each_dtype = pytest.mark.parametrize("dtype", DTYPES)
numbers = st.lists(st.floats(width=32) | st.floats(-20, 20, width=32) | st.sampled_from(ENDS), max_size=20)


@each_dtype
@given(values=numbers)
def test_relu_is_its_definition(dtype: torch.dtype, values: list[float]) -> None:
    x = torch.tensor(values, dtype=torch.float64).to(dtype)
    grad = torch.linspace(1, 2, len(values)).to(dtype)
    y, dx, dparams = compute(ReLU(), NoParams(), x, grad)
    assert y.dtype is dx.dtype is dtype
    assert dparams == NoParams()
    for value, made, incoming, outgoing in zip(*map(listed, (x, y, grad, dx)), strict=True):
        if math.isnan(value):
            assert math.isnan(made)
            assert outgoing == incoming
        else:
            assert made == max(value, 0.0)
            assert outgoing == (incoming if value > 0 else 0.0)


def test_a_compiler_is_given_relu_in_the_order_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.arange(-60.0, 60.0).view(4, 5, 2, 3).permute(2, 0, 3, 1)
    expected = compute(ReLU(), NoParams(), x, -x)
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    with Given() as given_to:
        made = compute(ReLU(), NoParams(), x, -x)
    assert_same_bits(made, expected)
    assert [found.stride() for found in made[:2]] == [x.stride()] * 2
    assert given_to.dense == {"aten.clamp_min.default": True, "aten.threshold_backward.default": True}


def test_the_derivative_of_relu_at_zero_is_zero() -> None:
    x = torch.tensor([0.0, -0.0, 1e-45])  # the last is the smallest positive float32
    _, dx, _ = compute(ReLU(), NoParams(), x, torch.tensor([1.0, torch.nan, 3.0]))
    assert listed(dx) == [0.0, 0.0, 3.0]


def sigmoid(x: float) -> Decimal:
    """Compute the sigmoid to 28 digits; below -10^6, where no float tells it from 0, that of -10^6."""
    return 1 / (1 + (-Decimal(max(x, -1e6))).exp())


def sigmoid_bound(exact: Decimal, dtype: torch.dtype) -> Decimal:
    """Bound the error of ``1 / (1 + exp(-x))``, where exp is off by one unit in the last place at most.

    That is 2 u; the sum and the quotient are rounded once each. Where exp overflows the result is 0, and the exact one
    less than the smallest normal number. 16-bit results are rounded once more.
    """
    work = working_dtype(dtype)
    apart = exact * Decimal(gamma(4, work).item()) + Decimal(torch.finfo(work).tiny)
    if work is dtype:
        return apart
    return apart + Decimal(unit_roundoff(dtype)) * (exact + apart) + Decimal(half_smallest(dtype))


@each_dtype
@given(values=numbers)
def test_sigmoid_is_within_its_bound(dtype: torch.dtype, values: list[float]) -> None:
    x = torch.tensor(values, dtype=torch.float64).to(dtype)
    y, _ = Sigmoid().forward(NoParams(), x)
    assert y.dtype is dtype
    for value, made in zip(listed(x), listed(y), strict=True):
        if math.isnan(value):
            assert math.isnan(made)
        elif math.isinf(value):
            assert made == (1.0 if value > 0 else 0.0)
        else:
            assert 0 <= made <= 1
            assert abs(Decimal(made) - sigmoid(value)) <= sigmoid_bound(sigmoid(value), dtype)


@each_dtype
def test_sigmoid_at_the_ends(dtype: torch.dtype) -> None:
    x = torch.tensor([-torch.inf, -1000.0, 0.0, 1000.0, torch.inf], dtype=dtype)
    y, dx, _ = compute(Sigmoid(), NoParams(), x, torch.ones_like(x))
    assert listed(y) == [0.0, 0.0, 0.5, 1.0, 1.0]
    assert listed(dx) == [0.0, 0.0, 0.25, 0.0, 0.0]


@each_dtype
@given(values=st.lists(st.floats(-30, 30, width=16), max_size=20), generator=seeds())
def test_the_derivative_of_sigmoid_is_within_its_bound(
    dtype: torch.dtype, values: list[float], generator: torch.Generator
) -> None:
    x = torch.tensor(values, dtype=dtype)
    grad = normal_numbers((len(values),), generator, dtype)
    y, dx, _ = compute(Sigmoid(), NoParams(), x, grad)
    wide, size = y.double(), grad.double().abs()
    # From the rounded y: 1 - y, its product with y, and that with grad are rounded once each, in float64 too, where one
    # of them may be too small to be a normal number.
    relative = gamma(3, dtype) + gamma(3, torch.float64)
    assert_within(
        dx,
        grad.double() * wide * (1 - wide),
        relative * size * wide * (1 - wide) + 2 * (1 + size) * half_smallest(dtype),
    )


@given(values=st.lists(st.floats(-30, 30), max_size=20), generator=seeds())
def test_the_derivative_of_sigmoid_is_autograds(values: list[float], generator: torch.Generator) -> None:
    x = torch.tensor(values, dtype=torch.float64)
    grad = normal_numbers((len(values),), generator, torch.float64)
    y, dx, _ = compute(Sigmoid(), NoParams(), x, grad)
    expected = differentiate(Sigmoid(), NoParams(), x, grad)
    # |d y(1-y) / dy| <= 1, so an error of y, 4 roundings on each side, enters the derivative no larger.
    bound = grad.abs() * (2 * gamma(4, torch.float64) * y + 2 * gamma(3, torch.float64) * y)
    assert_within(dx, expected.dx, bound + half_smallest(torch.float64))


@each_dtype
@given(values=numbers)
def test_identity_is_its_definition(dtype: torch.dtype, values: list[float]) -> None:
    x = torch.tensor(values, dtype=torch.float64).to(dtype)
    y, dx, dparams = compute(Identity(), NoParams(), x, x + 1)
    assert_same_bits((y, dx, dparams), (x, x + 1, NoParams()))
    assert x.numel() == 0 or (y.data_ptr() != x.data_ptr())


@pytest.mark.parametrize("layer", [ReLU(), Sigmoid(), Identity()], ids=repr)
@given(shape=st.lists(st.integers(0, 3), max_size=5).map(tuple), generator=seeds())
def test_any_shape_is_kept(layer: Any, shape: tuple[int, ...], generator: torch.Generator) -> None:
    x, grad = (normal_numbers(shape, generator, torch.float32) for _ in range(2))
    y, dx, _ = compute(layer, NoParams(), x, grad)
    assert y.shape == dx.shape == layer.output_shape(shape) == shape
    assert layer.multiply_adds(shape) == layer.count_parameters() == 0
    assert layer.init(generator) == NoParams()


def test_the_layers_are_values() -> None:
    assert ReLU() == ReLU()
    assert len({ReLU(), ReLU(), Sigmoid(), Identity()}) == 3
    assert repr(Sigmoid()) == "Sigmoid()"


# For callers without a type checker.
relu: Any = ReLU()
squash: Any = Sigmoid()
identity: Any = Identity()
x = torch.ones(2, 3)
params: Any = NoParams()
conv_params = Conv2d(1, 1, 1).init(seeded(0))


def refusals_of(layer: Any, name: str) -> list[Refusal]:
    cache = layer.forward(params, x)[1]
    return [
        Refusal(lambda: layer.forward(params, 1.0), TypeError, f"{name}.forward(): x is a float, expected a tensor"),
        Refusal(
            lambda: layer.forward(params, x.bool()),
            TypeError,
            f"{name}.forward(): x is torch.bool, expected float32, float64, float16 or bfloat16",
        ),
        Refusal(
            lambda: layer.forward(params, x.long()),
            TypeError,
            f"{name}.forward(): x is torch.int64, expected float32, float64, float16 or bfloat16: convert it first, "
            "images of 8 bits with x.float() / 255",
        ),
        Refusal(
            lambda: layer.forward(params, x.to(torch.complex64)),
            TypeError,
            f"{name}.forward(): x is torch.complex64, expected float32, float64, float16 or bfloat16",
        ),
        Refusal(
            lambda: layer.forward(params, x.to(torch.float8_e5m2)),
            TypeError,
            f"{name}.forward(): x is torch.float8_e5m2, expected float32, float64, float16 or bfloat16",
        ),
        Refusal(
            lambda: layer.forward(conv_params, x),
            TypeError,
            f"{name}.forward(): params is a ConvParams, expected NoParams, as init() makes",
        ),
        Refusal(
            lambda: layer.backward(conv_params, cache, x),
            TypeError,
            f"{name}.backward(): params is a ConvParams, expected NoParams, as init() makes",
        ),
        Refusal(
            lambda: layer.backward(params, ConvCache(x[None, None], (1, 1, 1, 1)), x),
            TypeError,
            f"{name}.backward(): cache is a ConvCache, expected the {name}Cache that forward() returned",
        ),
        Refusal(
            lambda: layer.backward(params, cache, x[:, 1:]),
            ShapeError,
            f"{name}.backward(): grad has shape (2, 2), expected that of forward's output, (2, 3)",
        ),
        Refusal(
            lambda: layer.backward(params, cache, 1), TypeError, f"{name}.backward(): grad is a int, expected a tensor"
        ),
        Refusal(
            lambda: layer.backward(params, cache, x.double()),
            TypeError,
            f"{name}.backward(): grad is torch.float64, expected that of forward's output, torch.float32",
        ),
        Refusal(
            lambda: layer.init(0),
            TypeError,
            "generator is 0, expected a torch.Generator, as torch.Generator().manual_seed(0)",
        ),
        Refusal(lambda: layer.output_shape("abc"), TypeError, "shape is 'abc', expected a tuple of ints"),
        Refusal(lambda: layer.output_shape((1, 2.0)), TypeError, "shape is (1, 2.0), expected a tuple of ints"),
        Refusal(lambda: layer.output_shape([1, 2]), TypeError, "shape is [1, 2], expected a tuple of ints"),
        Refusal(
            lambda: layer.output_shape((1, -3, 0)), ShapeError, "x has shape (1, -3, 0), expected no negative size"
        ),
    ]


def a_gradient_elsewhere(layer: Any, name: str) -> Refusal:
    cache = layer.forward(params, x)[1]
    message = f"{name}.backward(): grad is on meta, cache on cpu: move one to the other's device"
    return Refusal(lambda: layer.backward(params, cache, x.to("meta")), TypeError, message)


REFUSALS = [
    *refusals_of(relu, "ReLU"),
    a_gradient_elsewhere(relu, "ReLU"),
    *refusals_of(squash, "Sigmoid"),
    a_gradient_elsewhere(squash, "Sigmoid"),
    *refusals_of(identity, "Identity"),
]


@each(REFUSALS)
def test_refuses(refusal: Refusal) -> None:
    refusal.check()


def test_identity_keeps_no_numbers() -> None:
    assert Identity().forward(NoParams(), x)[1] == IdentityCache((2, 3), torch.float32)
