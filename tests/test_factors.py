"""Tensors as hyper-parameters: the steps of SGD with tensors are those with numbers, alone, under vmap and compiled."""

import copy
from dataclasses import fields, replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from n2nfun.factors import check_factor, check_switch, is_zero, known, plus, times
from n2nfun.optim import SGD, SGDState
from n2nfun.testing.bits import assert_same_bits
from n2nfun.testing.numbers import normal_numbers, seeded, seeds, whole_numbers
from n2nfun.tree import leaves, tree_map
from tests.purity import assert_outside_autograd, nothing_changed
from tests.refusals import Refusal, each
from tests.rounding import DTYPES, assert_within, gamma, half_smallest, working_dtype
from tests.shape_checking import unchecked

NAMES = [field.name for field in fields(SGD)]
SHAPES = [(3, 2, 2, 2), (5,), (), (0, 4)]
each_dtype = pytest.mark.parametrize("dtype", DTYPES)
fewer = settings(max_examples=settings().max_examples // 5)

quarters = st.integers(0, 8).map(lambda number: number / 4)
unit = st.sampled_from([0.0, 0.1, 0.9, 1.0]) | st.floats(0, 1)


def optimizers(numbers: st.SearchStrategy[float]) -> st.SearchStrategy[SGD]:
    """Draw any legal combination of such numbers."""
    plain = st.builds(SGD, numbers, momentum=numbers, dampening=numbers, weight_decay=numbers)
    positive = numbers.filter(bool)
    return plain | st.builds(SGD, numbers, momentum=positive, weight_decay=numbers, nesterov=st.just(value=True))


def with_tensors(sgd: SGD, names: list[str]) -> SGD:
    """Return the optimizer with tensors in place of some of its numbers."""
    values: dict[str, Any] = {name: getattr(sgd, name) for name in names}
    dtypes = {name: torch.bool if name == "nesterov" else torch.float64 for name in names}
    changes: dict[str, Any] = {name: torch.tensor(value, dtype=dtypes[name]) for name, value in values.items()}
    return replace(sgd, **changes)


def drawn(generator: torch.Generator, dtype: torch.dtype) -> tuple[Tensor, ...]:
    return tuple(normal_numbers(shape, generator, dtype) for shape in SHAPES)


def whole(generator: torch.Generator) -> tuple[Tensor, ...]:
    return tuple(whole_numbers(shape, generator) for shape in SHAPES)


def whole_trees(seed: int) -> list[tuple[Tensor, ...]]:
    """Make parameters, and gradients for four steps: of quarters and integers each step is exact in float64."""
    generator = seeded(seed)
    return [whole(generator) for _ in range(5)]


def steps(sgd: SGD, trees: list[tuple[Tensor, ...]]) -> tuple[Any, ...]:
    """Return the parameters after each step."""
    params, *several = trees
    state, found = SGD.init(sgd, params), list[Any]()
    with unchecked():  # for speed
        for grads in several:
            params, state = sgd.step(params, grads, state)
            found.append(params)
    return tuple(found)


def assert_equal(got: object, expected: object) -> None:
    """Require equal numbers; -0 is 0."""
    for one, other in zip(leaves(got), leaves(expected), strict=True):
        assert one.dtype is other.dtype
        assert torch.equal(one, other)


every_seed = st.integers(0, 2**32 - 1)


@given(sgd=optimizers(quarters), names=st.lists(st.sampled_from(NAMES), unique=True), seed=every_seed)
def test_tensors_in_place_of_numbers_make_the_same_steps(sgd: SGD, names: list[str], seed: int) -> None:
    trees = whole_trees(seed)
    assert_equal(steps(with_tensors(sgd, names), trees), steps(sgd, trees))


@given(sgds=st.lists(optimizers(quarters), min_size=1, max_size=4), seed=every_seed)
def test_under_vmap_each_makes_its_own_steps(sgds: list[SGD], seed: int) -> None:
    trees, own = whole_trees(seed), [with_tensors(sgd, NAMES) for sgd in sgds]
    columns = {name: torch.stack([getattr(sgd, name) for sgd in own]) for name in NAMES}

    def alone(values: dict[str, Any]) -> tuple[Any, ...]:
        return steps(SGD(**values), trees)

    found = torch.func.vmap(alone)(columns)
    for number, sgd in enumerate(sgds):
        assert_equal(tree_map(lambda leaf, row=number: leaf[row], found), steps(sgd, trees))


@each_dtype
@fewer
@given(sgd=optimizers(unit), generator=seeds())
def test_tensors_of_any_numbers_are_within_rounding(dtype: torch.dtype, sgd: SGD, generator: torch.Generator) -> None:
    params, grads, velocity = (drawn(generator, dtype) for _ in range(3))
    state = SGDState(velocity)
    expected, _ = sgd.step(params, grads, state)
    got, _ = with_tensors(sgd, NAMES).step(params, grads, state)
    for one, other, p, g, v in zip(got, expected, params, grads, velocity, strict=True):
        bound = step_bound(sgd, p.double().abs(), g.double().abs(), v.double().abs(), dtype)
        assert one.dtype is dtype
        assert_within(one, other.double(), bound)


def step_bound(sgd: SGD, p: Tensor, g: Tensor, v: Tensor, dtype: torch.dtype) -> Tensor:
    """Bound the distance of two ways to compute a step, from the absolute values that it starts with.

    A term of the step passes at most 14 roundings: of weight_decay, its product and its sum; of 1 - dampening (2), its
    product and its sum; of momentum, its product and its sum; of lr, its product and its sum; and half as many again for
    what the way with 16 bits stores between them, which is counted in the dtype's own unit roundoff. Where a product
    falls below the normal numbers it is off by half the smallest one, which then is multiplied by at most 4.
    """
    lr, momentum, dampening, decay = (float(x) for x in (sgd.lr, sgd.momentum, sgd.dampening, sgd.weight_decay))
    g = g + decay * p
    v = momentum * v + abs(1 - dampening) * g
    magnitude = p + lr * (g + (1 + momentum) * v)
    return 2 * (gamma(21, dtype) * magnitude + 21 * 4 * half_smallest(dtype))


@each_dtype
@pytest.mark.parametrize("dampening", [0.0, 0.5])
@pytest.mark.parametrize("nesterov", [False, True, torch.tensor(data=False), torch.tensor(data=True)], ids=str)
def test_without_momentum_a_tensor_is_plain_gradient_descent(
    dtype: torch.dtype, nesterov: Any, dampening: float
) -> None:
    dampening = 0.0 if nesterov else dampening  # else it is refused
    without = SGD(0.1, momentum=torch.tensor(0.0), dampening=dampening, nesterov=nesterov)
    params, generator = drawn(seeded(0), dtype), seeded(1)
    expected, state = params, without.init(params)
    for _ in range(3):
        grads = drawn(generator, dtype)
        expected, _ = SGD(0.1).step(expected, grads, SGDState(None))
        params, state = without.step(params, grads, state)
        assert_same_bits(params, expected)


def test_a_rate_for_one_step_may_be_a_tensor() -> None:
    params = whole(seeded(0))
    expected, _ = SGD(0.25).step(params, params, SGDState(None))
    assert_equal(SGD(0.1).step(params, params, SGDState(None), lr=torch.tensor(0.25))[0], expected)


@each_dtype
def test_tensors_are_rounded_to_the_working_precision_alone(dtype: torch.dtype) -> None:
    # Rounded to 16 bits first, 0.1 would give other multiples of some of these.
    numbers, tenth = [torch.arange(257).to(dtype)], torch.tensor(0.1, dtype=torch.float64)
    wide = working_dtype(dtype)
    expected = (numbers[0].to(wide) * tenth.to(wide)).to(dtype)
    assert_same_bits(times(numbers, tenth)[0], expected)
    assert_same_bits(plus([0 * numbers[0]], numbers, tenth)[0], expected)


def test_results_hang_on_no_graph_of_the_tensors() -> None:
    values = {name: torch.tensor(0.5, requires_grad=True) for name in ("lr", "momentum", "weight_decay")}
    sgd = SGD(**values, nesterov=torch.tensor(data=True))
    params = whole(seeded(0))
    with nothing_changed(params, sgd):
        results = sgd.step(*sgd.step(params, params, sgd.init(params))[:1], params, SGDState(params))
    assert_outside_autograd(*results)


# Equality


def test_optimizers_of_numbers_are_equal_by_value() -> None:
    assert SGD(1) == SGD(1.0)
    assert hash(SGD(1)) == hash(SGD(1.0)) != hash(SGD(2.0))
    assert SGD(0.1) != SGD(0.2)
    assert SGD(0.1, momentum=0.5) != SGD(0.1, momentum=0.5, nesterov=True)
    assert SGD(0.1) != 0.1


def test_optimizers_of_tensors_are_equal_by_identity() -> None:
    lr = torch.tensor(0.1)
    assert SGD(lr) == SGD(lr)
    assert hash(SGD(lr)) == hash(SGD(lr))
    assert SGD(lr) != SGD(lr.clone())
    assert SGD(lr) != SGD(0.1)
    assert len({SGD(lr), SGD(lr), SGD(0.1)}) == 2
    assert copy.copy(SGD(lr)) == SGD(lr)


def test_equality_is_decided_under_vmap() -> None:
    def alone(lr: Tensor) -> Tensor:
        assert SGD(lr) == SGD(lr)
        assert SGD(lr) != SGD(lr + 1)
        return lr

    torch.func.vmap(alone)(torch.ones(2))


# What is known


def test_numbers_are_known_where_they_can_be_read() -> None:
    assert known(0.5) == known(torch.tensor(0.5)) == 0.5
    assert known(torch.tensor(data=True)) is True
    assert known(torch.ones((), device="meta")) is None
    assert known(torch.nn.Parameter(torch.ones(()))) is None  # what other kinds of tensors do is their own

    def alone(lr: Tensor) -> Tensor:
        assert known(lr) is None
        return lr

    torch.func.vmap(alone)(torch.ones(2))


def test_only_the_number_0_is_zero() -> None:
    assert is_zero(0)
    assert is_zero(0.0)
    assert not is_zero(0.5)
    assert not is_zero(torch.tensor(0.0))


# Refusals

sgd: Any = SGD  # for callers without a type checker
params = (torch.ones(2),)
NUMBER = "expected a finite number of at least 0"
FLOATS = "expected float32, float64, float16 or bfloat16"
SCALAR = "expected a tensor of no dimensions; of several models each has its own in an EnsembleStep"
REFUSALS = [
    Refusal(lambda: sgd(torch.tensor(-0.5)), ValueError, f"lr is -0.5, {NUMBER}"),
    Refusal(lambda: sgd(torch.tensor(float("nan"))), ValueError, f"lr is nan, {NUMBER}"),
    Refusal(lambda: sgd(torch.tensor(1)), TypeError, f"lr is a tensor of torch.int64, {FLOATS}"),
    Refusal(lambda: sgd(torch.tensor([0.5])), ValueError, f"lr has shape (1,), {SCALAR}"),
    Refusal(lambda: sgd(0.5, momentum=torch.tensor(float("inf"))), ValueError, f"momentum is inf, {NUMBER}"),
    Refusal(lambda: sgd(0.5, dampening=torch.tensor(-1.0)), ValueError, f"dampening is -1.0, {NUMBER}"),
    Refusal(lambda: sgd(0.5, weight_decay=torch.ones(2, 3)), ValueError, f"weight_decay has shape (2, 3), {SCALAR}"),
    Refusal(
        lambda: sgd(0.5, momentum=0.5, nesterov=torch.tensor(1.0)),
        TypeError,
        "nesterov is a tensor of torch.float32, expected torch.bool",
    ),
    Refusal(
        lambda: sgd(0.5, momentum=0.5, nesterov=torch.tensor([True])), ValueError, f"nesterov has shape (1,), {SCALAR}"
    ),
    Refusal(
        lambda: sgd(0.5, nesterov=torch.tensor(data=True)),
        ValueError,
        "nesterov=tensor(True) with momentum=0.0 and dampening=0.0: Nesterov's form needs momentum > 0 and dampening=0",
    ),
    Refusal(
        lambda: sgd(0.5, momentum=torch.tensor(0.5), dampening=torch.tensor(0.25), nesterov=True),
        ValueError,
        "nesterov=True with momentum=tensor(0.5000) and dampening=tensor(0.2500): "
        "Nesterov's form needs momentum > 0 and dampening=0",
    ),
    Refusal(
        lambda: sgd(0.5).step(params, params, SGDState(None), lr=torch.tensor(-1.0)),
        ValueError,
        f"lr is -1.0, {NUMBER}",
    ),
    Refusal(
        lambda: sgd(0.5).step(params, params, SGDState(None), lr=torch.ones(2)),
        ValueError,
        f"lr has shape (2,), {SCALAR}",
    ),
    Refusal(lambda: check_factor("size", None), TypeError, "size is None, expected a number"),
    Refusal(lambda: check_switch("wide", 1), TypeError, "wide is 1, expected True or False"),
]


@each(REFUSALS)
def test_refuses(refusal: Refusal) -> None:
    refusal.check()


def test_takes_tensors_that_cannot_be_read() -> None:
    with unchecked():
        SGD(
            torch.full((), -1.0, device="meta"),
            momentum=torch.tensor(0.5),
            nesterov=torch.ones((), device="meta").bool(),
        )
    off = SGD(0.5, dampening=torch.tensor(0.5), momentum=0.5, nesterov=torch.tensor(data=False))
    assert tree_map(torch.clone, off) != off
