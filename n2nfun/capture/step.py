"""A training step that is recorded when it is made again, and from then on run as a program."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Generic, Protocol, TypeVar

import torch
from torch import Tensor

from n2nfun.arguments import check_flag
from n2nfun.capture.compiling import compiled
from n2nfun.capture.program import Program, record
from n2nfun.capture.recording import NotRepeatable
from n2nfun.factors import plain
from n2nfun.layers.precision import detached
from n2nfun.train import Batch, TrainState, check_batch, check_state
from n2nfun.tree import TreeError, filled, filler, leaves, leaves_alike, tree_map

__all__ = ["CapturedStep", "Repeated", "captured"]

P = TypeVar("P")
S = TypeVar("S")
M = TypeVar("M")
M_co = TypeVar("M_co", covariant=True)

_OF_BATCH = 2
"""Tensors of a batch: x and target."""

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

    The step itself is called where there is nothing to repeat: outside the CPU, in ``torch.compile`` and under
    ``torch.func`` transformations, for tensors within autograd, for an optimizer that counts its steps (Adam), for a
    loss or a learning rate that changes at each step, and for layers that read numbers out of tensors. Of each size of
    batches it keeps a program, the last four, with about the memory that one step takes.

    Args:
        step: The step.
        compile: Whether ``torch.compile`` makes machine code of the operations, for each size of batches: that takes
            half a minute and a C++ compiler. The same formulas, equal to rounding rather than to the bit, as
            operations are fused; it is the fastest step, and keeps nothing between steps.

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
        self._known: list[_Known[P, S, M]] = []
        self._lock = threading.Lock()

    def __call__(self, state: TrainState[P, S], batch: Batch, /) -> tuple[TrainState[P, S], M]:
        """Make one step."""
        check_state("CapturedStep", state)
        check_batch("CapturedStep", batch)
        terms = self.step.at(state.step)
        with self._lock:
            for known in self._known:
                given = known.fitting(state, batch, terms)
                if given is not None:
                    return known.run(self.step, state, batch, given)
            found = self.step(state, batch)
            if self._settled(state, terms, found[0]) and _repeatable(leaves((state, batch))):
                self._known = [_Known(state, batch, terms, compiling=self._compiling), *self._known][:_KEPT]
        return found

    @property
    def memory(self) -> int:
        """Bytes that its programs keep between steps."""
        return sum(known.memory for known in self._known)

    def _settled(self, state: TrainState[P, S], terms: object, after: TrainState[P, S]) -> bool:
        """Say whether the next step can be like this one: of the same terms, from a state of the same structure."""
        if state.step == 0 or self.step.at(state.step - 1) != terms:
            return False
        try:
            leaves_alike("after", replace(after, step=0), "before", replace(state, step=0))
        except TreeError:
            return False
        return True


def captured(step: Repeated[P, S, M], *, compile: bool = False) -> CapturedStep[P, S, M]:  # noqa: A002 - torch's word for it
    """Return the step as one that is recorded and repeated, or compiled, see :class:`CapturedStep`.

    Raises:
        TypeError: if step is none, or compile is neither True nor False.
    """
    return CapturedStep(step, compile=compile)


def _repeatable(tensors: Sequence[Tensor]) -> bool:
    """Say whether a step of such tensors can be recorded."""
    if torch.is_inference_mode_enabled() or not plain(tensors):
        return False
    return all(detached(tensor) is tensor for tensor in tensors)


class _Known(Generic[P, S, M]):
    """Inputs that have been met, and the program for their like, once there is one."""

    def __init__(self, state: TrainState[P, S], batch: Batch, terms: object, *, compiling: bool) -> None:
        self._terms = terms
        self._like = tree_map(_outline, (replace(state, step=0), batch))
        self._orders = [(leaf.dtype, leaf.stride()) for leaf in leaves(self._like)]
        self._compiling, self._refused, self._proved = compiling, False, compiling
        self._program: Callable[[list[Tensor]], list[Tensor]] | None = None
        self._made: Callable[[list[Tensor]], tuple[TrainState[P, S], M]] | None = None
        self._last: tuple[TrainState[P, S] | None, list[Tensor]] = (None, [])

    @property
    def memory(self) -> int:
        """Bytes that the program keeps."""
        return self._program.memory if isinstance(self._program, Program) else 0

    def fitting(self, state: TrainState[P, S], batch: Batch, terms: object) -> list[Tensor] | None:
        """Return the tensors of the inputs, if they are of the same structure, shapes, dtypes and strides."""
        if terms != self._terms:
            return None
        last, known = self._last
        try:
            if state is last:  # what was made here is not gone through again
                given = known + leaves_alike("batch", batch, "batch", self._like[1])
            else:
                given = leaves_alike("state", (replace(state, step=0), batch), "state", self._like)
        except TreeError:
            return None
        alike = [(leaf.dtype, leaf.stride()) for leaf in given] == self._orders
        return given if alike and _repeatable(given) else None

    def run(
        self, step: Repeated[P, S, M], state: TrainState[P, S], batch: Batch, given: list[Tensor]
    ) -> tuple[TrainState[P, S], M]:
        """Make the step: record it, repeat it, or, where that cannot be done, call it."""
        if self._refused:
            return step(state, batch)
        if self._program is None and self._compiling:
            return self._compile(step, state, batch, given)
        if self._program is None:
            try:
                return self._record(step, state, given)
            except NotRepeatable:
                self._refused = True
                return step(state, batch)
        found = self._filled(self._program(given), state)
        if not self._proved:
            expected = step(state, batch)
            pairs = zip(leaves(found), leaves(expected), strict=True)
            self._proved = all(torch.equal(one, other) for one, other in pairs)
            self._refused = not self._proved
            return expected
        return found

    def _record(
        self, step: Repeated[P, S, M], state: TrainState[P, S], given: list[Tensor]
    ) -> tuple[TrainState[P, S], M]:
        made: list[tuple[TrainState[P, S], M]] = []

        def repeated(inputs: list[Tensor]) -> list[Tensor]:
            own, batch = filled(self._like, inputs)
            made.append(step(replace(own, step=state.step), batch))
            return leaves(made[0])

        self._program, recorded = record(repeated, given)
        self._made = filler(tree_map(_outline, made[0]))
        return self._filled(recorded, state)

    def _compile(
        self, step: Repeated[P, S, M], state: TrainState[P, S], batch: Batch, given: list[Tensor]
    ) -> tuple[TrainState[P, S], M]:
        like = self._like

        def repeated(inputs: list[Tensor]) -> list[Tensor]:
            own, batch = filled(like, inputs)
            return leaves(step(replace(own, step=state.step), batch))

        self._made = filler(tree_map(_outline, step(state, batch)))
        program = compiled(repeated)
        try:
            results = program(given)
        except RuntimeError as error:
            reason = str(error).strip().partition("\n")[0]
            raise RuntimeError(
                f"captured(step, compile=True): torch.compile cannot compile this step: {reason}; "
                "captured(step) needs no compiler"
            ) from error
        self._program = program
        return self._filled(results, state)

    def _filled(self, results: list[Tensor], state: TrainState[P, S]) -> tuple[TrainState[P, S], M]:
        assert self._made is not None
        after, metrics = self._made(results)
        after = replace(after, step=state.step + 1)
        self._last = after, results[: len(self._orders) - _OF_BATCH]
        return after, metrics


def _outline(tensor: Tensor) -> Tensor:
    """Return the shape, strides and dtype of a tensor, without its numbers."""
    return torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device="meta")
