"""Training as a fold: a pure step from one state to the next, and its run over batches."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from n2nfun.layer import C, Layer, P
from n2nfun.losses import Loss
from n2nfun.optim import Optimizer, clip_by_global_norm
from n2nfun.schedules import Schedule

__all__ = ["Batch", "Metrics", "TrainState", "TrainStep", "fit", "train_step"]

S = TypeVar("S")
LC = TypeVar("LC")


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
    lr: float


def train_step(
    layer: Layer[P, C],
    loss: Loss[LC],
    optimizer: Optimizer[P, S],
    state: TrainState[P, S],
    batch: Batch,
    *,
    lr: float | None = None,
    max_norm: float | None = None,
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
    prediction, cache = layer.forward(state.params, batch.x)
    value, loss_cache = loss.forward(prediction, batch.target)
    grads = layer.gradients(state.params, cache, loss.backward(loss_cache))
    if max_norm is not None:
        grads, _ = clip_by_global_norm(grads, max_norm)
    params, optimizer_state = optimizer.step(state.params, grads, state.optimizer, lr=lr)
    return TrainState(params, optimizer_state, state.step + 1), Metrics(value, optimizer.lr if lr is None else lr)


@dataclass(frozen=True, slots=True)
class TrainStep(Generic[P, C, LC, S]):
    """A training step with everything but state and batch decided: ``step(state, batch) -> (state, metrics)``."""

    layer: Layer[P, C]
    loss: Loss[LC] | Callable[[int], Loss[LC]]
    """What to make small, or a function of the step that says so, for losses that are annealed."""
    optimizer: Optimizer[P, S]
    schedule: Schedule | None = None
    """The learning rate of each step, in place of the optimizer's own."""
    max_norm: float | None = None

    def init(self, generator: torch.Generator) -> TrainState[P, S]:
        """Return the state before the first step."""
        return self.start(self.layer.init(generator))

    def start(self, params: P) -> TrainState[P, S]:
        """Return the state before the first step from these parameters."""
        return TrainState(params, self.optimizer.init(params), 0)

    def __call__(self, state: TrainState[P, S], batch: Batch) -> tuple[TrainState[P, S], Metrics]:
        """Make one step, see :func:`train_step`."""
        loss = self.loss(state.step) if callable(self.loss) else self.loss
        lr = self.rate(state.step)
        return train_step(self.layer, loss, self.optimizer, state, batch, lr=lr, max_norm=self.max_norm)

    def rate(self, step: int) -> float:
        """Return the learning rate of a step."""
        return self.optimizer.lr if self.schedule is None else self.schedule(step)


def fit(
    step: TrainStep[P, C, LC, S], state: TrainState[P, S], batches: Iterable[Batch]
) -> Iterator[tuple[TrainState[P, S], Metrics]]:
    """Fold the step over the batches, and give every state on the way with its metrics.

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
    for batch in batches:
        state, metrics = step(state, batch)
        yield state, metrics
