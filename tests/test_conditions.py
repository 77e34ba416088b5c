"""Planted defects are found, each under its own name, and sound pairs pass."""

import math
from statistics import NormalDist

import pytest
import torch
from torch import Tensor

from n2nfun.conditions import UNSEEN, Conditions, Estimate, inspect_pairs

SIGMA = 0.1
COLOUR, GREY, ONE_LARGE = (80, 3, 32, 32), (300, 1, 24, 20), (1, 3, 200, 333)
SHAPES = [COLOUR, GREY, ONE_LARGE]
ids = str


def scene(shape: tuple[int, ...], seed: int = 1, shift: tuple[float, float] = (0.0, 0.0)) -> Tensor:
    """Sums of 12 waves of at most 0.5 radians a pixel; `shift` displaces the content down and right, exactly."""
    batch, channels, height, width = shape
    generator = torch.Generator().manual_seed(seed)
    frequencies = torch.rand(2, batch, 12, 1, 1, generator=generator) - 0.5
    phases = 2 * math.pi * torch.rand(batch, 12, 1, 1, generator=generator)
    down = torch.arange(height).reshape(1, 1, -1, 1) - shift[0]
    right = torch.arange(width).reshape(1, 1, 1, -1) - shift[1]
    waves = torch.cos(frequencies[0] * down + frequencies[1] * right + phases)
    mix = torch.rand(batch, channels, 12, generator=generator) - 0.5
    return 0.5 + 0.15 * torch.einsum("bcw,bwij->bcij", mix, waves)


def white(shape: tuple[int, ...], seed: int) -> Tensor:
    return SIGMA * torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def failed(found: Conditions) -> set[str]:
    return {finding.name for finding in found.verdict() if not finding.holds}


def value_of(found: Conditions, name: str) -> str:
    return next(finding.value for finding in found.verdict() if finding.name == name)


def near(estimate: Estimate, truth: float, found: Conditions) -> bool:
    """Within as many standard errors as a false alarm would need."""
    return abs(estimate.value - truth) <= found.threshold * estimate.error


@pytest.mark.parametrize("shape", SHAPES, ids=ids)
@pytest.mark.parametrize("seed", [10, 20, 30])
def test_sound_pairs_pass(shape: tuple[int, ...], seed: int) -> None:
    clean = scene(shape, seed)
    found = inspect_pairs(clean + white(shape, seed + 1), clean + white(shape, seed + 2))
    assert failed(found) == set()
    assert found.training_holds
    assert found.blind_psnr_holds
    values = clean[:, 0].numel()
    for noise in found.noise:  # sigma^2 is a mean of squares: its relative error is sqrt(2 / n), that of sigma the half
        assert abs(noise / SIGMA - 1) <= found.threshold / math.sqrt(2 * values)
    for estimate in (*found.bias, found.gain, found.imbalance, found.variance_slope):
        assert near(estimate, 0, found)
    for estimate in (found.horizontal, found.vertical, found.diagonal, found.antidiagonal, *(found.shift or ())):
        assert near(estimate, 0, found)
    assert found.shift is not None
    assert found.cut_in_one == 0


@pytest.mark.parametrize("shape", SHAPES, ids=ids)
def test_bias_of_one_channel_is_found(shape: tuple[int, ...]) -> None:
    clean, offset = scene(shape), torch.zeros(shape[1], 1, 1)
    offset[-1] = 0.02
    found = inspect_pairs(clean + white(shape, 1), clean + white(shape, 2) + offset)
    assert failed(found) == {"bias"}
    assert not found.training_holds
    assert not found.blind_psnr_holds
    assert all(near(bias, -float(c), found) for bias, c in zip(found.bias, offset, strict=True))


def test_a_certain_but_harmless_bias_is_let_pass() -> None:
    clean, tolerated = scene(COLOUR), math.sqrt(0.1 * (10**0.01 - 1)) * SIGMA
    for factor, expected in ((0.7, set[str]()), (1.3, {"bias"})):
        found = inspect_pairs(clean + white(COLOUR, 1) + factor * tolerated, clean + white(COLOUR, 2))
        assert all(bias.z > found.threshold for bias in found.bias)
        assert failed(found) == expected


