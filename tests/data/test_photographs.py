"""The photographs that come with scikit-image."""

import pytest
import torch

from n2nfun.data import HELD_OUT, PHOTOGRAPHS, TRAINING, held_out_photographs, load_photograph, training_photographs


def test_every_photograph_is_either_learned_from_or_held_out() -> None:
    assert sorted([*TRAINING, *HELD_OUT]) == sorted(PHOTOGRAPHS)


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_a_photograph_is_colour_of_eight_bits_with_a_licence(name: str) -> None:
    photograph = load_photograph(name)
    assert photograph.dtype == torch.float32
    assert photograph.shape[0] == 3
    assert min(photograph.shape[1:]) >= 256  # enough for blocks of 8 pixels in images of 32
    assert torch.equal((photograph * 255).round() / 255, photograph)
    assert not torch.equal(photograph[0], photograph[2])
    assert (PHOTOGRAPHS[name].name, PHOTOGRAPHS[name].licence in {"CC0", "public domain"}) == (name, True)


def test_the_sets_hold_the_named_photographs() -> None:
    for names, photographs in ((TRAINING, training_photographs()), (HELD_OUT, held_out_photographs())):
        for name, photograph in zip(names, photographs, strict=True):
            assert torch.equal(photograph, load_photograph(name))


def test_an_unknown_photograph_is_refused() -> None:
    with pytest.raises(ValueError, match="no photograph has the name 'lena'; expected one of astronaut, chelsea"):
        load_photograph("lena")
