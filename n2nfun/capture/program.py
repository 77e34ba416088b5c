"""Recorded operations as a program: each writes to where it always writes, and what leaves the program is a copy."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain
from typing import Any

import torch
from torch import Tensor

from n2nfun.all_at_once import clone_all, copy_all
from n2nfun.capture.binding import Instruction, bound, operands
from n2nfun.capture.borrowing import Borrowed
from n2nfun.capture.memory import Arena, Blocks, arena_for, as_one, side_by_side
from n2nfun.capture.recording import Call, NotRepeatable, calls_of, listed, memory_of, tensors_in
from n2nfun.capture.repeats import without_repeats

__all__ = ["Program", "record"]

_UNWRITTEN = frozenset({"aten::empty", "aten::empty_strided", "aten::empty_like", "aten::new_empty"})
_ZEROS = frozenset({"aten::zeros", "aten::new_zeros", "aten::zeros_like"})
_COPIES = frozenset({"aten::clone", "aten::_to_copy"})
_WIDE = frozenset({torch.float32, torch.float64})
"""Of these dtypes an operation's numbers are tensors of the same: none is computed in a wider one."""
OF_LISTS: Mapping[str, Callable[..., Tensor]] = {
    "aten._foreach_add.List": torch.add,
    "aten._foreach_mul.Scalar": torch.mul,
}
"""Operations on each number of lists of tensors by itself, and what they are of one tensor."""


class Program:
    """A function from tensors to tensors, as the operations of one run of it, for inputs like those of that run.

    Made by :func:`record`.
    """

    def __init__(
        self, copied: list[Tensor], read: Sequence[Tensor], calls: Sequence[Call], results: Sequence[Tensor]
    ) -> None:
        elsewhere, kept = {memory_of(one) for one in (*copied, *read)}, {memory_of(one) for one in results}
        arena = arena_for(calls, elsewhere, kept, _rows(calls))
        self._copied = copied
        self._instructions = [one for call in calls for one in _instructions(call, arena)]
        self._results = [arena.place(one) for one in results]
        looking = [*self._results, *chain.from_iterable(map(operands, self._instructions))]
        self._read = [Borrowed(one, looking) for one in read]
        own = copied[0].untyped_storage().nbytes() if copied else 0  # all of them lie in it
        self.memory: int = arena.size + own
        """Bytes that it keeps between its runs, beside the inputs that it has read last."""

    def __call__(self, inputs: list[Tensor]) -> list[Tensor]:
        """Run it with other inputs, which stay as they are; the results are new memory."""
        if self._copied:
            copy_all(self._copied, inputs[: len(self._copied)])
        for borrowed, tensor in zip(self._read, inputs[len(self._copied) :], strict=True):
            borrowed.read(tensor)
        for instruction in self._instructions:
            instruction()
        return clone_all(self._results)


def record(
    function: Callable[[list[Tensor]], list[Tensor]], inputs: Sequence[Tensor], *, read: int = 0
) -> tuple[Program, list[Tensor]]:
    """Run a function, and return the program of its operations, with what this run has made.

    Args:
        function: Pure, of tensors on the CPU.
        inputs: What it is recorded with.
        read: How many inputs, the last ones, the program reads where they are; it copies the others.

    Raises:
        NotRepeatable: if it is not made of torch's operations alone, or changes its inputs, or one that is to be copied has
            the same number in several places.
    """
    first = len(inputs) - read
    if any(
        stride == 0 < size - 1 for one in inputs[:first] for size, stride in zip(one.shape, one.stride(), strict=True)
    ):
        raise NotRepeatable("an input has the same number in several places")
    copied, borrowed = side_by_side(inputs[:first]), [side_by_side([one])[0] for one in inputs[first:]]
    own = [*copied, *borrowed]
    results, calls = calls_of(lambda: function(own))
    if {memory_of(one) for call in calls for one in call.written} & {memory_of(one) for one in own}:
        raise NotRepeatable("it changes its inputs")
    program = Program(copied, borrowed, *without_repeats(calls, results))
    return program, [one.clone() for one in results]


def _rows(calls: Sequence[Call]) -> Iterator[Blocks]:
    """List memory that operations on whole lists read, or write, one after the other."""
    for call in calls:
        if str(call.operation) in OF_LISTS:
            for value in (*call.args, call.made):
                if isinstance(value, list | tuple):
                    yield tuple(memory_of(one) for one in tensors_in(listed(value)))


def _instructions(call: Call, arena: Arena) -> Iterator[Instruction]:
    """Return an operation with its arguments and the place of its result bound.

    Raises:
        NotRepeatable: if the operation cannot write to a given place.
    """
    name: str = call.operation._schema.name  # noqa: SLF001 - the operation's declaration, which has no public name
    args, made = _placed(call.args, arena), _placed(call.made, arena)
    kwargs = {key: _placed(value, arena) for key, value in call.kwargs.items()}
    if str(call.operation) in OF_LISTS and (whole := _on_whole_lists(call, args, kwargs, made)) is not None:
        yield whole
    elif call.written:
        yield bound(call.operation, args, kwargs)
    elif name in _ZEROS:
        yield made.zero_
    elif name in _COPIES:
        yield partial(made.copy_, args[0])
    elif str(call.operation) == "aten.rsub.Scalar" and len(args) == 2 and made.dtype in _WIDE:
        yield partial(torch.sub, made.new_tensor(args[1]), args[0], out=made)  # torch makes it elsewhere, and copies it
    elif name not in _UNWRITTEN:
        into, names = _writing(call.operation)
        places = [made] if len(names) == 1 else made
        kwargs |= dict(zip(names, places, strict=True))
        yield bound(into, _as_tensors(call.operation, args, made), kwargs)


def _as_tensors(operation: Any, args: list[Any], made: Any) -> list[Any]:
    """Return arguments where numbers that are to be tensors are some: else they were made tensors at each run."""
    if not isinstance(made, Tensor) or made.dtype not in _WIDE:
        return args
    declared = operation._schema.arguments  # noqa: SLF001 - see above
    return [
        made.new_tensor(value) if isinstance(value, int | float) and str(one.type) == "Tensor" else value
        for value, one in zip(args, declared, strict=False)
    ]


def _on_whole_lists(call: Call, args: list[Any], kwargs: dict[str, Any], made: list[Tensor]) -> Instruction | None:
    """Return an operation on lists as one on the memory in which each of them lies, if it does, side by side."""
    shapes = [one.shape for one in made]
    lists = [[*tensors_in(listed(value))] for value in (*args, made) if isinstance(value, list)]
    alike = [tensors for tensors in lists if [one.shape for one in tensors] == shapes]  # others are repeated
    found = [whole for whole in map(as_one, alike) if whole is not None]
    if len(found) < len(lists):
        return None
    *own, out = found
    numbers = [value for value in args if not isinstance(value, list)]  # which follow the lists
    return partial(OF_LISTS[str(call.operation)], *own, *numbers, **kwargs, out=out)


def _placed(value: Any, arena: Arena) -> Any:
    if isinstance(value, Tensor):
        return arena.place(value)
    if isinstance(value, list | tuple):
        return [_placed(item, arena) for item in listed(value)]
    return value


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
