"""Every misuse that mypy and pyright reject, and what run time says of it; checked by both, and run by ``test_twins.py``.

Unused ignores are errors: each line of the first two tables is rejected, by both checkers, under the codes that it names.
A line of the third passes at least one of them: what a checker does not see, run time does.
"""

# What a rejected expression makes is unknown to pyright, which need not be said of each again.
# pyright: reportUnknownArgumentType=false, reportUnknownLambdaType=false, reportUnknownMemberType=false

from collections.abc import Callable
from typing import Any, NamedTuple

import torch

from n2nfun import (
    L0,
    MSE,
    SGD,
    Adam,
    Batch,
    Conv2d,
    EnsembleStep,
    Layer,
    NearestUpsampling,
    NoParams,
    ReLU,
    SGDState,
    Shape,
    ShapeError,
    Sigmoid,
    TrainState,
    TrainStep,
    TreeError,
    Upsampling,
    fit,
    residual,
    sequential,
    train_step,
    tree_map,
)
from n2nfun.testing.numbers import seeded
from tests.typing.accepts import Grey


class Misuse(NamedTuple):
    """A call that must be refused."""

    call: Callable[[], object]
    error: type[Exception]
    told: str
    """The error's text, and its notes."""


def shape(network: object) -> Shape:
    """Ask a network what it makes of a small image: whether its layers fit."""
    assert isinstance(network, Layer)
    return network.output_shape((1, 3, 32, 32))


def untyped(network: Any) -> Shape:
    """Do the same, in the way of a caller without types."""
    return shape(network)


N = int("16")  # known at run time only
A = Conv2d(16, 16, 1)
LONG = Conv2d(3, 16, 1) >> A >> A >> A >> A >> A >> A >> A >> A >> A >> A >> A >> A >> A >> A >> A >> A

