"""Recorded operations as a program: each writes to where it always writes, and what leaves the program is made anew each time."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from operator import itemgetter
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor

from n2nfun.all_at_once import copy_all
from n2nfun.capture.memory import Arena, arena_for
from n2nfun.capture.recording import Call, NotRepeatable, calls_of, memory_of, tensors_in

__all__ = ["Program", "record"]

Slots: TypeAlias = dict[int, int]
"""By the identity of a recorded tensor: under which number a run finds what it has made anew in its place."""
Instruction: TypeAlias = Callable[[], object]

_UNWRITTEN = frozenset({"aten::empty", "aten::empty_strided", "aten::empty_like", "aten::new_empty"})
_ZEROS = frozenset({"aten::zeros", "aten::new_zeros", "aten::zeros_like"})
_COPIES = frozenset({"aten::clone", "aten::_to_copy"})


class _Result(NamedTuple):
    """Where a run's result is: in a slot, or in memory of the program, from which it is copied."""

    slot: int | None
    place: Tensor


class Program:
    """A function from tensors to tensors, as the operations of one run of it, for inputs like those of that run.

    Made by :func:`record`.
    """

    def __init__(self, inputs: list[Tensor], calls: Sequence[Call], results: Sequence[Tensor]) -> None:
        self._inputs = inputs
        fresh = _made_anew(calls, results)
        made = [tensor for call in fresh for tensor in tensors_in(call.made)]
        slots = {id(tensor): number for number, tensor in enumerate(made)}
        self._arena = arena_for(calls, {memory_of(tensor) for tensor in (*self._inputs, *made)})
        self._parts: list[tuple[list[Instruction], _Anew | None]] = []
        instructions: list[Instruction] = []
        for call in calls:
            if any(id(tensor) in slots for tensor in (*call.reads(), *tensors_in(call.made))):
                self._parts.append((instructions, _Anew(call, self._arena, slots)))
                instructions = []
            else:
                instructions.extend(_instructions(call, self._arena))
        self._parts.append((instructions, None))
        self._results = [_Result(slots.get(id(one)), self._arena.place(one)) for one in results]

    @property
    def memory(self) -> int:
        """Bytes that the program keeps between its runs."""
        return self._arena.size + sum(one.untyped_storage().nbytes() for one in self._inputs)

    def __call__(self, inputs: list[Tensor]) -> list[Tensor]:
        """Run it with other inputs, which stay as they are; the results are new memory."""
        copy_all(self._inputs, inputs)
        found: dict[int, Tensor] = {}
        for instructions, last in self._parts:
            for instruction in instructions:
                instruction()
            if last is not None:
                last(found)
        return [one.place.clone() if one.slot is None else found[one.slot] for one in self._results]


def record(function: Callable[[list[Tensor]], list[Tensor]], inputs: Sequence[Tensor]) -> tuple[Program, list[Tensor]]:
    """Run a function, and return the program of its operations, with what this run has made.

    Args:
        function: Pure, of tensors on the CPU.
        inputs: What it is recorded with.

    Raises:
        NotRepeatable: if it is not made of torch's operations alone.
    """
    own = [torch.empty_strided(one.shape, one.stride(), dtype=one.dtype).copy_(one) for one in inputs]
    results, calls = calls_of(lambda: function(own))
    program = Program(own, calls, results)
    return program, [one.clone() for one in results]


def _made_anew(calls: Sequence[Call], results: Sequence[Tensor]) -> list[Call]:
    """Choose the operations whose results leave the function: these need no copy, where nothing looks at them otherwise."""
    wanted = {id(tensor) for tensor in results}

    def leaves(call: Call) -> bool:
        own = {id(tensor): memory_of(tensor) for tensor in tensors_in(call.made)}
        touched = (
            (other, tensor)
            for other in calls
            for tensor in (*other.reads(), *tensors_in(other.made))
            if memory_of(tensor) in own.values()
        )
        return (
            not call.writes
            and not wanted.isdisjoint(own)
            and all(id(tensor) in own and not other.writes for other, tensor in touched)
        )

    return [call for call in calls if leaves(call)]


class _Anew:
    """An operation that makes new memory, or takes what another one has made anew."""

    def __init__(self, call: Call, arena: Arena, slots: Slots) -> None:
        self._operation = call.operation
        self._args = [_argument(value, arena, slots) for value in call.args]
        self._kwargs = {name: _argument(value, arena, slots) for name, value in call.kwargs.items()}
        self._out = [(slots.get(id(tensor)), arena.place(tensor)) for tensor in tensors_in(call.made)]
        self._writes = call.writes

    def __call__(self, found: dict[int, Tensor]) -> None:
        args, kwargs = (value(found) for value in self._args), {name: v(found) for name, v in self._kwargs.items()}
        for (slot, place), made in zip(self._out, tensors_in(self._operation(*args, **kwargs)), strict=True):
            if slot is not None:
                found[slot] = made
            elif not self._writes:
                place.copy_(made)


def _argument(value: Any, arena: Arena, slots: Slots) -> Callable[[dict[int, Tensor]], Any]:
    """Return how an argument is found in a run."""
    if isinstance(value, Tensor) and id(value) in slots:
        return itemgetter(slots[id(value)])
    if isinstance(value, list | tuple):
        items = [_argument(item, arena, slots) for item in _items(value)]
        return lambda found: [item(found) for item in items]
    placed = _placed(value, arena)
    return lambda _: placed


def _instructions(call: Call, arena: Arena) -> Iterator[Instruction]:
    """Return an operation with its arguments and the place of its result bound.

    Raises:
        NotRepeatable: if the operation cannot write to a given place.
    """
    name: str = call.operation._schema.name  # noqa: SLF001 - the operation's declaration, which has no public name
    args, made = _placed(call.args, arena), _placed(call.made, arena)
    kwargs = {key: _placed(value, arena) for key, value in call.kwargs.items()}
    if call.writes:
        yield partial(call.operation, *args, **kwargs)
    elif name in _ZEROS:
        yield made.zero_
    elif name in _COPIES:
        yield partial(made.copy_, args[0])
    elif name not in _UNWRITTEN:
        into, names = _writing(call.operation)
        places = [made] if len(names) == 1 else made
        yield partial(into, *args, **kwargs, **dict(zip(names, places, strict=True)))


def _placed(value: Any, arena: Arena) -> Any:
    if isinstance(value, Tensor):
        return arena.place(value)
    if isinstance(value, list | tuple):
        return [_placed(item, arena) for item in _items(value)]
    return value


def _items(value: Any) -> list[Any]:
    """Return the items of a list or tuple, which may be anything."""
    return list(value)


def _writing(operation: Any) -> tuple[Any, list[str]]:
    """Return the form of an operation that writes to given memory, and the names of the arguments for it.

    Raises:
        NotRepeatable: if it has none.
    """

    def taken(overload: Any) -> Mapping[str, str]:
        return {one.name: str(one.type) for one in overload._schema.arguments if not one.is_out}  # noqa: SLF001 - see above

    packet = operation.overloadpacket
    for name in packet.overloads():
        overload = getattr(packet, name)
        places = [one.name for one in overload._schema.arguments if one.is_out]  # noqa: SLF001 - see above
        if places and taken(overload) == taken(operation):
            return overload, places
    raise NotRepeatable(f"{operation} writes to no given memory")