def test_exposure_that_varies_from_image_to_image_is_no_bias() -> None:
    """The images are the independent samples: 80 random offsets, however sure each is, show no common one."""
    clean, flicker = scene(COLOUR), 0.02 * torch.randn(80, 1, 1, 1, generator=torch.Generator().manual_seed(5))
    found = inspect_pairs(clean + white(COLOUR, 1) + flicker, clean + white(COLOUR, 2))
    assert all(near(bias, 0, found) for bias in found.bias)
    assert "bias" not in failed(found)


@pytest.mark.parametrize("shape", SHAPES, ids=ids)
def test_a_difference_of_contrast_is_found(shape: tuple[int, ...]) -> None:
    clean = scene(shape)
    found = inspect_pairs(0.5 + 1.1 * (clean - 0.5) + white(shape, 1), 0.5 + 0.9 * (clean - 0.5) + white(shape, 2))
    assert "contrast" in failed(found)
    assert not found.training_holds
    # The noise of the four neighbours' means flattens the slope by sigma^2 / 8 of their variance (each of four means of two).
    flattened = 0.2 * (1 - SIGMA**2 / 8 / found.brightness_spread**2)
    assert near(found.gain, flattened, found)


@pytest.mark.parametrize("shape", SHAPES, ids=ids)
@pytest.mark.parametrize("excess", [0.25, 0.0125, -0.25])
def test_unequal_noise_is_found_and_touches_the_blind_psnr_only(shape: tuple[int, ...], excess: float) -> None:
    clean = scene(shape)
    found = inspect_pairs(clean + (1 + excess) * white(shape, 1), clean + (1 - excess) * white(shape, 2))
    assert failed(found) == {"equal noise"}
    assert found.training_holds
    assert not found.blind_psnr_holds
    variances = (1 + excess) ** 2, (1 - excess) ** 2
    assert near(found.imbalance, (variances[0] - variances[1]) / ((variances[0] + variances[1]) / 2), found)
    sentence = next(finding.sentence for finding in found.verdict() if finding.name == "equal noise")
    assert f"the blind MSE is off by {'-' if excess > 0 else '+'}0.00" in sentence


def test_unequal_noise_is_measured_right_where_it_is_correlated() -> None:
    clean = scene(COLOUR)
    noises = [smoothed(white((80, 3, 33, 32), seed)) for seed in (1, 2)]
    found = inspect_pairs(clean + 1.25 * noises[0], clean + 0.75 * noises[1])
    assert near(found.imbalance, (1.25**2 - 0.75**2) / ((1.25**2 + 0.75**2) / 2), found)


@pytest.mark.parametrize("shape", SHAPES, ids=ids)
@pytest.mark.parametrize(
    "shift", [(0.0, 1.0), (1.0, -1.0), (-2.0, 0.0), (0.25, 0.0), (-0.2, 0.3), (2.25, -1.25)], ids=ids
)
def test_a_shift_is_found_and_measured(shape: tuple[int, ...], shift: tuple[float, float]) -> None:
    found = inspect_pairs(scene(shape) + white(shape, 1), scene(shape, shift=shift) + white(shape, 2))
    assert "alignment" in failed(found)
    assert not found.training_holds
    assert found.shift is not None
    for estimate, truth in zip(found.shift, shift, strict=True):
        # Of one wave of frequency w <= 1/2 sqrt(2) along the rest r of the shift the estimate is tan(w r) / sin(w) instead of r.
        rest = max(abs(part - round(part)) for part in shift) * math.sqrt(2)
        w = math.sqrt(0.5)
        linearisation = math.tan(w * rest) / math.sin(w) - rest
        assert abs(estimate.value - truth) <= found.threshold * estimate.error + linearisation


def test_a_few_strong_edges_do_not_hide_a_shift() -> None:
    """A tenth of the images has ten times the contrast, so that the mean over all rests on eight of them."""
    contrast = torch.ones(80, 1, 1, 1)
    contrast[::10] = 10
    first, second = (contrast * (scene(COLOUR, shift=(0.0, shift)) - 0.5) for shift in (0.0, 2.0))
    found = inspect_pairs(first + white(COLOUR, 1), second + white(COLOUR, 2))
    assert "alignment" in failed(found)
    assert found.shift is not None
    assert abs(found.shift[1].value - 2) < 0.5


def test_a_few_very_noisy_images_do_not_hide_the_others_shift() -> None:
    strength = torch.ones(80, 1, 1, 1)
    strength[::10] = 30
    moved = scene(COLOUR, shift=(0.0, 1.0))
    found = inspect_pairs(scene(COLOUR) + strength * white(COLOUR, 1), moved + strength * white(COLOUR, 2))
    assert found.shift_z == math.inf


