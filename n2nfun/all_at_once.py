"""Operations on lists of tensors in one call of torch each: the same as one by one, but for the time of the calls.

``torch.optim`` is made of them, though torch has no public names for them.
"""

from typing import Any

import torch
from torch import Tensor

__all__ = ["add_all", "clone_all", "copy_all", "multiply_all"]

_TORCH: Any = torch


def add_all(tensors: list[Tensor], others: list[Tensor], factor: float) -> list[Tensor]:
    """Return ``a + factor * b`` of each pair."""
    return list(_TORCH._foreach_add(tensors, others, alpha=factor))  # noqa: SLF001 - see above


def multiply_all(tensors: list[Tensor], factor: float) -> list[Tensor]:
    """Return ``factor * a`` of each."""
    return list(_TORCH._foreach_mul(tensors, factor))  # noqa: SLF001 - see above


def clone_all(tensors: list[Tensor]) -> list[Tensor]:
    """Return a copy of each, in memory of its own."""
    return list(_TORCH._foreach_clone(tensors))  # noqa: SLF001 - see above


def copy_all(into: list[Tensor], tensors: list[Tensor]) -> None:
    """Write the numbers of each tensor into another one."""
    _TORCH._foreach_copy_(into, tensors)
