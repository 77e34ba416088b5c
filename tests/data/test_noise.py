"""Noise models: their text form, their laws, and what each of them keeps.

Random quantities are compared with bounds that hold with a probability of at least 1 - 1e-9 over the seeds; the seeds
are fixed.
"""

from fractions import Fraction
from math import erfc, exp, log, sqrt

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import Tensor

from n2nfun.data import (
    NOISE_FORMS,
    Gaussian,
    Impulse,
    NoiseError,
    NoiseModel,
    Poisson,
    Statistic,
    Subsample,
    Text,
    explain,
    parse_noise,
)
from n2nfun.testing.bits import assert_same_bits
from tests.purity import nothing_changed

FAILURE = 1e-9

MODELS: list[NoiseModel] = [
    Subsample(2, 4),
    Subsample(3, 3),
    Gaussian(0, 50),
    Gaussian(25, 25),
    Poisson(30),
    Impulse(0.3),
    Text(0.25),
]

sigmas = st.floats(0, 10_000)
models: st.SearchStrategy[NoiseModel] = st.one_of(
    st.tuples(st.integers(2, 99), st.integers(0, 99)).map(lambda drawn: Subsample(drawn[0], sum(drawn))),
    st.tuples(sigmas, sigmas).map(sorted).filter(lambda drawn: drawn[1] > 0).map(lambda drawn: Gaussian(*drawn)),
    st.floats(0.001, 1e7).map(Poisson),
    st.floats(0, 1, exclude_min=True, exclude_max=True).map(Impulse),
    st.floats(0, 0.5, exclude_min=True).map(Text),
)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def hoeffding(count: int, events: int = 1) -> float:
    """How far the mean of so many independent values in [0, 1] may be from its expectation, for each of the events."""
    return sqrt(log(2 * events / FAILURE) / (2 * count))


def standard_error(count: int) -> float:
    """How far the mean of so many standard normal values may be from 0."""
    assert erfc(6.2 / sqrt(2)) < FAILURE
    return 6.2 / sqrt(count)


def assert_variance(values: Tensor, variance: float) -> None:
    """Normal values of mean 0 have this variance: the tails of chi-squared, Laurent and Massart 2000, lemma 1."""
    tail = log(2 / FAILURE)
    count = values.numel()
    ratio = float(values.double().square().mean()) / variance
    assert 1 - 2 * sqrt(tail / count) <= ratio <= 1 + 2 * sqrt(tail / count) + 2 * tail / count


# The text form


@given(models)
def test_text_and_model_are_equivalent(noise: NoiseModel) -> None:
    assert parse_noise(str(noise)) == noise
    assert str(parse_noise(str(noise))) == str(noise)


@pytest.mark.parametrize(
    ("text", "noise"),
    [
        ("subsample:8-14", Subsample(8, 14)),
        ("subsample:8", Subsample(8, 8)),
        ("gaussian:25", Gaussian(25, 25)),
        ("gaussian:0-50", Gaussian(0, 50)),
        ("gaussian:12.5-50", Gaussian(12.5, 50)),
        ("poisson:30", Poisson(30)),
        ("impulse:0.3", Impulse(0.3)),
        ("text:0.25", Text(0.25)),
    ],
)
def test_the_known_forms(text: str, noise: NoiseModel) -> None:
    assert parse_noise(text) == noise
    assert str(noise) == text
    assert any(form.startswith(text.partition(":")[0]) for form in NOISE_FORMS)


