"""Where the numbers of a tensor lie in memory."""

from collections.abc import Sequence

from torch import Tensor

__all__ = ["REGISTER", "fills_registers", "span"]

REGISTER = 64
"""Bytes of the widest vector register: products round by where in one their numbers begin, and torch's own memory begins so."""


def span(size: Sequence[int], strides: Sequence[int]) -> int:
    """Count over how many numbers of memory a tensor goes, from its first to its last.

    Example:
        >>> span((2, 3), (10, 1)), span((0, 3), (10, 1))
        (13, 0)
    """
    if 0 in size:
        return 0
    return 1 + sum((count - 1) * stride for count, stride in zip(size, strides, strict=True))


def fills_registers(tensor: Tensor) -> bool:
    """Say whether a tensor begins where a register can be filled from its memory on."""
    return tensor.storage_offset() * tensor.element_size() % REGISTER == 0
