"""A training step that is recorded when it is made again, and from then on run as a program."""

import threading
from typing import Any, Generic, Protocol, TypeVar, cast

from torch import Tensor

from n2nfun.arguments import check_flag
from n2nfun.capture.known import OF_BATCH, Known, repeatable
from n2nfun.train import Batch, TrainState, TrainStep, check_batch, check_state
from n2nfun.tree import TreeError, leaves, leaves_alike

__all__ = ["UNREPEATED", "CapturedStep", "Repeated", "captured"]

P = TypeVar("P")
S = TypeVar("S")
M = TypeVar("M")
M_co = TypeVar("M_co", covariant=True)

UNREPEATED = 4
"""Steps until one is repeated: the first two are called, the third is recorded, and the fourth proved."""

_KEPT = 4
"""Programs, for as many sizes of batches: one of all but the last, and one of the last, mostly."""


class Repeated(Protocol[P, S, M_co]):
    """A pure training step, such as a :class:`~n2nfun.train.TrainStep` or an :class:`~n2nfun.ensemble.EnsembleStep`."""

    def __call__(self, state: TrainState[P, S], batch: Batch, /) -> tuple[TrainState[P, S], M_co]:
        """Return the next state, and what was measured."""
        ...

    def at(self, step: int, /) -> object:
        """Return what the step depends on beside its arguments' tensors, to compare: the loss and the learning rate of a step."""
        ...


