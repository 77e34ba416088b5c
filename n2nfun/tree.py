"""Trees of tensors: frozen dataclasses and tuples with tensors at their leaves, mapped with their types kept.

A *node* is a dataclass instance or a tuple; its children are its fields, in the constructor's order, or its items. A
*leaf* is a tensor. Everything else (``None``, an ``int`` in an optimizer's state) is part of the structure: it is kept
by every function here, and must agree between trees that are mapped together.
"""

from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from itertools import count
from typing import Any, TypeVar, cast, overload

import torch
from torch import Tensor

T = TypeVar("T")

__all__ = [
    "TreeError",
    "assemble",
    "branches",
    "filled",
    "filler",
    "global_norm",
    "leaves",
    "leaves_alike",
    "leaves_of",
    "paths",
    "rebuild",
    "tree_map",
    "walk",
    "zeros_like",
]


class TreeError(ValueError):
    """Two trees that should have had the same structure differ; the message names the path."""


_NAMES: dict[type[object], tuple[str, ...] | None] = {}
"""What :func:`_field_names` has found; not lru_cache, which torch.compile does not see through."""


def _fields(node: object) -> tuple[str, ...] | None:
    kind: type[object] = type(node)
    try:
        return _NAMES[kind]
    except KeyError:
        names = _NAMES[kind] = _field_names(kind)
        return names


def _field_names(kind: type[object]) -> tuple[str, ...] | None:
    """Return the names of the fields that a dataclass's constructor takes; None of any other type.

    Raises:
        TreeError: if it is a list or a dict.
    """
    for changing in (list, dict):
        if issubclass(kind, changing):
            raise TreeError(
                f"a tree holds a {changing.__name__}, expected frozen dataclasses and tuples: they do not change"
            )
    return tuple(field.name for field in fields(kind) if field.init) if is_dataclass(kind) else None


def _children(node: object) -> tuple[object, ...] | None:
    """Return the children of a node, or None for a leaf and for everything that is part of the structure."""
    if isinstance(node, tuple):
        return cast("tuple[object, ...]", node)
    names = _fields(node)
    return None if names is None else tuple([getattr(node, name) for name in names]) if names else ()


def assemble(node: object, children: tuple[object, ...]) -> object:
    """Return a node of the same type as ``node`` with other children, in the order of :func:`branches`."""
    kind: Any = type(node)  # without a cast, through which torch.compile does not see
    if kind is tuple:
        return children
    names = _fields(node)
    if names is not None:
        return kind(**dict(zip(names, children, strict=True)))
    return kind(*children)  # a NamedTuple


def _labels(node: object) -> tuple[str, ...]:
    """Name the children of a node as one would write them in Python: ``.weight`` or ``[2]``."""
    names = _fields(node)
    if names is not None:
        return tuple(f".{name}" for name in names)
    return tuple(f"[{index}]" for index in range(len(cast("tuple[object, ...]", node))))


def branches(node: object) -> tuple[tuple[str, object], ...] | None:
    """Return the children of a node with their labels (``.weight``, ``[2]``); None of anything that has no children.

    Example:
        >>> branches((1, None)), branches(1)
        ((('[0]', 1), ('[1]', None)), None)
    """
    children = _children(node)
    return None if children is None else tuple(zip(_labels(node), children, strict=True))


def walk(tree: object, path: str = "") -> Iterator[tuple[str, object]]:
    """Go through all that has no children, tensors and the rest, with its path.

    Example:
        >>> list(walk((1, (2, None))))
        [('[0]', 1), ('[1][0]', 2), ('[1][1]', None)]
    """
    parts = branches(tree)
    if parts is None:
        yield path, tree
    else:
        for label, child in parts:
            yield from walk(child, path + label)


def _collect(node: object, found: list[Tensor]) -> None:
    if isinstance(node, Tensor):
        found.append(node)
        return
    children = _children(node)
    if children:
        for child in children:
            _collect(child, found)


def leaves(tree: object) -> list[Tensor]:
    """List the tensors of a tree, depth first, in the order of its fields.

    Example:
        >>> import torch
        >>> [leaf.item() for leaf in leaves((torch.tensor(1), (torch.tensor(2), None)))]
        [1, 2]
    """
    found: list[Tensor] = []
    _collect(tree, found)
    return found


def paths(tree: object) -> list[tuple[str, Tensor]]:
    """List the tensors of a tree with their paths, in the order of :func:`leaves`.

    Example:
        >>> import torch
        >>> from n2nfun.layers import ConvParams
        >>> params = (ConvParams(torch.zeros(2, 1, 3, 3), torch.zeros(2)),)
        >>> [(path, tuple(leaf.shape)) for path, leaf in paths(params)]
        [('[0].weight', (2, 1, 3, 3)), ('[0].bias', (2,))]
    """
    return [(path, leaf) for path, leaf in walk(tree) if isinstance(leaf, Tensor)]


