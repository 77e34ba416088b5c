"""Training is a fold: each step is its parts, one after the other, to the bit."""

import math
import re
from collections.abc import Iterator
from typing import Any

import pytest
import torch

from n2nfun.layer import ShapeError
from n2nfun.layers import Conv2d, ConvParams
from n2nfun.losses import L0, L1, MSE
from n2nfun.optim import SGD, Adam, clip_by_global_norm
from n2nfun.schedules import cosine
from n2nfun.testing.bits import assert_same_bits
from n2nfun.testing.numbers import seeded
from n2nfun.train import Batch, TrainState, TrainStep, fit, train_step
from n2nfun.tree import leaves, tree_map
from tests.layer_cases import BETTER, PAPER
from tests.purity import assert_outside_autograd, nothing_changed
from tests.refusals import Refusal, each
from tests.shape_checking import unchecked

NETWORKS: list[Any] = [PAPER, BETTER]
OPTIMIZERS: list[Any] = [SGD(0.1, momentum=0.9, nesterov=True), Adam(0.01)]
each_network = pytest.mark.parametrize("network", NETWORKS, ids=["paper", "residual"])
each_optimizer = pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=["SGD", "Adam"])


def batches(count: int) -> list[Batch]:
    """Make batches of random images."""
    generator = seeded(7)
    return [Batch(*(torch.rand(2, 3, 8, 8, generator=generator) for _ in range(2))) for _ in range(count)]


def by_hand(layer: Any, loss: Any, optimizer: Any, state: Any, batch: Batch, lr: float, most: float | None) -> Any:
    """Make a step from its parts."""
    prediction, cache = layer.forward(state.params, batch.x)
    value, loss_cache = loss.forward(prediction, batch.target)
    _, grads = layer.backward(state.params, cache, loss.backward(loss_cache))
    if most is not None:
        grads = clip_by_global_norm(grads, most)[0]
    params, own = optimizer.step(state.params, grads, state.optimizer, lr=lr)
    return TrainState(params, own, state.step + 1), value


@each_network
@each_optimizer
@pytest.mark.parametrize("most", [None, 0.05])
@pytest.mark.parametrize("lr", [None, 0.25])
def test_a_step_is_its_parts(network: Any, optimizer: Any, most: float | None, lr: float | None) -> None:
    params = network.init(seeded(0))
    state = TrainState(params, optimizer.init(params), 0)
    rate = optimizer.lr if lr is None else lr
    for batch in batches(3):
        expected, value = by_hand(network, MSE(), optimizer, state, batch, rate, most)
        with nothing_changed(state, batch):
            state, metrics = train_step(network, MSE(), optimizer, state, batch, lr=lr, max_norm=most)
        assert_same_bits((state, metrics.loss), (expected, value))
        assert (state.step, metrics.lr) == (expected.step, rate)
        assert_outside_autograd(state, metrics)


@each_network
@each_optimizer
@pytest.mark.parametrize("compute", [torch.bfloat16, torch.float16, torch.float64])
@pytest.mark.parametrize("own", [torch.float32, torch.float64])
def test_a_step_may_compute_in_another_dtype(
    network: Any, optimizer: Any, own: torch.dtype, compute: torch.dtype
) -> None:
    step = TrainStep(network, MSE(), optimizer, max_norm=0.05, compute=compute)
    state = step.start(tree_map(lambda leaf: leaf.to(own), network.init(seeded(0))))
    for batch in batches(2):
        rounded = tree_map(lambda leaf: leaf.to(compute), state.params)
        prediction, cache = network.forward(rounded, batch.x.to(compute))
        value, loss_cache = MSE().forward(prediction.to(torch.float32), batch.target)
        grads = network.gradients(rounded, cache, MSE().backward(loss_cache).to(compute))
        grads = clip_by_global_norm(tree_map(lambda leaf: leaf.to(own), grads), 0.05)[0]
        params, moved = optimizer.step(state.params, grads, state.optimizer)
        with nothing_changed(state, batch):
            state, metrics = step(state, batch)
        assert_same_bits((state, metrics.loss), (TrainState(params, moved, state.step), value))
        assert {leaf.dtype for leaf in leaves(state)} == {own}


def test_computing_in_the_own_dtype_changes_nothing() -> None:
    same, plain = (TrainStep(PAPER, MSE(), SGD(0.1), compute=compute) for compute in (torch.float32, None))
    state, batch = plain.init(seeded(0)), batches(1)[0]
    assert_same_bits(same(state, batch)[0], plain(state, batch)[0])


