"""The order and augmentation of batches: functions of the seed and the step."""

from itertools import islice

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from n2nfun.data import Pairs
from n2nfun.data.batches import Augmentation, BatchOrder


def numbered(count: int, size: int = 2) -> Pairs:
    """Pairs whose values say which pair they are, second = first + 1000."""
    first = torch.arange(count * size * size, dtype=torch.float32).view(count, 1, size, size)
    return Pairs(first, first + 1000)


def which(x: Tensor, size: int = 2) -> list[int]:
    return [int(value) // (size * size) for value in x[:, 0, 0, 0]]


def numbers(image: Tensor) -> list[float]:
    return [float(value) for value in image.flatten()]


@given(count=st.integers(1, 12), batch_size=st.integers(1, 14), seed=st.integers(0, 2**40))
def test_each_epoch_takes_every_pair_once_in_a_new_order(count: int, batch_size: int, seed: int) -> None:
    order = BatchOrder(numbered(count), batch_size, seed)
    assert order.steps_per_epoch == -(-count // batch_size)
    for epoch in range(2):
        steps = range(epoch * order.steps_per_epoch, (epoch + 1) * order.steps_per_epoch)
        taken = [index for step in steps for index in which(order.batch(step).x)]
        assert sorted(taken) == list(range(count))


def test_epochs_and_seeds_differ() -> None:
    orders = [which(BatchOrder(numbered(50), 50, seed).batch(step).x) for seed in (0, 1) for step in (0, 1)]
    assert len({tuple(order) for order in orders}) == 4


@given(start=st.integers(0, 11), crop=st.sampled_from([None, 1, 3]))
def test_batches_from_any_step_on_are_those_of_each_step(start: int, crop: int | None) -> None:
    order = BatchOrder(numbered(7, size=4), 3, 5, Augmentation(crop=crop))
    for step, batch in enumerate(islice(order.batches(start), 7), start=start):
        alone = order.batch(step)
        assert torch.equal(batch.x, alone.x)
        assert torch.equal(batch.target, alone.target)


@given(
    seed=st.integers(0, 2**32),
    flips=st.booleans(),
    turns=st.booleans(),
    swap=st.booleans(),
    wide=st.booleans(),
    crop=st.booleans(),
)
def test_what_is_done_to_inputs_is_done_to_targets(
    seed: int, flips: bool, turns: bool, swap: bool, wide: bool, crop: bool
) -> None:
    first = torch.arange(2 * 4 * (6 if wide else 4), dtype=torch.float32).view(2, 1, 4, -1)
    augmentation = Augmentation(flips, turns, swap, 3 if crop else None)
    before = torch.random.get_rng_state()
    batch = augmentation(first, first + 1000, torch.Generator().manual_seed(seed))
    assert torch.equal(torch.random.get_rng_state(), before)
    low, high = (batch.x, batch.target) if batch.x.max() < 1000 else (batch.target, batch.x)
    assert torch.equal(high - low, torch.full_like(low, 1000))
    assert swap or batch.x is low
    assert batch.x.shape == ((2, 1, 3, 3) if crop else first.shape)
    if not (flips or turns or crop):
        assert torch.equal(low, first)
    for image, source in zip(low, first, strict=True):
        assert set(numbers(image)) <= set(numbers(source))
        assert len(set(numbers(image))) == image.numel()


def test_all_eight_positions_and_both_roles_occur() -> None:
    first = torch.arange(4.0).view(1, 1, 2, 2)
    seen = {
        tuple(numbers(Augmentation()(first, first + 1000, torch.Generator().manual_seed(seed)).x))
        for seed in range(200)
    }
    assert len(seen) == 16


def test_refusals() -> None:
    with pytest.raises(ValueError, match="batch_size is 0, expected at least 1"):
        BatchOrder(numbered(2), 0, 0)
    with pytest.raises(ValueError, match="pairs is empty, expected at least one pair"):
        BatchOrder(Pairs(torch.zeros(0, 1, 2, 2), torch.zeros(0, 1, 2, 2)), 1, 0)
    with pytest.raises(ValueError, match="crop is 0, expected at least 1, or None"):
        Augmentation(crop=0)
    with pytest.raises(ValueError, match="crop is 3, expected at most 2, the size of the images"):
        BatchOrder(numbered(2), 1, 0, Augmentation(crop=3)).batch(0)
