"""What mypy and pyright accept, and the exact types that they know. Checked by both, and run by ``test_twins.py``."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias, TypeVar, assert_type

import torch
from torch import Generator, Tensor

from n2nfun import (
    MSE,
    SGD,
    Adam,
    AdamState,
    Batch,
    ChannelPreserving,
    Conv2d,
    ConvCache,
    ConvParams,
    EnsembleMetrics,
    EnsembleStep,
    Layer,
    LossCache,
    Metrics,
    NearestCache,
    NearestUpsampling,
    NoParams,
    Normalize,
    NormalizeCache,
    ReLU,
    ReLUCache,
    Residual,
    Sequential,
    SGDState,
    Sigmoid,
    SigmoidCache,
    TrainState,
    TrainStep,
    Upsampling,
    UpsamplingCache,
    clip_by_global_norm,
    denoiser,
    fit,
    paper,
    residual,
    sequential,
    stack,
    train_step,
    tree_map,
    unstack,
)
from n2nfun.checkpoint import load_checkpoint, save_checkpoint
from n2nfun.tree import zeros_like

P = TypeVar("P")
C = TypeVar("C")
CP: TypeAlias = ConvParams
CC: TypeAlias = ConvCache
NP: TypeAlias = NoParams
RC: TypeAlias = ReLUCache
Three: TypeAlias = tuple[CP, NP, CP]
ThreeCache: TypeAlias = tuple[CC, RC, CC]


@dataclass(frozen=True, slots=True)
class Scale:
    scale: Tensor


@dataclass(frozen=True, slots=True)
class MineCache:
    x: Tensor


class Mine(Layer[Scale, MineCache]):
    """A user's layer that says nothing of channels."""

    def init(self, generator: Generator) -> Scale:
        return Scale(torch.ones(()))

    def forward(self, params: Scale, x: Tensor) -> tuple[Tensor, MineCache]:
        return params.scale * x, MineCache(x)

    def backward(self, params: Scale, cache: MineCache, grad: Tensor) -> tuple[Tensor, Scale]:
        return params.scale * grad, Scale((grad * cache.x).sum())

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return shape


class Grey(Layer[NoParams, NoParams, Literal[3], Literal[1]]):
    """A user's layer that names its channels."""

    def init(self, generator: Generator) -> NoParams:
        return NoParams()

    def forward(self, params: NoParams, x: Tensor) -> tuple[Tensor, NoParams]:
        return x.mean(1, keepdim=True), NoParams()

    def backward(self, params: NoParams, cache: NoParams, grad: Tensor) -> tuple[Tensor, NoParams]:
        return grad.expand(-1, 3, -1, -1) / 3, NoParams()

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return (shape[0], 1, *shape[2:])


def layers(n: int) -> None:
    """The channels of a layer are Literals where the checker can know them."""
    assert_type(Conv2d(3, 16, 2), Conv2d[Literal[3], Literal[16]])
    assert_type(Conv2d(in_channels=3, out_channels=16, kernel_size=2, bias=False), Conv2d[Literal[3], Literal[16]])
    assert_type(Conv2d(3, 17, 2), Conv2d[Literal[3], Any])
    assert_type(Conv2d(n, 16, 2), Conv2d[Any, Literal[16]])
    assert_type(Conv2d(n, 17, 2), Conv2d[Any, Any])
    assert_type(Upsampling(16, 3, 5, scale_factor=2, padding=2), Upsampling[Literal[16], Literal[3]])
    assert_type(Upsampling(n, 3, 5), Upsampling[Any, Literal[3]])