def test_a_certain_but_harmless_shift_is_let_pass() -> None:
    first, second = 3 * scene(COLOUR), 3 * scene(COLOUR, shift=(0.0, 0.04))
    found = inspect_pairs(first + white(COLOUR, 1), second + white(COLOUR, 2))
    assert found.shift_z > found.threshold
    assert found.shift is not None
    assert near(found.shift[1], 0.04, found)
    assert failed(found) == set()


def test_a_shift_that_would_do_harm_but_is_not_certain_is_let_pass() -> None:
    shape, harmful = (1, 1, 32, 32), False
    for seed in range(20):
        found = inspect_pairs(
            scene(shape, seed) + white(shape, seed + 50), scene(shape, seed) + white(shape, seed + 90)
        )
        assert "alignment" not in failed(found)
        harmful |= found.shift_error > 0.1 * (10**0.01 - 1)
    assert harmful


def test_a_shift_costs_what_it_adds_to_the_squared_error() -> None:
    shape, shift = COLOUR, (0.0, 0.25)
    clean, moved = scene(shape), scene(shape, shift=shift)
    found = inspect_pairs(clean + white(shape, 1), moved + white(shape, 2))
    true_cost = float((clean - moved).square().mean()) / SIGMA**2
    assert found.shift is not None
    relative_error = 2 * found.threshold * found.shift[1].error / found.shift[1].value
    assert abs(found.shift_error / true_cost - 1) <= relative_error


@pytest.mark.parametrize("seed", range(0, 10, 2))
def test_flat_images_have_no_alignment_to_judge(seed: int) -> None:
    found = inspect_pairs(0.5 + white(COLOUR, seed), 0.5 + white(COLOUR, seed + 1))
    assert found.shift is None
    assert value_of(found, "alignment") == "not measurable"
    assert failed(found) == set()


def test_stripes_are_measured_across_only() -> None:
    stripes = 0.5 + 0.3 * torch.cos(0.5 * torch.arange(33.0)).expand(80, 1, 32, 33)
    found = inspect_pairs(stripes[..., 1:] + white((80, 1, 32, 32), 1), stripes[..., :-1] + white((80, 1, 32, 32), 2))
    assert failed(found) >= {"alignment"}
    assert found.shift is not None
    assert found.shift[0].error == math.inf
    assert abs(found.shift[0].value) < 0.5
    assert near(found.shift[1], 1, found)


def smoothed(noise: Tensor) -> Tensor:
    """Mean of each value and the one below, at the strength of one: correlation 1/2 in columns, one row less."""
    return (noise[..., 1:, :] + noise[..., :-1, :]) / math.sqrt(2)


def test_correlation_between_neighbours_is_found_with_its_direction() -> None:
    clean = scene(COLOUR)
    found = inspect_pairs(clean + smoothed(white((80, 3, 33, 32), 1)), clean + smoothed(white((80, 3, 33, 32), 2)))
    assert failed(found) == {"neighbouring pixels"}
    assert found.training_holds
    assert found.blind_psnr_holds
    assert near(found.vertical, 0.5, found)
    for other in (found.horizontal, found.diagonal, found.antidiagonal):
        assert near(other, 0, found)


@pytest.mark.parametrize("falling", [True, False])
def test_the_two_diagonals_are_told_apart(falling: bool) -> None:
    noises = [white((80, 3, 33, 33), seed) for seed in (1, 2)]
    if falling:
        noises = [(noise[..., 1:, 1:] + noise[..., :-1, :-1]) / math.sqrt(2) for noise in noises]
    else:
        noises = [(noise[..., 1:, :-1] + noise[..., :-1, 1:]) / math.sqrt(2) for noise in noises]
    found = inspect_pairs(scene(COLOUR) + noises[0], scene(COLOUR) + noises[1])
    assert near(found.diagonal, 0.5 if falling else 0, found)
    assert near(found.antidiagonal, 0 if falling else 0.5, found)


