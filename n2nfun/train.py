"""Training as a fold: a pure step from one state to the next, and its run over batches."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from n2nfun.arguments import check_number
from n2nfun.compose.checks import require_layer
from n2nfun.factors import Factor
from n2nfun.layer import C, Layer, P
from n2nfun.layers.checks import FLOATS
from n2nfun.losses import Loss
from n2nfun.optim import Optimizer, clip_by_global_norm
from n2nfun.schedules import Schedule
from n2nfun.tree import leaves, rebuild, tree_map

__all__ = ["Batch", "Metrics", "TrainState", "TrainStep", "fit", "train_step"]

S = TypeVar("S")
LC = TypeVar("LC")
Running = TypeVar("Running")
Measured = TypeVar("Measured")


@dataclass(frozen=True, slots=True)
class Batch:
    """Inputs and what the network should make of them; in Noise2Noise both are noisy."""

    x: Float[Tensor, "batch channels height width"]
    target: Float[Tensor, "batch out_channels out_height out_width"]


@dataclass(frozen=True, slots=True)
class TrainState(Generic[P, S]):
    """All that changes in training."""

    params: P
    optimizer: S
    step: int
    """How many steps were made."""


@dataclass(frozen=True, slots=True)
class Metrics:
    """What one step measured."""

    loss: Float[Tensor, ""]
    """Of the batch, before the step. A tensor, so that nobody waits for it who does not read it."""
    lr: Factor


def _check_instance(owner: str, name: str, part: object, method: str, example: str) -> None:
    """Require a part of a step, and not its class: a class of losses, called with a step, would make some loss of it.

    Raises:
        TypeError: if it is a class, or does not have the method.
    """
    if isinstance(part, type):
        raise TypeError(f"{owner}: {name} is the class {part.__name__}, expected {part.__name__}(...)")
    if not hasattr(part, method):
        raise TypeError(f"{owner}: {name} is {part!r}, expected {example}")


def _check_loss(owner: str, loss: object) -> None:
    _check_instance(owner, "loss", loss, "backward", "a loss, such as MSE()")


def _check_optimizer(owner: str, optimizer: object) -> None:
    _check_instance(owner, "optimizer", optimizer, "step", "an optimizer, such as SGD(0.1)")


def check_state(owner: str, state: object) -> None:
    if not isinstance(state, TrainState):
        raise TypeError(
            f"{owner}: state is a {type(state).__name__}, expected the TrainState that TrainStep.init() or start() makes"
        )


def _check_max_norm(max_norm: float | None) -> None:
    if max_norm is not None:
        check_number("max_norm", max_norm, positive=True)


def _check_compute(compute: torch.dtype | None) -> None:
    if compute is not None and compute not in FLOATS:
        raise TypeError(f"compute is {compute!r}, expected float32, float64, float16 or bfloat16 of torch, or None")


def check_batch(owner: str, batch: object) -> None:
    if not isinstance(batch, Batch):
        raise TypeError(f"{owner}: batch is a {type(batch).__name__}, expected Batch(x, target)")


def train_step(
    layer: Layer[P, C],
    loss: Loss[LC],
    optimizer: Optimizer[P, S],
    state: TrainState[P, S],
    batch: Batch,
    *,
    lr: float | None = None,
    max_norm: float | None = None,
    compute: torch.dtype | None = None,
) -> tuple[TrainState[P, S], Metrics]:
    """Make one step: forward, loss, backward, clipping if asked for, optimizer.

    Args:
        layer: The network.
        loss: What to make small.
        optimizer: How.
        state: Where training stands.
        batch: What to learn from.
        lr: Stands in for the optimizer's learning rate.
        max_norm: To which global norm gradients are scaled down; None leaves them.
        compute: To which dtype parameters and input are rounded for the network's forward and backward, such as
            torch.bfloat16; loss, clipping and optimizer stay in the target's and the parameters' own. None rounds nothing.

    Raises:
        TypeError: if an argument is not of its type.
        ValueError: unless max_norm is positive and finite.

    Source: rounding a copy of the parameters, and moving the parameters themselves: Micikevicius et al., "Mixed Precision
    Training", ICLR 2018, section 3.1.

    Example:
        >>> import torch
        >>> from n2nfun.layers import Conv2d
        >>> from n2nfun.losses import MSE
        >>> from n2nfun.optim import SGD
        >>> layer, sgd = Conv2d(1, 1, 1), SGD(0.1)
        >>> params = layer.init(torch.Generator().manual_seed(0))
        >>> batch = Batch(torch.ones(1, 1, 2, 2), torch.zeros(1, 1, 2, 2))
        >>> state = TrainState(params, sgd.init(params), 0)
        >>> state, before = train_step(layer, MSE(), sgd, state, batch)
        >>> state, after = train_step(layer, MSE(), sgd, state, batch)
        >>> state.step, bool(after.loss < before.loss)
        (2, True)
    """
    require_layer("train_step(): layer", layer)
    _check_loss("train_step()", loss)
    _check_optimizer("train_step()", optimizer)
    check_state("train_step()", state)
    check_batch("train_step()", batch)
    _check_max_norm(max_norm)
    _check_compute(compute)
    value, grads = _differentiated(layer, loss, state.params, batch, compute)
    return _moved(optimizer, state, value, grads, lr, max_norm)


def _moved(
    optimizer: Optimizer[P, S],
    state: TrainState[P, S],
    value: Tensor,
    grads: P,
    lr: float | None,
    max_norm: float | None,
) -> tuple[TrainState[P, S], Metrics]:
    """Return what follows from a loss and its gradient."""
    if max_norm is not None:
        grads, _ = clip_by_global_norm(grads, max_norm)
    params, optimizer_state = optimizer.step(state.params, grads, state.optimizer, lr=lr)
    return TrainState(params, optimizer_state, state.step + 1), Metrics(value, optimizer.lr if lr is None else lr)


def _differentiated(
    layer: Layer[P, C], loss: Loss[LC], params: P, batch: Batch, compute: torch.dtype | None
) -> tuple[Tensor, P]:
    """Return the loss of a batch, and its gradient in the parameters."""
    if compute is not None:
        return _differentiated_in(compute, layer, loss, params, batch)
    prediction, cache = layer.forward(params, batch.x)
    value, loss_cache = loss.forward(prediction, batch.target)
    return value, layer.gradients(params, cache, loss.backward(loss_cache))


def _differentiated_in(
    dtype: torch.dtype, layer: Layer[P, C], loss: Loss[LC], params: P, batch: Batch
) -> tuple[Tensor, P]:
    """Do the same with a network of another dtype."""
    own = tree_map(lambda leaf: leaf.to(dtype), params)
    prediction, cache = layer.forward(own, batch.x.to(dtype))
    value, loss_cache = loss.forward(prediction.to(batch.target.dtype), batch.target)
    rounded = layer.gradients(own, cache, loss.backward(loss_cache).to(dtype))
    kept = zip(leaves(rounded), leaves(params), strict=True)
    return value, rebuild(params, [grad.to(param.dtype) for grad, param in kept])


def loss_at(loss: Loss[LC] | Callable[[int], Loss[LC]], step: int) -> Loss[LC]:
    """Return the loss of a step."""
    return loss(step) if callable(loss) else loss


@dataclass(frozen=True, slots=True)
class TrainStep(Generic[P, C, LC, S]):
    """A training step with everything but state and batch decided: ``step(state, batch) -> (state, metrics)``.

    Raises:
        TypeError: if an argument is not of its type, such as a loss's class.
        ValueError: unless max_norm is positive and finite.
    """

    layer: Layer[P, C]
    loss: Loss[LC] | Callable[[int], Loss[LC]]
    """What to make small, or a function of the step that says so, for losses that are annealed."""
    optimizer: Optimizer[P, S]
    schedule: Schedule | None = None
    """The learning rate of each step, in place of the optimizer's own."""
    max_norm: float | None = None
    compute: torch.dtype | None = None
    """In which dtype the network computes, see :func:`train_step`."""

    def __post_init__(self) -> None:
        loss: object = self.loss
        schedule: object = self.schedule
        require_layer("TrainStep: layer", self.layer)
        if isinstance(loss, type) or not callable(loss):
            _check_loss("TrainStep", loss)
        _check_optimizer("TrainStep", self.optimizer)
        if schedule is not None and not callable(schedule):
            raise TypeError(f"schedule is {schedule!r}, expected a function of the step, such as constant(0.1)")
        _check_max_norm(self.max_norm)
        _check_compute(self.compute)

    def init(self, generator: torch.Generator) -> TrainState[P, S]:
        """Return the state before the first step."""
        return self.start(self.layer.init(generator))

    def start(self, params: P) -> TrainState[P, S]:
        """Return the state before the first step from these parameters."""
        return TrainState(params, self.optimizer.init(params), 0)

    def __call__(self, state: TrainState[P, S], batch: Batch) -> tuple[TrainState[P, S], Metrics]:
        """Make one step, see :func:`train_step`."""
        check_state("TrainStep", state)
        check_batch("TrainStep", batch)
        return self.moved(state, *self.differentiated(state.params, batch, state.step))

    def differentiated(self, params: P, batch: Batch, step: int) -> tuple[Float[Tensor, ""], P]:
        """Return the loss of a batch, and its gradient in the parameters: the first half of a step."""
        loss = loss_at(self.loss, step)
        _check_loss("train_step()", loss)
        return _differentiated(self.layer, loss, params, batch, self.compute)

    def moved(self, state: TrainState[P, S], value: Float[Tensor, ""], grads: P) -> tuple[TrainState[P, S], Metrics]:
        """Return the next state, given the loss and its gradient: the other half."""
        lr = None if self.schedule is None else self.schedule(state.step)
        return _moved(self.optimizer, state, value, grads, lr, self.max_norm)

    def at(self, step: int) -> tuple[object, Factor]:
        """Return the loss and the learning rate of a step: all that steps of one shape may differ in beside their tensors."""
        return loss_at(self.loss, step), self.rate(step)

    def rate(self, step: int) -> Factor:
        """Return the learning rate of a step."""
        return self.optimizer.lr if self.schedule is None else self.schedule(step)


