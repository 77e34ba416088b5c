"""Trees: round trips that keep every type, and differences told with their path."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from n2nfun.layer import NoParams
from n2nfun.layers import ConvParams
from n2nfun.testing.bits import assert_same_bits
from n2nfun.testing.numbers import listed, normal_numbers, seeds
from n2nfun.tree import (
    TreeError,
    assemble,
    branches,
    filler,
    global_norm,
    leaves,
    leaves_alike,
    paths,
    rebuild,
    tree_map,
    walk,
    zeros_like,
)
from tests.purity import assert_outside_autograd, nothing_changed
from tests.refusals import Refusal, each
from tests.rounding import DTYPES, assert_within, gamma


@dataclass(frozen=True, slots=True)
class Node:
    """A dataclass of the kind that params are."""

    left: object
    right: object = None


@dataclass(frozen=True)
class Plain(Node):
    """Another type with the same fields."""


@dataclass(frozen=True, kw_only=True)
class ByName:
    """A dataclass whose constructor takes no places."""

    first: object
    second: object


class Named(NamedTuple):
    """A tuple with names."""

    first: object
    second: object


tensors = st.tuples(st.lists(st.integers(0, 3), max_size=3), seeds()).map(
    lambda drawn: normal_numbers(tuple(drawn[0]), drawn[1], torch.float32)
)
trees = st.recursive(
    tensors | st.none() | st.integers() | st.text(max_size=2) | st.builds(NoParams),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(tuple),
        st.builds(Node, inner, inner),
        st.builds(Plain, inner, inner),
        st.builds(Named, inner, inner),
        st.builds(ByName, first=inner, second=inner),
    ),
    max_leaves=8,
)


def skeleton(tree: object) -> list[tuple[str, object]]:
    """Return all that is no tensor, and where tensors are; the types of the nodes, too."""
    children = branches(tree)
    if children is None:
        return [("", "a tensor" if isinstance(tree, Tensor) else tree)]
    own: list[tuple[str, object]] = [("", type(tree))]
    return own + [(label + path, part) for label, child in children for path, part in skeleton(child)]


@given(trees)
def test_leaves_come_back_in_their_places(tree: object) -> None:
    with nothing_changed(tree):
        again = rebuild(tree, leaves(tree))
    assert type(again) is type(tree)
    assert skeleton(again) == skeleton(tree)
    assert all(one is other for one, other in zip(leaves(tree), leaves(again), strict=True))


@given(trees)
def test_a_prepared_tree_is_filled_again_and_again(tree: object) -> None:
    fill = filler(tree)
    for _ in range(2):
        others = [leaf + 1 for leaf in leaves(tree)]
        with nothing_changed(tree):
            again = fill(others)
        assert type(again) is type(tree)
        assert skeleton(again) == skeleton(tree)
        assert all(one is other for one, other in zip(others, leaves(again), strict=True))


@given(trees)
def test_maps_keep_the_structure(tree: object) -> None:
    doubled = tree_map(lambda leaf: 2 * leaf, tree)
    assert skeleton(doubled) == skeleton(tree)
    assert_same_bits(tuple(leaves(doubled)), tuple(2 * leaf for leaf in leaves(tree)))
    assert_same_bits(tree_map(torch.add, tree, tree), doubled)
    assert_same_bits(tree_map(lambda a, b, c: a + b - c, tree, tree, tree), tree_map(lambda a: a + a - a, tree))
    assert_same_bits(zeros_like(tree), tree_map(torch.zeros_like, tree))


@given(trees)
def test_paths_lead_to_the_leaves(tree: object) -> None:
    found = paths(tree)
    assert [id(leaf) for _, leaf in found] == [id(leaf) for leaf in leaves(tree)]
    for path, leaf in found:
        assert eval("tree" + path, {"tree": tree}) is leaf  # a path is what one would write in Python
    assert [(path, part) for path, part in walk(tree) if isinstance(part, Tensor)] == found


@given(trees)
def test_assembling_branches_gives_the_node(tree: object) -> None:
    children = branches(tree)
    if children is not None:
        again = assemble(tree, tuple(child for _, child in children))
        assert type(again) is type(tree)
        assert skeleton(again) == skeleton(tree)


def test_order() -> None:
    one, two, three, four = (torch.tensor(float(number)) for number in range(1, 5))
    tree = (Node(one, (two, None)), Named(three, "text"), NoParams(), 7, four)
    assert [leaf.item() for leaf in leaves(tree)] == [1, 2, 3, 4]
    assert [path for path, _ in paths(tree)] == ["[0].left", "[0].right[0]", "[1][0]", "[4]"]
    assert [path for path, _ in walk(tree)][:4] == ["[0].left", "[0].right[0]", "[0].right[1]", "[1][0]"]
    assert paths(one) == [("", one)]
    assert leaves(None) == leaves(()) == leaves(NoParams()) == []


def test_types_are_kept() -> None:
    params = (ConvParams(torch.ones(1, 1, 1, 1), None), NoParams())
    doubled = tree_map(lambda leaf: 2 * leaf, params)
    assert_same_bits(doubled, (ConvParams(torch.full((1, 1, 1, 1), 2.0), None), NoParams()))
    named = tree_map(torch.neg, Named(torch.tensor(1.0), None))
    assert type(named) is Named
    assert named.first == torch.tensor(-1.0)


@pytest.mark.parametrize("dtype", DTYPES)
@given(generator=seeds(), sizes=st.lists(st.integers(0, 20), max_size=4))
def test_the_global_norm_is_that_of_all_numbers(
    dtype: torch.dtype, generator: torch.Generator, sizes: list[int]
) -> None:
    tree = tuple(normal_numbers((size,), generator, dtype) for size in sizes)
    norm = global_norm(tree)
    exact = torch.cat([torch.zeros(0, dtype=dtype), *tree]).double().square().sum().sqrt()
    # Both sum in float64; the result is rounded once.
    relative = gamma(1, dtype) + 2 * gamma(sum(sizes) + 4, torch.float64)
    assert norm.dim() == 0
    assert norm.dtype is (dtype if sizes else torch.float32)
    assert_within(norm, exact, relative * exact)


def test_the_global_norm_does_not_overflow_in_its_sum() -> None:
    assert listed(global_norm((torch.tensor([3e30, 4e30]),))) == listed(torch.tensor([5e30]))
    assert_outside_autograd(global_norm((torch.ones(2, requires_grad=True),)))


two = (torch.ones(2), None)
untyped_map: Any = tree_map


def three_of_vectors(leaf: Tensor) -> object:
    return 3 if leaf.dim() == 1 else leaf


def forgets(_leaf: Tensor) -> None:
    return None


untyped_rebuild: Any = rebuild
weight = torch.zeros(4, 3, 2, 2)

REFUSALS = [
    Refusal(lambda: rebuild(two, []), TreeError, "rebuild(): new_leaves has 0 tensors, the tree has 1 leaves"),
    Refusal(
        lambda: rebuild(two, [torch.ones(2)] * 3),
        TreeError,
        "rebuild(): new_leaves has 3 tensors, the tree has 1 leaves",
    ),
    Refusal(
        lambda: untyped_map(torch.add, two, (torch.ones(3), None)),
        TreeError,
        "tree 2 differs from tree 1 at [0]: expected a tensor of shape (2,), got a tensor of shape (3,)",
    ),
    Refusal(
        lambda: untyped_map(torch.add, two, (torch.ones(2), 3)),
        TreeError,
        "tree 2 differs from tree 1 at [1]: expected None, got 3",
    ),
    Refusal(
        lambda: untyped_map(torch.add, (two, 3), (two, 4)),
        TreeError,
        "tree 2 differs from tree 1 at [1]: expected 3, got 4",
    ),
    Refusal(
        lambda: untyped_map(torch.add, two, torch.ones(2)),
        TreeError,
        "tree 2 differs from tree 1 at the root: expected a tuple of 2, got a tensor of shape (2,)",
    ),
    Refusal(
        lambda: untyped_map(torch.add, two, (torch.ones(2),)),
        TreeError,
        "tree 2 differs from tree 1 at the root: expected a tuple of 2, got a tuple of 1",
    ),
    Refusal(
        lambda: untyped_map(torch.add, two, [torch.ones(2), None]),
        TreeError,
        "tree 2: a tree holds a list, expected frozen dataclasses and tuples: they do not change",
    ),
    Refusal(
        lambda: untyped_map(torch.addcmul, two, two, (torch.ones(2), NoParams())),
        TreeError,
        "tree 3 differs from tree 1 at [1]: expected None, got NoParams",
    ),
    Refusal(
        lambda: untyped_map(torch.add, (Node(two),), (Plain(two),)),
        TreeError,
        "tree 2 differs from tree 1 at [0]: expected Node, got Plain",
    ),
    Refusal(
        lambda: untyped_map(torch.add, (Node(1),), (Plain(2),)),
        TreeError,
        "tree 2 differs from tree 1 at [0]: expected Node, got Plain",
    ),
    Refusal(
        lambda: untyped_map(torch.add, (1, (2, 3)), (1, (3,))),
        TreeError,
        "tree 2 differs from tree 1 at [1]: expected a tuple of 2, got a tuple of 1",
    ),
    Refusal(
        lambda: untyped_map(
            torch.add, (NoParams(), ConvParams(weight, torch.zeros(4))), (NoParams(), ConvParams(weight, None))
        ),
        TreeError,
        "tree 2 differs from tree 1 at [1].bias: expected a tensor of shape (4,), got None",
    ),
    Refusal(
        lambda: untyped_map(torch.add, (Node(0, (weight, weight)),), (Node(0, (weight, weight[:1])),)),
        TreeError,
        "tree 2 differs from tree 1 at [0].right[1]: "
        "expected a tensor of shape (4, 3, 2, 2), got a tensor of shape (1, 3, 2, 2)",
    ),
    Refusal(
        lambda: untyped_map(three_of_vectors, (Node(0, (weight, weight[0, 0, 0])),)),
        TypeError,
        "tree_map(): function returned a int at [0].right[1], expected a tensor",
    ),
    Refusal(
        lambda: untyped_map(forgets, weight),
        TypeError,
        "tree_map(): function returned a NoneType at the root, expected a tensor",
    ),
    Refusal(
        lambda: leaves_alike("grads", (1,), "params", ([1],)),
        TreeError,
        "params: a tree holds a list, expected frozen dataclasses and tuples: they do not change",
    ),
    Refusal(
        lambda: global_norm((torch.ones(1), Node(None, torch.ones(1, dtype=torch.int32)))),
        TypeError,
        "global_norm(): tree[1].right is torch.int32, expected a floating-point dtype",
    ),
    Refusal(
        lambda: untyped_rebuild(two, [3]),
        TypeError,
        "rebuild(): new_leaves has a int at [0], expected a tensor",
    ),
]


@each(REFUSALS)
def test_refuses(refusal: Refusal) -> None:
    refusal.check()


@given(trees, trees)
def test_trees_of_different_structure_do_not_map(first: object, second: object) -> None:
    def parts(tree: object) -> list[tuple[str, object]]:
        return [(path, part.shape if isinstance(part, Tensor) else part) for path, part in walk(tree)]

    same = skeleton(first) == skeleton(second) and parts(first) == parts(second)
    if same:
        tree_map(torch.add, first, second)
    else:
        with pytest.raises(TreeError, match=r"^tree 2 differs from tree 1 at "):
            tree_map(torch.add, first, second)


@pytest.mark.parametrize("tree", [[torch.ones(2)], {"weight": torch.ones(2)}, (None, [torch.ones(2)])], ids=repr)
def test_tensors_in_lists_and_dicts_are_refused_rather_than_overlooked(tree: object) -> None:
    with pytest.raises((TypeError, ValueError), match=r"list|dict"):
        tree_map(torch.neg, tree)


def test_keyword_only_fields_are_not_overlooked() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Keywords:
        weight: Tensor

    tree = Keywords(weight=torch.ones(2))
    assert len(leaves(tree)) == 1
    assert_same_bits(tree_map(torch.neg, tree), Keywords(weight=-torch.ones(2)))


def test_a_node_is_assembled_of_all_its_children() -> None:
    with pytest.raises(ValueError, match=r"argument 2 is shorter"):
        assemble(Node(1, 2), (1,))


def test_rebuild_refuses_what_is_no_list() -> None:
    untyped: Any = rebuild
    with pytest.raises(TypeError, match=r"new_leaves is 5, expected"):
        untyped(two, 5)