NETWORKS = [
    Misuse(
        lambda: shape(Conv2d(3, 16, 2) >> Conv2d(32, 64, 2)),  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
        ShapeError,
        'layer 1 "Conv2d": x has 16 channels (shape (1, 16, 31, 31)), expected in_channels=32',
    ),
    Misuse(
        lambda: shape(Conv2d(3, 16, 2) >> ReLU() >> Conv2d(32, 64, 2)),  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
        ShapeError,
        'layer 2 "Conv2d": x has 16 channels (shape (1, 16, 31, 31)), expected in_channels=32',
    ),
    Misuse(
        lambda: shape(Conv2d(3, 16, 2) >> ReLU() >> Sigmoid() >> Conv2d(32, 64, 2)),  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
        ShapeError,
        'layer 3 "Conv2d": x has 16 channels (shape (1, 16, 31, 31)), expected in_channels=32',
    ),
    Misuse(
        lambda: shape(Conv2d(3, 16, 2) >> (ReLU() >> Conv2d(32, 64, 2))),  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
        ShapeError,
        'layer 1 "Sequential": layer 1 "Conv2d": x has 16 channels (shape (1, 16, 31, 31)), expected in_channels=32',
    ),
    Misuse(
        lambda: shape(Conv2d(3, N, 2) >> Conv2d(N, 16, 1) >> ReLU() >> Conv2d(32, N, 2)),  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
        ShapeError,
        'layer 3 "Conv2d": x has 16 channels (shape (1, 16, 31, 31)), expected in_channels=32',
    ),
    Misuse(
        lambda: shape(Conv2d(3, 16, 2) >> ReLU() >> Conv2d(16, 8, 2) >> ReLU() >> Conv2d(32, 64, 2)),  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
        ShapeError,
        'layer 4 "Conv2d": x has 8 channels (shape (1, 8, 30, 30)), expected in_channels=32',
    ),
    Misuse(
        lambda: shape(Conv2d(3, 16, 2) >> NearestUpsampling(2) >> Conv2d(32, 3, 1)),  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
        ShapeError,
        'layer 2 "Conv2d": x has 16 channels (shape (1, 16, 62, 62)), expected in_channels=32',
    ),
    Misuse(
        lambda: shape(Conv2d(3, 16, 2) >> Upsampling(32, 16, 5, scale_factor=2)),  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
        ShapeError,
        'layer 1 "Upsampling": x has 16 channels (shape (1, 16, 31, 31)), expected in_channels=32',
    ),
    Misuse(
        lambda: shape(Upsampling(3, 16, 5) >> ReLU() >> Upsampling(in_channels=32, out_channels=3, kernel_size=5)),  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
        ShapeError,
        'layer 2 "Upsampling": x has 16 channels (shape (1, 16, 60, 60)), expected in_channels=32',
    ),
    Misuse(
        lambda: shape(Grey() >> Conv2d(3, 16, 2)),  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
        ShapeError,
        'layer 1 "Conv2d": x has 1 channels (shape (1, 1, 32, 32)), expected in_channels=3',
    ),
    Misuse(
        lambda: shape(Conv2d(3, 16, 2) >> sequential(Conv2d(32, 64, 2), ReLU())),  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
        ShapeError,
        'layer 1 "Sequential": layer 0 "Conv2d": x has 16 channels (shape (1, 16, 31, 31)), expected in_channels=32',
    ),
    Misuse(
        lambda: shape(Conv2d(3, 16, 2) >> residual(Conv2d(32, 32, 1))),  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
        ShapeError,
        'layer 1 "Residual": inside residual(): x has 16 channels (shape (1, 16, 31, 31)), expected in_channels=32',
    ),
    Misuse(
        lambda: shape(Conv2d(3, 16, 2) >> residual(A) >> Conv2d(32, 64, 2)),  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
        ShapeError,
        'layer 2 "Conv2d": x has 16 channels (shape (1, 16, 31, 31)), expected in_channels=32',
    ),
    Misuse(
        lambda: shape(LONG >> Conv2d(3, 3, 1)),  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
        ShapeError,
        'layer 17 "Conv2d": x has 16 channels (shape (1, 16, 32, 32)), expected in_channels=3',
    ),
    Misuse(
        lambda: shape(sequential(Conv2d(3, 16, 2), Conv2d(32, 64, 2))),  # type: ignore[misc]  # pyright: ignore[reportArgumentType]
        ShapeError,
        'layer 1 "Conv2d": x has 16 channels (shape (1, 16, 31, 31)), expected in_channels=32',
    ),
    Misuse(
        lambda: shape(sequential(ReLU(), Conv2d(3, 16, 2), Conv2d(32, 64, 2), ReLU())),  # type: ignore[misc]  # pyright: ignore[reportArgumentType]
        ShapeError,
        'layer 2 "Conv2d": x has 16 channels (shape (1, 16, 31, 31)), expected in_channels=32',
    ),
    Misuse(
        lambda: shape(sequential(Conv2d(3, 16, 2) >> ReLU(), Conv2d(32, 64, 2))),  # type: ignore[misc]  # pyright: ignore[reportArgumentType]
        ShapeError,
        'layer 1 "Conv2d": x has 16 channels (shape (1, 16, 31, 31)), expected in_channels=32',
    ),
    Misuse(
        lambda: shape(sequential(Conv2d(3, 16, 1), A, A, A, A, A, A, A, A, A, A, A, A, A, A, Conv2d(3, 3, 1))),  # type: ignore[misc]  # pyright: ignore[reportArgumentType]
        ShapeError,
        'layer 15 "Conv2d": x has 16 channels (shape (1, 16, 32, 32)), expected in_channels=3',
    ),
    Misuse(
        lambda: shape(residual(Conv2d(3, 16, 1))),  # type: ignore[misc]  # pyright: ignore[reportArgumentType]
        ShapeError,
        "residual(Conv2d) makes (1, 16, 32, 32) of x's (1, 3, 32, 32), expected the same shape",
    ),
    Misuse(
        lambda: shape(residual(Conv2d(3, 16, 1) >> ReLU() >> Conv2d(16, 8, 1))),  # type: ignore[misc]  # pyright: ignore[reportArgumentType]
        ShapeError,
        "residual(Sequential) makes (1, 8, 32, 32) of x's (1, 3, 32, 32), expected the same shape",
    ),
    Misuse(
        lambda: shape(Conv2d(3, 16, 2) >> ReLU),  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
        TypeError,
        "sequential(): argument 1 is <class 'n2nfun.layers.activations.ReLU'>, expected a layer: "
        "call it, ReLU(...), to make one",
    ),
    Misuse(
        lambda: shape(sequential(Conv2d(3, 16, 2), ReLU)),  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
        TypeError,
        "sequential(): argument 1 is <class 'n2nfun.layers.activations.ReLU'>, expected a layer: "
        "call it, ReLU(...), to make one",
    ),
    Misuse(
        lambda: shape(sequential()),  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
        ValueError,
        "sequential(): no layers given, expected at least one; Identity() returns its input",
    ),
    Misuse(
        lambda: shape(residual(ReLU)),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        TypeError,
        "residual(): layer is <class 'n2nfun.layers.activations.ReLU'>, expected a layer: "
        "call it, ReLU(...), to make one",
    ),
    Misuse(
        lambda: shape(Conv2d("3", 16, 2)),  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
        TypeError,
        "in_channels is '3', expected an int",
    ),
]