def rebuild(tree: T, new_leaves: list[Tensor]) -> T:
    """Return a tree of the same structure and type with other leaves, given in the order of :func:`leaves`.

    Raises:
        TypeError: if new_leaves is not a list of tensors.
        TreeError: if the number of leaves differs.

    Example:
        >>> import torch
        >>> rebuild((torch.tensor(1), None), [torch.tensor(5)])
        (tensor(5), None)
    """
    if not isinstance(new_leaves, list | tuple):
        raise TypeError(f"rebuild(): new_leaves is {new_leaves!r}, expected a list of tensors")
    count = len(leaves(tree))
    if count != len(new_leaves):
        raise TreeError(f"rebuild(): new_leaves has {len(new_leaves)} tensors, the tree has {count} leaves")
    _require_tensors("rebuild(): new_leaves has", tree, new_leaves)
    return filled(tree, new_leaves)


def _require_tensors(what: str, tree: object, values: list[Tensor]) -> None:
    """Require a tensor for each leaf of a tree.

    Raises:
        TypeError: if there is anything else; the message names the path.
    """
    for index, value in enumerate(values):
        if not isinstance(value, Tensor):
            path = paths(tree)[index][0] or "the root"
            raise TypeError(f"{what} a {type(value).__name__} at {path}, expected a tensor")


def filled(tree: T, new_leaves: list[Tensor]) -> T:
    """Return the tree with as many other leaves: :func:`rebuild` where that is known."""
    return cast("T", _fill(tree, iter(new_leaves)))


def _fill(node: object, remaining: Iterator[Tensor]) -> object:
    if isinstance(node, Tensor):
        return next(remaining)
    children = _children(node)
    return assemble(node, tuple([_fill(child, remaining) for child in children])) if children else node


def filler(tree: T) -> Callable[[list[Tensor]], T]:
    """Return :func:`filled` for one tree, in a quarter of its time: as Python, written for this tree alone.

    Example:
        >>> import torch
        >>> fill = filler((torch.tensor(1), (None, torch.tensor(2))))
        >>> fill([torch.tensor(3), torch.tensor(4)])
        (tensor(3), (None, tensor(4)))
    """
    names: dict[str, Any] = {}
    lines: list[str] = []
    root = _written(tree, count(), names, lines)
    source = "\n    ".join(["def fill(found):", *lines, f"return {root}"])
    exec(source, names)  # noqa: S102 - of numbered names and those of fields, as dataclasses are made by Python itself
    return cast("Callable[[list[Tensor]], T]", names["fill"])


def _written(node: object, places: Iterator[int], names: dict[str, Any], lines: list[str]) -> str:
    """Write the lines that make a node, and return the expression for it."""
    if isinstance(node, Tensor):
        return f"found[{next(places)}]"
    children = _children(node)
    kind = type(node)
    if not children or not leaves(node):
        return _named("kept", node, names)
    parts = [_written(child, places, names, lines) for child in children]
    fields_of_node = _fields(node)
    if fields_of_node is not None:
        parts = [f"{name}={part}" for name, part in zip(fields_of_node, parts, strict=True)]
    made = f"node{len(lines)}"
    lines.append(f"{made} = {'' if kind is tuple else _named('kind', kind, names)}({', '.join(parts)},)")
    return made


def _named(word: str, value: object, names: dict[str, Any]) -> str:
    """Name what the lines take as it is."""
    name = f"{word}{len(names)}"
    names[name] = value
    return name


def _describe(node: object) -> str:
    if isinstance(node, Tensor):
        return f"a tensor of shape {tuple(node.shape)}"
    children = _children(node)
    if children is None:
        return repr(node)
    kind = type(node).__name__
    return f"a tuple of {len(children)}" if kind == "tuple" else kind