def test_negative_zero_has_a_text() -> None:
    assert str(Gaussian(-0.0, 50)) == "gaussian:0-50"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "noise '': no model has the name ''"),
        ("fog:3", "noise 'fog:3': no model has the name 'fog'"),
        ("gaussian", "noise 'gaussian': '' is not a number such as 25 or a range such as 0-50"),
        ("gaussian:", "'' is not a number"),
        ("gaussian:-3", "'-3' is not a number"),
        ("gaussian:nan", "'nan' is not a number"),
        ("gaussian:0", "sigma is 0.0 to 0.0; expected 0 <= low <= high, high above 0 and at most 10000"),
        ("gaussian:50-25", "sigma is 50.0 to 25.0"),
        ("gaussian:" + "9" * 400, "sigma is inf to inf"),
        ("gaussian:1" + "0" * 43, "sigma is 1e+43 to 1e+43; expected 0 <= low <= high, high above 0 and at most 10000"),
        ("gaussian:2٣", "is not a number"),
        ("subsample:1", "the scales are 1 to 1; expected 2 <= low <= high"),
        ("subsample:14-8", "the scales are 14 to 8"),
        ("subsample:8.5", "'8.5' is not a whole number such as 8"),
        ("subsample:8-14-20", "'8-14-20' is not a number"),
        ("poisson:0", "the peak is 0.0; expected from 0.001 to 10000000 photons"),
        ("poisson:10-20", "'10-20' is not a number such as 30 or 0.25"),
        ("poisson:0." + "0" * 43 + "1", "the peak is 1e-44; expected from 0.001 to 10000000 photons"),
        ("poisson:20000000", "the peak is 20000000.0"),
        ("impulse:1", "the probability is 1.0; expected between 0 and 1, both excluded"),
        ("impulse:0", "the probability is 0.0"),
        ("text:0.6", "the coverage is 0.6; expected above 0 and at most 0.5: where words cover a pixel more often"),
        ("text:0", "the coverage is 0.0"),
    ],
)
def test_other_texts_are_refused_with_the_known_forms(text: str, message: str) -> None:
    with pytest.raises(NoiseError) as caught:
        parse_noise(text)
    assert message in str(caught.value)
    assert all(form in str(caught.value) for form in NOISE_FORMS)


@pytest.mark.parametrize("noise", MODELS, ids=str)
def test_every_model_says_what_it_keeps(noise: NoiseModel) -> None:
    assert isinstance(noise, NoiseModel)
    assert explain(noise).startswith(f"{noise} keeps the {noise.keeps}, since ")
    assert explain(noise).endswith(f": the {noise.keeps.loss} loss recovers the clean image")


def test_every_statistic_has_its_loss() -> None:
    assert {statistic: statistic.loss for statistic in Statistic} == {
        Statistic.MEAN: "L2",
        Statistic.MEDIAN: "L1",
        Statistic.MODE: "annealed L0",
    }


# The laws of every model


@pytest.mark.parametrize("noise", MODELS, ids=str)
@pytest.mark.parametrize("size", [None, 9, (7, 12)])
@pytest.mark.parametrize("in_bytes", [False, True])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_pair_is_pure_and_repeatable(
    noise: NoiseModel, size: int | tuple[int, int] | None, in_bytes: bool, channels: int
) -> None:
    photograph = torch.randint(256, (channels, 41, 53), generator=seeded(), dtype=torch.uint8)
    if not in_bytes:
        photograph = photograph.to(torch.float32).div(255)
    generator, same, other = seeded(7), seeded(7), seeded(8)
    with nothing_changed(photograph):
        pair = noise.pair(photograph, size, generator)
    again = noise.pair(photograph, size, same)
    assert_same_bits((pair.first, pair.second, pair.clean), (again.first, again.second, again.clean))
    assert torch.equal(generator.get_state(), same.get_state())
    assert not torch.equal(pair.first, noise.pair(photograph, size, other).first)
    assert not torch.equal(pair.first, pair.second)
    assert not torch.equal(pair.first, pair.clean)
    if size is not None:
        assert pair.clean.shape[1:] == ((9, 9) if size == 9 else (7, 12))
    assert pair.clean.min() >= 0
    assert pair.clean.max() <= 1
    # What was made does not share memory with what it was made from.
    pair.first.zero_()
    pair.clean.zero_()
    assert torch.equal(noise.pair(photograph, size, seeded(7)).second, again.second)