NETWORK = Conv2d(3, 16, 2, padding=1) >> ReLU() >> Conv2d(16, 3, 2)
OTHER = Conv2d(3, 16, 2, padding=1) >> Conv2d(16, 3, 2)
X = torch.ones(1, 3, 4, 4)
PARAMS, FOREIGN = NETWORK.init(seeded(0)), OTHER.init(seeded(0))
Y, CACHE = NETWORK.forward(PARAMS, X)
GRADS = NETWORK.gradients(PARAMS, CACHE, Y)
FOREIGN_CACHE = OTHER.forward(FOREIGN, X)[1]
SGD_, ADAM = SGD(0.1, momentum=0.9), Adam()
STATE = TrainState(PARAMS, SGD_.init(PARAMS), 0)
FOREIGN_STATE = TrainState(FOREIGN, SGD_.init(FOREIGN), 0)
FOREIGN_MOVING = SGD_.step(FOREIGN, FOREIGN, FOREIGN_STATE.optimizer)[1]
ADAM_STATE = ADAM.init(PARAMS)
BATCH = Batch(X, X)
WIDE = Conv2d(3, 32, 2, padding=1) >> ReLU() >> Conv2d(32, 3, 2)
WIDE_PARAMS = WIDE.init(seeded(0))
WIDE_MOVING = SGD_.step(WIDE_PARAMS, WIDE_PARAMS, SGD_.init(WIDE_PARAMS))[1]
STEP = TrainStep(NETWORK, MSE(), SGD_)
ENSEMBLE = EnsembleStep(NETWORK, MSE(), [SGD_, SGD_])


def a_state_is_of_its_params_alone() -> SGDState[object]:
    """Without a twin: at run time a state does not say of what type of params it is."""
    return STATE.optimizer  # type: ignore[return-value]  # pyright: ignore[reportReturnType]


