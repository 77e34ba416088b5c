"""Equality to the last bit: NaN equals itself, and -0 is not 0."""

from collections.abc import Sequence

import torch
from torch import Tensor

from n2nfun.tree import paths

_INTEGERS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


def bits(tensor: Tensor) -> Tensor:
    """Return a tensor's numbers as integers, as memory of its own."""
    return tensor.detach().clone(memory_format=torch.contiguous_format).view(_INTEGERS[tensor.element_size()])


def all_as_before(tensors: Sequence[Tensor], before: Sequence[Tensor]) -> bool:
    """Say whether tensors still have the bits that they had."""
    return all(torch.equal(bits(tensor), old) for tensor, old in zip(tensors, before, strict=True))


def assert_same_bits(first: object, second: object) -> None:
    """Require two trees of one type, with the same tensors in the same places."""
    assert type(first) is type(second)
    one, two = paths(first), paths(second)
    assert [path for path, _ in one] == [path for path, _ in two]
    for (path, a), (_, b) in zip(one, two, strict=True):
        assert (path, a.dtype, a.shape) == (path, b.dtype, b.shape)
        differing = int((bits(a) != bits(b)).sum())
        assert differing == 0, f"{path}: {differing} of {a.numel()} numbers differ"