class CapturedStep(Generic[P, S, M]):
    """The same step to the bit, without Python between its operations: ``captured(step)(state, batch) == step(state, batch)``.

    A step is a pure function, so of inputs of the same shapes it always makes the same operations in the same order. The
    second time it is called with such inputs they are recorded; from then on they alone are repeated. The results of each
    are written to the same memory again and again, where those that are not needed any more make room for later ones; what
    the step returns is new memory. So nothing is checked, chosen, looked at or allocated any more: of small batches that
    is most of a step's time. The first run of a program is compared with the step itself, bit by bit.

    Of a step whose optimizer counts (Adam), or whose learning rate changes, the loss and its gradient are repeated so, and
    the optimizer is called. The step itself is called where there is nothing to repeat: outside the CPU, in
    ``torch.compile`` and under ``torch.func`` transformations, for tensors within autograd, for a loss that changes at each
    step, and for layers that read numbers out of tensors. Of each size of batches it keeps a program, the last four, with
    about the memory that one step takes.

    Args:
        step: The step.
        compile: Whether ``torch.compile`` makes machine code of the operations, for each size of batches: that takes
            half a minute and a C++ compiler. The same formulas, equal to rounding rather than to the bit, as
            operations are fused; of small batches it is the fastest step, and it keeps nothing between steps.

    Raises:
        TypeError: if step is none, or compile is neither True nor False.
        RuntimeError: at the step that compiles, if torch cannot.

    Example:
        >>> import torch
        >>> from n2nfun import Batch, Conv2d, MSE, SGD, TrainStep, fit
        >>> step = TrainStep(Conv2d(1, 1, 1), MSE(), SGD(0.1, momentum=0.9))
        >>> start = step.init(torch.Generator().manual_seed(0))
        >>> batches = [Batch(torch.ones(1, 1, 2, 2), torch.zeros(1, 1, 2, 2))] * 10
        >>> *_, (state, _) = fit(step, start, batches)
        >>> *_, (same, _) = fit(captured(step), start, batches)
        >>> torch.equal(state.params.weight, same.params.weight)
        True

    Source: the idea of CUDA graphs, for programs in which calls take longer than what they compute.
    """

    def __init__(self, step: Repeated[P, S, M], *, compile: bool = False) -> None:  # noqa: A002 - torch's word for it
        if isinstance(step, type) or not callable(step) or not hasattr(step, "at"):
            raise TypeError(f"captured(): step is {step!r}, expected a step, such as TrainStep(layer, MSE(), SGD(0.1))")
        self.step: Repeated[P, S, M] = step
        self._compiling = check_flag("compile", compile)
        self._steps: list[Known[tuple[P, S], tuple[tuple[P, S], M]]] = []
        self._gradients: list[Known[P, tuple[Tensor, P]]] = []
        self._last: tuple[object, list[Tensor], object] = (None, [], None)
        """The state that was made last, its tensors, and by which program."""
        self._lock = threading.Lock()

    def __call__(self, state: TrainState[P, S], batch: Batch, /) -> tuple[TrainState[P, S], M]:
        """Make one step."""
        check_state("CapturedStep", state)
        check_batch("CapturedStep", batch)
        terms = self.step.at(state.step)
        with self._lock:
            found = self._repeated(state, batch, terms) or self._repeated_in_part(state, batch, terms)
            if found is None:
                found = self.step(state, batch)
                if repeatable(leaves((state, batch))):
                    self._remember(state, batch, terms, found[0])
        return found

    @property
    def memory(self) -> int:
        """Bytes that its programs keep between steps, beside the state that was made last, and the batch it was made of."""
        return sum(known.memory for known in self._steps) + sum(known.memory for known in self._gradients)

    def _repeated(self, state: TrainState[P, S], batch: Batch, terms: object) -> tuple[TrainState[P, S], M] | None:
        """Make the step by a program, if there is one for it."""

        def step(parts: tuple[P, S], batch: Batch) -> tuple[tuple[P, S], M]:
            after, metrics = self.step(TrainState(*parts, state.step), batch)
            return _parts(after), metrics

        last, own, by = self._last
        given = _parts(state), batch
        for known in self._steps:
            tensors = known.fitting(given, terms, own if state is last and known is by else None)
            if tensors is not None:
                (parts, metrics), results = known.run(step, given, tensors)
                after = TrainState(*parts, state.step + 1)
                self._last = after, results[: len(tensors) - OF_BATCH], known
                return after, metrics
        return None

    def _repeated_in_part(
        self, state: TrainState[P, S], batch: Batch, terms: object
    ) -> tuple[TrainState[P, S], M] | None:
        """Make the loss and its gradient by a program, if there is one for them, and call the optimizer."""
        if not self._gradients:
            return None
        step: Any = self.step

        def differentiated(params: P, batch: Batch) -> tuple[Tensor, P]:
            return cast("tuple[Tensor, P]", step.differentiated(params, batch, state.step))

        given, loss = (state.params, batch), _loss_of(terms)
        for known in self._gradients:
            tensors = known.fitting(given, loss)
            if tensors is not None:
                (value, grads), _ = known.run(differentiated, given, tensors)
                return cast("tuple[TrainState[P, S], M]", step.moved(state, value, grads))
        return None

    def _remember(self, state: TrainState[P, S], batch: Batch, terms: object, after: TrainState[P, S]) -> None:
        """Remember a step that was made, to record it when its like is met; if the next cannot be like it, its gradient."""
        if state.step == 0:
            return
        if self.step.at(state.step - 1) == terms and _alike(state, after):
            self._steps = [Known((_parts(state), batch), terms, compiling=self._compiling), *self._steps][:_KEPT]
        elif issubclass(type(self.step), TrainStep):  # others cannot be made in two halves
            loss = _loss_of(terms)
            self._gradients = [Known((state.params, batch), loss, compiling=self._compiling), *self._gradients][:_KEPT]


def _loss_of(terms: object) -> object:
    """Return the loss, of the loss and the learning rate that ``TrainStep.at`` returns."""
    loss, _ = cast("tuple[object, object]", terms)
    return loss


def _parts(state: TrainState[P, S]) -> tuple[P, S]:
    """Return a state without its count, which is no tensor: no step is like another with it."""
    return state.params, state.optimizer


def _alike(state: TrainState[P, S], after: TrainState[P, S]) -> bool:
    """Say whether the next step is from a state of the same structure."""
    try:
        leaves_alike("after", _parts(after), "before", _parts(state))
    except TreeError:
        return False
    return True


def captured(step: Repeated[P, S, M], *, compile: bool = False) -> CapturedStep[P, S, M]:  # noqa: A002 - torch's word for it
    """Return the step as one that is recorded and repeated, or compiled, see :class:`CapturedStep`.

    Raises:
        TypeError: if step is none, or compile is neither True nor False.
    """
    return CapturedStep(step, compile=compile)