VALUES = [
    Misuse(
        lambda: NETWORK.forward(FOREIGN, X),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        TypeError,
        "Sequential: params has 2 items, expected 3, one for each layer",
    ),
    Misuse(
        lambda: NETWORK.forward(PARAMS[:2], X),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        TypeError,
        "Sequential: params has 2 items, expected 3, one for each layer",
    ),
    Misuse(
        lambda: NETWORK.forward((PARAMS[0], PARAMS[2], PARAMS[1]), X),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        TypeError,
        'ReLU.forward(): params is a ConvParams, expected NoParams, as init() makes\nin layer 1 "ReLU"',
    ),
    Misuse(
        lambda: NETWORK.forward(list(PARAMS), X),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        TypeError,
        "Sequential: params is a list, expected a tuple of 3",
    ),
    Misuse(
        lambda: NETWORK.apply(PARAMS[0], X),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        TypeError,
        "Sequential: params is a ConvParams, expected a tuple of 3",
    ),
    Misuse(
        lambda: NETWORK.forward(PARAMS, X.numpy()),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        TypeError,
        "Sequential: x is a ndarray, expected a tensor",
    ),
    Misuse(
        lambda: NETWORK.backward(PARAMS, (CACHE[1], CACHE[0], CACHE[2]), Y),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        TypeError,
        'ReLU.backward(): cache is a ConvCache, expected the ReLUCache that forward() returned\nin layer 1 "ReLU"',
    ),
    Misuse(
        lambda: NETWORK.backward(PARAMS, (CACHE[0], CACHE[1]), Y),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        TypeError,
        "Sequential: cache has 2 items, expected 3, one for each layer",
    ),
    Misuse(
        lambda: NETWORK.backward(PARAMS, PARAMS, Y),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        TypeError,
        'Conv2d.backward(): cache is a ConvParams, expected the ConvCache that forward() returned\nin layer 2 "Conv2d"',
    ),
    Misuse(
        lambda: NETWORK.backward(PARAMS, FOREIGN_CACHE, Y),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        TypeError,
        "Sequential: cache has 2 items, expected 3, one for each layer",
    ),
    Misuse(
        lambda: NETWORK.backward(FOREIGN, CACHE, Y),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        TypeError,
        "Sequential: params has 2 items, expected 3, one for each layer",
    ),
    Misuse(
        lambda: NETWORK.gradients(PARAMS, FOREIGN_CACHE, Y),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        TypeError,
        "Sequential: cache has 2 items, expected 3, one for each layer",
    ),
    Misuse(
        lambda: Conv2d(3, 16, 2).forward(NoParams(), X),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        TypeError,
        "Conv2d.forward(): params is a NoParams, expected ConvParams, as init() makes",
    ),
    Misuse(
        lambda: ReLU().forward(PARAMS[0], X),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        TypeError,
        "ReLU.forward(): params is a ConvParams, expected NoParams, as init() makes",
    ),
    Misuse(
        lambda: ReLU().backward(NoParams(), CACHE[0], Y),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        TypeError,
        "ReLU.backward(): cache is a ConvCache, expected the ReLUCache that forward() returned",
    ),
    Misuse(
        lambda: MSE().backward(CACHE[1]),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        TypeError,
        "MSE.backward(): cache is a ReLUCache, expected the LossCache that forward() returned",
    ),
    Misuse(
        lambda: PARAMS[1].weight,  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
        AttributeError,
        "'NoParams' object has no attribute 'weight'",
    ),
    Misuse(
        lambda: ReLU().init(seeded(0)).weight,  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
        AttributeError,
        "'NoParams' object has no attribute 'weight'",
    ),
    Misuse(
        lambda: PARAMS[3],  # type: ignore[misc]  # pyright: ignore[reportGeneralTypeIssues]
        IndexError,
        "tuple index out of range",
    ),
    Misuse(
        lambda: SGD_.step(PARAMS, FOREIGN, STATE.optimizer),  # type: ignore[misc]  # pyright: ignore[reportArgumentType]
        TreeError,
        "grads differs from params at the root: expected a tuple of 3, got a tuple of 2",
    ),
    Misuse(
        lambda: SGD_.step(FOREIGN, GRADS, STATE.optimizer),  # type: ignore[misc]  # pyright: ignore[reportArgumentType]
        TreeError,
        "grads differs from params at the root: expected a tuple of 2, got a tuple of 3",
    ),
    Misuse(
        lambda: SGD_.step(PARAMS, GRADS, FOREIGN_MOVING),  # type: ignore[misc]  # pyright: ignore[reportArgumentType]
        TreeError,
        "state.velocity differs from params at the root: expected a tuple of 3, got a tuple of 2",
    ),
    Misuse(
        lambda: SGD_.step(PARAMS, GRADS, ADAM_STATE),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        TypeError,
        "state is a AdamState, expected the SGDState that SGD.init() makes",
    ),
    Misuse(
        lambda: ADAM.step(PARAMS, FOREIGN, ADAM_STATE),  # type: ignore[misc]  # pyright: ignore[reportArgumentType]
        TreeError,
        "grads differs from params at the root: expected a tuple of 3, got a tuple of 2",
    ),
    Misuse(
        lambda: ADAM.step(PARAMS, GRADS, ADAM.init(FOREIGN)),  # type: ignore[misc]  # pyright: ignore[reportArgumentType]
        TreeError,
        "state.mean differs from params at the root: expected a tuple of 3, got a tuple of 2",
    ),
    Misuse(
        lambda: ADAM.step(PARAMS, GRADS, STATE.optimizer),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        TypeError,
        "state is a SGDState, expected the AdamState that Adam.init() makes",
    ),
    Misuse(
        lambda: STEP(STEP.start(FOREIGN), BATCH),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        TypeError,
        "Sequential: params has 2 items, expected 3, one for each layer",
    ),
    Misuse(
        lambda: STEP(FOREIGN_STATE, BATCH),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        TypeError,
        "Sequential: params has 2 items, expected 3, one for each layer",
    ),
    Misuse(
        lambda: next(fit(STEP, FOREIGN_STATE, [BATCH])),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        TypeError,
        "Sequential: params has 2 items, expected 3, one for each layer",
    ),
    Misuse(
        lambda: TrainStep(NETWORK, MSE(), ADAM)(STATE, BATCH),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        TypeError,
        "state is a SGDState, expected the AdamState that Adam.init() makes",
    ),
    Misuse(
        lambda: train_step(NETWORK, MSE(), SGD_, FOREIGN_STATE, BATCH),  # type: ignore[misc]  # pyright: ignore[reportArgumentType]
        TypeError,
        "Sequential: params has 2 items, expected 3, one for each layer",
    ),
    Misuse(
        lambda: train_step(OTHER, MSE(), SGD_, STATE, BATCH),  # type: ignore[misc]  # pyright: ignore[reportArgumentType]
        TypeError,
        "Sequential: params has 3 items, expected 2, one for each layer",
    ),
    Misuse(
        lambda: train_step(NETWORK, MSE(), SGD_, TrainState(FOREIGN, STATE.optimizer, 0), BATCH),  # type: ignore[misc]  # pyright: ignore[reportArgumentType]
        TypeError,
        "Sequential: params has 2 items, expected 3, one for each layer",
    ),
    Misuse(
        lambda: TrainStep(Conv2d, MSE(), SGD_),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        TypeError,
        "TrainStep: layer is <class 'n2nfun.layers.conv.Conv2d'>, expected a layer: call it, Conv2d(...), to make one",
    ),
    Misuse(
        lambda: TrainStep(NETWORK, MSE, SGD_),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        TypeError,
        "TrainStep: loss is the class MSE, expected MSE(...)",
    ),
    Misuse(
        lambda: TrainStep(NETWORK, MSE(), SGD),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        TypeError,
        "TrainStep: optimizer is the class SGD, expected SGD(...)",
    ),
    Misuse(
        lambda: EnsembleStep(NETWORK, MSE(), [SGD_, ADAM]),  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
        TypeError,
        f"EnsembleStep: optimizers[1] is {ADAM!r}, expected an SGD, such as SGD(0.1)",
    ),
    Misuse(
        lambda: ENSEMBLE.init(seeded(0)),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        TypeError,
        "EnsembleStep.init(): generators is a Generator, expected a list or tuple of at least one generator",
    ),
    Misuse(
        lambda: ENSEMBLE.start([FOREIGN]),  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
        ValueError,
        "EnsembleStep: 1 networks for 2 optimizers, expected as many of each",
    ),
    Misuse(
        lambda: TrainStep(NETWORK, MSE(), SGD_, compute="bfloat16"),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        TypeError,
        "compute is 'bfloat16', expected float32, float64, float16 or bfloat16 of torch, or None",
    ),
    Misuse(
        lambda: TrainStep(NETWORK, MSE(), SGD_, 0.1),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        TypeError,
        "schedule is 0.1, expected a function of the step, such as constant(0.1)",
    ),
    Misuse(
        lambda: TrainStep(NETWORK, MSE(), SGD_, max_norm="1"),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        TypeError,
        "max_norm is '1', expected a number",
    ),
    Misuse(
        lambda: STEP(STATE, (X, X)),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        TypeError,
        "TrainStep: batch is a tuple, expected Batch(x, target)",
    ),
    Misuse(
        lambda: STEP(PARAMS, BATCH),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        TypeError,
        "TrainStep: state is a tuple, expected the TrainState that TrainStep.init() or start() makes",
    ),
    Misuse(
        lambda: train_step(NETWORK, MSE(), SGD_, STATE, (X, X)),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        TypeError,
        "train_step(): batch is a tuple, expected Batch(x, target)",
    ),
    Misuse(
        lambda: fit(STEP, STATE, BATCH),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        TypeError,
        "fit(): batches is a Batch, expected an iterable of batches: [batch]",
    ),
]