def chains(n: int) -> None:
    """``>>`` and ``sequential`` keep flat tuples of params and of caches, and the channels at both ends."""
    network = Conv2d(3, 16, 2) >> ReLU() >> Conv2d(16, 64, 2)
    assert_type(network, Sequential[Three, ThreeCache, Literal[3], Literal[64]])
    assert_type(sequential(Conv2d(3, 16, 2)), Sequential[tuple[CP], tuple[CC], Literal[3], Literal[16]])
    assert_type(
        sequential(Conv2d(3, 16, 2), ReLU(), Conv2d(16, 64, 2)),
        Sequential[Three, ThreeCache, Literal[3], Literal[64]],
    )
    assert_type(
        ReLU() >> Conv2d(3, 16, 2) >> Sigmoid(),
        Sequential[tuple[NP, CP, NP], tuple[RC, CC, SigmoidCache], Literal[3], Literal[16]],
    )
    assert_type(
        Normalize(0.5, 0.25) >> Conv2d(3, 16, 2) >> NearestUpsampling(2) >> Upsampling(16, 3, 5),
        Sequential[
            tuple[NP, CP, NP, CP],
            tuple[NormalizeCache, CC, NearestCache, UpsamplingCache],
            Literal[3],
            Literal[3],
        ],
    )
    # A user's layers, with and without channels of their own.
    assert_type(Grey() >> Conv2d(1, 8, 3), Sequential[tuple[NP, CP], tuple[NP, CC], Literal[3], Literal[8]])
    assert_type(Conv2d(3, 16, 2) >> Mine(), Sequential[tuple[CP, Scale], tuple[CC, MineCache], Literal[3], Any])
    assert_type(Conv2d(3, n, 2) >> ReLU(), Sequential[tuple[CP, NP], tuple[CC, RC], Literal[3], Any])
    # On the right, or as an argument, a composition stays one layer.
    assert_type(
        Conv2d(3, 16, 2) >> (ReLU() >> Conv2d(16, 64, 2)),
        Sequential[tuple[CP, tuple[NP, CP]], tuple[CC, tuple[RC, CC]], Literal[3], Literal[64]],
    )
    assert_type(
        sequential(network, Conv2d(64, 3, 1)),
        Sequential[tuple[Three, CP], tuple[ThreeCache, CC], Literal[3], Literal[3]],
    )
    assert_type(residual(Conv2d(16, 16, 3)), Residual[CP, CC, Literal[16], Literal[16]])
    assert_type(residual(Mine()), Residual[Scale, MineCache, Any, Any])
    assert_type(
        residual(Conv2d(16, 8, 3) >> ReLU() >> Conv2d(8, 16, 3)),
        Residual[Three, ThreeCache, Literal[16], Literal[16]],
    )


def many() -> None:
    """``>>`` is exact for any number of layers, ``sequential`` for sixteen."""
    c, r = Conv2d(16, 16, 1), ReLU()
    assert_type(
        c >> r >> c >> r >> c >> r >> c >> r >> c >> r >> c >> r >> c >> r >> c >> r >> c >> r,
        Sequential[
            tuple[CP, NP, CP, NP, CP, NP, CP, NP, CP, NP, CP, NP, CP, NP, CP, NP, CP, NP],
            tuple[CC, RC, CC, RC, CC, RC, CC, RC, CC, RC, CC, RC, CC, RC, CC, RC, CC, RC],
            Literal[16],
            Literal[16],
        ],
    )
    assert_type(
        sequential(r, c, c, r, c, r, c, r, c, r, c, r, c, r, c, c),
        Sequential[
            tuple[NP, CP, CP, NP, CP, NP, CP, NP, CP, NP, CP, NP, CP, NP, CP, CP],
            tuple[RC, CC, CC, RC, CC, RC, CC, RC, CC, RC, CC, RC, CC, RC, CC, CC],
            Any,
            Literal[16],
        ],
    )