@each_network
@each_optimizer
def test_a_fold_is_its_steps(network: Any, optimizer: Any) -> None:
    schedule = cosine(0.1, 5, warmup=2)
    step = TrainStep(network, L1(), optimizer, schedule, max_norm=1.0)
    state = step.init(seeded(0))
    assert_same_bits(state, step.start(network.init(seeded(0))))
    expected = state
    for (made, metrics), batch in zip(fit(step, state, batches(4)), batches(4), strict=True):
        expected, value = by_hand(network, L1(), optimizer, expected, batch, schedule(expected.step), 1.0)
        assert_same_bits((made, metrics.loss), (expected, value))
        assert metrics.lr == schedule(expected.step - 1) == step.rate(expected.step - 1)
    assert expected.step == 4


def test_without_a_schedule_the_rate_is_the_optimizers() -> None:
    step = TrainStep(PAPER, MSE(), SGD(0.125))
    _, metrics = next(fit(step, step.init(seeded(0)), batches(1)))
    assert metrics.lr == step.rate(0) == step.rate(10) == 0.125


def test_a_loss_may_follow_the_step() -> None:
    step = TrainStep(PAPER, lambda number: L0(2.0 - number), SGD(0.1))
    state = step.init(seeded(0))
    for number, batch in enumerate(batches(2)):
        expected, value = by_hand(PAPER, L0(2.0 - number), SGD(0.1), state, batch, 0.1, None)
        state, metrics = step(state, batch)
        assert_same_bits((state, metrics.loss), (expected, value))


@each_optimizer
def test_the_same_seed_gives_the_same_bits(optimizer: Any) -> None:
    def run() -> list[Any]:
        step = TrainStep(PAPER, MSE(), optimizer)
        return [(state, metrics.loss) for state, metrics in fit(step, step.init(seeded(3)), batches(5))]

    assert_same_bits(tuple(run()), tuple(run()))


def test_training_goes_on_from_any_state() -> None:
    step = TrainStep(PAPER, MSE(), Adam(), cosine(0.1, 6))
    data = batches(6)
    states = [state for state, _ in fit(step, step.init(seeded(0)), data)]
    resumed = [state for state, _ in fit(step, states[2], data[3:])]
    assert_same_bits(tuple(resumed), tuple(states[3:]))


def test_a_loss_that_halves_twice_at_every_step() -> None:
    # y = w x with x = 1 and target 0: L = w^2, dL = 2 w, and with a rate of 1/4 every step halves w.
    layer = Conv2d(1, 1, 1, bias=False)
    step = TrainStep(layer, MSE(), SGD(0.25))
    batch = Batch(torch.ones(2, 1, 4, 4), torch.zeros(2, 1, 4, 4))
    state = step.start(ConvParams(torch.ones(1, 1, 1, 1), None))
    run = list(fit(step, state, [batch] * 8))
    assert [metrics.loss.item() for _, metrics in run] == [4.0**-number for number in range(8)]
    assert [state.params.weight.item() for state, _ in run] == [2.0**-number for number in range(1, 9)]


def test_batches_are_taken_one_at_a_time() -> None:
    taken: list[int] = []

    def endless() -> Iterator[Batch]:
        for number, batch in enumerate(batches(3) * 100):
            taken.append(number)
            yield batch

    step = TrainStep(PAPER, MSE(), SGD(0.1))
    run = fit(step, step.init(seeded(0)), endless())
    assert taken == []
    next(run)
    next(run)
    assert taken == [0, 1]
    assert list(fit(step, step.init(seeded(0)), [])) == []


def test_errors_of_the_parts_come_through() -> None:
    step = TrainStep(PAPER, MSE(), SGD(0.1))
    state, batch = step.init(seeded(0)), batches(1)[0]
    with unchecked():  # elsewhere in the tests the second batch cannot be made
        narrow, short = Batch(batch.x[:, :2], batch.target[:, :2]), Batch(batch.x, batch.target[:1])
    with pytest.raises(ShapeError, match=r'^layer 0 "Conv2d": x has 2 channels'):
        step(state, narrow)
    message = "MSE.forward(): prediction has shape (2, 3, 8, 8), target (1, 3, 8, 8), expected the same"
    with pytest.raises(ShapeError, match=f"^{re.escape(message)}$"):
        step(state, short)


def test_a_network_may_make_other_images_than_it_takes() -> None:
    step = TrainStep(Conv2d(3, 1, 2, stride=2), MSE(), SGD(0.1))
    batch = Batch(torch.ones(2, 3, 4, 4), torch.zeros(2, 1, 2, 2))
    state, _ = step(step.init(seeded(0)), batch)
    assert state.step == 1


# For callers without a type checker.
steps: Any = TrainStep
stepping: Any = train_step
folding: Any = fit
sgd = SGD(0.1)
one = Conv2d(1, 1, 1)
made: Any = TrainStep(one, MSE(), sgd)
state: Any = made.init(seeded(0))
square = torch.ones(1, 1, 2, 2)
batch: Any = Batch(square, square)