UNSEEN = [
    # Channels are lost where a composition begins or, in sequential(), goes on with a layer that takes any number of them,
    Misuse(
        lambda: shape(sequential(Conv2d(3, 16, 1), ReLU(), Conv2d(32, 3, 1))),
        ShapeError,
        'layer 2 "Conv2d": x has 16 channels (shape (1, 16, 32, 32)), expected in_channels=32',
    ),
    Misuse(
        lambda: shape(sequential(Conv2d(3, 16, 1), ReLU()) >> Conv2d(32, 3, 1)),
        ShapeError,
        'layer 2 "Conv2d": x has 16 channels (shape (1, 16, 32, 32)), expected in_channels=32',
    ),
    Misuse(
        lambda: shape(Conv2d(3, 16, 1) >> sequential(ReLU(), Conv2d(32, 3, 1))),
        ShapeError,
        'layer 1 "Sequential": layer 1 "Conv2d": x has 16 channels (shape (1, 16, 32, 32)), expected in_channels=32',
    ),
    Misuse(
        lambda: shape(Conv2d(3, 16, 1) >> (ReLU() >> Sigmoid()) >> Conv2d(32, 3, 1)),
        ShapeError,
        'layer 2 "Conv2d": x has 16 channels (shape (1, 16, 32, 32)), expected in_channels=32',
    ),
    Misuse(
        lambda: shape(Conv2d(3, 16, 1) >> residual(ReLU()) >> Conv2d(32, 3, 1)),
        ShapeError,
        'layer 2 "Conv2d": x has 16 channels (shape (1, 16, 32, 32)), expected in_channels=32',
    ),
    # are not told apart outside the union of KnownIn, or not known before run time,
    Misuse(
        lambda: shape(Conv2d(3, 17, 1) >> Conv2d(18, 3, 1)),
        ShapeError,
        'layer 1 "Conv2d": x has 17 channels (shape (1, 17, 32, 32)), expected in_channels=18',
    ),
    Misuse(
        lambda: shape(Conv2d(3, N, 1) >> Conv2d(32, 3, 1)),
        ShapeError,
        'layer 1 "Conv2d": x has 16 channels (shape (1, 16, 32, 32)), expected in_channels=32',
    ),
    Misuse(
        lambda: shape(Conv2d(3, 16, 1) >> residual(Conv2d(32, N, 1))),  # pyright: ignore[reportOperatorIssue]
        ShapeError,
        'layer 1 "Residual": inside residual(): x has 16 channels (shape (1, 16, 32, 32)), expected in_channels=32',
    ),
    Misuse(
        lambda: shape(residual(Conv2d(3, N, 1))),
        ShapeError,
        "residual(Conv2d) makes (1, 16, 32, 32) of x's (1, 3, 32, 32), expected the same shape",
    ),
    # are not followed through more than sixteen layers in sequential(),
    Misuse(
        lambda: shape(sequential(Conv2d(3, 16, 1), A, A, A, A, A, A, A, A, A, A, A, A, A, A, A, Conv2d(3, 3, 1))),
        ShapeError,
        'layer 16 "Conv2d": x has 16 channels (shape (1, 16, 32, 32)), expected in_channels=3',
    ),
    # and mypy infers nothing of an expression where it expects Any.
    Misuse(
        lambda: untyped(residual(Conv2d(3, 16, 1))),  # pyright: ignore[reportArgumentType]
        ShapeError,
        "residual(Conv2d) makes (1, 16, 32, 32) of x's (1, 3, 32, 32), expected the same shape",
    ),
    Misuse(
        lambda: untyped(Conv2d("3", 16, 1)),  # pyright: ignore[reportArgumentType, reportCallIssue]
        TypeError,
        "in_channels is '3', expected an int",
    ),
    # Trees of the same types.
    Misuse(
        lambda: NETWORK.forward((PARAMS[2], PARAMS[1], PARAMS[0]), X),
        ShapeError,
        'Conv2d.forward(): params.weight has shape (3, 16, 2, 2), expected (16, 3, 2, 2)\nin layer 0 "Conv2d"',
    ),
    Misuse(
        lambda: NETWORK.backward(PARAMS, (CACHE[2], CACHE[1], CACHE[0]), Y),
        ShapeError,
        "Conv2d.backward(): grad has shape (1, 3, 4, 4), expected that of forward's output, (1, 16, 5, 5)\n"
        'in layer 2 "Conv2d"',
    ),
    Misuse(
        lambda: NETWORK.backward(WIDE_PARAMS, CACHE, Y),
        ShapeError,
        'Conv2d.backward(): params.weight has shape (3, 32, 2, 2), expected (3, 16, 2, 2)\nin layer 2 "Conv2d"',
    ),
    Misuse(
        lambda: WIDE.backward(WIDE_PARAMS, CACHE, Y),
        ShapeError,
        "Conv2d.backward(): cache is that of another layer: "
        "it has input (1, 16, 5, 5) and output (1, 3, 4, 4)\n"
        'in layer 2 "Conv2d"',
    ),
    # Nothing but T ties the trees of a tree_map together: both are an object. Nor does pyright tie those of a new state.
    Misuse(
        lambda: tree_map(torch.add, PARAMS, FOREIGN),
        TreeError,
        "tree 2 differs from tree 1 at the root: expected a tuple of 3, got a tuple of 2",
    ),
    Misuse(
        lambda: tree_map(torch.add, PARAMS, WIDE_PARAMS),
        TreeError,
        "tree 2 differs from tree 1 at [0].weight: "
        "expected a tensor of shape (16, 3, 2, 2), got a tensor of shape (32, 3, 2, 2)",
    ),
    Misuse(
        lambda: SGD_.step(PARAMS, WIDE_PARAMS, STATE.optimizer),
        TreeError,
        "grads differs from params at [0].weight: expected a tensor of shape (16, "
        "3, 2, 2), got a tensor of shape (32, 3, 2, 2)",
    ),
    Misuse(
        lambda: SGD_.step(PARAMS, GRADS, WIDE_MOVING),
        TreeError,
        "state.velocity differs from params at [0].weight: "
        "expected a tensor of shape (16, 3, 2, 2), got a tensor of shape (32, 3, 2, 2)",
    ),
    Misuse(
        lambda: ADAM.step(PARAMS, GRADS, ADAM.init(WIDE_PARAMS)),
        TreeError,
        "state.mean differs from params at [0].weight: "
        "expected a tensor of shape (16, 3, 2, 2), got a tensor of shape (32, 3, 2, 2)",
    ),
    Misuse(
        lambda: ADAM.step(PARAMS, FOREIGN, ADAM.init(PARAMS)),  # type: ignore[misc]
        TreeError,
        "grads differs from params at the root: expected a tuple of 3, got a tuple of 2",
    ),
    Misuse(
        lambda: STEP(TrainState(WIDE_PARAMS, SGD_.init(PARAMS), 0), BATCH),
        ShapeError,
        'Conv2d.forward(): params.weight has shape (32, 3, 2, 2), expected (16, 3, 2, 2)\nin layer 0 "Conv2d"',
    ),
    # A class of losses that takes one number is a function of the step, which makes a loss.
    Misuse(
        lambda: TrainStep(NETWORK, L0, SGD_),
        TypeError,
        "TrainStep: loss is the class L0, expected L0(...)",
    ),
]
