"""The quickest way to call an operation again and again.

An operation as it is recorded, a ``torch._ops.OpOverload``, looks for its form anew at each call, and takes two to three
microseconds for it; torch's function or method of the same name is compiled to that one form, and takes half of it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias

import torch
from torch import Tensor

from n2nfun.capture.recording import Observer, listed, tensors_in

__all__ = ["Instruction", "bound", "operands"]

Instruction: TypeAlias = Callable[[], object]


class _Told(Exception):  # noqa: N818 - no error: the answer
    def __init__(self, operation: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        self.operation, self.args, self.kwargs = operation, tuple(args), kwargs


class _Asking(Observer):  # type: ignore[no-untyped-call]  # PyTorch does not type its classes
    """Raise what a function would compute first, and compute nothing."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        raise _Told(func, args, kwargs or {})


def bound(operation: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Instruction:
    """Return an operation with its arguments, as torch's function or method that is proved to call it with the same ones."""
    name = operation._schema.name.removeprefix("aten::")  # noqa: SLF001 - the operation's declaration, not public
    for owner in (torch, Tensor):
        function = getattr(owner, name, None)
        if callable(function):
            quick = partial(function, *args, **kwargs)
            if _calls(quick, operation, args, kwargs):
                return quick
    return partial(operation, *args, **kwargs)


def operands(instruction: Instruction) -> Iterator[Tensor]:
    """Go through the tensors that an operation is bound to."""
    function: Any = instruction
    if isinstance(instruction, partial):
        yield from tensors_in([*instruction.args, *instruction.keywords.values()])
        function = instruction.func
    yield from tensors_in(getattr(function, "__self__", None))


def _calls(function: Instruction, operation: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
    """Say whether the first thing a function does is to call the operation with these arguments."""
    try:
        with _Asking():
            function()
    except _Told as told:
        asked = _as_declared(operation, told.args, told.kwargs)
        return told.operation is operation and asked == _as_declared(operation, args, kwargs)
    except (TypeError, RuntimeError):  # it takes other arguments
        return False
    return False


def _as_declared(operation: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[object]:
    """List the arguments of an operation in the order of its declaration, with tensors told apart by which they are."""
    declared = operation._schema.arguments  # noqa: SLF001 - see above
    given = dict(zip((one.name for one in declared), args, strict=False)) | dict(kwargs)
    return [list(_parts(given.get(one.name, one.default_value))) for one in declared]


def _parts(value: object) -> Iterator[object]:
    if isinstance(value, list | tuple):
        yield len(listed(value))
        for item in listed(value):
            yield from _parts(item)
    else:
        yield id(value) if isinstance(value, Tensor) else value