def forgot_the_call(_step: int) -> object:
    return MSE


CLASS = "<class 'n2nfun.layers.conv.Conv2d'>, expected a layer: call it, Conv2d(...), to make one"
FUNCTION = "expected a function of the step, such as constant(0.1)"
POSITIVE = "expected a positive finite number"
STATE = "expected the TrainState that TrainStep.init() or start() makes"
REFUSALS = [
    Refusal(lambda: steps(Conv2d, MSE(), sgd), TypeError, f"TrainStep: layer is {CLASS}"),
    Refusal(lambda: steps("net", MSE(), sgd), TypeError, "TrainStep: layer is 'net', expected a layer"),
    Refusal(lambda: steps(one, MSE, sgd), TypeError, "TrainStep: loss is the class MSE, expected MSE(...)"),
    Refusal(lambda: steps(one, L0, sgd), TypeError, "TrainStep: loss is the class L0, expected L0(...)"),
    Refusal(lambda: steps(one, "mse", sgd), TypeError, "TrainStep: loss is 'mse', expected a loss, such as MSE()"),
    Refusal(lambda: steps(one, MSE(), SGD), TypeError, "TrainStep: optimizer is the class SGD, expected SGD(...)"),
    Refusal(
        lambda: steps(one, MSE(), 0.1),
        TypeError,
        "TrainStep: optimizer is 0.1, expected an optimizer, such as SGD(0.1)",
    ),
    Refusal(lambda: steps(one, MSE(), sgd, 0.1), TypeError, f"schedule is 0.1, {FUNCTION}"),
    Refusal(lambda: steps(one, MSE(), sgd, max_norm=-1.0), ValueError, f"max_norm is -1.0, {POSITIVE}"),
    Refusal(lambda: steps(one, MSE(), sgd, max_norm=0), ValueError, f"max_norm is 0, {POSITIVE}"),
    Refusal(lambda: steps(one, MSE(), sgd, max_norm=math.inf), ValueError, f"max_norm is inf, {POSITIVE}"),
    Refusal(lambda: steps(one, MSE(), sgd, max_norm="1"), TypeError, "max_norm is '1', expected a number"),
    Refusal(
        lambda: steps(one, MSE(), sgd, compute=torch.int8),
        TypeError,
        "compute is torch.int8, expected float32, float64, float16 or bfloat16 of torch, or None",
    ),
    Refusal(
        lambda: stepping(one, MSE(), sgd, state, batch, compute="half"),
        TypeError,
        "compute is 'half', expected float32, float64, float16 or bfloat16 of torch, or None",
    ),
    Refusal(lambda: stepping(Conv2d, MSE(), sgd, state, batch), TypeError, f"train_step(): layer is {CLASS}"),
    Refusal(
        lambda: stepping(one, MSE, sgd, state, batch),
        TypeError,
        "train_step(): loss is the class MSE, expected MSE(...)",
    ),
    Refusal(
        lambda: steps(one, forgot_the_call, sgd)(state, batch),
        TypeError,
        "train_step(): loss is the class MSE, expected MSE(...)",
    ),
    Refusal(
        lambda: stepping(one, MSE(), SGD, state, batch),
        TypeError,
        "train_step(): optimizer is the class SGD, expected SGD(...)",
    ),
    Refusal(lambda: stepping(one, MSE(), sgd, state, batch, max_norm=-1), ValueError, f"max_norm is -1, {POSITIVE}"),
    Refusal(
        lambda: stepping(one, MSE(), sgd, state.params, batch),
        TypeError,
        f"train_step(): state is a ConvParams, {STATE}",
    ),
    Refusal(
        lambda: stepping(one, MSE(), sgd, state, (square, square)),
        TypeError,
        "train_step(): batch is a tuple, expected Batch(x, target)",
    ),
    Refusal(lambda: made(batch, state), TypeError, f"TrainStep: state is a Batch, {STATE}"),
    Refusal(lambda: made(state, (square, square)), TypeError, "TrainStep: batch is a tuple, expected Batch(x, target)"),
    Refusal(lambda: folding(made, state.params, [batch]), TypeError, f"fit(): state is a ConvParams, {STATE}"),
    Refusal(
        lambda: next(folding(made, state, iter([square]))),
        TypeError,
        "TrainStep: batch is a Tensor, expected Batch(x, target)",
    ),
    Refusal(
        lambda: folding(made, state, batch),
        TypeError,
        "fit(): batches is a Batch, expected an iterable of batches: [batch]",
    ),
]


@each(REFUSALS)
def test_refuses(refusal: Refusal) -> None:
    refusal.check()
