"""A function as machine code: torch.compile, whose code is not asked at each call whether it still fits."""

from collections.abc import Callable, Sequence
from types import FunctionType
from typing import Any, TypeAlias, cast

import torch
from torch import Tensor

__all__ = ["compiled"]

Function: TypeAlias = Callable[[list[Tensor]], list[Tensor]]


def compiled(function: Function) -> Function:
    """Return the same function as machine code, made at its first call, for tensors like those of this call alone.

    Torch asks at each call whether all that it has seen when it compiled is as it was: for a step hundreds of questions,
    which of small batches take a third of the time. Here the caller has to know that the tensors are alike, and the
    function that it is pure. Only the state of torch itself is asked for, such as the number of threads.

    Raises:
        RuntimeError: at the call that compiles, if torch cannot.
    """
    from n2nfun.capture.once_each import OnceEach  # noqa: PLC0415 - see there

    plain = cast("FunctionType", function)
    # Torch keeps what it has compiled by a function's code: with code of its own each has its own.
    own = FunctionType(
        plain.__code__.replace(), plain.__globals__, plain.__name__, plain.__defaults__, plain.__closure__
    )
    options: dict[str, Any] = {
        "cpp_wrapper": True,
        "guard_filter_fn": _of_torch_itself,
        "post_grad_custom_pre_pass": OnceEach(),
    }
    code: Any = torch.compile(own, fullgraph=True, dynamic=False, options=options)  # pyright: ignore[reportUnknownMemberType]  # partially typed in torch

    def run(inputs: list[Tensor]) -> list[Tensor]:
        return cast("list[Tensor]", code(_told_apart(inputs)))

    return run


def _told_apart(inputs: list[Tensor]) -> list[Tensor]:
    """Return the tensors as different objects: two that are one when it compiles would be one input for good."""
    return inputs if len(set(map(id, inputs))) == len(inputs) else [one.detach() for one in inputs]


def _of_torch_itself(guards: Sequence[Any]) -> list[bool]:
    """Choose the guards that are of no argument, and of nothing that the function refers to."""
    return [not guard.name for guard in guards]
