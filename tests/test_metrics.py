"""PSNR, SSIM and the blind estimates against scikit-image, exact fractions, and a derived statistical bound."""

import math
import sys
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from skimage.metrics import peak_signal_noise_ratio
from torch import Tensor

from n2nfun.metrics import blind_mse, blind_psnr, mse_each, psnr_each, psnr_mean, psnr_pooled, ssim

EPSILON = sys.float_info.epsilon
PAIRED = [mse_each, psnr_each, psnr_mean, psnr_pooled, ssim]


def bound_in_decibels(values: int) -> float:
    """Bound the difference of two float64 PSNRs in (-inf, 700) dB, each from a mean of `values` squares.

    A mean of n squares of a rounded difference is within a factor 1 ± (n + 4) eps of the truth; -10 log10 turns that
    into 10 / ln(10) * (n + 4) eps dB, and the logarithm and the product round once more each, at most 700 dB of them.
    """
    return 2 * EPSILON * (10 / math.log(10) * (values + 4) + 2 * 700)


@st.composite
def image_pairs(draw: st.DrawFn, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    shape = draw(st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(1, 9), st.integers(1, 9)))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**32)))
    first, second = (torch.rand(shape, generator=generator, dtype=dtype) for _ in range(2))
    return first, second


@given(image_pairs())
def test_each_image_agrees_with_scikit_image(pair: tuple[Tensor, Tensor]) -> None:
    prediction, target = pair
    expected = [
        peak_signal_noise_ratio(t.double().numpy(), p.double().numpy(), data_range=1.0)
        for p, t in zip(prediction, target, strict=True)
    ]
    bound = bound_in_decibels(prediction[0].numel())
    assert np.abs(psnr_each(prediction, target).numpy() - np.array(expected)).max() <= bound
    assert abs(psnr_mean(prediction, target) - math.fsum(expected) / len(expected)) <= bound + 700 * 4 * EPSILON


@given(image_pairs())
def test_pooled_agrees_with_scikit_image_on_the_whole_batch(pair: tuple[Tensor, Tensor]) -> None:
    prediction, target = pair
    expected = peak_signal_noise_ratio(target.double().numpy(), prediction.double().numpy(), data_range=1.0)
    assert abs(psnr_pooled(prediction, target) - expected) <= bound_in_decibels(prediction.numel())


@given(image_pairs())
def test_the_mean_is_never_below_the_pooled(pair: tuple[Tensor, Tensor]) -> None:
    assert psnr_mean(*pair) >= psnr_pooled(*pair) - bound_in_decibels(pair[0].numel())


def test_the_two_psnrs_differ_by_what_jensen_says() -> None:
    prediction = torch.tensor([1.0, 0.0625]).reshape(2, 1, 1, 1)
    target = torch.zeros(2, 1, 1, 1)
    assert torch.equal(mse_each(prediction, target), torch.tensor([1.0, 2.0**-8]).double())
    assert abs(psnr_mean(prediction, target) - 40 * math.log10(2)) <= bound_in_decibels(1)
    assert abs(psnr_pooled(prediction, target) - 10 * math.log10(512 / 257)) <= bound_in_decibels(2)


def test_more_images_than_are_taken_at_once() -> None:
    prediction = torch.arange(150.0).reshape(150, 1, 1, 1)
    assert torch.equal(mse_each(prediction, torch.zeros_like(prediction)), torch.arange(150).double() ** 2)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_every_floating_dtype_is_summed_in_float64(dtype: torch.dtype) -> None:
    prediction = torch.full((1, 1, 64, 64), 2.0**-10, dtype=dtype)  # its square is subnormal in float16
    error = mse_each(prediction, torch.zeros(1, 1, 64, 64))
    assert error.dtype == torch.float64
    assert error.item() == 2.0**-20


def test_the_memory_layout_does_not_matter() -> None:
    images = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    target = torch.zeros(1, 1, 1, 1).expand(2, 3, 8, 8)
    strided = images.to(memory_format=torch.channels_last)
    assert abs(psnr_pooled(strided, target) - psnr_pooled(images, target)) <= bound_in_decibels(images.numel())


def test_gradients_are_left_out() -> None:
    images = torch.full((1, 1, 12, 12), 0.5, requires_grad=True)
    assert abs(psnr_mean(images, torch.ones(1, 1, 12, 12)) - 20 * math.log10(2)) <= bound_in_decibels(144)
    assert ssim(images, images) == 1.0


