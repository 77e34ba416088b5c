"""Inputs that a function was met with, and the program for their like: recorded, or compiled, when they are met again."""

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import torch
from torch import Tensor

from n2nfun.capture.compiling import compiled
from n2nfun.capture.program import Program, record
from n2nfun.capture.recording import NotRepeatable
from n2nfun.factors import plain
from n2nfun.layers.precision import detached
from n2nfun.train import Batch
from n2nfun.tree import TreeError, filled, filler, leaves, leaves_alike, tree_map

__all__ = ["OF_BATCH", "Known", "repeatable"]

X = TypeVar("X")
R = TypeVar("R")

OF_BATCH = 2
"""Tensors of a batch: x and target."""


def repeatable(tensors: Sequence[Tensor]) -> bool:
    """Say whether what is computed of such tensors can be recorded."""
    if torch.is_inference_mode_enabled() or not plain(tensors):
        return False
    return all(detached(tensor) is tensor for tensor in tensors)


class Known(Generic[X, R]):
    """A tree and a batch that a pure function was met with, and its program for their like, once there is one.

    Args:
        given: These.
        terms: What the function depends on beside them, to compare.
        compiling: Whether the program is compiled, rather than recorded.
    """

    def __init__(self, given: tuple[X, Batch], terms: object, *, compiling: bool) -> None:
        self._terms = terms
        self._like = tree_map(_outline, given)
        self._orders = [(leaf.dtype, leaf.stride()) for leaf in leaves(self._like)]
        self._compiling, self._refused, self._proved = compiling, False, compiling
        self._program: Callable[[list[Tensor]], list[Tensor]] | None = None
        self._fill: Callable[[list[Tensor]], R] | None = None

    @property
    def memory(self) -> int:
        """Bytes that the program keeps."""
        return self._program.memory if isinstance(self._program, Program) else 0

    def fitting(self, given: tuple[X, Batch], terms: object, own: list[Tensor] | None = None) -> list[Tensor] | None:
        """Return the tensors of other inputs, if they are of the same structure, shapes, dtypes and strides.

        Args:
            given: The inputs.
            terms: What the function depends on beside them.
            own: The tensors of the tree, where it is known to be of this structure: it is not gone through again.
        """
        if terms != self._terms:
            return None
        try:
            if own is None:
                tensors = leaves_alike("given", given, "known", self._like)
            else:
                tensors = own + leaves_alike("given", given[1], "known", self._like[1])
        except TreeError:
            return None
        alike = [(leaf.dtype, leaf.stride()) for leaf in tensors] == self._orders
        return tensors if alike and repeatable(tensors) else None

    def run(
        self, function: Callable[[X, Batch], R], given: tuple[X, Batch], tensors: list[Tensor]
    ) -> tuple[R, list[Tensor]]:
        """Compute the function of inputs that fit, and list the tensors of what it makes.

        It is recorded, or compiled, repeated, or, where that cannot be done, called.
        """
        if self._refused:
            return _called(function, given)
        if self._program is None:
            if self._compiling:
                return self._compile(function, given, tensors)
            try:
                return self._record(function, tensors)
            except NotRepeatable:
                self._refused = True
                return _called(function, given)
        assert self._fill is not None
        results = self._program(tensors)
        if not self._proved:
            expected, made = _called(function, given)
            self._proved = all(torch.equal(one, other) for one, other in zip(results, made, strict=True))
            self._refused = not self._proved
            return expected, made
        return self._fill(results), results

    def _record(self, function: Callable[[X, Batch], R], tensors: list[Tensor]) -> tuple[R, list[Tensor]]:
        made: list[R] = []

        def repeated(inputs: list[Tensor]) -> list[Tensor]:
            made.append(function(*filled(self._like, inputs)))
            return leaves(made[0])

        self._program, recorded = record(repeated, tensors, read=OF_BATCH)
        self._fill = filler(tree_map(_outline, made[0]))
        return self._fill(recorded), recorded

    def _compile(
        self, function: Callable[[X, Batch], R], given: tuple[X, Batch], tensors: list[Tensor]
    ) -> tuple[R, list[Tensor]]:
        like = self._like

        def repeated(inputs: list[Tensor]) -> list[Tensor]:
            return leaves(function(*filled(like, inputs)))

        self._fill = filler(tree_map(_outline, function(*given)))
        program = compiled(repeated)
        try:
            results = program(tensors)
        except RuntimeError as error:
            reason = str(error).strip().partition("\n")[0]
            raise RuntimeError(
                f"captured(step, compile=True): torch.compile cannot compile this step: {reason}; "
                "captured(step) needs no compiler"
            ) from error
        self._program = program
        return self._fill(results), results


def _called(function: Callable[[X, Batch], R], given: tuple[X, Batch]) -> tuple[R, list[Tensor]]:
    made = function(*given)
    return made, leaves(made)


def _outline(tensor: Tensor) -> Tensor:
    """Return the shape, strides and dtype of a tensor, without its numbers."""
    return torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device="meta")
