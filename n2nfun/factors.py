"""Factors that are numbers, or tensors of no dimensions: one step for many models, compiled once for any number."""

from collections.abc import Iterable
from typing import TypeAlias

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch._C._functorch import is_functorch_wrapped_tensor  # nothing public tells

from n2nfun.all_at_once import add_all, multiply_all
from n2nfun.arguments import check_flag, check_number
from n2nfun.layers.checks import FLOATS
from n2nfun.layers.precision import rounded, working

__all__ = ["Factor", "Switch", "check_factor", "check_switch", "is_zero", "known", "plain", "plus", "times"]

Factor: TypeAlias = float | Float[Tensor, ""]
Switch: TypeAlias = bool | Bool[Tensor, ""]


def known(value: Factor | Switch) -> float | bool | None:
    """Return the number itself, or that in a tensor; None where reading it would fail, or make the processor wait.

    That is on another device, in ``torch.compile``, and under ``torch.func.vmap``, where it is many numbers.
    """
    if not isinstance(value, Tensor):
        return value
    readable = not torch.compiler.is_compiling() and type(value) is Tensor and value.device.type == "cpu"
    return value.item() if readable and not is_functorch_wrapped_tensor(value) else None


def _check_scalar(name: str, value: Tensor, dtypes: tuple[torch.dtype, ...], kind: str) -> None:
    if value.dtype not in dtypes:
        raise TypeError(f"{name} is a tensor of {value.dtype}, expected {kind}")
    if value.ndim != 0:
        raise ValueError(
            f"{name} has shape {tuple(value.shape)}, expected a tensor of no dimensions; of several models each has its own "
            "in an EnsembleStep"
        )


def check_factor(name: str, value: object) -> Factor:
    """Return the value if it is a finite number of at least 0, or a tensor of one, as far as that is :func:`known`.

    Raises:
        TypeError: if it is neither a number nor a tensor of floats.
        ValueError: if it is out of range, or the tensor has dimensions.
    """
    if not isinstance(value, Tensor):
        return check_number(name, value)
    _check_scalar(name, value, FLOATS, "float32, float64, float16 or bfloat16")
    number = known(value)
    if number is not None:
        check_number(name, number)
    return value


def check_switch(name: str, value: object) -> Switch:
    """Return the value if it is True or False, or a tensor of it.

    Raises:
        TypeError: if it is anything else.
        ValueError: if the tensor has dimensions.
    """
    if not isinstance(value, Tensor):
        return check_flag(name, value)
    _check_scalar(name, value, (torch.bool,), "torch.bool")
    return value


def is_zero(factor: Factor) -> bool:
    """Say whether a factor is the number 0, with which nothing need be computed; a tensor may be anything."""
    return not isinstance(factor, Tensor) and bool(factor == 0)


def times(tensors: list[Tensor], factor: Factor) -> list[Tensor]:
    """Return ``factor * a`` of each tensor, rounded to its dtype."""
    if not isinstance(factor, Tensor):
        if tensors and plain(tensors):
            return multiply_all(tensors, factor)
        return [a * factor for a in tensors]
    return [rounded(working(a) * own, a.dtype) for a, own in zip(tensors, _fitting(factor, tensors), strict=True)]


def plus(tensors: list[Tensor], others: list[Tensor], factor: Factor) -> list[Tensor]:
    """Return ``a + factor * b`` of each pair of tensors, rounded to their dtype."""
    if not isinstance(factor, Tensor):
        if tensors and plain(tensors) and plain(others):
            return add_all(tensors, others, factor)
        return [torch.add(a, b, alpha=factor) for a, b in zip(tensors, others, strict=True)]
    return [
        rounded(torch.addcmul(working(a), working(b), own), a.dtype)
        for a, b, own in zip(tensors, others, _fitting(factor, tensors), strict=True)
    ]


def plain(tensors: Iterable[Tensor]) -> bool:
    """Say whether these are tensors of the CPU, and no more: outside ``torch.compile`` and ``torch.func``.

    Torch can then be given a whole list at once: the same operations, in a tenth of the calls.
    """
    if torch.compiler.is_compiling():
        return False
    for tensor in tensors:  # noqa: SIM110 - asked at each step, and any() of a generator takes four times as long
        if not tensor.is_cpu or is_functorch_wrapped_tensor(tensor):
            return False
    return True


def _fitting(factor: Tensor, tensors: list[Tensor]) -> list[Tensor]:
    """Return a factor in the precision in which each tensor is computed with."""
    wide = factor.detach()
    found = {dtype: wide.to(dtype) for dtype in {working(a).dtype for a in tensors}}
    return [found[working(a).dtype] for a in tensors]
