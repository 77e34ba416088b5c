"""Ensembles: each network becomes what it would have become alone, to the last digit where sums are exact."""

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from n2nfun.compose import sequential
from n2nfun.ensemble import EnsembleStep
from n2nfun.layer import Shape
from n2nfun.layers import Conv2d, ConvParams, NearestUpsampling, ReLU, Upsampling
from n2nfun.losses import L0, L1, MSE
from n2nfun.optim import SGD, Adam, SGDState
from n2nfun.stacking import stack, unstack
from n2nfun.testing.bits import assert_same_bits
from n2nfun.testing.comparing import nearly
from n2nfun.testing.numbers import normal_numbers, seeded, whole_numbers, whole_params
from n2nfun.train import Batch, TrainState, fit
from n2nfun.tree import TreeError, leaves, rebuild, tree_map
from tests.layer_cases import BETTER, CASES, PAPER, Case
from tests.oracle import differentiate
from tests.purity import assert_outside_autograd, nothing_changed
from tests.refusals import Refusal, each
from tests.shape_checking import unchecked

fewer = settings(max_examples=settings().max_examples // 5)

OPTIMIZERS = (
    SGD(0.25),
    SGD(0.125, momentum=0.5),
    SGD(0.5, momentum=0.5, nesterov=True),
    SGD(0.25, momentum=0.25, dampening=0.5),
    SGD(0.125, momentum=0.75, weight_decay=0.5, nesterov=True),
)
"""Of numbers with few binary digits, all their hyper-parameters different."""
LAYERS: dict[str, Any] = {
    "convolution": Conv2d(1, 2, 3, padding=1),
    "upsampling": Upsampling(2, 1, 3, padding=1),
    "network": Conv2d(1, 2, 2, stride=2) >> ReLU() >> NearestUpsampling(2) >> Conv2d(2, 1, 1),
}
"""Of few weights, whose numbers get few digits with each step.

From weights of a binary digits behind the point and an input of -1, 0 and 1 one layer makes an output, and so gradients, of
a + 6 (the mean is over at most 128 numbers), momentum and lr make weights of a + 11 of them; two layers double a first.
After three steps of the one, or two of the other, there are fewer than 40, and 53 fit.
"""


def signs(shape: Shape, generator: torch.Generator) -> Tensor:
    return whole_numbers(shape, generator).sign()


def whole_batches(layer: Any, count: int) -> list[Batch]:
    """Make batches whose arithmetic is exact: of whole numbers, and as many as make the mean's division exact."""
    generator = seeded(9)
    channels = layer.layers[0].in_channels if hasattr(layer, "layers") else layer.in_channels
    shape = (2, channels, 4, 4)
    target = layer.output_shape(shape)
    return [Batch(signs(shape, generator), whole_numbers(target, generator)) for _ in range(count)]


def whole_starts(layer: Any, count: int) -> list[Any]:
    return [tree_map(torch.sign, whole_params(layer, seeded(seed))) for seed in range(count)]


def assert_equal(got: object, expected: object) -> None:
    """Require equal numbers; -0 is 0."""
    one, other = leaves(got), leaves(expected)
    for a, b in zip(one, other, strict=True):
        assert a.dtype is b.dtype
        assert torch.equal(a, b)


@pytest.mark.parametrize("optimizers", [OPTIMIZERS, OPTIMIZERS[2:3], OPTIMIZERS[:2], OPTIMIZERS[1:2] * 3], ids=len)
@pytest.mark.parametrize(("name", "steps"), [("convolution", 3), ("upsampling", 3), ("network", 2)])
def test_each_network_is_what_it_is_alone(name: str, steps: int, optimizers: tuple[SGD, ...]) -> None:
    layer = LAYERS[name]
    ensemble = EnsembleStep(layer, MSE(), optimizers)
    starts, data = whole_starts(layer, len(optimizers)), whole_batches(layer, steps)
    run = list(fit(ensemble, ensemble.start(starts), data))
    for index, start in enumerate(starts):
        step = ensemble.alone(index)
        assert step.optimizer == optimizers[index]
        for (stacked, metrics), (state, own) in zip(run, fit(step, step.start(start), data), strict=True):
            found = unstack(stacked.params)[index]
            assert_equal((found, metrics.loss[index]), (state.params, own.loss))
            assert stacked.step == state.step
            assert metrics.lr[index] == own.lr
    assert len({float(loss) for loss in run[-1][1].loss}) == len(optimizers)  # they are different networks


@fewer
@given(
    optimizers=st.lists(
        st.builds(
            SGD,
            st.sampled_from([0.0, 0.25, 0.5]),
            momentum=st.sampled_from([0.0, 0.5, 0.75]),
            dampening=st.sampled_from([0.0, 0.5, 1.0]),
            weight_decay=st.sampled_from([0.0, 0.5]),
        )
        | st.builds(SGD, st.just(0.5), momentum=st.just(0.25), nesterov=st.just(value=True)),
        min_size=1,
        max_size=4,
    )
)
def test_any_optimizers_go_together(optimizers: list[SGD]) -> None:
    layer = LAYERS["convolution"]
    data, starts = whole_batches(layer, 2), whole_starts(layer, len(optimizers))
    with unchecked():  # for speed
        ensemble = EnsembleStep(layer, MSE(), optimizers)
        *_, (stacked, _) = fit(ensemble, ensemble.start(starts), data)
        for index, start in enumerate(starts):
            step = ensemble.alone(index)
            *_, (state, _) = fit(step, step.start(start), data)
            assert_equal(unstack(stacked.params)[index], state.params)


WIDE = [
    # Of so many windows that alone they are gathered in pieces, or not at all.
    Case("convolution in pieces", Conv2d(3, 16, 5, padding=2), (2, 3, 48, 48)),
    Case("convolution in pieces to few channels", Conv2d(4, 2, 5), (2, 4, 48, 48)),
    Case("convolution by taps", Conv2d(16, 16, 3, padding=1), (2, 16, 32, 34)),
    Case("convolution by planes", Conv2d(16, 3, 3, padding=1), (2, 16, 32, 34)),
    Case("convolution in pieces by a stride", Conv2d(16, 16, 3, stride=2), (2, 16, 65, 65)),
    Case("upsampling in pieces", Upsampling(16, 3, 5, padding=2), (4, 16, 24, 24)),
]


@pytest.mark.parametrize("case", CASES + WIDE, ids=[case.name for case in CASES + WIDE])
@pytest.mark.parametrize(("params_too", "x_too"), [(False, True), (True, False), (True, True)])
def test_every_layer_computes_the_same_under_vmap(case: Case, params_too: bool, x_too: bool) -> None:
    generator, layer = seeded(0), case.layer
    starts = [whole_params(layer, generator) for _ in range(2)] if params_too else [whole_params(layer, generator)] * 2
    inputs = (
        [whole_numbers(case.shape, generator) for _ in range(2)] if x_too else [torch.ones(case.shape).double()] * 2
    )
    grads = [whole_numbers(layer.output_shape(case.shape), generator) for _ in range(2)]

    def compute(own: list[Tensor], x: Tensor, grad: Tensor) -> list[Tensor]:
        params = rebuild(starts[0], own)
        y, cache = layer.forward(params, x)
        dx, dparams = layer.backward(params, cache, grad)
        return [y, dx, *leaves(dparams), *leaves(layer.gradients(params, cache, grad))]

    found = torch.func.vmap(compute, in_dims=(0 if params_too else None, 0 if x_too else None, 0))(
        leaves(stack(starts) if params_too else starts[0]),
        torch.stack(inputs) if x_too else inputs[0],
        torch.stack(grads),
    )
    for index, (params, x, grad) in enumerate(zip(starts, inputs, grads, strict=True)):
        for got, expected in zip(found, compute(leaves(params), x, grad), strict=True):
            assert bool(nearly(got[index], expected).all())


@pytest.mark.parametrize("network", [PAPER, BETTER], ids=["paper", "residual"])
def test_deep_networks_learn_what_they_learn_alone(network: Any) -> None:
    """Of one step, by the gradient's own formula in float64: what the network computes is held to its bounds elsewhere."""
    generator = seeded(3)
    optimizers = [SGD(0.1), SGD(0.3, momentum=0.9, nesterov=True), SGD(0.2, momentum=0.5, weight_decay=0.01)]
    step = EnsembleStep(network, MSE(), optimizers)
    wide = [tree_map(Tensor.double, network.init(seeded(seed))) for seed in range(3)]
    batch = Batch(*(normal_numbers((2, 3, 8, 8), generator, torch.float64) for _ in range(2)))
    state, metrics = step(step.start(wide), batch)
    for index, (params, sgd) in enumerate(zip(wide, optimizers, strict=True)):
        prediction = network.apply(params, batch.x)
        grads = differentiate(network, params, batch.x, 2 * (prediction - batch.target) / prediction.numel()).dparams
        expected, _ = sgd.step(params, grads, SGDState(None))
        for got, leaf in zip(leaves(unstack(state.params)[index]), leaves(expected), strict=True):
            assert bool(nearly(got, leaf).all())
        assert bool(nearly(metrics.loss[index], (prediction - batch.target).square().mean()).all())


def annealed(step: int) -> L0:
    return L0(2.0 - step)


@pytest.mark.parametrize("loss", [MSE(), L1(), annealed], ids=["MSE", "L1", "annealed L0"])
def test_losses_and_clipping_are_each_networks_own(loss: Any) -> None:
    layer = LAYERS["convolution"]
    optimizers = [SGD(0.25, momentum=0.5), SGD(0.5, momentum=0.5)]
    ensemble = EnsembleStep(layer, loss, optimizers, max_norm=1.0)
    starts, data = whole_starts(layer, 2), whole_batches(layer, 2)
    run = list(fit(ensemble, ensemble.start(starts), data))
    for index, start in enumerate(starts):
        step = ensemble.alone(index)
        for (stacked, metrics), (state, own) in zip(run, fit(step, step.start(start), data), strict=True):
            for got, expected in zip(leaves(unstack(stacked.params)[index]), leaves(state.params), strict=True):
                assert bool(nearly(got, expected).all())
            assert bool(nearly(metrics.loss[index], own.loss).all())


def test_networks_are_drawn_from_generators_of_their_own() -> None:
    step = EnsembleStep(PAPER, MSE(), [SGD(0.1), SGD(0.2)])
    state = step.init([seeded(4), seeded(5)])
    assert_same_bits(unstack(state.params), (PAPER.init(seeded(4)), PAPER.init(seeded(5))))
    assert (state.step, state.optimizer) == (0, SGDState(None))


def test_rates_for_one_step_stand_in_for_the_own() -> None:
    layer, rates = LAYERS["convolution"], torch.tensor([0.5, 0.125], dtype=torch.float64)
    starts, batch = whole_starts(layer, 2), whole_batches(layer, 1)[0]
    other, ensemble = (
        EnsembleStep(layer, MSE(), [SGD(lr, momentum=0.5) for lr in pair]) for pair in ((1.0, 1.0), (0.5, 0.125))
    )
    state, metrics = other(other.start(starts), batch, lr=rates)
    assert_equal(state, ensemble(ensemble.start(starts), batch)[0])
    assert torch.equal(metrics.lr, rates)


def test_optimizers_may_have_tensors_already() -> None:
    layer = LAYERS["convolution"]
    starts, batch = whole_starts(layer, 2), whole_batches(layer, 1)[0]
    numbers = EnsembleStep(layer, MSE(), OPTIMIZERS[1:3])
    tensors = EnsembleStep(
        layer,
        MSE(),
        [
            SGD(torch.tensor(0.125), momentum=0.5),
            SGD(0.5, momentum=torch.tensor(0.5), nesterov=torch.tensor(data=True)),
        ],
    )
    assert_equal(tensors(tensors.start(starts), batch)[0], numbers(numbers.start(starts), batch)[0])


def test_a_step_is_pure() -> None:
    step = EnsembleStep(PAPER, MSE(), [SGD(0.1), SGD(0.2, momentum=0.9, nesterov=True)])
    state, generator = step.init([seeded(0), seeded(1)]), seeded(2)
    for _ in range(2):
        batch = Batch(*(torch.rand(2, 3, 8, 8, generator=generator) for _ in range(2)))
        with nothing_changed(state, batch):
            results = step(state, batch)
        assert_same_bits(step(state, batch), results)
        assert_outside_autograd(*results)
        state, _ = results


def test_ensembles_are_equal_if_their_parts_are() -> None:
    def made(lr: float) -> EnsembleStep[Any, Any, Any]:
        return EnsembleStep(PAPER, MSE(), [SGD(0.1), SGD(lr)])

    assert made(0.2) == made(0.2)
    assert made(0.2) != made(0.3)


# Refusals

steps: Any = EnsembleStep  # for callers without a type checker
layer = Conv2d(1, 1, 1)
made: Any = EnsembleStep(layer, MSE(), [SGD(0.1), SGD(0.2, momentum=0.9)])
start = layer.init(seeded(0))
state: Any = made.start([start, start])
stateless: SGDState[ConvParams] = SGDState(None)
square = torch.ones(1, 1, 2, 2)
batch = Batch(square, square)
REFUSALS = [
    Refusal(
        lambda: steps(layer, MSE(), []), ValueError, "EnsembleStep: optimizers is empty, expected at least one SGD"
    ),
    Refusal(
        lambda: steps(layer, MSE(), SGD(0.1)),
        TypeError,
        "EnsembleStep: optimizers is a SGD, expected a list or tuple of at least one SGD",
    ),
    Refusal(
        lambda: steps(layer, MSE(), [SGD(0.1), Adam(0.1)]),
        TypeError,
        f"EnsembleStep: optimizers[1] is {Adam(0.1)!r}, expected an SGD, such as SGD(0.1)",
    ),
    Refusal(
        lambda: steps(Conv2d, MSE(), [SGD(0.1)]),
        TypeError,
        "TrainStep: layer is <class 'n2nfun.layers.conv.Conv2d'>, expected a layer: call it, Conv2d(...), to make one",
    ),
    Refusal(lambda: steps(layer, MSE, [SGD(0.1)]), TypeError, "TrainStep: loss is the class MSE, expected MSE(...)"),
    Refusal(
        lambda: steps(layer, MSE(), [SGD(0.1)], max_norm=math.inf),
        ValueError,
        "max_norm is inf, expected a positive finite number",
    ),
    Refusal(
        lambda: steps(layer, MSE(), [SGD(0.1)], device="gpu"),
        ValueError,
        "EnsembleStep: device is 'gpu', expected one of torch, such as \"cuda\"",
    ),
    Refusal(
        lambda: made.init([seeded(0)]),
        ValueError,
        "EnsembleStep: 1 networks for 2 optimizers, expected as many of each",
    ),
    Refusal(
        lambda: made.init(seeded(0)),
        TypeError,
        "EnsembleStep.init(): generators is a Generator, expected a list or tuple of at least one generator",
    ),
    Refusal(
        lambda: made.start(start),
        TypeError,
        "EnsembleStep.start(): params is a ConvParams, expected a list or tuple of at least one tree of parameters",
    ),
    Refusal(
        lambda: steps(ReLU(), MSE(), [SGD(0.1)]).init([seeded(0)]),
        ValueError,
        "EnsembleStep: the network has no parameters, and so nothing to train",
    ),
    Refusal(
        lambda: made(start, batch),
        TypeError,
        "EnsembleStep: state is a ConvParams, expected the TrainState that TrainStep.init() or start() makes",
    ),
    Refusal(lambda: made(state, square), TypeError, "EnsembleStep: batch is a Tensor, expected Batch(x, target)"),
    Refusal(
        lambda: made(TrainState(start, stateless, 0), batch),
        TreeError,
        "EnsembleStep: state.params.weight has shape (1, 1, 1, 1), expected a first axis of 2",
    ),
    Refusal(
        lambda: made(TrainState(state.params, SGDState((torch.ones(()),)), 0), batch),
        TreeError,
        "EnsembleStep: state.optimizer.velocity[0] has shape (), expected a first axis of 2",
    ),
    Refusal(
        lambda: made(state, batch, lr=torch.ones(3)),
        ValueError,
        "EnsembleStep: lr has shape (3,), expected (2,), one for each optimizer",
    ),
    Refusal(lambda: made(state, batch, lr=0.1), TypeError, "EnsembleStep: lr is a float, expected a tensor"),
    Refusal(
        lambda: made(state, batch, lr=torch.ones(2, device="meta")),
        TypeError,
        'EnsembleStep: lr is on meta, expected cpu: move it there, or EnsembleStep(..., device="meta")',
    ),
    Refusal(
        lambda: made(tree_map(lambda leaf: leaf.to("meta"), state), batch),
        TypeError,
        'EnsembleStep: state.params is on meta, expected cpu: move it there, or EnsembleStep(..., device="meta")',
    ),
]


@each(REFUSALS)
def test_refuses(refusal: Refusal) -> None:
    refusal.check()


def test_errors_of_the_parts_come_through() -> None:
    with pytest.raises(ValueError, match="expected in_channels=1"):
        made(state, Batch(torch.ones(1, 2, 2, 2), square))
    deeper: Any = EnsembleStep(sequential(layer, ReLU()), MSE(), [SGD(0.1)])
    with pytest.raises(TypeError, match="expected a tuple of 2"):
        deeper(deeper.start([ConvParams(torch.ones(1, 1, 1, 1), None)]), batch)
