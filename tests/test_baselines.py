"""The classical restorers against their definitions, written out, and the choice of their strength."""

import math
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.restoration import denoise_nl_means, denoise_tv_chambolle
from torch import Tensor

from n2nfun.baselines import (
    BASELINES,
    Baseline,
    TunedBaseline,
    gaussian_blur,
    median,
    non_local_means,
    total_variation,
    tune,
    tune_baselines,
)
from n2nfun.metrics import psnr_mean

EPSILON = sys.float_info.epsilon
RESTORERS = {baseline.restorer: baseline.candidates[len(baseline.candidates) // 2] for baseline in BASELINES}


def noisy_images(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    """Values in [-0.25, 1.25]: a noisy image is not clipped."""
    return 1.5 * torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype) - 0.25


def mirrored(image: Tensor, reach: int) -> Tensor:
    """Pad height and width by `reach`, the border pixel repeated once: c b a | a b c | c b a."""
    return torch.as_tensor(np.pad(image.numpy(), [(0, 0), (0, 0), (reach, reach), (reach, reach)], mode="symmetric"))


@pytest.mark.parametrize("sigma", [0.3, 0.65, 2.0])
def test_gaussian_blur_is_a_convolution_with_sampled_normal_weights(sigma: float) -> None:
    images = noisy_images(2, 3, 12, 17, dtype=torch.float64)
    reach = int(4 * sigma + 0.5)
    line = torch.exp(-(torch.arange(-reach, reach + 1, dtype=torch.float64) ** 2) / (2 * sigma**2))
    line = line / line.sum()
    padded, count = mirrored(images, reach), 2 * reach + 1
    rows = sum(line[i] * padded[:, :, i : i + 12] for i in range(count))
    assert isinstance(rows, Tensor)
    expected = sum(line[i] * rows[..., i : i + 17] for i in range(count))
    assert isinstance(expected, Tensor)
    # Weights sum to 1 and values are at most 1.25: each of the two passes, here and there, makes `count` products and sums
    # after weights of `count` + 3 roundings.
    bound = 2 * 2 * 1.25 * (3 * count + 3) * EPSILON
    assert (gaussian_blur(images, sigma) - expected.clamp(0, 1)).abs().max() <= bound


@pytest.mark.parametrize("radius", [0, 0.5, 1, 1.5, 2, 2.3, 3])
def test_median_is_the_middle_value_of_the_disc(radius: float) -> None:
    images = noisy_images(2, 2, 9, 13)
    reach = math.floor(radius)
    padded = mirrored(images, reach)
    disc = [
        padded[:, :, reach + i : reach + i + 9, reach + j : reach + j + 13]
        for i in range(-reach, reach + 1)
        for j in range(-reach, reach + 1)
        if math.hypot(i, j) <= radius
    ]
    expected = torch.stack(disc).median(dim=0).values
    assert torch.equal(median(images, radius), expected.clamp(0, 1))


def test_total_variation_is_scikit_images_of_each_channel() -> None:
    images = noisy_images(2, 3, 9, 13, dtype=torch.float64)
    restored = total_variation(images, 0.1)
    for image, result in zip(images.flatten(0, 1), restored.flatten(0, 1), strict=True):
        expected = denoise_tv_chambolle(image.double().numpy(), weight=0.1)
        assert torch.equal(result, torch.as_tensor(expected).clamp(0, 1))


def test_total_variation_lowers_what_it_minimises() -> None:
    noisy = noisy_images(1, 1, 16, 16, dtype=torch.float64).clamp(0, 1)
    weight = 0.2

    def cost(image: Tensor) -> float:
        down = image.diff(dim=2, append=image[:, :, -1:])
        right = image.diff(dim=3, append=image[..., -1:])
        return float((image - noisy).square().sum() / 2 + weight * (down.square() + right.square()).sqrt().sum())

    best = total_variation(noisy, weight)
    assert cost(best) < cost(noisy) / 2
    assert cost(best) < min(cost(total_variation(noisy, other)) for other in (weight / 2, weight * 2))


@pytest.mark.parametrize("size", [(9, 13), (32, 32)])
def test_non_local_means_of_a_grey_image_is_scikit_images(size: tuple[int, int]) -> None:
    """And so is not turned over: scikit-image's own channel_axis=0 transposes an image of one channel."""
    images = noisy_images(2, 1, *size, dtype=torch.float64)
    restored = non_local_means(images, 0.2)
    for image, result in zip(images, restored, strict=True):
        expected = denoise_nl_means(
            image[0].numpy(), patch_size=5, patch_distance=6, h=0.8 * 0.2, sigma=0.2, preserve_range=True
        )
        assert torch.equal(result[0], torch.as_tensor(expected).clamp(0, 1))


def test_non_local_means_compares_all_channels() -> None:
    images = noisy_images(1, 3, 16, 16)
    apart = torch.cat([non_local_means(channel, 0.3) for channel in images.split_with_sizes([1, 1, 1], dim=1)], dim=1)
    assert not torch.equal(non_local_means(images, 0.3), apart)


@pytest.mark.parametrize("restorer", RESTORERS, ids=lambda restorer: restorer.__name__)
@given(
    shape=st.tuples(st.integers(1, 2), st.integers(1, 5), st.integers(1, 14), st.integers(1, 14)),
    position=st.sampled_from([0, 1, -1]),
)
@settings(max_examples=25, deadline=None)
def test_every_restorer_on_every_shape(restorer: object, shape: tuple[int, int, int, int], position: int) -> None:
    baseline = next(baseline for baseline in BASELINES if baseline.restorer is restorer)
    images = noisy_images(*shape)
    before = images.clone()
    restored = baseline.restorer(images, baseline.candidates[position])
    assert torch.equal(images, before)
    assert restored.shape == images.shape
    assert restored.dtype == images.dtype
    assert 0 <= restored.min() <= restored.max() <= 1
    alone = baseline.restorer(images[-1:], baseline.candidates[position])
    assert torch.equal(restored[-1:], alone)
    strided = images.transpose(2, 3).contiguous().transpose(2, 3)
    assert torch.equal(baseline.restorer(strided, baseline.candidates[position]), restored)


@pytest.mark.parametrize("baseline", BASELINES, ids=lambda baseline: baseline.name)
class TestEach:
    def test_zero_strength_only_clips(self, baseline: Baseline) -> None:
        images = noisy_images(2, 3, 8, 9)
        assert torch.equal(baseline.restorer(images, 0), images.clamp(0, 1))

    def test_a_constant_image_stays(self, baseline: Baseline) -> None:
        images = torch.full((1, 3, 32, 32), 0.625)
        # Averages of up to 37 x 37 equal values in float64, returned in float32: 0.625 is off by far less than half a
        # unit of float32, and comes back exactly.
        for strength in baseline.candidates:
            assert torch.equal(baseline.restorer(images, strength), images)

    def test_half_precision_comes_back(self, baseline: Baseline) -> None:
        images = noisy_images(1, 3, 8, 8, dtype=torch.float32).half()
        restored = baseline.restorer(images, baseline.candidates[1])
        assert restored.dtype == torch.float16
        assert torch.equal(restored, baseline.restorer(images.double(), baseline.candidates[1]).half())

    def test_candidates_are_in_order_and_start_at_zero(self, baseline: Baseline) -> None:
        assert baseline.candidates[0] == 0
        assert list(baseline.candidates) == sorted(set(baseline.candidates))

    def test_refusals(self, baseline: Baseline) -> None:
        images = torch.zeros(1, 1, 8, 8)
        name = baseline.parameter_name.split(",")[0]
        for strength in (-1.0, math.nan, math.inf):
            with pytest.raises(ValueError, match=rf"{name} must be 0 or more and finite, not {strength!r}"):
                baseline.restorer(images, strength)
        with pytest.raises(ValueError, match=r"images must be \(batch, .* not of shape \(8, 8\)"):
            baseline.restorer(images[0, 0], 1.0)
        with pytest.raises(ValueError, match=r"at least one pixel, not of shape \(0, 1, 8, 8\)"):
            baseline.restorer(images[:0], 1.0)
        with pytest.raises(TypeError, match=r"images must hold floating-point values in \[0, 1\], not torch.uint8"):
            baseline.restorer(images.byte(), 1.0)
        with pytest.raises(TypeError, match="images must be a tensor, not ndarray"):
            baseline.restorer(np.zeros((1, 1, 8, 8)), 1.0)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  wrong on purpose


def test_a_large_image_is_restored() -> None:
    images = noisy_images(1, 3, 300, 401)
    for restorer, strength in RESTORERS.items():
        assert restorer(images, strength).shape == images.shape


def add(images: Tensor, offset: float) -> Tensor:
    return images + offset


def test_tune_takes_the_best_mean_psnr() -> None:
    noisy, clean = torch.zeros(2, 1, 4, 4), torch.full((2, 1, 4, 4), 0.5)
    assert tune(add, [0.0, 0.75, 0.375, 1.0], noisy, clean) == 0.375
    # Mean and pooled PSNR disagree on two images of unequal errors: the mean prefers one that is nearly right.
    clean = torch.tensor([0.0, 1.0]).reshape(2, 1, 1, 1)
    assert tune(add, [0.5, 1 / 64], torch.zeros(2, 1, 1, 1), clean) == 1 / 64


def test_tune_takes_the_first_of_equals_and_any_type() -> None:
    noisy, clean = torch.zeros(1, 1, 2, 2), torch.full((1, 1, 2, 2), 0.5)

    def fill(images: Tensor, value: str) -> Tensor:
        return torch.full_like(images, float(value))

    assert tune(fill, ["0.25", "0.75", "0"], noisy, clean) == "0.25"
    assert tune(fill, ["0.75", "0.25", "0.5"], noisy, clean) == "0.5"


def test_tune_refuses_what_it_cannot_judge() -> None:
    noisy, clean = torch.zeros(1, 1, 2, 2), torch.ones(1, 1, 2, 2)
    with pytest.raises(ValueError, match="candidates is empty"):
        tune(add, [], noisy, clean)
    with pytest.raises(ValueError, match="nan for candidate nan"):
        tune(add, [0.0, math.nan], noisy, clean)
    with pytest.raises(ValueError, match="must have one shape"):
        tune(add, [0.0], noisy, clean[..., :1])


def test_tuned_baselines_beat_the_noise_on_other_images() -> None:
    """Smooth images under strong noise, which every one of these restorers is made for."""
    generator = torch.Generator().manual_seed(0)
    ramp = torch.linspace(0.2, 0.8, 32)
    clean = torch.stack([torch.outer(ramp, ramp.flip(0)), torch.outer(ramp, ramp)]).reshape(2, 1, 32, 32).sqrt()
    noisy = clean + 0.1 * torch.randn(clean.shape, generator=generator)
    tuned = tune_baselines(noisy[:1], clean[:1])
    assert [baseline.name for baseline in tuned] == [baseline.name for baseline in BASELINES]
    for chosen, baseline in zip(tuned, BASELINES, strict=True):
        assert chosen == baseline.tuned(noisy[:1], clean[:1])
        assert chosen == TunedBaseline(baseline.name, baseline.parameter_name, baseline.restorer, chosen.parameter)
        assert chosen.parameter == tune(baseline.restorer, baseline.candidates, noisy[:1], clean[:1])
        assert torch.equal(chosen.run(noisy), baseline.restorer(noisy, chosen.parameter))
        assert psnr_mean(chosen.run(noisy[1:]), clean[1:]) > psnr_mean(noisy[1:].clamp(0, 1), clean[1:])