def values(generator: Generator, x: Tensor) -> None:
    """All that is computed with a network's params has their type."""
    network = Conv2d(3, 16, 2) >> ReLU() >> Conv2d(16, 64, 2)
    params = network.init(generator)
    assert_type(params, Three)
    assert_type(params[0].weight, Tensor)
    assert_type(params[0].bias, Tensor | None)
    y, cache = network.forward(params, x)
    assert_type(y, Tensor)
    assert_type(cache, ThreeCache)
    assert_type(network.apply(params, x), Tensor)
    dx, grads = network.backward(params, cache, y)
    assert_type(dx, Tensor)
    assert_type(grads, Three)
    assert_type(network.gradients(params, cache, y), Three)
    assert_type(tree_map(torch.neg, params), Three)
    assert_type(tree_map(torch.add, params, grads), Three)
    assert_type(tree_map(lambda p, g, s: p + g * s, params, grads, params), Three)
    assert_type(clip_by_global_norm(grads, 1.0), tuple[Three, Tensor])
    assert_type(zeros_like(params), Three)
    assert_type(network.output_shape((1, 3, 8, 8)), tuple[int, ...])
    assert_type(network.count_parameters(), int)


def training(generator: Generator, x: Tensor, folder: Path) -> None:
    """States know the type of the params that they are for, on their way through steps and files."""
    network = Conv2d(3, 16, 2, padding=1) >> ReLU() >> Conv2d(16, 3, 2)
    params = network.init(generator)
    grads = network.gradients(params, network.forward(params, x)[1], x)
    sgd, adam = SGD(0.1), Adam()
    assert_type(sgd.init(params), SGDState[Three])
    assert_type(sgd.step(params, grads, sgd.init(params)), tuple[Three, SGDState[Three]])
    assert_type(adam.init(params), AdamState[Three])
    assert_type(adam.step(params, grads, adam.init(params)), tuple[Three, AdamState[Three]])
    assert_type(sgd.init(params).velocity, Three | None)
    assert_type(adam.init(params).mean, Three)
    state = TrainState(params, sgd.init(params), 0)
    assert_type(state, TrainState[Three, SGDState[Three]])
    batch = Batch(x, x)
    state, metrics = train_step(network, MSE(), sgd, state, batch)
    assert_type(state, TrainState[Three, SGDState[Three]])
    assert_type(metrics, Metrics)
    by_adam = TrainStep(network, MSE(), adam)
    assert_type(by_adam, TrainStep[Three, ThreeCache, LossCache, AdamState[Three]])
    assert_type(by_adam.init(generator), TrainState[Three, AdamState[Three]])
    by_sgd = TrainStep(network, MSE(), sgd)
    for state, metrics in fit(by_sgd, by_sgd.start(params), [batch]):
        assert_type(state, TrainState[Three, SGDState[Three]])
        assert_type(metrics, Metrics)
    save_checkpoint(folder / "state.safetensors", state, {})
    assert_type(load_checkpoint(folder / "state.safetensors").fill(state), TrainState[Three, SGDState[Three]])
    assert_type(load_checkpoint(folder / "state.safetensors").fill(params, at=".params"), Three)


def ensembles(generator: Generator, x: Tensor) -> None:
    """Many networks' states have the type of one's, stacked."""
    network = Conv2d(3, 16, 2, padding=1) >> ReLU() >> Conv2d(16, 3, 2)
    step = EnsembleStep(network, MSE(), [SGD(0.1), SGD(torch.tensor(0.1), nesterov=torch.tensor(False))])
    assert_type(step, EnsembleStep[Three, ThreeCache, LossCache])
    state = step.init([generator, generator])
    assert_type(state, TrainState[Three, SGDState[Three]])
    assert_type(step.start([network.init(generator)] * 2), TrainState[Three, SGDState[Three]])
    assert_type(step(state, Batch(x, x), lr=torch.ones(2)), tuple[TrainState[Three, SGDState[Three]], EnsembleMetrics])
    for after, metrics in fit(step, state, [Batch(x, x)]):
        assert_type(after, TrainState[Three, SGDState[Three]])
        assert_type(metrics, EnsembleMetrics)
    assert_type(unstack(state.params), tuple[Three, ...])
    assert_type(stack(unstack(state.params)), Three)
    assert_type(step.alone(1), TrainStep[Three, ThreeCache, LossCache, SGDState[Three]])