def test_channels_may_be_correlated() -> None:
    """Noise that takes one pixel for all channels, as the subsample noise does, is no fault."""
    clean = scene(COLOUR)
    found = inspect_pairs(clean + white((80, 1, 32, 32), 1), clean + white((80, 1, 32, 32), 2))
    assert failed(found) == set()
    # Adding the clean image rounded each noise by 2^-24, hence a difference, of spread sigma sqrt(2), by 2^-23.
    rounding = 2**-23 / (SIGMA * math.sqrt(2))
    assert all(abs(value - 1) <= 4 * rounding for row in found.channels for value in row)
    assert value_of(found, "channels") == "correlation of the noise between channels up to 1.00"
    independent = inspect_pairs(clean + white(COLOUR, 1), clean + white(COLOUR, 2))
    for i, row in enumerate(independent.channels):
        for j, value in enumerate(row):
            assert abs(value - (i == j)) <= independent.threshold * math.sqrt(2 / clean[:, 0].numel())


def test_a_grey_image_has_no_finding_about_channels() -> None:
    found = inspect_pairs(scene(GREY) + white(GREY, 1), scene(GREY) + white(GREY, 2))
    assert "channels" not in {finding.name for finding in found.verdict()}


@pytest.mark.parametrize("where", ["bright", "dark"])
def test_noise_that_follows_the_brightness_is_seen_and_allowed(where: str) -> None:
    clean = scene(COLOUR)
    strength = (clean if where == "bright" else 1 - clean) / 0.5
    assert strength.min() > 0
    found = inspect_pairs(clean + strength * white(COLOUR, 1), clean + strength * white(COLOUR, 2))
    assert failed(found) == {"noise against brightness"}
    assert where in next(f.sentence for f in found.verdict() if f.name == "noise against brightness")
    assert found.training_holds
    assert found.blind_psnr_holds


def test_the_slope_of_a_variance_proportional_to_brightness() -> None:
    clean = scene(COLOUR)
    noises = [clean.sqrt() / math.sqrt(0.5) * white(COLOUR, seed) for seed in (1, 2)]
    found = inspect_pairs(clean + noises[0], clean + noises[1])
    # Relative to its mean it is 1 / mean; the neighbours' own noise, sigma^2 / 8, flattens it.
    flattened = (1 - SIGMA**2 / 8 / found.brightness_spread**2) / float(clean.mean())
    assert near(found.variance_slope, flattened, found)


def test_standard_errors_are_the_spread_over_repetitions() -> None:
    """With every defect planted at once, so that no term is near zero.

    The variance of 40 values is a 39th of a chi-square variable, which lies in [10.5, 95] up to a probability of 3e-6.
    """
    shape, repetitions = (80, 1, 16, 16), 40
    clean = scene(shape)
    brighter = 0.5 + 1.2 * (scene(shape, shift=(0.2, -0.3)) - 0.5)
    runs = [
        inspect_pairs(
            clean + smoothed(clean.new_tensor(1.5) * white((80, 1, 17, 16), 2 * seed)),
            brighter + white(shape, 2 * seed + 1) + 0.02,
        )
        for seed in range(repetitions)
    ]
    for name in ("gain", "imbalance", "horizontal", "vertical", "diagonal", "antidiagonal", "shared", "variance_slope"):
        estimates: list[Estimate] = [getattr(run, name) for run in runs]
        assert 10.5 < spread_in_errors(estimates) < 95, name
    for axis in (0, 1):
        shifts = [run.shift[axis] for run in runs if run.shift is not None]
        assert len(shifts) == repetitions
        assert 10.5 < spread_in_errors(shifts) < 95


def test_the_standard_error_of_a_ratio_knows_that_both_parts_vary_together() -> None:
    shape = (80, 1, 16, 16)
    first, second = 1.2 * scene(shape), 0.8 * scene(shape)
    gains = [
        inspect_pairs(first + 0.3 * white(shape, 2 * seed), second + 0.3 * white(shape, 2 * seed + 1)).gain
        for seed in range(40)
    ]
    assert 10.5 < spread_in_errors(gains) < 95


def spread_in_errors(estimates: list[Estimate]) -> float:
    """Squared deviations from the mean, in units of the mean squared standard error."""
    values = [estimate.value for estimate in estimates]
    mean = math.fsum(values) / len(values)
    error = math.fsum(estimate.error**2 for estimate in estimates) / len(values)
    return math.fsum((value - mean) ** 2 for value in values) / error