def test_identical_images_have_an_infinite_psnr() -> None:
    images = torch.rand(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    other = torch.stack([images[0], 1 - images[1]])
    assert torch.equal(psnr_each(images, images), torch.full((2,), math.inf).double())
    assert psnr_mean(other, images) == math.inf
    assert math.isfinite(psnr_pooled(other, images))
    assert psnr_pooled(images, images) == math.inf


def test_ssim_is_the_mean_over_images_of_the_papers_formula() -> None:
    generator = torch.Generator().manual_seed(0)
    prediction, target = (torch.rand(3, 2, 11, 11, generator=generator) for _ in range(2))
    # The 11x11 window fits these images once, so that the formula can be written out for its one position. Beyond the
    # border scikit-image needs nothing, since it drops the 5 pixels next to it.
    offsets = torch.arange(-5, 6, dtype=torch.float64)
    line = torch.exp(-(offsets**2) / (2 * 1.5**2))
    window = torch.outer(line, line) / line.sum() ** 2
    x, y = prediction.double(), target.double()

    def mean(values: Tensor) -> Tensor:
        return (values * window).sum(dim=(2, 3))

    mx, my = mean(x), mean(y)
    vx, vy, cov = mean(x * x) - mx**2, mean(y * y) - my**2, mean(x * y) - mx * my
    c1, c2 = 0.01**2, 0.03**2
    expected = ((2 * mx * my + c1) * (2 * cov + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))).mean().item()
    # Each moment is a sum of 121 products of values up to 1, hence off by at most 242 roundings, here and there; the
    # denominators, mx^2 + my^2 + c1 and vx + vy + c2, are above 0.01 each, which magnifies by at most 1 / 0.01^2.
    assert min((mx**2 + my**2).min().item(), (vx + vy).min().item()) > 0.01
    assert abs(ssim(prediction, target) - expected) <= 4 * 242 * EPSILON / 0.01**2


def test_ssim_of_an_image_with_itself_is_one() -> None:
    images = torch.rand(2, 1, 13, 17, generator=torch.Generator().manual_seed(0))
    assert ssim(images, images) == 1.0
    assert ssim(images, 1 - images) < 0


@pytest.mark.parametrize("size", [(10, 32), (32, 10), (1, 1)])
def test_ssim_refuses_images_smaller_than_its_window(size: tuple[int, int]) -> None:
    images = torch.zeros(1, 3, *size)
    with pytest.raises(ValueError, match=rf"{size[0]}x{size[1]} pixels.*at least 11x11"):
        ssim(images, images)


grey_levels = st.integers(0, 8).map(lambda level: level / 8)  # squares and sums of these are exact


@given(st.lists(st.tuples(grey_levels, grey_levels, grey_levels), min_size=16, max_size=16))
def test_blind_mse_is_its_formula_exactly(pixels: list[tuple[float, float, float]]) -> None:
    restored, first, second = torch.tensor(pixels).T.reshape(3, 2, 1, 4, 2)
    squares = ((Fraction(r) - Fraction(b)) ** 2 - (Fraction(a) - Fraction(b)) ** 2 / 2 for r, a, b in pixels)
    assert Fraction(blind_mse(restored, first, second)) == sum(squares) / len(pixels)


def restored_by_nothing(first: Tensor) -> Tensor:
    return first


def restored_to_grey(first: Tensor) -> Tensor:
    return torch.full_like(first, 0.5)


def restored_by_clipping(first: Tensor) -> Tensor:
    return first.clamp(0.25, 0.5)


@pytest.mark.parametrize("restore", [restored_by_nothing, restored_to_grey, restored_by_clipping])
@pytest.mark.parametrize("clean_level", [0.0, 0.25, 1.0])
def test_blind_mse_is_the_true_mse_over_all_outcomes(restore: Callable[[Tensor], Tensor], clean_level: float) -> None:
    """Over every combination of two noises that take +1/4 and -1/4, the estimate is no estimate but the truth."""
    clean = torch.full((1, 1, 2, 2), clean_level)
    first = clean + torch.tensor([[0.25, 0.25], [-0.25, -0.25]])
    second = clean + torch.tensor([[0.25, -0.25], [0.25, -0.25]])
    restored = restore(first)
    assert blind_mse(restored, first, second) == mse_each(restored, clean).item()