@pytest.mark.parametrize("noise", [model for model in MODELS if not isinstance(model, Subsample)], ids=str)
def test_clean_is_a_crop(noise: NoiseModel) -> None:
    photograph = torch.arange(30 * 40, dtype=torch.float32).reshape(1, 30, 40).div(1200)
    assert torch.equal(noise.pair(photograph, None, seeded()).clean, photograph)
    corners: set[tuple[int, int]] = set()
    generator = seeded()
    for _ in range(200):
        clean = noise.pair(photograph, (28, 39), generator).clean
        [[top, left]] = (photograph[0] == clean[0, 0, 0]).nonzero()
        assert torch.equal(clean, photograph[:, top : top + 28, left : left + 39])
        corners.add((int(top), int(left)))
    assert len(corners) == 3 * 2  # each is missed with probability (5/6)**200 < 2e-16


@pytest.mark.parametrize("noise", [model for model in MODELS if not isinstance(model, Subsample)], ids=str)
def test_a_photograph_smaller_than_the_size_is_refused(noise: NoiseModel) -> None:
    message = r"the photograph is 20x30, too small for a crop of 20x31 \(height x width\); use larger photographs or a"
    with pytest.raises(NoiseError, match=message):
        noise.pair(torch.zeros(3, 20, 30), (20, 31), seeded())


@pytest.mark.parametrize("noise", MODELS, ids=str)
def test_what_is_no_photograph_is_refused(noise: NoiseModel) -> None:
    with pytest.raises(TypeError, match=r"the photograph is torch\.float64; expected torch\.uint8, or torch\.float32"):
        noise.pair(torch.zeros(3, 20, 30, dtype=torch.float64), 4, seeded())
    with pytest.raises(ValueError, match=r"shape \(20, 30\); expected \(channels, height, width\)"):
        noise.pair(torch.zeros(20, 30), 4, seeded())
    with pytest.raises(ValueError, match="size is 0; expected a height and a width of at least 1"):
        noise.pair(torch.zeros(3, 20, 30), 0, seeded())


# Subsample


def numbered(height: int, width: int) -> Tensor:
    """Two channels whose values tell the place; the sums of their blocks are exact in float32."""
    places = torch.arange(height * width, dtype=torch.float32).reshape(height, width)
    return torch.stack([places, places + height * width])


@given(
    low=st.integers(2, 4),
    span=st.integers(0, 3),
    height=st.integers(2, 24),
    width=st.integers(2, 24),
    seed=st.integers(0, 2**32),
    rows=st.integers(1, 5),
    columns=st.integers(1, 5),
    whole=st.booleans(),
)
def test_subsample_takes_one_pixel_of_each_block(
    low: int, span: int, height: int, width: int, seed: int, rows: int, columns: int, whole: bool
) -> None:
    if whole:
        assume(min(height, width) >= low)
    else:
        assume(rows * low <= height and columns * low <= width)
    noise = Subsample(low, low + span)
    pair = noise.pair(numbered(height, width), None if whole else (rows, columns), seeded(seed))
    rows, columns = tuple(pair.clean.shape[1:])
    for image in (pair.first, pair.second):
        assert torch.equal(image[1], image[0] + height * width)  # the same pixel for all channels
    taken = torch.stack([pair.first[0], pair.second[0]]).long()
    tops, lefts = taken // width, taken % width

    def explains(scale: int, top: int, left: int) -> bool:
        """Whether blocks of this scale, from this corner, hold the taken pixels and have the clean means."""
        inside = (tops - top) // scale == torch.arange(rows).unsqueeze(1)
        inside &= (lefts - left) // scale == torch.arange(columns)
        crop = numbered(height, width)[:, top : top + rows * scale, left : left + columns * scale]
        means = crop.reshape(2, rows, scale, columns, scale).mean((2, 4))
        return bool(inside.all()) and torch.equal(pair.clean, means)

    assert any(
        explains(scale, top, left)
        for scale in range(low, low + span + 1)
        for top in range(height - rows * scale + 1)
        for left in range(width - columns * scale + 1)
    )


