"""SGD next to torch.optim.SGD, through whatever happens in a training: the same bits after every step."""

import io
import os
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias
from unittest.mock import patch

import torch
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, precondition, rule
from torch import Tensor

from n2nfun.checkpoint import load_checkpoint, save_checkpoint
from n2nfun.optim import SGD, SGDState
from n2nfun.testing.bits import assert_same_bits
from n2nfun.testing.numbers import normal_numbers, seeded
from n2nfun.tree import leaves, rebuild, tree_map, zeros_like
from tests.oracle import sgds_twin
from tests.shape_checking import unchecked

Tree: TypeAlias = tuple[Tensor, tuple[Tensor, ...], None]

ENDS = [0.0, -0.0, 1.0, -1.0, 1e-45, -1e-45, 1e-38, 3e38, -3e38, float("inf"), float("-inf"), float("nan")]
rates = st.sampled_from([0, 1, 0.0, 0.01, 0.1, 1e-45, 5e-324]) | st.floats(0, 2)
fractions = st.sampled_from([0.0, 0.5, 0.9, 1]) | st.floats(0, 1.5)
shapes = st.lists(st.integers(0, 3), max_size=3).map(tuple)
seeds = st.integers(0, 2**32 - 1)
legal = st.one_of(
    st.builds(SGD, rates, momentum=fractions, dampening=fractions, weight_decay=fractions),
    st.builds(
        SGD,
        rates,
        momentum=fractions.filter(lambda momentum: momentum > 0),
        weight_decay=fractions,
        nesterov=st.just(value=True),
    ),
)


class Training(RuleBasedStateMachine):
    """The same training twice, here and in PyTorch."""

    saved: Bundle[tuple[Path, bytes, Any]] = Bundle("saved")

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.files = 0
        self.disk = patch.object(os, "fsync")  # nobody waits for it here
        self.disk.start()

    def teardown(self) -> None:
        self.disk.stop()
        self.folder.cleanup()

    @initialize(
        sgd=legal,
        dtype=st.sampled_from([torch.float32, torch.float64]),
        sizes=st.lists(shapes, min_size=1, max_size=4),
        seed=seeds,
        ends=st.booleans(),
    )
    def start(self, sgd: SGD, dtype: torch.dtype, sizes: list[tuple[int, ...]], seed: int, ends: bool) -> None:
        """Begin, with gradients that are sometimes at the ends of the line of numbers."""
        first, *rest = (torch.zeros(size, dtype=dtype) for size in sizes)
        self.sgd, self.ends, self.blank = sgd, ends, (first, tuple(rest), None)
        self.params: Tree = self.drawn(seed)
        self.state: SGDState[Tree] = sgd.init(self.params)
        self.start_the_twin()

    def start_the_twin(self) -> None:
        self.theirs = [leaf.clone().requires_grad_() for leaf in leaves(self.params)]
        self.twin: Any = sgds_twin(self.sgd, self.theirs)

    def drawn(self, seed: int) -> Tree:
        """Make a tree of numbers."""
        generator = seeded(seed)
        return tree_map(lambda leaf: normal_numbers(tuple(leaf.shape), generator, leaf.dtype), self.blank)

    def gradients(self, seed: int) -> Tree:
        """Make gradients, every third of which is at an end of the line of numbers if they are asked for."""
        grads, generator = self.drawn(seed), seeded(seed + 1)
        if not self.ends:
            return grads

        def ended(leaf: Tensor) -> Tensor:
            ends = torch.tensor(ENDS, dtype=torch.float64).to(leaf.dtype)
            chosen = torch.randint(len(ENDS), leaf.shape, generator=generator)
            return torch.where(torch.rand(leaf.shape, generator=generator) < 1 / 3, ends[chosen], leaf)

        return tree_map(ended, grads)

    def step_both(self, seed: int, lr: float | None) -> None:
        grads = self.gradients(seed)
        with unchecked():  # for speed
            self.params, self.state = self.sgd.step(self.params, grads, self.state, lr=lr)
        for leaf, grad in zip(self.theirs, leaves(grads), strict=True):
            leaf.grad = grad.clone()
        self.twin.param_groups[0]["lr"] = self.sgd.lr if lr is None else lr
        self.twin.step()

    @rule(seed=seeds)
    def step(self, seed: int) -> None:
        self.step_both(seed, None)

    @rule(seed=seeds, lr=rates)
    def step_at_another_rate(self, seed: int, lr: float) -> None:
        self.step_both(seed, lr)

    @rule(lr=rates)
    def change_the_rate(self, lr: float) -> None:
        self.sgd = replace(self.sgd, lr=lr)

    @precondition(lambda self: not self.ends)  # 0 times infinity is NaN, there as here
    @rule(seed=seeds)
    def stand_still(self, seed: int) -> None:
        """At a rate of 0 the parameters keep their bits."""
        stood, _ = self.sgd.step(self.params, self.gradients(seed), self.state, lr=0.0)
        assert_same_bits(stood, self.params)

    @rule(target=saved)
    def save(self) -> tuple[Path, bytes, Any]:
        path = Path(self.folder.name) / f"{self.files}.safetensors"
        self.files += 1
        save_checkpoint(path, (self.sgd, self.params, self.state), {})
        stream = io.BytesIO()
        torch.save((self.theirs, self.twin.state_dict()), stream)
        return path, stream.getvalue(), zeros_like((SGD(0.0), self.params, self.state))

    @rule(kept=saved)
    def restore(self, kept: tuple[Path, bytes, Any]) -> None:
        path, content, like = kept
        self.sgd, self.params, self.state = load_checkpoint(path).fill(like)
        params, state = torch.load(io.BytesIO(content))
        self.start_the_twin()
        with torch.no_grad():
            for leaf, old in zip(self.theirs, params, strict=True):
                leaf.copy_(old)
        self.twin.load_state_dict(state)

    @rule(seed=seeds)
    def begin_again(self, seed: int) -> None:
        self.params = self.drawn(seed)
        self.state = self.sgd.init(self.params)
        self.start_the_twin()

    @invariant()
    def the_bits_are_the_same(self) -> None:
        assert_same_bits(self.params, rebuild(self.params, self.theirs))
        buffers = [self.twin.state[leaf].get("momentum_buffer") for leaf in self.theirs]
        if self.state.velocity is None:
            assert buffers == [None] * len(buffers)
        else:
            assert_same_bits(tuple(leaves(self.state.velocity)), tuple(buffers))


TestTraining = Training.TestCase
TestTraining.settings = settings(max_examples=settings().max_examples // 5, stateful_step_count=15)