def test_blind_mse_stays_within_its_standard_error() -> None:
    """Seven standard errors, whose excess has a probability of 3e-12, of a mean of 4 million independent values.

    With r - x = e in each pixel, a term is (e - v)^2 - (u - v)^2 / 2 = e^2 - 2 e v + v^2 / 2 + u v - u^2 / 2. Its summands
    are uncorrelated, and for normal noise of variance s its variance is 4 e^2 s + s^2 / 2 + s^2 + s^2 / 2.
    """
    generator = torch.Generator().manual_seed(0)
    shape, sigma, error = (64, 1, 256, 256), 0.1, 0.05
    clean = torch.rand(shape, generator=generator, dtype=torch.float64)
    first, second = (clean + sigma * torch.randn(shape, generator=generator, dtype=torch.float64) for _ in range(2))
    estimate = blind_mse(clean + error, first, second)
    standard_error = math.sqrt((4 * error**2 * sigma**2 + 2 * sigma**4) / clean.numel())
    assert abs(estimate - error**2) <= 7 * standard_error
    assert standard_error < error**2 / 100
    slope = 10 / math.log(10) / (error**2 - 7 * standard_error)
    assert abs(blind_psnr(clean + error, first, second) + 20 * math.log10(error)) <= 7 * slope * standard_error


def test_unequal_noise_shifts_the_estimate_by_half_the_difference() -> None:
    clean = torch.full((1, 1, 2, 2), 0.5)
    first = clean + torch.tensor([[0.25, 0.25], [-0.25, -0.25]])
    second = clean + torch.tensor([[0.5, -0.5], [0.5, -0.5]])
    assert blind_mse(first, first, second) == mse_each(first, clean).item() + (0.25 - 0.0625) / 2


@pytest.mark.parametrize("restored_as", ["zero", "negative"])
def test_blind_psnr_does_not_claim_perfection(restored_as: str) -> None:
    first, second = torch.zeros(1, 1, 2, 2), torch.full((1, 1, 2, 2), 0.5)
    second = second if restored_as == "negative" else torch.zeros_like(second)
    assert blind_mse(second, first, second) == (0.0 if restored_as == "zero" else -0.125)
    assert math.isnan(blind_psnr(second, first, second))


@pytest.mark.parametrize("metric", PAIRED)
def test_refusals(metric: Callable[[Tensor, Tensor], object]) -> None:
    images = torch.zeros(2, 3, 16, 16)
    with pytest.raises(ValueError, match=r"one shape, not \(2, 3, 16, 16\) and \(1, 3, 16, 16\)"):
        metric(images, images[:1])
    with pytest.raises(
        ValueError, match=r"prediction must be \(batch, channels, height, width\), not of shape \(3, 16, 16"
    ):
        metric(images[0], images[0])
    with pytest.raises(ValueError, match=r"target must be \(batch, channels"):
        metric(images, images[0])
    with pytest.raises(TypeError, match=r"prediction must hold floating-point values in \[0, 1\], not torch.uint8"):
        metric(images.byte(), images)
    with pytest.raises(TypeError, match="target must be a tensor, not ndarray"):
        metric(images, np.zeros((2, 3, 16, 16)))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  wrong on purpose
    for empty in (images[:0], images[:, :0], images[..., :0]):
        with pytest.raises(ValueError, match="prediction holds no pixel"):
            metric(empty, empty)


def test_blind_refusals_name_the_argument() -> None:
    images = torch.zeros(2, 3, 4, 4)
    with pytest.raises(ValueError, match="restored and first must have one shape"):
        blind_mse(images[:1], images, images)
    with pytest.raises(ValueError, match="first and second must have one shape"):
        blind_mse(images, images, images[:1])
    with pytest.raises(ValueError, match="restored holds no pixel"):
        blind_psnr(images[:0], images[:0], images[:0])


def test_arguments_are_left_alone() -> None:
    images, target = torch.rand(2, 1, 12, 12, generator=torch.Generator().manual_seed(0)), torch.zeros(2, 1, 12, 12)
    before = images.clone()
    for metric in PAIRED:
        metric(images, target)
    blind_mse(images, images, target)
    assert torch.equal(images, before)
    assert torch.equal(target, torch.zeros_like(target))