def test_clipping_is_seen() -> None:
    clean = 2 * scene(COLOUR) - 0.5
    clean = clean.clamp(0, 1)
    found = inspect_pairs((clean + white(COLOUR, 1)).clamp(0, 1), (clean + white(COLOUR, 2)).clamp(0, 1))
    assert "clipping" in failed(found)
    first, second = (clean + white(COLOUR, 1)).clamp(0, 1), (clean + white(COLOUR, 2)).clamp(0, 1)
    one = ((first == 0) | (first == 1)) != ((second == 0) | (second == 1))
    # The pieces are whole images here, so that nothing is left out; a mean of 80 means of equal counts is the mean.
    mean = float(one.double().mean())
    assert abs(found.cut_in_one - mean) <= 80 * 2**-52 * mean


def test_opposed_noise_is_found() -> None:
    clean, common = scene(COLOUR), white(COLOUR, 3) / 2
    found = inspect_pairs(clean + white(COLOUR, 1) + common, clean + white(COLOUR, 2) - common)
    # Opposed noise is less unlike itself one pixel further on, which passes for a shift, too.
    assert {"independence"} <= failed(found) <= {"independence", "alignment"}
    assert not found.training_holds


def test_shared_noise_is_bounded_but_not_claimed_to_be_seen() -> None:
    clean, common = scene(COLOUR), white(COLOUR, 3)
    found = inspect_pairs(clean + white(COLOUR, 1) + common, clean + white(COLOUR, 2) + common)
    assert failed(found) == set()
    assert found.shared.value + found.threshold * found.shared.error >= 1
    assert "cannot be told from noise that both share" in next(
        finding.sentence for finding in found.verdict() if finding.name == "independence"
    )
    assert "noise that both share" in UNSEEN


def test_the_courses_corruption_is_sound() -> None:
    """One random pixel of each 4x4 block, the same for all channels."""
    fine = scene((80, 3, 128, 128)).reshape(80, 3, 32, 4, 32, 4).permute(0, 1, 2, 4, 3, 5).flatten(4)
    generator = torch.Generator().manual_seed(0)
    first, second = (
        fine.gather(4, torch.randint(16, (80, 1, 32, 32, 1), generator=generator).expand(-1, 3, -1, -1, -1))[..., 0]
        for _ in range(2)
    )
    found = inspect_pairs(first, second)
    assert found.training_holds
    assert found.blind_psnr_holds
    assert failed(found) <= {"noise against brightness"}


def test_swapping_the_two_turns_the_signs_only() -> None:
    clean = scene(COLOUR)
    first, second = clean + white(COLOUR, 1), 1.05 * clean + white(COLOUR, 2)
    found, swapped = inspect_pairs(first, second), inspect_pairs(second, first)
    assert found.noise == swapped.noise
    assert found.channels == swapped.channels
    assert found.shared == swapped.shared
    for name in ("horizontal", "vertical", "diagonal", "antidiagonal", "variance_slope"):
        assert getattr(found, name) == getattr(swapped, name)
    turned = [(found.gain, swapped.gain), (found.imbalance, swapped.imbalance)]
    turned += zip(found.bias, swapped.bias, strict=True)
    for one, other in turned:
        assert (one.value, one.error) == (-other.value, other.error)


def test_half_the_values_are_half_the_noise_and_nothing_else() -> None:
    """Powers of two are exact, so that what has no unit comes out the same to the last bit."""
    first, second = scene(COLOUR) + white(COLOUR, 1), scene(COLOUR) + white(COLOUR, 2)
    found, half = inspect_pairs(first, second), inspect_pairs(first / 2, second / 2)
    assert tuple(noise / 2 for noise in found.noise) == half.noise
    assert [bias.value / 2 for bias in found.bias] == [bias.value for bias in half.bias]
    assert found.channels == half.channels
    for name in ("gain", "imbalance", "horizontal", "vertical", "diagonal", "antidiagonal", "shared", "shift"):
        assert getattr(found, name) == getattr(half, name)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float64])
def test_other_dtypes_and_layouts(dtype: torch.dtype) -> None:
    first, second = (scene(COLOUR) + white(COLOUR, seed) for seed in (1, 2))
    first, second = first.half().to(dtype), second.half().to(dtype)
    expected = inspect_pairs(first.double(), second.double())
    assert inspect_pairs(first, second) == expected
    assert inspect_pairs(first.to(memory_format=torch.channels_last), second).noise == expected.noise


