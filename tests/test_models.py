"""The models: what goes in and out, how far an output sees, and how they start."""

from typing import Any

import pytest
import torch
from torch import Tensor

from n2nfun.losses import MSE
from n2nfun.models import Model, denoiser, paper
from n2nfun.testing.bits import assert_same_bits
from n2nfun.testing.numbers import seeded
from n2nfun.tree import leaves, tree_map
from tests.refusals import Refusal, each

KERNELS = [(down, up) for down in range(1, 7) for up in range(1, 7)]


@pytest.mark.parametrize(("down", "up"), KERNELS)
def test_paper_makes_images_of_the_same_size(down: int, up: int) -> None:
    model = paper(hidden=(2, 3), down_kernel=down, up_kernel=up)
    for height, width in ((4, 4), (8, 4), (12, 32), (64, 20), (512, 768)):
        assert model.layer.output_shape((5, 3, height, width)) == (5, 3, height, width)
    x = torch.rand(2, 3, 8, 12, generator=seeded(0))
    y = model.layer.apply(model.layer.init(seeded(1)), x)
    assert y.shape == x.shape
    assert bool(((y > 0) & (y < 1)).all())


def test_paper_needs_its_multiple() -> None:
    model = paper()
    assert model.multiple == 4
    assert model.layer.output_shape((1, 3, 10, 33)) != (1, 3, 10, 33)


def farthest_dependence(model: Model[Any, Any], size: int) -> int:
    """Return how far an output's gradient reaches, where no two paths to an input cancel and no ReLU is closed."""
    params = tree_map(
        lambda leaf: torch.full_like(leaf, 1 / leaf.numel(), dtype=torch.float64), model.layer.init(seeded(0))
    )
    x = torch.ones(1, model.channels, size, size, dtype=torch.float64)
    y, cache = model.layer.forward(params, x)
    return max(
        farthest(model.layer.backward(params, cache, one_at(y, place))[0], place)
        for place in range(size // 2, size // 2 + 4)
    )


def one_at(like: Tensor, place: int) -> Tensor:
    grad = torch.zeros_like(like)
    grad[..., place, place] = 1
    return grad


def farthest(dx: Tensor, place: int) -> int:
    """Return the largest distance, down or across, of a number that is not 0."""
    reached = dx.ne(0).nonzero()[:, 2:]
    assert len(reached)
    return int((reached - place).abs().max())


@pytest.mark.parametrize(("down", "up"), KERNELS)
def test_papers_halo_is_exact(down: int, up: int) -> None:
    model = paper(hidden=(1, 1), down_kernel=down, up_kernel=up, channels=1)
    assert farthest_dependence(model, 48) == model.halo


def test_denoisers_halo_is_exact() -> None:
    model = denoiser(width=2)
    assert model.multiple == 1
    assert farthest_dependence(model, 20) == model.halo


@pytest.mark.parametrize("channels", [1, 3])
def test_a_denoiser_starts_as_the_identity(channels: int) -> None:
    model = denoiser(width=5, channels=channels)
    params = model.layer.init(seeded(0))
    x = 3 * torch.rand(2, channels, 7, 9, generator=seeded(1)) - 1
    y, cache = model.layer.forward(params, x)
    assert_same_bits(y, x)
    assert_same_bits(model.layer.apply(params, x), x)
    _, loss = MSE().forward(y, torch.zeros_like(y))
    moved = model.layer.gradients(params, cache, MSE().backward(loss))
    assert any(bool(leaf.ne(0).any()) for leaf in leaves(moved)), "it could never learn"


@pytest.mark.parametrize("make", [paper, denoiser])
@pytest.mark.parametrize("channels", [1, 3])
def test_channels_in_are_channels_out(make: Any, channels: int) -> None:
    model: Model[Any, Any] = make(channels=channels)
    assert model.channels == channels
    assert model.layer.output_shape((2, channels, 8, 16)) == (2, channels, 8, 16)


@pytest.mark.parametrize("make", [paper, denoiser])
def test_the_same_seed_gives_the_same_bits(make: Any) -> None:
    model: Model[Any, Any] = make()
    assert_same_bits(model.layer.init(seeded(3)), model.layer.init(seeded(3)))
    first, other = (leaves(model.layer.init(seeded(seed)))[0] for seed in (3, 4))
    assert not torch.equal(first, other)


def test_sizes_out_of_range_are_refused() -> None:
    for call in (
        lambda: paper(hidden=(0, 4)),
        lambda: paper(down_kernel=0),
        lambda: paper(up_kernel=-1),
        lambda: paper(channels=0),
        lambda: denoiser(width=0),
    ):
        with pytest.raises(ValueError, match="expected"):
            call()


# For callers without a type checker.
papers: Any = paper
denoisers: Any = denoiser


@each(
    [
        Refusal(lambda: papers(hidden=16), TypeError, "hidden is 16, expected a pair of ints"),
        Refusal(lambda: papers(hidden=(1, 2, 3)), TypeError, "hidden is (1, 2, 3), expected a pair of ints"),
        Refusal(lambda: papers(hidden=(16, "32")), TypeError, "hidden[1] is '32', expected an int"),
        Refusal(lambda: papers(up_kernel=(3, 5)), TypeError, "up_kernel is (3, 5), expected an int"),
        Refusal(lambda: papers(down_kernel=(2, 2)), TypeError, "down_kernel is (2, 2), expected an int"),
        Refusal(lambda: papers(channels="3"), TypeError, "channels is '3', expected an int"),
        Refusal(lambda: denoisers(width=8.0), TypeError, "width is 8.0, expected an int"),
        Refusal(lambda: denoisers(channels=None), TypeError, "channels is None, expected an int"),
    ]
)
def test_refuses_what_is_no_int(refusal: Refusal) -> None:
    refusal.check()
