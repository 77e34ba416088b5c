"""Trees of one structure laid on each other, as ``torch.func.vmap`` takes them: each leaf with an axis more, the first."""

from collections.abc import Sequence
from typing import TypeVar

import torch

from n2nfun.tree import TreeError, leaves_alike, leaves_of, paths, rebuild

__all__ = ["check_stacked", "listed", "stack", "unstack"]

T = TypeVar("T")


def stack(trees: Sequence[T]) -> T:
    """Lay trees of one structure on each other: ``leaf[k]`` of the result is the leaf of ``trees[k]``.

    Raises:
        TypeError: if trees is not a list or tuple, or leaves of one place differ in dtype or device; the message names
            the path.
        ValueError: if there are none.
        TreeError: if they differ in structure or in the shape of a leaf; likewise.

    Example:
        >>> import torch
        >>> stack([(torch.tensor([1, 2]), None), (torch.tensor([3, 4]), None)])
        (tensor([[1, 2],
                [3, 4]]), None)
    """
    given = listed("stack(): trees", trees, "tree")
    first = given[0]
    rows = [leaves_alike(f"trees[{number}]", tree, "trees[0]", first) for number, tree in enumerate(given)]
    for number, row in enumerate(rows):
        for place, (leaf, wanted) in enumerate(zip(row, rows[0], strict=True)):
            if (leaf.dtype, leaf.device) != (wanted.dtype, wanted.device):
                path = paths(first)[place][0]
                raise TypeError(
                    f"stack(): trees[{number}]{path} is {leaf.dtype} on {leaf.device}, expected as trees[0]{path}, "
                    f"{wanted.dtype} on {wanted.device}"
                )
    return rebuild(first, [torch.stack([leaf.detach() for leaf in column]) for column in zip(*rows, strict=True)])


def unstack(tree: T) -> tuple[T, ...]:
    """Take a tree apart into those that were laid on each other: ``unstack(stack(trees))`` has the numbers of ``trees``.

    The results are views of the tree's memory.

    Raises:
        TreeError: if the tree has no tensors, or these do not all have a first axis of one length; the message names the
            path.

    Example:
        >>> import torch
        >>> unstack((torch.tensor([[1, 2], [3, 4]]), None))
        ((tensor([1, 2]), None), (tensor([3, 4]), None))
    """
    found = leaves_of("unstack(): tree", tree)
    if not found:
        raise TreeError("unstack(): tree has no tensors, and so nothing that says how many trees it is")
    check_stacked("unstack(): tree", tree, len(found[0]) if found[0].ndim else 1)
    return tuple(rebuild(tree, list(row)) for row in zip(*(leaf.detach().unbind() for leaf in found), strict=True))


def check_stacked(name: str, tree: object, count: int) -> None:
    """Require of each leaf a first axis of some length.

    Raises:
        TreeError: if one has none, or of another length; the message names the path.
    """
    for path, leaf in paths(tree):
        if leaf.ndim == 0 or len(leaf) != count:
            raise TreeError(f"{name}{path} has shape {tuple(leaf.shape)}, expected a first axis of {count}")


def listed(name: str, given: Sequence[T], what: str) -> tuple[T, ...]:
    """Return a list or tuple that is not empty as a tuple.

    Raises:
        TypeError: if it is anything else.
        ValueError: if it is empty.
    """
    if not isinstance(given, list | tuple):
        raise TypeError(f"{name} is a {type(given).__name__}, expected a list or tuple of at least one {what}")
    if not given:
        raise ValueError(f"{name} is empty, expected at least one {what}")
    return tuple(given)