def models(generator: Generator) -> None:
    """The models' params are spelled out, too."""
    assert_type(
        paper().layer.init(generator),
        tuple[CP, NP, CP, NP, CP, NP, CP, NP],
    )
    assert_type(
        denoiser().layer.init(generator),
        tuple[NP, CP, tuple[NP, CP], tuple[NP, CP], tuple[NP, CP], NP, CP],
    )
    assert_type(paper().layer.init(generator)[4].weight, Tensor)


def unknown(n: int, *, wide: bool) -> None:
    """Nothing is found fault with that the checker cannot know."""
    a, activation = Conv2d(3, 16, 2), of_any_channels(ReLU())
    # Known at run time only, or not among the numbers that are told apart.
    _ = a >> Conv2d(n, 4, 1) >> Conv2d(4, n, 1) >> Conv2d(99, 98, 1) >> Conv2d(5, n, 1) >> Conv2d(7, 8, 1)
    _ = a >> activation >> Conv2d(16, 3, 1) >> of_unknown_channels(a) >> Conv2d(64, 3, 1)
    _ = sequential(a, Mine(), Conv2d(32, n, 1), activation, Conv2d(n, 3, 1), of_unknown_channels(a), a)
    _ = residual(Conv2d(n, 4, 1)) >> Conv2d(4, 4, 1)
    _ = residual(Conv2d(n, n, 1)) >> Conv2d(3, 4, 1)
    # One of two.
    width = 16 if wide else 32
    _ = Conv2d(3, width, 1) >> Conv2d(16, 3, 1)
    _ = Conv2d(3, 16, 1) >> ReLU() >> Conv2d(width, 3, 1)
    _ = sequential(Conv2d(3, width, 1), ReLU(), Conv2d(32, width, 1))
    _ = residual(Conv2d(16, width, 1))
    for last in (16, 32):
        _ = Conv2d(3, last, 1) >> ReLU() >> Conv2d(16, last, 1)
    both = Conv2d(3, 16, 1) if wide else Conv2d(3, 32, 1)
    _ = both >> ReLU()
    # Where a layer of any channels is asked for, and in a loop.
    _ = of_unknown_channels(Conv2d(n, 5, 1))
    _ = of_three_channels(a)
    _ = of_three_channels(Conv2d(n, 5, 1))
    mixed: list[Layer[CP, CC]] = [a, Conv2d(16, 3, 1), Conv2d(n, n, 1)]
    _ = mixed[0] >> mixed[1] >> a
    network: Layer[Any, Any] = a
    for channels in (16, 24, 32):
        network = network >> Conv2d(channels, channels + 8, 1) >> ReLU()
    _ = network >> Conv2d(40, 3, 1)
    for block in [Conv2d(16, 16, 3)] * 3:
        network = sequential(network, block, ReLU())
    # More layers than sequential() spells out, and a list of them.
    c = Conv2d(16, 16, 1)
    more = sequential(c, c, c, c, c, c, c, c, c, c, c, c, c, c, c, c, ReLU())
    assert_type(more, Sequential[tuple[Any, ...], tuple[Any, ...]])
    _ = a >> more >> Conv2d(16, 3, 1)
    _ = a >> sequential(*[c] * n) >> Conv2d(16, 3, 1)
    # Layers of several types in one container, which needs an annotation.
    kinds: list[Layer[Any, Any]] = [Conv2d(3, 16, 3), ReLU(), Conv2d(16, 3, 3)]
    _ = sequential(*kinds)
    made: dict[str, type[Layer[Any, Any]]] = {"relu": ReLU, "sigmoid": Sigmoid}
    _ = a >> made["relu"]() >> Conv2d(16, 3, 1)
    _ = a >> sequential(Conv2d(16, 24, 1), *(Conv2d(24, 24, 1) for _ in range(n))) >> Conv2d(24, 3, 1)


def of_any_channels(layer: ChannelPreserving[P, C]) -> ChannelPreserving[P, C]:
    return layer


def of_unknown_channels(layer: Layer[P, C]) -> Layer[P, C]:
    return layer


def of_three_channels(layer: Layer[P, C, Literal[3], Any]) -> Layer[P, C, Literal[3], Any]:
    return layer