def test_every_finding_is_a_sentence_for_a_person() -> None:
    sound = inspect_pairs(scene(COLOUR) + white(COLOUR, 1), scene(COLOUR) + white(COLOUR, 2))
    bad = inspect_pairs(
        (1.5 * scene(COLOUR) + smoothed(white((80, 3, 33, 32), 1))).clamp(0, 1),
        scene(COLOUR, shift=(0.0, 1.0)) + white(COLOUR, 2) / 2,
    )
    for found in (sound, bad):
        names = [finding.name for finding in found.verdict()]
        assert len(names) == len(set(names)) == 10
        for finding in found.verdict():
            assert finding.sentence.rstrip(")").endswith(".")
            assert "nan" not in finding.value
    assert len(failed(bad)) >= 5
    for before, after in zip(sound.verdict(), bad.verdict(), strict=True):
        assert before.holds
        assert after.holds or before.sentence != after.sentence


def tail_of_students_t(t: float, freedom: int) -> float:
    """Two-sided, by the midpoint rule after the substitution x = t / u, whose error at 20,000 steps is far below 1e-6."""
    log_scale = math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2) - math.log(freedom * math.pi) / 2
    steps = 20_000
    points = ((i + 0.5) / steps for i in range(steps))
    densities = (
        math.exp(log_scale - (freedom + 1) / 2 * math.log1p((t / u) ** 2 / freedom)) * t / u**2 for u in points
    )
    return 2 * math.fsum(densities) / steps


@pytest.mark.parametrize("shape", [(1, 1, 32, 32), (1, 3, 40, 48), COLOUR, GREY], ids=ids)
def test_the_threshold_is_students_t(shape: tuple[int, ...]) -> None:
    found = inspect_pairs(scene(shape) + white(shape, 1), scene(shape) + white(shape, 2))
    tests, freedom = shape[1] + 10, found.pieces - 1
    # What the expansion leaves out is, at most, twice its next term (Abramowitz and Stegun 26.7.5).
    z = NormalDist().inv_cdf(1 - 1e-3 / (2 * tests))
    left_out = 2 * (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / (92160 * freedom**4)
    least, most = (tail_of_students_t(found.threshold + part, freedom) for part in (left_out, -left_out))
    assert least < 1e-3 / tests < most


def test_an_estimate_without_error_is_certain_unless_zero() -> None:
    assert Estimate(0.0, 0.0).z == 0
    assert Estimate(-1.0, 0.0).z == -math.inf
    assert Estimate(1.0, 0.5).z == 2


def test_refusals() -> None:
    images = scene(COLOUR)
    noisy = images + white(COLOUR, 1)
    with pytest.raises(ValueError, match="differ by a constant in channel 0: one image was given twice"):
        inspect_pairs(noisy, noisy)
    alpha = torch.cat([noisy[:, :1], images[:, :1]], dim=1), torch.cat([noisy[:, 1:2], images[:, :1]], dim=1)
    with pytest.raises(ValueError, match="differ by a constant in channel 1"):
        inspect_pairs(*alpha)
    with pytest.raises(ValueError, match="first and second must have one shape"):
        inspect_pairs(noisy, images[1:])
    with pytest.raises(ValueError, match=r"second must be .* at least 8x8 pixels, not of shape \(80, 3, 7, 32\)"):
        inspect_pairs(noisy, noisy[:, :, :7])
    with pytest.raises(ValueError, match=r"first must be .* not of shape \(0, 3, 32, 32\)"):
        inspect_pairs(noisy[:0], noisy[:0])
    with pytest.raises(ValueError, match=r"1 image\(s\) of 24x30 pixels make 9 piece\(s\) .* 16 are needed"):
        inspect_pairs(noisy[:1, :, :24, :30], images[:1, :, :24, :30])
    with pytest.raises(ValueError, match="second holds nan or infinite values"):
        inspect_pairs(noisy, images / 0)
    with pytest.raises(TypeError, match=r"first must hold floating-point values, not torch\.uint8"):
        inspect_pairs(noisy.byte(), noisy)
    with pytest.raises(TypeError, match="second must be a tensor, not ndarray"):
        inspect_pairs(noisy, noisy.numpy())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  wrong on purpose


def test_arguments_are_left_alone() -> None:
    first, second = scene(COLOUR) + white(COLOUR, 1), scene(COLOUR) + white(COLOUR, 2)
    before = first.clone(), second.clone()
    inspect_pairs(first, second)
    assert torch.equal(first, before[0])
    assert torch.equal(second, before[1])
