"""Where the tensors of recorded operations lie when these are repeated: in one piece of memory, where dead ones make room."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from n2nfun.capture.recording import Call, memory_of, tensors_in

__all__ = ["Arena", "arena_for"]

_ALIGNED = 64
"""Bytes of a vector register: products round by address, and torch's own memory begins so, too."""


class _Span(NamedTuple):
    """A block of memory, from the operation that first writes it to the last one that touches it."""

    born: int
    died: int
    size: int


class Arena:
    """One piece of memory, and where in it each block of the recording lies."""

    def __init__(self, size: int, offsets: dict[int, int]) -> None:
        self._memory = torch.empty(size, dtype=torch.uint8).untyped_storage()
        self._offsets = offsets

    @property
    def size(self) -> int:
        """Its bytes."""
        return self._memory.nbytes()

    def place(self, tensor: Tensor) -> Tensor:
        """Return the tensor of the arena that stands for one of the recording; others stand for themselves."""
        offset = self._offsets.get(memory_of(tensor))
        if offset is None:
            return tensor
        first = offset // tensor.element_size() + tensor.storage_offset()
        return tensor.new_empty(0).set_(self._memory, first, tensor.shape, tensor.stride())


def arena_for(calls: Sequence[Call], elsewhere: Collection[int]) -> Arena:
    """Find room for all that operations make, but for memory that is told to be elsewhere.

    Each block is given the first gap that is large enough among those alive at the same time, in the order of their birth.
    """
    offsets: dict[int, int] = {}
    alive: list[tuple[int, _Span]] = []
    total = 0
    for memory, span in _spans(calls, elsewhere).items():
        alive = sorted((at, other) for at, other in alive if other.died >= span.born)
        place = 0
        for at, other in alive:
            if place + span.size <= at:
                break
            place = max(place, at + other.size)
        offsets[memory] = place
        alive.append((place, span))
        total = max(total, place + span.size)
    return Arena(total, offsets)


def _spans(calls: Sequence[Call], elsewhere: Collection[int]) -> dict[int, _Span]:
    """Return when each block of memory that the operations make is in use, in the order of birth."""
    found: dict[int, _Span] = {}
    for index, call in enumerate(calls):
        given = {memory_of(tensor) for tensor in call.reads()}
        for tensor in tensors_in(call.made):
            memory = memory_of(tensor)
            if memory not in found and memory not in given and memory not in elsewhere:
                size = -(-tensor.untyped_storage().nbytes() // _ALIGNED) * _ALIGNED
                found[memory] = _Span(index, index, size)
            given.add(memory)
        for memory in given & found.keys():
            found[memory] = found[memory]._replace(died=index)
    return found