def fit(
    step: Callable[[Running, Batch], tuple[Running, Measured]], state: Running, batches: Iterable[Batch]
) -> Iterator[tuple[Running, Measured]]:
    """Fold the step over the batches, and give every state on the way with its metrics.

    Raises:
        TypeError: if state is not a TrainState, or batches is a single Batch; on the way, if a batch is anything else.

    Example:
        >>> import torch
        >>> from n2nfun.layers import Conv2d
        >>> from n2nfun.losses import MSE
        >>> from n2nfun.optim import SGD
        >>> step = TrainStep(Conv2d(1, 1, 1), MSE(), SGD(0.1))
        >>> batch = Batch(torch.ones(1, 1, 2, 2), torch.zeros(1, 1, 2, 2))
        >>> states = fit(step, step.init(torch.Generator().manual_seed(0)), [batch] * 3)
        >>> [state.step for state, _ in states]
        [1, 2, 3]
    """
    check_state("fit()", state)
    if isinstance(batches, Batch):
        raise TypeError("fit(): batches is a Batch, expected an iterable of batches: [batch]")
    return _fold(step, state, batches)


def _fold(
    step: Callable[[Running, Batch], tuple[Running, Measured]], state: Running, batches: Iterable[Batch]
) -> Iterator[tuple[Running, Measured]]:
    """Do what :func:`fit` does; apart, so that fit refuses its arguments where it is called."""
    for batch in batches:
        state, metrics = step(state, batch)
        yield state, metrics
