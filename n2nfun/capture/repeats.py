"""Numbers that a recorded function moves twice, moved once.

A convolution's windows are gathered for its output, and again for its kernel's gradient: to keep them in between would take
memory of every step; a program has all its memory already.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from torch import Tensor

from n2nfun.capture.recording import Call, listed, memory_of

__all__ = ["without_repeats"]

_MOVING = frozenset({"aten::clone", "aten::index_select"})
"""Operations that only move numbers, and so make the same of the same."""


class _Moved(NamedTuple):
    made: Tensor
    of: frozenset[int]
    """The memory that was read."""


def without_repeats(calls: Sequence[Call], results: Sequence[Tensor]) -> tuple[list[Call], list[Tensor]]:
    """Leave out operations that make again what is there, where nobody changes it; others, and results, read it there.

    Args:
        calls: What was recorded.
        results: What of it is returned.
    """
    changed = {memory_of(one) for call in calls for one in call.written}
    found: dict[Hashable, _Moved] = {}
    instead: dict[int, Tensor] = {}
    kept: list[Call] = []
    for call in calls:
        args, kwargs = _renamed(call.args, instead), dict(_renamed(tuple(call.kwargs.items()), instead))
        own = replace(call, args=args, kwargs=kwargs)
        now = {memory_of(one) for one in call.written}
        found = {key: moved for key, moved in found.items() if not moved.of & now}
        if own.operation._schema.name in _MOVING and memory_of(own.made) not in changed:  # noqa: SLF001 - it is not public
            key = own.operation, _described(args), _described(tuple(kwargs.items()))
            if key in found:
                instead[memory_of(own.made)] = found[key].made
                continue
            found[key] = _Moved(own.made, frozenset(map(memory_of, own.reads())))
        kept.append(own)
    return kept, _renamed(list(results), instead)


def _renamed(value: Any, instead: Mapping[int, Tensor]) -> Any:
    """Return tensors as what they are in other memory, which is used instead of their own."""
    if isinstance(value, Tensor):
        other = instead.get(memory_of(value))
        if other is None:
            return value
        return other.new_empty(0).set_(other.untyped_storage(), value.storage_offset(), value.shape, value.stride())
    if isinstance(value, list | tuple):
        parts = [_renamed(item, instead) for item in listed(value)]
        return parts if isinstance(value, list) else tuple(parts)
    return value


def _described(value: object) -> Hashable:
    """Return what two arguments that are the same have in common."""
    if isinstance(value, Tensor):
        return memory_of(value), value.storage_offset(), value.shape, value.stride(), value.dtype
    if isinstance(value, list | tuple):
        return tuple(map(_described, listed(value)))
    return value
