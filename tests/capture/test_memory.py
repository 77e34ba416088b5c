"""Recorded tensors lie apart as long as they live, and where dead ones lay afterwards."""

from typing import Any

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from n2nfun.capture.memory import arena_for
from n2nfun.capture.recording import Call, calls_of, memory_of, tensors_in


def doubled(sizes: list[int], read: list[int]) -> list[Call]:
    """Record operations of results of these sizes, each of which reads the first number of an earlier one."""

    def compute() -> list[Tensor]:
        made = [torch.zeros(3)]
        for size, back in zip(sizes, read, strict=True):
            made.append(made[-1 - back % len(made)][0] + torch.zeros(size))
        return made

    return calls_of(compute)[1]


def spans(calls: list[Call]) -> dict[int, tuple[int, int, Tensor]]:
    """Return when each block of memory is first and last in use, by definition, and a tensor in it."""
    found: dict[int, tuple[int, int, Tensor]] = {}
    for index, call in enumerate(calls):
        for tensor in (*tensors_in(call.made), *call.reads()):
            first, _, one = found.get(memory_of(tensor), (index, index, tensor))
            found[memory_of(tensor)] = (first, index, one)
    return found


programs = st.lists(st.tuples(st.integers(1, 200), st.integers(0, 5)), min_size=1, max_size=12)


@given(programs)
def test_what_is_alive_at_the_same_time_lies_apart(program: list[tuple[int, int]]) -> None:
    calls = doubled([size for size, _ in program], [back for _, back in program])
    arena, found = arena_for(calls, set()), list(spans(calls).values())
    start = min(arena.place(tensor).data_ptr() for _, _, tensor in found)
    for number, (born, died, tensor) in enumerate(found):
        own = arena.place(tensor)
        assert own.data_ptr() % 64 == 0
        assert own.shape == tensor.shape
        assert own.stride() == tensor.stride()
        assert own.data_ptr() + 4 * own.numel() <= start + arena.size
        for other_born, other_died, other in found[:number]:
            if born <= other_died and other_born <= died:
                place = arena.place(other)
                assert (
                    own.data_ptr() >= place.data_ptr() + 4 * place.numel()
                    or place.data_ptr() >= own.data_ptr() + 4 * own.numel()
                )


def test_the_dead_make_room() -> None:
    calls = doubled([1000] * 20, [0] * 20)
    assert 4 * 1000 * 3 <= arena_for(calls, set()).size <= 4 * 1024 * 4


def test_what_is_elsewhere_has_no_room() -> None:
    calls = doubled([1000], [0])
    made: Any = calls[-1].made
    elsewhere = {memory_of(made)}
    assert arena_for(calls, elsewhere).place(made) is made
    assert arena_for(calls, elsewhere).size < arena_for(calls, set()).size


def test_views_lie_where_their_base_lies() -> None:
    def compute() -> list[Tensor]:
        base = torch.zeros(4, 6)
        base[1:, 2:].add_(1)
        return [base]

    _, calls = calls_of(compute)
    arena = arena_for(calls, set())
    base, part = (arena.place(next(tensors_in(call.made))) for call in calls)
    assert part.data_ptr() - base.data_ptr() == 4 * (6 + 2)
    assert part.stride() == (6, 1)
