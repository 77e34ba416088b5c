"""Where the tensors of recorded operations lie when these are repeated: in one piece of memory, where dead ones make room."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor

from n2nfun.addresses import REGISTER, span
from n2nfun.capture.recording import Call, memory_of, tensors_in

__all__ = ["Arena", "arena_for", "as_one", "side_by_side"]

Blocks: TypeAlias = tuple[int, ...]
"""Blocks of memory that are to lie one after the other."""


class _Span(NamedTuple):
    """A block of memory, from the operation that first writes it to the last one that touches it."""

    born: int
    died: int
    size: int


class _Row(NamedTuple):
    """Blocks of memory that lie one after the other, or a single one."""

    blocks: list[tuple[int, int]]
    """Each with its size."""
    span: _Span


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


def arena_for(
    calls: Sequence[Call], elsewhere: Collection[int], kept: Collection[int] = (), rows: Iterable[Blocks] = ()
) -> Arena:
    """Find room for all that operations make, but for memory that is told to be elsewhere.

    One block after the other is given the first gap that is large enough among those that are in use at the same time. Of
    several orders, none of which is always the best, that is taken which needs least memory.

    Args:
        calls: The operations.
        elsewhere: Memory that has a place.
        kept: Memory that is read after the last operation.
        rows: Memory that is to lie one block after the other, if it can.
    """
    found = list(_in_rows(_spans(calls, elsewhere, kept), rows))
    orders = (_by_birth, _by_size, _by_age)
    return Arena(*min((_laid_out(sorted(found, key=order)) for order in orders), key=lambda sized: sized[0]))


def _by_birth(row: _Row) -> int:
    return row.span.born


def _by_size(row: _Row) -> int:
    return -row.span.size


def _by_age(row: _Row) -> int:
    return row.span.born - row.span.died


def _laid_out(rows: Iterable[_Row]) -> tuple[int, dict[int, int]]:
    """Give each row the first gap, and return the size of all, and where each block begins."""
    offsets: dict[int, int] = {}
    placed: list[tuple[int, _Span]] = []
    total = 0
    for row in rows:
        own, place = row.span, 0
        for at, other in sorted(placed):
            if other.born <= own.died and own.born <= other.died:
                if place + own.size <= at:
                    break
                place = max(place, at + other.size)
        placed.append((place, own))
        total = max(total, place + own.size)
        for memory, size in row.blocks:
            offsets[memory] = place
            place += size
    return total, offsets


def _spans(calls: Sequence[Call], elsewhere: Collection[int], kept: Collection[int]) -> dict[int, _Span]:
    """Return when each block of memory that the operations make is in use, in the order of birth."""
    found: dict[int, _Span] = {}
    for index, call in enumerate(calls):
        given = {memory_of(tensor) for tensor in call.reads()}
        for tensor in tensors_in(call.made):
            memory = memory_of(tensor)
            if memory not in found and memory not in given and memory not in elsewhere:
                found[memory] = _Span(index, index, _room(tensor.untyped_storage().nbytes()))
            given.add(memory)
        for memory in given & found.keys():
            found[memory] = found[memory]._replace(died=index)
    return {memory: one._replace(died=len(calls)) if memory in kept else one for memory, one in found.items()}


def _in_rows(spans: dict[int, _Span], rows: Iterable[Blocks]) -> Iterator[_Row]:
    """Go through the blocks in the order of birth, or rows of them."""
    row_of: dict[int, Blocks] = {}
    for row in rows:
        if all(memory in spans and memory not in row_of for memory in row) and len(set(row)) == len(row):
            row_of.update(dict.fromkeys(row, row))
    for memory in spans:
        row = row_of.get(memory, (memory,))
        if memory == min(row, key=lambda one: spans[one].born):
            own = [spans[one] for one in row]
            born, died = min(one.born for one in own), max(one.died for one in own)
            sizes = [one.size for one in own]
            yield _Row(list(zip(row, sizes, strict=True)), _Span(born, died, sum(sizes)))


def _room(size: int) -> int:
    """Return the bytes that a block of so many takes, so that the next one begins where a register can be filled."""
    return -(-size // REGISTER) * REGISTER


def side_by_side(tensors: Sequence[Tensor]) -> list[Tensor]:
    """Copy tensors into one piece of memory, one after the other, of the strides that they have."""
    lengths = [span(one.shape, one.stride()) for one in tensors]
    rooms = [_room(length * one.element_size()) for length, one in zip(lengths, tensors, strict=True)]
    memory, first, copies = torch.empty(sum(rooms), dtype=torch.uint8).untyped_storage(), 0, list[Tensor]()
    for one, length, room in zip(tensors, lengths, rooms, strict=True):
        flat = one.new_empty(0).set_(memory, first // one.element_size(), (length,), (1,))
        # All that lies between its numbers, too: so one that has the same number in several places is copied.
        flat.copy_(one.as_strided((length,), (1,)))
        copies.append(flat.as_strided(one.shape, one.stride()))
        first += room
    return copies


def as_one(tensors: Sequence[Tensor]) -> Tensor | None:
    """Return tensors that lie one after the other as one, with what lies between them; None where they do not."""
    first, end = tensors[0], -1
    for one in tensors:
        if one.dtype != first.dtype or not one.numel() or not one.is_contiguous() or end not in {-1, one.data_ptr()}:
            return None
        end = one.data_ptr() + _room(one.numel() * one.element_size())
    last = tensors[-1]
    length = (last.data_ptr() - first.data_ptr()) // first.element_size() + last.numel()
    return first.as_strided((length,), (1,))
