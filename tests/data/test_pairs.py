"""Pairs: what they hold, how they are chosen, and how they are made."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from n2nfun.data import NoiseError, Pairs, PairsError, Subsample, make_pairs, parse_noise
from n2nfun.testing.bits import assert_same_bits
from tests.purity import nothing_changed


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def draw_bytes(*shape: int, seed: int = 0) -> Tensor:
    drawn: Tensor = torch.randint(256, shape, generator=seeded(seed), dtype=torch.uint8)
    return drawn


PHOTOGRAPHS = (draw_bytes(3, 50, 60, seed=1), draw_bytes(3, 70, 45, seed=2), draw_bytes(3, 48, 48, seed=3))


@pytest.mark.parametrize(
    ("first", "second", "clean", "message"),
    [
        (torch.zeros(2, 3, 4), torch.zeros(2, 3, 4), None, r"first has shape (2, 3, 4); expected (pairs, channels, "),
        (torch.zeros(2, 2, 4, 4), torch.zeros(2, 2, 4, 4), None, "with 1 or 3 channels"),
        (
            torch.zeros(2, 1, 0, 4),
            torch.zeros(2, 1, 0, 4),
            None,
            "first has shape (2, 1, 0, 4); expected (pairs, channels, height, width) with 1 or 3 channels, and a height",
        ),
        (torch.zeros(2, 1, 4, 4).half(), torch.zeros(2, 1, 4, 4), None, "first is torch.float16; expected torch.uint8"),
        (
            torch.zeros(2, 1, 4, 4),
            torch.zeros(3, 1, 4, 4),
            None,
            "second is torch.float32 of shape (3, 1, 4, 4); expected torch.float32 of shape (2, 1, 4, 4), as first",
        ),
        (torch.zeros(2, 1, 4, 4), torch.zeros(2, 1, 4, 4).byte(), None, "second is torch.uint8"),
        (torch.zeros(2, 1, 4, 4), torch.zeros(2, 1, 4, 4), torch.zeros(2, 1, 4, 5), "clean is torch.float32"),
    ],
)
def test_pairs_that_do_not_fit_are_refused(first: Tensor, second: Tensor, clean: Tensor | None, message: str) -> None:
    with pytest.raises(PairsError) as caught:
        Pairs(first, second, clean)
    assert message in str(caught.value)


@given(count=st.integers(1, 9), data=st.data(), with_clean=st.booleans())
def test_indexing_makes_values_of_bytes(count: int, data: st.DataObject, with_clean: bool) -> None:
    first, second, clean = (draw_bytes(count, 3, 4, 5, seed=seed) for seed in range(3))
    pairs = Pairs(first, second, clean if with_clean else None)
    assert len(pairs) == count
    indices = torch.tensor(data.draw(st.lists(st.integers(-count, count - 1))), dtype=torch.int64)
    with nothing_changed(first, second, clean, indices):
        chosen = pairs[indices]
    assert torch.equal(chosen.first, first[indices].to(torch.float32) / 255)
    assert torch.equal(chosen.second, second[indices].to(torch.float32) / 255)
    assert (chosen.clean is None) == (not with_clean)
    if chosen.clean is not None:
        assert torch.equal(chosen.clean, clean[indices].to(torch.float32) / 255)
    start, stop = sorted((data.draw(st.integers(0, count)), data.draw(st.integers(0, count))))
    part = pairs.part(start, stop)
    assert torch.equal(part.first, first[start:stop])
    assert part.first.untyped_storage().data_ptr() == first.untyped_storage().data_ptr()
    assert torch.equal(pairs[start:stop].second, second[start:stop].to(torch.float32) / 255)


def test_values_are_left_as_they_are() -> None:
    first = torch.randn(4, 1, 2, 2, generator=seeded())
    assert torch.equal(Pairs(first, first)[torch.tensor([2, 2, 0])].first, first[[2, 2, 0]])


@pytest.mark.parametrize("index", [4, -5])
def test_an_index_outside_is_refused(index: int) -> None:
    pairs = Pairs(torch.zeros(4, 1, 2, 2), torch.zeros(4, 1, 2, 2))
    with pytest.raises(IndexError, match=f"index {index} is outside of the 4 pairs"):
        pairs[torch.tensor([0, index])]


@pytest.mark.parametrize("text", ["subsample:2-4", "gaussian:0-50", "poisson:30", "impulse:0.3", "text:0.25"])
def test_made_pairs_are_those_of_the_noise_model(text: str) -> None:
    noise = parse_noise(text)
    # Not `nothing_changed`: the checker of annotations draws from Python's random numbers for each sequence.
    copies, global_state = [photograph.clone() for photograph in PHOTOGRAPHS], torch.get_rng_state()
    pairs = make_pairs(PHOTOGRAPHS, noise, 20, (9, 11), seeded())
    assert_same_bits(tuple(copies), PHOTOGRAPHS)
    assert torch.equal(torch.get_rng_state(), global_state)
    assert pairs.first.shape == (20, 3, 9, 11)
    assert pairs.first.dtype == (torch.uint8 if isinstance(noise, Subsample) else torch.float32)
    assert pairs.clean is not None
    generator = seeded()
    drawn: set[int] = set()
    for index in range(20):
        chosen = int(torch.randint(0, 3, (), generator=generator))
        drawn.add(chosen)
        pair = noise.pair(PHOTOGRAPHS[chosen], (9, 11), generator)
        one = pairs[index : index + 1]
        assert one.clean is not None
        assert torch.equal(one.first[0], pair.first)
        assert torch.equal(one.second[0], pair.second)
        if isinstance(noise, Subsample):
            # Rounded to the nearest; the sum of the value and 1/2 is below 256 and itself rounded by 2**-17 at most.
            assert (pairs.clean[index].double() - (pair.clean * 255).double()).abs().max() <= 0.5 + 2**-17
        else:
            assert torch.equal(one.clean[0], pair.clean)
    assert drawn == {0, 1, 2}


def test_values_of_eight_bits_are_stored_as_bytes_too() -> None:
    values = [photograph.to(torch.float32) / 255 for photograph in PHOTOGRAPHS]
    expected = make_pairs(PHOTOGRAPHS, Subsample(2, 4), 9, 8, seeded())
    found = make_pairs(values, Subsample(2, 4), 9, 8, seeded())
    assert_same_bits((found.first, found.second), (expected.first, expected.second))


def test_values_of_more_bits_are_stored_as_they_are() -> None:
    values = [*PHOTOGRAPHS, torch.rand(3, 40, 40, generator=seeded())]
    assert make_pairs(values, Subsample(2, 4), 9, 8, seeded()).first.dtype == torch.float32


def test_what_cannot_make_pairs_is_refused() -> None:
    noise = parse_noise("subsample:8-14")
    with pytest.raises(PairsError, match="there are no photographs; expected at least one"):
        make_pairs([], noise, 1, 8, seeded())
    with pytest.raises(PairsError, match="count is 0; expected at least 1"):
        make_pairs(PHOTOGRAPHS, noise, 0, 5, seeded())
    with pytest.raises(PairsError, match=r"the photographs have \[1, 3\] channels; expected one kind"):
        make_pairs([*PHOTOGRAPHS, draw_bytes(1, 50, 50)], noise, 1, 5, seeded())
    with pytest.raises(NoiseError, match="too small for subsample:8-14 at 7x7"):
        make_pairs(PHOTOGRAPHS, noise, 9, 7, seeded())
    with pytest.raises(TypeError, match=r"the photograph is torch\.int64"):
        make_pairs([torch.zeros(3, 50, 50, dtype=torch.int64)], noise, 1, 5, seeded())
    with pytest.raises(ValueError, match=r"size is \(5, -1\)"):
        make_pairs(PHOTOGRAPHS, noise, 1, (5, -1), seeded())


@pytest.mark.parametrize(
    ("count", "gib"),
    [
        (10**13, 6_705_523),
        (10**17, 67_055_225_373),
        (10**20, 67_055_225_372_315),
    ],  # too many bytes, for 64 bits, itself
)
def test_pairs_that_no_memory_holds_are_refused(count: int, gib: int) -> None:
    with pytest.raises(PairsError) as caught:
        make_pairs(PHOTOGRAPHS, parse_noise("subsample:2-4"), count, (8, 10), seeded())
    assert str(caught.value) == (f"{count} pairs of 8x10 need {gib} GiB, more than there is: use fewer or smaller ones")


@pytest.mark.parametrize("text", ["subsample:2-4", "gaussian:25", "text:0.25"])
def test_a_crop_that_does_not_fit_is_refused_before_memory_is_asked_for(text: str) -> None:
    generator = seeded()
    before = generator.get_state()
    with pytest.raises(NoiseError, match=r"the photograph is 50x60, too small for .* 100000x100000"):
        make_pairs(PHOTOGRAPHS, parse_noise(text), 10**11, 100_000, generator)
    with pytest.raises(NoiseError, match="the photograph is 9x9, too small for"):
        make_pairs([*PHOTOGRAPHS, draw_bytes(3, 9, 9)], parse_noise(text), 1, 10, generator)
    assert torch.equal(generator.get_state(), before)