@overload
def tree_map(function: Callable[[Tensor], Tensor], tree: T, /) -> T: ...
@overload
def tree_map(function: Callable[[Tensor, Tensor], Tensor], tree: T, second: T, /) -> T: ...
@overload
def tree_map(function: Callable[[Tensor, Tensor, Tensor], Tensor], tree: T, second: T, third: T, /) -> T: ...
@overload
def tree_map(function: Callable[..., Tensor], tree: T, /, *others: T) -> T: ...
def tree_map(function: Callable[..., Tensor], tree: T, /, *others: T) -> T:
    """Apply a function to the corresponding leaves of trees of one structure: ``out[leaf] = function(tree[leaf], ...)``.

    The result has exactly the type of ``tree``.

    Args:
        function: Takes one tensor from each tree and returns a tensor.
        tree: The tree that gives the structure.
        others: More trees of the same structure; their leaves must have the shapes of ``tree``'s.

    Raises:
        TreeError: if two trees differ in structure or in the shape of a leaf; the message names the path.
        TypeError: if the function returns anything but a tensor; likewise.

    Example:
        >>> import torch
        >>> tree_map(torch.add, (torch.tensor(1), torch.tensor(2)), (torch.tensor(10), torch.tensor(20)))
        (tensor(11), tensor(22))
    """
    columns = [leaves(tree)]
    for number, other in enumerate(others, start=2):
        columns.append(leaves_alike(f"tree {number}", other, "tree 1", tree))
    results = [function(*row) for row in zip(*columns, strict=True)]
    _require_tensors("tree_map(): function returned", tree, results)
    return filled(tree, results)


def leaves_of(name: str, tree: object) -> list[Tensor]:
    """List the tensors of a tree that the caller calls by a name.

    Raises:
        TreeError: if it holds a list or a dict; the message has the name.

    Example:
        >>> leaves_of("params", (1, [2]))
        Traceback (most recent call last):
        n2nfun.tree.TreeError: params: a tree holds a list, expected frozen dataclasses and tuples: they do not change
    """
    try:
        return leaves(tree)
    except TreeError as error:
        raise TreeError(f"{name}: {error}") from None


def leaves_alike(name: str, tree: object, expected_name: str, expected: object) -> list[Tensor]:
    """List the tensors of a tree, which must have the structure of another, and leaves of its shapes.

    Args:
        name: What the caller calls ``tree``.
        tree: The tree to check.
        expected_name: What the caller calls ``expected``.
        expected: A tree of the structure and shapes that it should have.

    Raises:
        TreeError: if they differ; the message names the path.

    Example:
        >>> leaves_alike("grads", (1, 2), "params", (1, None))
        Traceback (most recent call last):
        n2nfun.tree.TreeError: grads differs from params at [1]: expected None, got 2
    """
    found: list[Tensor] = []
    try:
        if _collect_alike(expected, tree, found):
            return found
        path, wanted, got = _difference(expected, tree, "")
    except TreeError:  # one of them holds what no tree does
        leaves_of(expected_name, expected)
        leaves_of(name, tree)
        raise
    raise TreeError(
        f"{name} differs from {expected_name} at {path or 'the root'}: expected {_describe(wanted)}, got {_describe(got)}"
    )


def _collect_alike(node: object, other: object, found: list[Tensor]) -> bool:
    """Append the leaves of the second tree, as long as it is like the first; return whether it is to the end."""
    if type(other) is not type(node):
        return False
    if isinstance(node, Tensor):
        assert isinstance(other, Tensor)
        found.append(other)
        return other.shape == node.shape
    children = _children(node)
    if not children:
        return bool(other == node)
    family = _children(other)
    assert family is not None  # it is of the same type
    if len(children) != len(family):
        return False
    for child, counterpart in zip(children, family, strict=True):  # noqa: SIM110 - half the time of all() of a generator
        if not _collect_alike(child, counterpart, found):
            return False
    return True


def _difference(node: object, other: object, path: str) -> tuple[str, object, object]:
    """Go down to the first place where two trees, which are not alike, differ."""
    parts, others = branches(node) or (), branches(other) or ()
    if type(other) is type(node) and len(others) == len(parts):
        for (label, child), (_, counterpart) in zip(parts, others, strict=True):
            if not _collect_alike(child, counterpart, []):
                return _difference(child, counterpart, path + label)
    return path, node, other


def zeros_like(tree: T) -> T:
    """Return the tree with every leaf replaced by zeros of its shape, dtype and device.

    Example:
        >>> import torch
        >>> zeros_like((torch.ones(2), None))
        (tensor([0., 0.]), None)
    """
    return tree_map(torch.zeros_like, tree)


def global_norm(tree: object) -> Tensor:
    """Compute the Euclidean norm of all leaves together: ``sqrt(sum of squares)``, as a 0-d tensor; 0 of no leaves.

    Raises:
        TypeError: if a leaf is not of a floating-point dtype; the message names the path.

    Example:
        >>> import torch
        >>> global_norm((torch.tensor([3.0]), torch.tensor([[4.0]]))).item()
        5.0
    """
    found = leaves(tree)
    if not found:
        return torch.zeros(())
    for index, leaf in enumerate(found):
        if not leaf.is_floating_point():
            path = paths(tree)[index][0]
            raise TypeError(f"global_norm(): tree{path} is {leaf.dtype}, expected a floating-point dtype")
    squares = [leaf.detach().double().square().sum() for leaf in found]
    return torch.stack(squares).sum().sqrt().to(found[0].dtype)
