"""Trees laid on each other and taken apart again."""

from typing import Any

import pytest
import torch

from n2nfun.layers import ConvParams
from n2nfun.stacking import stack, unstack
from n2nfun.testing.bits import assert_same_bits
from n2nfun.testing.numbers import seeded
from n2nfun.tree import TreeError, leaves
from tests.layer_cases import BETTER, PAPER
from tests.purity import assert_outside_autograd, nothing_changed
from tests.refusals import Refusal, each

TREES = [(PAPER.init(seeded(seed)), (BETTER.init(seeded(seed)), None, 7)) for seed in range(3)]


@pytest.mark.parametrize("count", [1, 3])
def test_what_is_stacked_comes_apart(count: int) -> None:
    with nothing_changed(*TREES):
        stacked = stack(TREES[:count])
    for place, leaf in enumerate(leaves(stacked)):
        assert_same_bits(leaf, torch.stack([leaves(tree)[place] for tree in TREES[:count]]))
    with nothing_changed(stacked):
        found = unstack(stacked)
    assert len(found) == count
    for tree, expected in zip(found, TREES, strict=False):
        assert_same_bits(tree, expected)
        assert tree[1][1:] == (None, 7)


def test_stacks_are_memory_of_their_own_and_outside_autograd() -> None:
    leaf = torch.ones(2, requires_grad=True)
    stacked = stack([(leaf,)])
    assert_outside_autograd(stacked, unstack((leaf,)))
    stacked[0].zero_()
    assert torch.equal(leaf.detach(), torch.ones(2))


stacking: Any = stack  # for callers without a type checker
one, two = (torch.ones(2),), (torch.ones(3),)
REFUSALS = [
    Refusal(lambda: stacking([]), ValueError, "stack(): trees is empty, expected at least one tree"),
    Refusal(
        lambda: stacking(iter([one])),
        TypeError,
        "stack(): trees is a list_iterator, expected a list or tuple of at least one tree",
    ),
    Refusal(
        lambda: stack([one, two]),
        TreeError,
        "trees[1] differs from trees[0] at [0]: expected a tensor of shape (2,), got a tensor of shape (3,)",
    ),
    Refusal(
        lambda: stacking([(1, one), (2, one)]), TreeError, "trees[1] differs from trees[0] at [0]: expected 1, got 2"
    ),
    Refusal(
        lambda: stack([one, (torch.ones(2).double(),)]),
        TypeError,
        "stack(): trees[1][0] is torch.float64 on cpu, expected as trees[0][0], torch.float32 on cpu",
    ),
    Refusal(
        lambda: stack(
            [ConvParams(torch.ones(1, 1, 1, 1), None), ConvParams(torch.ones(1, 1, 1, 1, device="meta"), None)]
        ),
        TypeError,
        "stack(): trees[1].weight is torch.float32 on meta, expected as trees[0].weight, torch.float32 on cpu",
    ),
    Refusal(
        lambda: stacking([[torch.ones(2)]]),
        TreeError,
        "trees[0]: a tree holds a list, expected frozen dataclasses and tuples: they do not change",
    ),
    Refusal(
        lambda: unstack((None, 1)),
        TreeError,
        "unstack(): tree has no tensors, and so nothing that says how many trees it is",
    ),
    Refusal(lambda: unstack((*one, *two)), TreeError, "unstack(): tree[1] has shape (3,), expected a first axis of 2"),
    Refusal(
        lambda: unstack((torch.ones(()),)), TreeError, "unstack(): tree[0] has shape (), expected a first axis of 1"
    ),
]


@each(REFUSALS)
def test_refuses(refusal: Refusal) -> None:
    refusal.check()