@pytest.mark.parametrize("scale", [2, 5, 14])
def test_subsample_takes_every_pixel_of_a_block_equally_often(scale: int) -> None:
    side = 40
    photograph = torch.arange(scale * scale, dtype=torch.float32).reshape(1, scale, scale).repeat(1, side, side)
    pair = Subsample(scale, scale).pair(photograph, side, seeded())
    for image in (pair.first, pair.second):
        shares = image.long().flatten().bincount(minlength=scale * scale).double() / side**2
        assert (shares - 1 / scale**2).abs().max() <= hoeffding(side**2, 2 * scale**2)
    agreement = float((pair.first == pair.second).double().mean())
    assert abs(agreement - 1 / scale**2) <= hoeffding(side**2)  # independent


@pytest.mark.parametrize("scale", [2, 3, 8, 14])
def test_the_mean_of_bytes_is_correctly_rounded(scale: int) -> None:
    photograph = torch.randint(256, (1, 4 * scale, 5 * scale), generator=seeded(scale), dtype=torch.uint8)
    clean = Subsample(scale, scale).pair(photograph, (4, 5), seeded()).clean
    blocks = photograph.reshape(4, scale, 5, scale).sum((1, 3), dtype=torch.int64)
    for found, total in zip(clean.flatten().numpy(), blocks.flatten().numpy(), strict=True):
        exact = Fraction(int(total), 255 * scale * scale)
        assert abs(Fraction(float(found)) - exact) <= Fraction(float(np.spacing(found))) / 2


def test_subsample_draws_every_scale_that_fits() -> None:
    generator = seeded()
    ramp = torch.arange(40, dtype=torch.float32).reshape(1, 1, 40).repeat(1, 29, 1)
    means = [Subsample(2, 14).pair(ramp, (7, 8), generator).clean for _ in range(300)]
    assert {int(clean[0, 0, 1] - clean[0, 0, 0]) for clean in means} == {2, 3, 4}  # 29 // 7 = 4


@pytest.mark.parametrize(
    ("height", "fits"),
    [(255, "the largest scale that fits is 7"), (32, "the largest scale that fits is 1"), (31, "no scale fits")],
)
def test_subsample_refuses_a_small_photograph(height: int, fits: str) -> None:
    with pytest.raises(NoiseError) as caught:
        Subsample(8, 14).pair(torch.zeros(3, height, 400), 32, seeded())
    assert str(caught.value) == (
        f"the photograph is {height}x400, too small for subsample:8-14 at 32x32 (height x width): that needs 256x256, "
        f"and {fits}; use larger photographs or a smaller size"
    )


# Gaussian


def test_gaussian_keeps_the_mean_and_has_its_variance() -> None:
    clean = torch.full((3, 200, 200), 0.25)
    added = (Gaussian(51, 51).corrupt(clean, seeded()) - clean).double() * 5  # sigma is 51/255 = 1/5
    # Subtraction rounds by at most 2**-24 of values below 4, beside which the bound is large.
    assert abs(float(added.mean())) <= standard_error(added.numel()) + 5 * 4 * 2**-24
    assert_variance(added, 1)


def test_sigma_is_in_steps_of_a_byte() -> None:
    noisy = Gaussian(255, 255).corrupt(torch.zeros(1, 9, 9), seeded())
    assert torch.equal(noisy, torch.randn(1, 9, 9, generator=seeded()))


def test_gaussian_is_not_clipped() -> None:
    noisy = Gaussian(51, 51).corrupt(torch.tensor([0.0, 1.0]).reshape(1, 1, 2).repeat(1, 50, 50), seeded())
    assert noisy.min() < 0  # each of the 5000 values stays inside with probability 1/2
    assert noisy.max() > 1


