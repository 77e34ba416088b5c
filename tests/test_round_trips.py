"""Whatever bits a tree holds, a checkpoint gives them back: NaN with all its payloads, -0, infinities, in any layout."""

import os
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor

from n2nfun.checkpoint import load_checkpoint, save_checkpoint
from n2nfun.compose import Sequential
from n2nfun.layer import Shape
from n2nfun.optim import AdamState, SGDState
from n2nfun.testing import networks
from n2nfun.testing.bits import assert_same_bits, bits
from n2nfun.testing.layouts import LAYOUTS
from n2nfun.testing.numbers import seeded, seeds
from n2nfun.train import TrainState
from n2nfun.tree import tree_map, zeros_like
from tests.layer_cases import PAPER
from tests.rounding import DTYPES

Layout = Callable[[Tensor], Tensor]
layouts = st.sampled_from([torch.clone, *LAYOUTS])
dtypes = st.sampled_from(DTYPES)
few = settings(max_examples=settings().max_examples // 4)  # a file takes as long as many sums


def any_bits(shape: Shape, dtype: torch.dtype, generator: torch.Generator) -> Tensor:
    """Make numbers of any bits, each as likely as the others."""
    return torch.randint(256, (*shape, dtype.itemsize), generator=generator, dtype=torch.uint8).view(dtype).view(shape)


def distinct(numbers: Tensor) -> int:
    """Count the different numbers."""
    ordered = numbers.sort().values
    return 1 + int((ordered[1:] != ordered[:-1]).sum())


def test_any_bits_are_of_every_kind() -> None:
    for dtype in DTYPES:
        drawn = any_bits((1 << 16,), dtype, seeded(0))
        assert distinct(bits(drawn)) > 1 << 14
        # One in 2048 is NaN in float64, one in 256 in float32 and bfloat16, one in 32 in float16.
        assert distinct(bits(drawn[drawn.isnan()])) > 10


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Generator[Path]:
    """One file, written again and again, and never waited for until it is on the disk."""
    with patch.object(os, "fsync"):
        yield tmp_path_factory.mktemp("checkpoints") / "a.safetensors"


def assert_comes_back(path: Path, tree: object) -> None:
    save_checkpoint(path, tree, {})
    assert_same_bits(load_checkpoint(path).fill(zeros_like(tree)), tree)


@given(dtype=dtypes, case=networks(), layout=layouts, generator=seeds())
@example(dtype=torch.float32, case=(PAPER, (1, 3, 32, 32)), layout=torch.clone, generator=seeded(0))
@few
def test_training_states_come_back_to_the_bit(
    path: Path, dtype: torch.dtype, case: tuple[Sequential[Any, Any], Shape], layout: Layout, generator: torch.Generator
) -> None:
    def drawn() -> Any:
        params = case[0].init(generator)
        return tree_map(lambda leaf: layout(any_bits(tuple(leaf.shape), dtype, generator)), params)

    for state in (SGDState(drawn()), AdamState(3, drawn(), drawn())):
        assert_comes_back(path, TrainState(drawn(), state, 5))


tensors = st.builds(any_bits, st.lists(st.integers(0, 3), max_size=4).map(tuple), dtypes, seeds())


@given(st.lists(st.tuples(tensors, layouts), max_size=3))
@few
def test_tensors_of_any_shape_come_back_to_the_bit(path: Path, laid: list[tuple[Tensor, Layout]]) -> None:
    assert_comes_back(path, tuple(layout(tensor) for tensor, layout in laid))


scalars = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4).map(tuple),
)


@given(scalars)
@few
def test_what_is_beside_the_tensors_comes_back(path: Path, tree: object) -> None:
    save_checkpoint(path, tree, {})
    assert repr(load_checkpoint(path).fill(tree)) == repr(tree)
