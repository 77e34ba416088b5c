"""Optimizers against torch.optim, to the bit, step by step; clipping against its definition."""

import math
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from n2nfun.optim import SGD, Adam, AdamState, SGDState, clip_by_global_norm
from n2nfun.testing.bits import assert_same_bits
from n2nfun.testing.numbers import listed, normal_numbers, seeded, seeds
from n2nfun.tree import TreeError, leaves, tree_map
from tests.oracle import sgds_twin
from tests.purity import assert_outside_autograd, nothing_changed
from tests.refusals import Refusal, each
from tests.rounding import DTYPES, assert_within, gamma, half_smallest, unit_roundoff
from tests.shape_checking import unchecked

STEPS = 12
SHAPES = [(3, 2, 2, 2), (5,), (), (0, 4)]
each_dtype = pytest.mark.parametrize("dtype", DTYPES)
fewer = settings(max_examples=settings().max_examples // 5)  # of each dtype, and of several steps each
rates = st.sampled_from([0.0, 0.01, 0.1, 0.3]) | st.floats(0, 1)
fractions = st.sampled_from([0.0, 0.5, 0.9]) | st.floats(0, 1, exclude_max=True)


@dataclass(frozen=True, slots=True)
class Params:
    """A tree of parameters with all that a tree may have."""

    weight: Tensor
    rest: tuple[Tensor, ...]
    bias: None = None


def drawn(generator: torch.Generator, dtype: torch.dtype) -> Params:
    """Make a tree of normally distributed numbers."""
    first, *rest = (normal_numbers(shape, generator, dtype) for shape in SHAPES)
    return Params(first, tuple(rest))


@st.composite
def sgds(draw: st.DrawFn) -> SGD:
    """Draw any legal combination."""
    momentum, dampening, nesterov = draw(
        st.tuples(fractions, st.just(0.0) | st.floats(0, 2), st.just(value=False))
        | st.tuples(st.floats(0.001, 1), st.just(0.0), st.just(value=True))
    )
    return SGD(draw(rates), momentum=momentum, dampening=dampening, weight_decay=draw(fractions), nesterov=nesterov)


@st.composite
def adams(draw: st.DrawFn) -> Adam:
    """Draw any legal combination."""
    betas = draw(st.just((0.9, 0.999)) | st.tuples(fractions, fractions))
    eps = draw(st.sampled_from([1e-8, 1e-3]) | st.floats(1e-10, 1))
    return Adam(draw(rates), betas=betas, eps=eps, weight_decay=draw(fractions), decoupled=draw(st.booleans()))


def adams_twin(adam: Adam, params: list[Tensor]) -> torch.optim.Optimizer:
    """Return PyTorch's own."""
    kind = torch.optim.AdamW if adam.decoupled else torch.optim.Adam
    return kind(params, adam.lr, betas=adam.betas, eps=adam.eps, weight_decay=adam.weight_decay, foreach=False)


def assert_equals_torch(optimizer: Any, twin: Any, generator: torch.Generator, dtype: torch.dtype) -> None:
    """Make the same steps with both, and compare the bits after each."""
    params = drawn(generator, dtype)
    state = optimizer.init(params)
    theirs = [leaf.clone().requires_grad_() for leaf in leaves(params)]
    other = twin(optimizer, theirs)
    with unchecked():  # for speed
        for _ in range(STEPS):
            grads = drawn(generator, dtype)
            params, state = optimizer.step(params, grads, state)
            for leaf, grad in zip(theirs, leaves(grads), strict=True):
                leaf.grad = grad.clone()
            other.step()
            assert_same_bits(tuple(leaves(params)), tuple(theirs))


@each_dtype
@fewer
@given(sgd=sgds(), generator=seeds())
def test_sgd_is_torchs_to_the_bit(dtype: torch.dtype, sgd: SGD, generator: torch.Generator) -> None:
    assert_equals_torch(sgd, sgds_twin, generator, dtype)


@each_dtype
@fewer
@given(adam=adams(), generator=seeds())
def test_adam_is_torchs_to_the_bit(dtype: torch.dtype, adam: Adam, generator: torch.Generator) -> None:
    assert_equals_torch(adam, adams_twin, generator, dtype)


OPTIMIZERS: list[Any] = [
    SGD(0.1),
    SGD(0.1, weight_decay=0.01),
    SGD(0.1, momentum=0.9, dampening=0.5),
    SGD(0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
    SGD(0.1, momentum=1.0, weight_decay=1.0),
    Adam(0.1),
    Adam(0.1, weight_decay=0.01),
    Adam(0.1, weight_decay=0.01, decoupled=True),
    Adam(0.1, weight_decay=1.0),
    Adam(0.1, weight_decay=1.0, decoupled=True),
]
every_optimizer = pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)


@each_dtype
@every_optimizer
def test_each_kind_is_torchs_to_the_bit(optimizer: Any, dtype: torch.dtype) -> None:
    assert_equals_torch(optimizer, sgds_twin if isinstance(optimizer, SGD) else adams_twin, seeded(0), dtype)


@every_optimizer
def test_a_rate_for_one_step_stands_in_for_the_own(optimizer: Any) -> None:
    params, grads = drawn(seeded(0), torch.float32), drawn(seeded(1), torch.float32)
    faster = replace(optimizer, lr=0.25)
    expected = faster.step(params, grads, faster.init(params))
    assert_same_bits(optimizer.step(params, grads, optimizer.init(params), lr=0.25), expected)


@every_optimizer
def test_nothing_is_changed(optimizer: Any) -> None:
    params = drawn(seeded(0), torch.float32)
    state = optimizer.init(params)
    for seed in range(3):
        grads = drawn(seeded(seed), torch.float32)
        with nothing_changed(params, grads, state):
            results = optimizer.step(params, grads, state)
        assert_same_bits(optimizer.step(params, grads, state), results)
        params, state = results


@every_optimizer
def test_results_hang_on_no_graph(optimizer: Any) -> None:
    params, grads = (
        tree_map(lambda leaf: leaf.requires_grad_(), drawn(seeded(seed), torch.float32)) for seed in (0, 1)
    )
    state = optimizer.init(params)
    for _ in range(2):
        params, state = optimizer.step(params, grads, state)
        assert_outside_autograd(params, state)


@each_dtype
@every_optimizer
def test_types_are_kept(optimizer: Any, dtype: torch.dtype) -> None:
    params, grads = drawn(seeded(0), dtype), drawn(seeded(1), dtype)
    state = optimizer.init(params)
    for _ in range(2):
        stepped, state = optimizer.step(params, grads, state)
        assert type(stepped) is Params
        assert type(state) is type(optimizer.init(params))
        assert {leaf.dtype for leaf in leaves((stepped, state))} == {dtype}


def test_sgd_by_hand() -> None:
    damped, grads = SGD(0.5, momentum=0.5, dampening=0.5), (torch.tensor(8.0),)
    params, state = damped.step((torch.tensor(1.0),), grads, damped.init(grads))
    assert listed(params[0]) == [1 - 0.5 * 8]  # the first velocity is the gradient, undamped
    params, state = damped.step(params, grads, state)
    assert listed(params[0]) == [-3 - 0.5 * (0.5 * 8 + 0.5 * 8)]
    assert state == SGDState((torch.tensor(8.0),))


def test_sgd_has_no_state_without_momentum() -> None:
    params, plain = (torch.ones(2), None), OPTIMIZERS[0]
    assert plain.init(params) == SGDState(None)
    assert plain.step(params, params, SGDState(None))[1] == SGDState(None)
    assert plain.step(params, params, SGDState(params))[1] == SGDState(None)  # what another optimizer left


def test_adam_starts_with_zero_moments() -> None:
    params, adaptive = (torch.ones(2), None), Adam()
    state = adaptive.init(params)
    assert_same_bits(state, AdamState(0, (torch.zeros(2), None), (torch.zeros(2), None)))
    assert state.steps == 0
    assert adaptive.step(params, params, state)[1].steps == 1


# Clipping


@each_dtype
@given(scale=st.floats(0.001, 100), most=st.floats(0.001, 100), generator=seeds())
def test_clipping_is_its_definition(dtype: torch.dtype, scale: float, most: float, generator: torch.Generator) -> None:
    grads = tree_map(lambda leaf: leaf * scale, drawn(generator, dtype))
    clipped, norm = clip_by_global_norm(grads, most)
    exact = math.sqrt(math.fsum(value**2 for leaf in leaves(grads) for value in listed(leaf)))
    once = gamma(1, dtype) + gamma(40, torch.float64)
    assert norm.dtype is dtype
    assert_within(norm, torch.tensor(exact, dtype=torch.float64), once * exact + half_smallest(dtype))
    # The rounded norm, the quotient and the product: three roundings. Beyond the bound the factor is at most 1.
    relative = gamma(4, dtype) + gamma(40, torch.float64)
    for got, grad in zip(leaves(clipped), leaves(grads), strict=True):
        expected = grad.double() * min(1.0, most / exact)
        assert got.dtype is dtype
        assert_within(got, expected, relative * expected.abs() + (1 + grad.double().abs()) * half_smallest(dtype))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@given(most=st.floats(0.001, 100), generator=seeds())
def test_clipping_is_torchs_but_for_its_small_addend(
    dtype: torch.dtype, most: float, generator: torch.Generator
) -> None:
    grads = drawn(generator, dtype)
    clipped, norm = clip_by_global_norm(grads, most)
    theirs = [leaf.clone().requires_grad_() for leaf in leaves(grads)]
    for leaf, grad in zip(theirs, leaves(grads), strict=True):
        leaf.grad = grad.clone()
    other = torch.nn.utils.clip_grad_norm_(theirs, most, foreach=False)
    # They divide by norm + 1e-6; they sum 29 squares in the dtype, and take the norm of four norms.
    count = sum(leaf.numel() for leaf in theirs)
    relative = gamma(2 * count + 20, dtype)
    assert_within(norm, other.double(), relative * other.double())
    for got, leaf in zip(leaves(clipped), theirs, strict=True):
        assert leaf.grad is not None
        wide = leaf.grad.double()
        assert_within(got, wide, (relative + 1e-6 / norm.double()) * (1 + relative) * wide.abs())


def test_clipping_leaves_small_gradients_alone() -> None:
    grads = drawn(seeded(0), torch.float32)
    norm = clip_by_global_norm(grads, 1.0)[1].item()
    assert_same_bits(clip_by_global_norm(grads, norm)[0], grads)
    assert_same_bits(clip_by_global_norm(grads, 1e30)[0], grads)
    zeros = tree_map(torch.zeros_like, grads)
    assert_same_bits(clip_by_global_norm(zeros, 1.0), (zeros, torch.tensor(0.0)))


def test_clipping_no_gradients_at_all() -> None:
    assert_same_bits(clip_by_global_norm(((), None), 1.0), (((), None), torch.tensor(0.0)))


def test_clipping_shows_nan() -> None:
    clipped, norm = clip_by_global_norm((torch.tensor([1.0, torch.nan]),), 1.0)
    assert math.isnan(norm.item())
    assert all(math.isnan(value) for value in listed(clipped[0]))


def test_clipping_is_pure() -> None:
    grads = tree_map(lambda leaf: leaf.requires_grad_(), drawn(seeded(0), torch.float32))
    with nothing_changed(grads):
        clipped, norm = clip_by_global_norm(grads, 0.5)
    assert type(clipped) is Params
    assert_outside_autograd(clipped, norm)


def test_clipping_does_not_lose_gradients_whose_norm_overflows() -> None:
    # sqrt(2) * 60000 is beyond float16's 65504, the clipped gradients are far from it.
    clipped, _ = clip_by_global_norm((torch.tensor([60000.0, -60000.0], dtype=torch.float16),), 1.0)
    expected = torch.tensor([math.sqrt(0.5), -math.sqrt(0.5)], dtype=torch.float64)
    assert_within(clipped[0], expected, 4 * unit_roundoff(torch.float16) * expected.abs())


# Refusals

sgd: Any = SGD  # for callers without a type checker
adam: Any = Adam
clip: Any = clip_by_global_norm
tree = (torch.ones(2),)
elsewhere = (torch.ones(2, device="meta"),)
NUMBER = "expected a finite number of at least 0"

REFUSALS = [
    Refusal(lambda: sgd(-0.1), ValueError, f"lr is -0.1, {NUMBER}"),
    Refusal(lambda: sgd(math.nan), ValueError, f"lr is nan, {NUMBER}"),
    Refusal(lambda: sgd(math.inf), ValueError, f"lr is inf, {NUMBER}"),
    Refusal(lambda: sgd("0.1"), TypeError, "lr is '0.1', expected a number"),
    Refusal(lambda: sgd(True), TypeError, "lr is True, expected a number"),
    Refusal(lambda: adam(torch.tensor(0.1)), TypeError, "lr is tensor(0.1000), expected a number"),
    Refusal(lambda: sgd(0.1, momentum=-0.9), ValueError, f"momentum is -0.9, {NUMBER}"),
    Refusal(lambda: sgd(0.1, dampening=-1), ValueError, f"dampening is -1, {NUMBER}"),
    Refusal(lambda: sgd(0.1, dampening=None), TypeError, "dampening is None, expected a number"),
    Refusal(lambda: sgd(0.1, weight_decay=-1e-4), ValueError, f"weight_decay is -0.0001, {NUMBER}"),
    Refusal(
        lambda: sgd(0.1, nesterov=True),
        ValueError,
        "nesterov=True with momentum=0.0 and dampening=0.0: Nesterov's form needs momentum > 0 and dampening=0",
    ),
    Refusal(
        lambda: sgd(0.1, momentum=0.9, dampening=0.1, nesterov=True),
        ValueError,
        "nesterov=True with momentum=0.9 and dampening=0.1: Nesterov's form needs momentum > 0 and dampening=0",
    ),
    Refusal(lambda: adam(-1.0), ValueError, f"lr is -1.0, {NUMBER}"),
    Refusal(lambda: adam(0.1, eps=-1e-8), ValueError, f"eps is -1e-08, {NUMBER}"),
    Refusal(lambda: adam(0.1, weight_decay=math.inf), ValueError, f"weight_decay is inf, {NUMBER}"),
    Refusal(lambda: adam(0.1, betas=0.9), TypeError, "betas is 0.9, expected a pair of numbers"),
    Refusal(lambda: adam(0.1, betas=(0.9,)), TypeError, "betas is (0.9,), expected a pair of numbers"),
    Refusal(lambda: adam(0.1, betas=[0.9, 0.999]), TypeError, "betas is [0.9, 0.999], expected a pair of numbers"),
    Refusal(lambda: adam(0.1, betas=(1, 0.999)), ValueError, "betas[0] is 1, expected a number from 0 to below 1"),
    Refusal(lambda: adam(0.1, betas=(0.9, -0.1)), ValueError, "betas[1] is -0.1, expected a number from 0 to below 1"),
    Refusal(lambda: adam(0.1, betas=(0.9, "0.1")), TypeError, "betas[1] is '0.1', expected a number"),
    Refusal(lambda: clip(tree, 0.0), ValueError, "most is 0.0, expected a positive finite number"),
    Refusal(lambda: clip(tree, -1), ValueError, "most is -1, expected a positive finite number"),
    Refusal(lambda: clip(tree, math.inf), ValueError, "most is inf, expected a positive finite number"),
    Refusal(lambda: clip(tree, math.nan), ValueError, "most is nan, expected a positive finite number"),
    Refusal(
        lambda: sgd(0.1).step(tree, tree, SGDState(None), lr=math.nan),
        ValueError,
        f"lr is nan, {NUMBER}",
    ),
    Refusal(
        lambda: adam(0.1).step(tree, tree, adam().init(tree), lr=-1.0),
        ValueError,
        f"lr is -1.0, {NUMBER}",
    ),
    Refusal(
        lambda: sgd(0.1).step(tree, (torch.ones(3),), SGDState(None)),
        TreeError,
        "grads differs from params at [0]: expected a tensor of shape (2,), got a tensor of shape (3,)",
    ),
    Refusal(
        lambda: sgd(0.1, momentum=0.9).step(tree, tree, SGDState((torch.ones(2), torch.ones(2)))),
        TreeError,
        "state.velocity differs from params at the root: expected a tuple of 1, got a tuple of 2",
    ),
    Refusal(
        lambda: adam(0.1).step(tree, (None,), adam().init(tree)),
        TreeError,
        "grads differs from params at [0]: expected a tensor of shape (2,), got None",
    ),
    Refusal(
        lambda: sgd(0.1).step(tree, (tree[0].double(),), SGDState(None)),
        TypeError,
        "grads[0] is torch.float64, expected the dtype of params[0], torch.float32",
    ),
    Refusal(
        lambda: sgd(0.1).step(tree, elsewhere, SGDState(None)),
        TypeError,
        "grads[0] is on meta, params[0] on cpu: move one to the other's device",
    ),
    Refusal(
        lambda: sgd(0.1, momentum=0.9).step(tree, tree, SGDState(elsewhere)),
        TypeError,
        "state.velocity[0] is on meta, params[0] on cpu: move one to the other's device",
    ),
    Refusal(
        lambda: sgd(0.1, momentum=0.9).step(tree, tree, SGDState((tree[0].double(),))),
        TypeError,
        "state.velocity[0] is torch.float64, expected the dtype of params[0], torch.float32",
    ),
    Refusal(
        lambda: adam(0.1).step(tree, elsewhere, adam().init(tree)),
        TypeError,
        "grads[0] is on meta, params[0] on cpu: move one to the other's device",
    ),
    Refusal(
        lambda: adam(0.1).step(tree, tree, AdamState(0, elsewhere, tree)),
        TypeError,
        "state.mean[0] is on meta, params[0] on cpu: move one to the other's device",
    ),
    Refusal(
        lambda: adam(0.1).step(tree, tree, AdamState(0, tree, elsewhere)),
        TypeError,
        "state.square[0] is on meta, params[0] on cpu: move one to the other's device",
    ),
    Refusal(
        lambda: adam(0.1).step(tree, tree, AdamState(0, tree, (tree[0].double(),))),
        TypeError,
        "state.square[0] is torch.float64, expected the dtype of params[0], torch.float32",
    ),
    Refusal(
        lambda: sgd(0.1).step(tree, tree, adam().init(tree)),
        TypeError,
        "state is a AdamState, expected the SGDState that SGD.init() makes",
    ),
    Refusal(
        lambda: adam().step(tree, tree, SGDState(None)),
        TypeError,
        "state is a SGDState, expected the AdamState that Adam.init() makes",
    ),
]

whole = (torch.ones(2, dtype=torch.int32),)
sparse = torch.ones(2).to_sparse()
mixed = (torch.ones(2, dtype=torch.float64), torch.ones(2))
half = (torch.ones(2, dtype=torch.float16),)


def no_floats(name: str) -> str:
    return (
        f"optimizer: {name} is torch.int32, expected float32, float64, float16 or bfloat16: convert it first, "
        f"images of 8 bits with {name}.float() / 255"
    )


def no_dense(name: str) -> str:
    return f"optimizer: {name} has layout torch.sparse_coo, expected a dense tensor: {name}.to_dense()"


def too_large(name: str) -> Refusal:
    return Refusal(
        lambda: sgd(0.1, **{name: 1e39}).step(mixed, mixed, SGDState(None)),
        ValueError,
        f"{name} is 1e+39, more than torch.float32, the dtype of params[1], holds",
    )


OF_FLOATS = [
    Refusal(lambda: sgd(0.1).init(whole), TypeError, no_floats("params[0]")),
    Refusal(lambda: adam().init(whole), TypeError, no_floats("params[0]")),
    Refusal(lambda: sgd(0.1).step(whole, whole, SGDState(None)), TypeError, no_floats("params[0]")),
    Refusal(lambda: adam().step(whole, whole, AdamState(0, whole, whole)), TypeError, no_floats("params[0]")),
    Refusal(lambda: clip(whole, 1.0), TypeError, no_floats("grads[0]")),
    Refusal(lambda: sgd(0.1).init((tree, (None, sparse))), TypeError, no_dense("params[1][1]")),
    Refusal(
        lambda: sgd(0.1).init([tree]),
        TreeError,
        "params: a tree holds a list, expected frozen dataclasses and tuples: they do not change",
    ),
    Refusal(lambda: sgd(0.1).step((*tree, *tree), (*tree, sparse), SGDState(None)), TypeError, no_dense("grads[1]")),
    Refusal(
        lambda: sgd(0.1).step((*tree, *tree), (*tree, tree[0].double()), SGDState(None)),
        TypeError,
        "grads[1] is torch.float64, expected the dtype of params[1], torch.float32",
    ),
    Refusal(
        lambda: sgd(0.1).step((*tree, *tree), (*tree, *elsewhere), SGDState(None)),
        TypeError,
        "grads[1] is on meta, params[1] on cpu: move one to the other's device",
    ),
    Refusal(
        lambda: sgd(1e39).step(mixed, mixed, SGDState(None)),
        ValueError,
        "lr is 1e+39, more than torch.float32, the dtype of params[1], holds",
    ),
    too_large("momentum"),
    too_large("dampening"),
    too_large("weight_decay"),
    Refusal(
        lambda: sgd(65505.0).step(half, half, SGDState(None)),
        ValueError,
        "lr is 65505.0, more than torch.float16, the dtype of params[0], holds",
    ),
    Refusal(
        lambda: adam(1e38, betas=(0.75, 0.5)).step(tree, tree, AdamState(0, tree, tree)),
        ValueError,
        "lr / (1 - betas[0]**steps) is 4e+38, more than torch.float32, the dtype of params[0], holds",
    ),
    Refusal(
        lambda: adam(weight_decay=1e39).step(mixed, mixed, AdamState(0, mixed, mixed)),
        ValueError,
        "weight_decay is 1e+39, more than torch.float32, the dtype of params[1], holds",
    ),
    Refusal(
        lambda: adam().step(tree, tree, AdamState(-1, tree, tree)),
        ValueError,
        "state.steps is -1, expected an int of at least 0",
    ),
]


@each(REFUSALS + OF_FLOATS)
def test_refuses(refusal: Refusal) -> None:
    refusal.check()


@pytest.mark.parametrize("params", [tree, half], ids=["float32", "float16"])
def test_takes_the_largest_rate_that_a_dtype_holds(params: Any) -> None:
    largest = sgd(torch.finfo(params[0].dtype).max)
    assert_same_bits(largest.step(params, (0 * params[0],), SGDState(None))[0], params)


@pytest.mark.parametrize("value", ["1", None, True])
def test_clipping_refuses_what_is_no_number(value: object) -> None:
    with pytest.raises(TypeError, match=rf"^most is {value!r}, expected a number"):
        clip(tree, value)


def test_sgd_refuses_a_nesterov_that_is_no_bool() -> None:
    with pytest.raises(TypeError, match=r"^nesterov is 'no', expected True or False"):
        sgd(0.1, momentum=0.9, nesterov="no")
    with pytest.raises(TypeError, match=r"^decoupled is 'no', expected True or False"):
        adam(0.1, decoupled="no")


@pytest.mark.parametrize("optimizer", [SGD(0.1), SGD(0.1, momentum=0.9), Adam(0.1)], ids=repr)
def test_refuses_gradients_of_another_dtype(optimizer: Any) -> None:
    with pytest.raises(TypeError, match=r"float64.*float32|float32.*float64"):
        optimizer.step(tree, (torch.ones(2, dtype=torch.float64),), optimizer.init(tree))