def test_both_images_of_a_pair_have_one_sigma_and_independent_noise() -> None:
    generator = seeded()
    sigmas: list[float] = []
    for _ in range(20):
        pair = Gaussian(10, 50).pair(torch.zeros(1, 200, 200), None, generator)
        sigma = float(pair.first.double().std())
        assert_variance(pair.second / sigma, 1)
        assert_variance((pair.first + pair.second) / sigma, 2)  # 2 + 2 * correlation
        sigmas.append(sigma * 255)
    assert max(sigmas) > 30 > min(sigmas)  # else, with probability 2**-19, all on one side
    assert min(sigmas) > 9
    assert max(sigmas) < 51


# Poisson


def test_poisson_counts_photons_and_keeps_the_mean() -> None:
    peak, value, count = 30, 0.4, 3 * 200 * 200
    noisy = Poisson(peak).corrupt(torch.full((3, 200, 200), value), seeded())
    counts = (noisy * peak).round()
    assert torch.equal(counts / peak, noisy)
    # The sum of the counts is a Poisson variable: Bernstein's inequality for it.
    rate, total = count * peak * value, float(counts.double().sum())
    tail = abs(total - rate)
    assert 2 * exp(-(tail**2) / (2 * (rate + tail / 3))) >= FAILURE


def test_poisson_leaves_black_black() -> None:
    assert torch.equal(Poisson(0.5).corrupt(torch.zeros(1, 9, 9), seeded()), torch.zeros(1, 9, 9))


def test_poisson_refuses_negative_light() -> None:
    with pytest.raises(NoiseError, match="the image has values below 0; expected values in"):
        Poisson(30).corrupt(torch.full((1, 2, 2), -0.1), seeded())


# Impulse


def test_impulse_replaces_whole_pixels_by_uniform_colours() -> None:
    noise, side = Impulse(0.3), 200
    clean = torch.full((3, side, side), 0.9)
    noisy = noise.corrupt(clean, seeded())
    changed = (noisy != clean).any(0)
    assert torch.equal(noisy[:, ~changed], clean[:, ~changed])
    # A drawn value equals the clean one with probability 2**-24 at most.
    assert (noisy != clean)[:, changed].double().mean() >= 1 - hoeffding(int(changed.sum()))
    assert abs(float(changed.double().mean()) - 0.3) <= hoeffding(side**2) + 2**-24
    colours = noisy[:, changed].double()
    assert (colours.mean(1) - 0.5).abs().max() <= hoeffding(colours.shape[1], 3) + 2**-24
    assert (colours.square().mean(1) - 1 / 3).abs().max() <= hoeffding(colours.shape[1], 3) + 2**-23
    # The mode: the clean colour has more of the values than any other bin of the same width.
    assert noisy[0].mul(16).long().flatten().bincount(minlength=16).argmax() == int(0.9 * 16)


# Text


@given(
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    coverage=st.sampled_from([0.01, 0.25, 0.5]),
    seed=st.integers(0, 2**32),
)
def test_text_covers_exactly_the_fraction(height: int, width: int, coverage: float, seed: int) -> None:
    clean = torch.full((3, height, width), -1.0)  # no colour is negative
    noisy = Text(coverage).corrupt(clean, seeded(seed))
    covered = (noisy != clean).all(0)
    assert torch.equal((noisy != clean).any(0), covered)
    assert int(covered.sum()) == int(coverage * height * width)
    colours = noisy[:, covered]
    assert ((colours >= 0) & (colours < 1)).all()


def test_text_covers_every_pixel_equally_often() -> None:
    times, side = 500, 12
    generator = seeded()
    clean = torch.full((1, side, side), -1.0)
    covered = torch.stack([Text(0.25).corrupt(clean, generator) >= 0 for _ in range(times)]).double().mean(0)
    assert (covered - 0.25).abs().max() <= hoeffding(times, side**2)


def test_text_is_words_in_few_colours() -> None:
    noisy = Text(0.25).corrupt(torch.full((3, 64, 64), -1.0), seeded())
    colours = {tuple(colour) for colour in noisy.flatten(1).T.numpy()}
    assert 3 < len(colours) < 100  # noise of single pixels would have 1024
