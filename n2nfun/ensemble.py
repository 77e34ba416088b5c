"""Ensembles: several networks of one shape, trained in one pure step on the same batches, each by an optimizer of its own."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Generic, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from n2nfun.arguments import shown
from n2nfun.factors import Factor, Switch
from n2nfun.layer import C, Layer, P
from n2nfun.layers.checks import check_float
from n2nfun.losses import Loss
from n2nfun.optim import SGD, SGDState
from n2nfun.stacking import check_stacked, listed, stack
from n2nfun.train import Batch, TrainState, TrainStep, check_batch, check_state, loss_at, train_step
from n2nfun.tree import leaves, leaves_of, rebuild

__all__ = ["EnsembleMetrics", "EnsembleStep"]

LC = TypeVar("LC")


@dataclass(frozen=True, slots=True)
class EnsembleMetrics:
    """What one step measured of each network."""

    loss: Float[Tensor, " models"]
    """Of the batch, before the step."""
    lr: Float[Tensor, " models"]


@dataclass(frozen=True, slots=True)
class EnsembleStep(Generic[P, C, LC]):
    """A training step of several networks: ``step(state, batch) -> (state, metrics)``, the networks' states stacked.

    Each becomes what :class:`~n2nfun.train.TrainStep` with its own optimizer would make of it on the same batches, rounded
    in some places otherwise. All are one ``torch.func.vmap`` of that step: the products of matrices that the networks
    have in common in shape become one batch of products, and every operation is started once rather than once for each.
    So there is something to gain where the operations are small, or the machine wide: for small images and batches, and
    on a GPU.

    Hyper-parameters in which the optimizers agree stay numbers; the others become tensors. ``unstack(state)`` has the
    states of the networks, from which each can go on alone.

    Args:
        layer: The network that they are.
        loss: What to make small, or a function of the step that says so.
        optimizers: One for each network.
        max_norm: To which global norm the gradients of each are scaled down; None leaves them.
        compute: In which dtype they compute, see :func:`~n2nfun.train.train_step`.
        device: Where their parameters are, and so where the optimizers' tensors are put.

    Raises:
        TypeError: if an argument is not of its type, or an optimizer is another than SGD.
        ValueError: if there are no optimizers, or unless max_norm is positive and finite.

    Example:
        >>> import torch
        >>> from n2nfun.layers import Conv2d
        >>> from n2nfun.losses import MSE
        >>> from n2nfun.stacking import unstack
        >>> step = EnsembleStep(Conv2d(1, 1, 1), MSE(), [SGD(0.1), SGD(0.2, momentum=0.9, nesterov=True)])
        >>> state = step.init([torch.Generator().manual_seed(seed) for seed in (0, 1)])
        >>> state, metrics = step(state, Batch(torch.ones(1, 1, 2, 2), torch.zeros(1, 1, 2, 2)))
        >>> state.params.weight.shape, metrics.loss.shape
        (torch.Size([2, 1, 1, 1, 1]), torch.Size([2]))
        >>> [own.params.weight.shape for own in unstack(state)]
        [torch.Size([1, 1, 1, 1]), torch.Size([1, 1, 1, 1])]
    """

    layer: Layer[P, C]
    loss: Loss[LC] | Callable[[int], Loss[LC]]
    optimizers: Sequence[SGD]
    max_norm: float | None = None
    compute: torch.dtype | None = None
    device: torch.device | str = "cpu"
    _differing: Mapping[str, Tensor] = field(init=False, repr=False, compare=False)
    """The hyper-parameters in which the optimizers differ, of all of them."""
    _rates: Float[Tensor, " models"] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        optimizers = listed("EnsembleStep: optimizers", self.optimizers, "SGD")
        for index, optimizer in enumerate(optimizers):
            if not isinstance(optimizer, SGD):
                raise TypeError(
                    f"EnsembleStep: optimizers[{index}] is {optimizer!r}, expected an SGD, such as SGD(0.1)"
                )
        put = object.__setattr__  # the dataclass is frozen for everyone else
        put(self, "optimizers", optimizers)
        self.alone(0)  # which checks the other arguments
        device = _known_device(self.device)
        put(self, "_differing", _differing(optimizers, device))
        put(self, "_rates", _column([optimizer.lr for optimizer in optimizers], torch.float64, device))

    def alone(self, index: int) -> TrainStep[P, C, LC, SGDState[P]]:
        """Return the step that trains one of the networks alone."""
        return TrainStep(self.layer, self.loss, self.optimizers[index], max_norm=self.max_norm, compute=self.compute)

    def init(self, generators: Sequence[torch.Generator]) -> TrainState[P, SGDState[P]]:
        """Return the state before the first step, each network drawn from a generator of its own.

        Raises:
            TypeError: if generators is not a list or tuple of them.
            ValueError: if there are more or fewer than networks.
        """
        given = listed("EnsembleStep.init(): generators", generators, "generator")
        return self.start([self.layer.init(generator) for generator in given])

    def start(self, params: Sequence[P]) -> TrainState[P, SGDState[P]]:
        """Return the state before the first step from parameters, those of each network.

        Raises:
            TypeError: if params is not a list or tuple.
            ValueError: if there are more or fewer than networks, or no tensors in them.
            TreeError: if they differ in structure or shape.
        """
        given = listed("EnsembleStep.start(): params", params, "tree of parameters")
        if len(given) != len(self.optimizers):
            raise ValueError(
                f"EnsembleStep: {len(given)} networks for {len(self.optimizers)} optimizers, expected as many of each"
            )
        stacked = stack(given)
        if not leaves(stacked):
            raise ValueError("EnsembleStep: the network has no parameters, and so nothing to train")
        return TrainState(stacked, self.optimizers[0].init(stacked), 0)

    def __call__(
        self, state: TrainState[P, SGDState[P]], batch: Batch, *, lr: Float[Tensor, " models"] | None = None
    ) -> tuple[TrainState[P, SGDState[P]], EnsembleMetrics]:
        """Make one step with each network; ``lr`` stands in for the optimizers' learning rates.

        Raises:
            TypeError: if an argument is not of its type, or the parameters or lr are on another device than the step's.
            TreeError: if state is not of as many networks as there are optimizers; the message names the path.
            ValueError: if lr is not one number for each.
        """
        check_state("EnsembleStep", state)
        check_batch("EnsembleStep", batch)
        params, velocity = leaves_of("state.params", state.params), leaves_of("state.optimizer", state.optimizer)
        count = len(self.optimizers)
        check_stacked("EnsembleStep: state.params", state.params, count)
        check_stacked("EnsembleStep: state.optimizer", state.optimizer, count)
        for leaf in params:
            self._check_device("state.params", leaf)
        factors = dict(self._differing)
        if lr is not None:
            factors["lr"] = self._checked_rates(lr)
        loss = loss_at(self.loss, state.step)

        def step_alone(
            params: list[Tensor], velocity: list[Tensor], factors: dict[str, Any]
        ) -> tuple[list[Tensor], list[Tensor], Tensor]:
            own = TrainState(rebuild(state.params, params), rebuild(state.optimizer, velocity), state.step)
            sgd = replace(self.optimizers[0], **factors)
            after, metrics = train_step(self.layer, loss, sgd, own, batch, max_norm=self.max_norm, compute=self.compute)
            return leaves(after.params), leaves(after.optimizer), metrics.loss

        # Lists of leaves, as vmap does not know our trees.
        params, velocity, value = torch.func.vmap(step_alone)(params, velocity, factors)
        optimizer = SGDState(rebuild(state.params, velocity) if velocity else None)
        after = TrainState(rebuild(state.params, params), optimizer, state.step + 1)
        return after, EnsembleMetrics(value, self._rates if lr is None else lr)

    def at(self, step: int) -> object:
        """Return the loss of a step: all that steps of one shape may differ in beside their tensors."""
        return loss_at(self.loss, step)

    def _checked_rates(self, lr: object) -> Tensor:
        check_float("EnsembleStep", "lr", lr)
        assert isinstance(lr, Tensor)
        count = len(self.optimizers)
        if lr.shape != (count,):
            raise ValueError(
                f"EnsembleStep: lr has shape {tuple(lr.shape)}, expected {(count,)}, one for each optimizer"
            )
        self._check_device("lr", lr)
        return lr

    def _check_device(self, name: str, value: Tensor) -> None:
        if value.device != self._rates.device:
            raise TypeError(
                f"EnsembleStep: {name} is on {value.device}, expected {self._rates.device}: move it there, or "
                f'EnsembleStep(..., device="{value.device}")'
            )


def _column(values: Sequence[Factor | Switch], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return numbers, or tensors of no dimensions, as one tensor."""
    return torch.stack([torch.as_tensor(value, dtype=dtype, device=device).detach() for value in values])


def _differing(optimizers: Sequence[SGD], device: torch.device) -> dict[str, Tensor]:
    """Return the hyper-parameters in which optimizers differ."""
    columns = {each.name: [getattr(optimizer, each.name) for optimizer in optimizers] for each in fields(SGD)}
    return {
        name: _column(values, torch.bool if name == "nesterov" else torch.float64, device)
        for name, values in columns.items()
        if any(value != values[0] for value in values)
    }


def _known_device(device: torch.device | str) -> torch.device:
    """Return a device.

    Raises:
        ValueError: if it is none.
    """
    try:
        return torch.device(device)
    except (RuntimeError, TypeError):
        raise ValueError(f'EnsembleStep: device is {shown(device)}, expected one of torch, such as "cuda"') from None
