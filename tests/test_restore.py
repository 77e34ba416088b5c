"""Restoring whole images: tiles and padding do not show."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from n2nfun.models import Model, denoiser, paper
from n2nfun.restore import restore
from n2nfun.testing.bits import assert_same_bits
from n2nfun.testing.numbers import normal_params, seeded, seeds, whole_numbers
from n2nfun.tree import tree_map
from tests.purity import assert_outside_autograd, nothing_changed
from tests.refusals import Refusal, each

P = TypeVar("P")

MODELS: dict[str, Model[Any, Any]] = {
    "denoiser": denoiser(width=2),
    "grey denoiser": denoiser(width=2, channels=1),
    **{
        f"paper {down} {up}": paper(hidden=(2, 3), down_kernel=down, up_kernel=up)
        for down, up in ((1, 1), (2, 5), (3, 3), (3, 4), (4, 2), (5, 6))
    },
}
every_model = pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
fewer = settings(max_examples=settings().max_examples // 5)  # of each of the eight models


def exact_params(model: Model[P, Any], generator: torch.Generator) -> P:
    """Make parameters with which float64 rounds nothing, in whichever order it adds.

    Pixels are 64ths up to 1.125, weights sixteenths up to 1/2. A sum of n products is in units 16 times as fine, and at
    most n / 2 times as large. The widest model, paper 5 6, adds 75, 50, 108 and 72 products: 7 bits of a pixel, 4 more a
    convolution, and log2(75 * 50 * 108 * 72 / 2**4) < 21 make 44, of float64's 53 (biases are smaller than the sums).
    """
    return tree_map(lambda leaf: whole_numbers(tuple(leaf.shape), generator) / 16, model.layer.init(generator))


def exact_pixels(channels: int, height: int, width: int, generator: torch.Generator) -> Tensor:
    """Make images of 64ths, some of them below 0 or above 1."""
    return torch.randint(-8, 73, (2, channels, height, width), generator=generator).double() / 64


def sizes() -> st.SearchStrategy[int]:
    return st.one_of(st.integers(1, 9), st.integers(1, 50))


@every_model
@fewer
@given(height=sizes(), width=sizes(), tile=st.one_of(st.just(16), st.integers(1, 40)), generator=seeds())
def test_tiles_make_the_same_bits_as_one_piece(
    model: Model[Any, Any], height: int, width: int, tile: int, generator: torch.Generator
) -> None:
    tile = max(tile, max(height, width) // 3)  # 16 tiles show as much as 1000
    params, images = exact_params(model, generator), exact_pixels(model.channels, height, width, generator)
    assert_same_bits(restore(model, params, images, tile=tile), restore(model, params, images))


@pytest.mark.parametrize("name", [name for name in MODELS if name != "paper 1 1"])
def test_without_a_halo_tiles_would_show(name: str) -> None:
    """But for the model whose outputs depend on their own block of 4x4 pixels alone."""
    model = MODELS[name]
    params, images = exact_params(model, seeded(5)), exact_pixels(model.channels, 40, 40, seeded(6))
    whole = restore(model, params, images)
    assert not torch.equal(restore(replace(model, halo=0), params, images, tile=16), whole)


@every_model
@fewer
@given(height=sizes(), width=sizes(), generator=seeds())
def test_one_piece_is_the_mirrored_image_cut(
    model: Model[Any, Any], height: int, width: int, generator: torch.Generator
) -> None:
    params, images = exact_params(model, generator), exact_pixels(model.channels, height, width, generator)
    below, beside = -height % model.multiple, -width % model.multiple
    padded = np.pad(images.numpy(), [(0, 0), (0, 0), (0, below), (0, beside)], mode="reflect")
    y = model.layer.apply(params, torch.as_tensor(padded))
    assert_same_bits(restore(model, params, images), y[:, :, :height, :width].clamp(0, 1).contiguous())


@every_model
@pytest.mark.parametrize("tile", [16, 512])
def test_no_output_depends_on_input_beyond_the_halo(model: Model[Any, Any], tile: int) -> None:
    params = normal_params(model.layer, seeded(0), torch.float32)
    images = torch.rand(1, model.channels, 64, 52, generator=seeded(1))
    before = restore(model, params, images, tile=tile)
    for row, column in ((0, 0), (31, 26), (34, 25), (63, 51)):
        other = images.clone()
        other[:, :, row, column] += 100
        changed = (restore(model, params, other, tile=tile) != before).any(dim=1)[0].nonzero()
        assert bool(((changed - torch.tensor([row, column])).abs() <= model.halo).all())


def test_grey_images_go_through_a_colour_model_as_three_equal_channels() -> None:
    model = MODELS["paper 2 5"]
    params = normal_params(model.layer, seeded(0), torch.float32)
    grey = torch.rand(2, 1, 9, 14, generator=seeded(1))
    expected = restore(model, params, grey.repeat(1, 3, 1, 1)).mean(dim=1, keepdim=True)
    assert_same_bits(restore(model, params, grey), expected)


def test_colour_images_go_through_a_grey_model_channel_by_channel() -> None:
    model = MODELS["grey denoiser"]
    params = exact_params(model, seeded(0))
    colour = exact_pixels(3, 9, 14, seeded(1))
    apart = [restore(model, params, colour[:, channel : channel + 1]) for channel in range(3)]
    assert_same_bits(restore(model, params, colour), torch.cat(apart, dim=1))


@every_model
def test_restoring_is_pure(model: Model[Any, Any]) -> None:
    params = model.layer.init(seeded(0))
    images = 2 * torch.rand(2, model.channels, 11, 13, generator=seeded(1)) - 0.5
    with nothing_changed(params, images):
        restored = restore(model, params, images, tile=8)
    assert_outside_autograd(restored)
    assert restored.untyped_storage().data_ptr() != images.untyped_storage().data_ptr()
    assert 0 <= float(restored.min()) <= float(restored.max()) <= 1
    assert_same_bits(restored, restore(model, params, images, tile=8))


def test_the_memory_layout_does_not_matter() -> None:
    model = MODELS["paper 2 5"]
    params = model.layer.init(seeded(0))
    images = torch.rand(2, 3, 11, 13, generator=seeded(1))
    for layout in (
        images.contiguous(memory_format=torch.channels_last),
        images.transpose(2, 3).contiguous().transpose(2, 3),
    ):
        assert_same_bits(restore(model, params, layout), restore(model, params, images))


@pytest.mark.parametrize("shape", [(0, 3, 8, 8), (2, 3, 0, 8), (0, 1, 4, 4)])
def test_no_images_are_none_restored(shape: tuple[int, ...]) -> None:
    model = MODELS["paper 2 5"]
    assert restore(model, model.layer.init(seeded(0)), torch.zeros(shape)).shape == shape


def refused(images: Any, tile: Any = 512) -> Callable[[], Tensor]:
    model = MODELS["denoiser"]
    return lambda: restore(model, model.layer.init(seeded(0)), images, tile=tile)


@each(
    [
        Refusal(refused([[0.5]]), TypeError, "images is list, expected a tensor of floats in [0, 1]"),
        Refusal(
            refused(torch.zeros(1, 3, 4, 4, dtype=torch.uint8)),
            TypeError,
            "images is torch.uint8, expected a tensor of floats in [0, 1]",
        ),
        Refusal(
            refused(torch.zeros(3, 4, 4)),
            ValueError,
            "images has shape (3, 4, 4), expected (batch, 1 or 3 channels, height, width)",
        ),
        Refusal(
            refused(torch.zeros(1, 2, 4, 4)),
            ValueError,
            "images has shape (1, 2, 4, 4), expected (batch, 1 or 3 channels, height, width)",
        ),
        Refusal(refused(torch.zeros(1, 3, 4, 4), tile=0), ValueError, "tile is 0, expected an int of at least 1"),
        Refusal(refused(torch.zeros(1, 3, 4, 4), tile="a"), TypeError, "tile is 'a', expected an int"),
        Refusal(refused(torch.zeros(1, 3, 4, 4), tile=2.5), TypeError, "tile is 2.5, expected an int"),
    ]
)
def test_refusals(refusal: Refusal) -> None:
    refusal.check()


def test_another_dtype_than_the_parameters_is_refused() -> None:
    with pytest.raises(TypeError, match=r"float64.*float32|float32.*float64"):
        refused(torch.zeros(1, 3, 4, 4, dtype=torch.float64))()
