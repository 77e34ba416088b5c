"""What torch computes while a function runs: its operations in their order, without those that only look at memory anew."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode  # nothing public shows a function's operations

__all__ = ["Call", "NotRepeatable", "Observer", "calls_of", "listed", "memory_of", "tensors_in"]


T = TypeVar("T")


class NotRepeatable(Exception):  # noqa: N818 - no error: the function is then called itself
    """A function that does what cannot be repeated from its operations alone; the message says what."""


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """One operation of torch, with its arguments and what it made."""

    operation: Any
    """A ``torch._ops.OpOverload``."""
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    made: Any
    """A tensor, or a list or tuple of them."""
    written: tuple[Tensor, ...] = ()
    """Tensors that it is given and changes."""

    def reads(self) -> list[Tensor]:
        """List the tensors that it is given."""
        return [*tensors_in(self.args), *tensors_in(tuple(self.kwargs.values()))]


def tensors_in(value: object) -> Iterator[Tensor]:
    """Go through a tensor, or the tensors of lists and tuples."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, list | tuple):
        for item in listed(value):
            yield from tensors_in(item)


def listed(value: Any) -> list[object]:
    """Return the items of a list or tuple, which may be anything."""
    return list(value)


def memory_of(tensor: Tensor) -> int:
    """Return what tensors that share their memory have in common."""
    storage: Any = tensor.untyped_storage()
    return int(storage._cdata)  # noqa: SLF001 - it has no public name, and addresses tell empty ones not apart


class Observer(TorchDispatchMode):  # type: ignore[no-untyped-call]  # PyTorch does not type it
    """Is told of each operation before torch makes it."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # nor this  # pyright: ignore[reportUnknownMemberType]

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Keep torch from importing its compiler, which takes seconds, to be able to keep this mode out of it."""
        return False


class _Recorder(Observer):  # type: ignore[no-untyped-call]  # nor its subclasses
    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Call] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        made = func(*args, **kwargs)
        if not list(tensors_in(made)):
            raise NotRepeatable(f"{func} reads numbers of a tensor")
        arguments = func._schema.arguments  # noqa: SLF001 - the operation's declaration, which has no public name
        given = dict(zip((one.name for one in arguments), args, strict=False)) | kwargs
        changed = [one.name for one in arguments if one.alias_info is not None and one.alias_info.is_write]
        written = tuple(tensors_in([given[name] for name in changed if name in given]))
        self.calls.append(Call(func, tuple(args), kwargs, made, written))
        return made


def calls_of(function: Callable[[], T]) -> tuple[T, list[Call]]:
    """Run a function, and return its result and its operations, whose tensors stay alive: no two share memory by chance.

    Raises:
        NotRepeatable: if it reads numbers, on which what it does next may depend.
    """
    with _Recorder() as recorder:
        result = function()
    return result, [call for call in recorder.calls if not _only_looks(call)]


def _only_looks(call: Call) -> bool:
    """Say whether an operation makes nothing but views of what it is given."""
    given = {memory_of(tensor) for tensor in call.reads()}
    return not call.written and all(memory_of(tensor) in given for tensor in tensors_in(call.made))
