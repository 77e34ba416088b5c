"""Whether Noise2Noise's conditions hold, as far as pairs of noisy images alone can tell.

Write first = x + u and second = x + v, with x the clean image. A network trained to map first to second by squared
error learns E[second | first]. Where v is independent of u and has mean zero given x, that is E[x | first], the best
restoration there is (Lehtinen et al.: Noise2Noise, ICML 2018, section 2). Without x only the difference u - v, and its
company with the brightness, can be seen: `inspect_pairs` measures these, and `UNSEEN` says what no pair can show.

**When a measurement counts against the pairs.** It must be both certain and large.

Certain: the images are cut into at least 16 pieces (one an image where there are 64 images or more), whose means serve
as independent samples. An estimate counts where it is further from zero than Student's t allows with a false alarm
probability of 1/1000 for all tests of one inspection together (Bonferroni). Correlation inside a piece, and noise that
varies from image to image, are in the samples already.

Large: let sigma^2 be the noise variance of one image. A restorer that gains 10 dB has an MSE of sigma^2 / 10. A bias, a
difference of contrast or a misalignment counts where its squared error costs that restorer more than 0.1 dB, which is
0.0023 sigma^2. What does not break Noise2Noise but changes what to expect counts from 1 dB on.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float, Float64
from torch import Tensor

UNSEEN = (
    "What pairs alone cannot show: a bias that both images share (noise that is cut off at black and white, stuck or "
    "overwritten pixels), noise that both share (a fixed pattern of the sensor), and shifts that differ from pair to "
    "pair and average to nothing. Take the two images independently, and keep their values unclipped."
)

_FALSE_ALARM = 1e-3  # of one whole inspection
_EXTRA_ERROR = 0.1 * (10**0.01 - 1)  # in sigma^2: 0.1 dB for a restorer that gains 10 dB
_ONE_DECIBEL = 10**0.1 - 1
_CORRELATION = _ONE_DECIBEL / 9  # the mean of ten values with this correlation is 1 dB worse than of independent ones
# At a clean value of 0 or 1 the cut shifts the mean by sigma / sqrt(2 pi), and half of such pixels are cut in one image
# only.
_CUT_IN_ONE = _EXTRA_ERROR * (2 * math.pi) / 2

_PIECES = 64  # as many as there are images, or at least this many where their size allows
_FEWEST_PIECES = 16
_PIECE_SIZE = 8  # pixels, the smallest
_VALUES_AT_ONCE = 2**18  # in float64; a chunk that stays in the cache was twice as fast as one of 2**20
_VALUES_FOR_SHIFT = 2**22  # evenly spaced pieces are enough to measure one shift
_FARTHEST_SHIFT = 16  # pixels
_LEANING = 0.1  # an axis with a larger part of a direction without edges is not measured


@dataclass(frozen=True, slots=True)
class Estimate:
    """A measured value and its standard error, estimated from the spread over the pieces."""

    value: float
    error: float

    @property
    def z(self) -> float:
        """The value in standard errors."""
        if self.error == 0:
            return math.copysign(math.inf, self.value) if self.value else 0.0
        return self.value / self.error


@dataclass(frozen=True, slots=True)
class Finding:
    """One condition, judged.

    Attributes:
        name: What was examined.
        value: What was measured, in words and numbers.
        holds: Whether nothing speaks against the condition.
        affects: What suffers where it does not hold: "training" (and with it all else), the "blind PSNR" only, or no
            more than the "expectations" of the result.
        sentence: What it means for Noise2Noise, and what to do.
    """

    name: str
    value: str
    holds: bool
    affects: Literal["training", "blind PSNR", "expectations"]
    sentence: str


@dataclass(frozen=True, slots=True)
class Conditions:
    """What `inspect_pairs` measured; `verdict` says what it means.

    Attributes:
        pieces: Number of samples that the standard errors rest on.
        threshold: How many standard errors count as certain.
        noise: Standard deviation of the noise of one image, a channel: std(first - second) / sqrt(2).
        bias: Mean of first - second, a channel.
        gain: Slope of first - second against the brightness: 0.02 says that first has 2 % more contrast.
        imbalance: (variance of first's noise - variance of second's) / their mean.
        horizontal: Correlation of the noise between neighbours in a row.
        vertical: The same in a column.
        diagonal: The same along the diagonal that falls to the right.
        antidiagonal: The same along the diagonal that falls to the left.
        channels: Correlation matrix of the noise between channels.
        variance_slope: Relative change of the noise variance per unit of brightness.
        brightness_spread: Standard deviation of the brightness.
        shift: (down, right) in pixels by which second's content is displaced against first's: linearised below one
            pixel, rough beyond two or three, with an infinite error where no edge fixes it; None without edges.
        shift_error: Squared error that the shift causes, in units of the noise variance.
        shift_z: The shift in standard errors, along the direction in which it is surest.
        shared: Cross-covariance of the two images at the highest frequency, in units of the noise variance. A clean
            image only adds to it: white noise that both share has at most this variance, up to the error.
        cut_in_one: Fraction of the values that are exactly 0 or 1 in one image and not in the other.
    """

    pieces: int
    threshold: float
    noise: tuple[float, ...]
    bias: tuple[Estimate, ...]
    gain: Estimate
    imbalance: Estimate
    horizontal: Estimate
    vertical: Estimate
    diagonal: Estimate
    antidiagonal: Estimate
    channels: tuple[tuple[float, ...], ...]
    variance_slope: Estimate
    brightness_spread: float
    shift: tuple[Estimate, Estimate] | None
    shift_error: float
    shift_z: float
    shared: Estimate
    cut_in_one: float

    @property
    def training_holds(self) -> bool:
        """Whether nothing was found that keeps Noise2Noise from learning the clean image."""
        return all(finding.holds for finding in self.verdict() if finding.affects == "training")

    @property
    def blind_psnr_holds(self) -> bool:
        """Whether nothing was found that puts the blind PSNR wrong."""
        return all(finding.holds for finding in self.verdict() if finding.affects != "expectations")

    def verdict(self) -> tuple[Finding, ...]:
        """Judge each condition, in words for a person; those that training needs come first.

        Example:
            >>> generator = torch.Generator().manual_seed(0)
            >>> first, second = (0.5 + 0.1 * torch.randn(64, 1, 16, 16, generator=generator) for _ in range(2))
            >>> finding = inspect_pairs(first, second + 0.03).verdict()[0]
            >>> finding.name, finding.holds, finding.affects
            ('bias', False, 'training')
        """
        findings = [self._bias(), self._gain(), self._shift(), self._independence(), self._imbalance(), self._noise()]
        findings += [self._neighbours(), self._brightness(), self._cut()]
        return (*findings, self._channels()) if len(self.noise) > 1 else tuple(findings)

    def _certain(self, *estimates: Estimate) -> bool:
        return any(abs(estimate.z) > self.threshold for estimate in estimates)

    def _bias(self) -> Finding:
        limit = math.sqrt(_EXTRA_ERROR)
        bad = any(
            self._certain(bias) and abs(bias.value) > limit * noise
            for bias, noise in zip(self.bias, self.noise, strict=True)
        )
        value = ", ".join(_plus_minus(bias, 5) for bias in self.bias)
        return Finding(
            "bias",
            f"first - second = {value} (tolerated: {limit * min(self.noise):.5f})",
            not bad,
            "training",
            "One image is brighter than the other on average, and the network would learn its target's brightness: "
            "subtract the difference, or take both images under the same light and exposure."
            if bad
            else "Neither image is brighter than the other. (A bias that both share cannot be seen.)",
        )

    def _gain(self) -> Finding:
        limit = math.sqrt(_EXTRA_ERROR) * _root_mean_square(self.noise) / max(self.brightness_spread, 1e-12)
        bad = self._certain(self.gain) and abs(self.gain.value) > limit
        return Finding(
            "contrast",
            f"first's contrast against second's: {_plus_minus(self.gain, 2, 100)} % (tolerated: {100 * limit:.2f} %)",
            not bad,
            "training",
            "The difference grows with the brightness, so that the mean of one image is not that of the other: bring "
            "both to the same exposure and tone curve."
            if bad
            else "The difference does not follow the brightness.",
        )

    def _shift(self) -> Finding:
        if self.shift is None:
            return Finding(
                "alignment",
                "not measurable",
                holds=True,
                affects="training",
                sentence="The images have no edges that stand out of the noise: a shift would do little harm.",
            )
        down, right = self.shift
        bad = self.shift_z > self.threshold and self.shift_error > _EXTRA_ERROR
        return Finding(
            "alignment",
            f"second lies {_plus_minus(down, 3)} px down, {_plus_minus(right, 3)} px to the right "
            f"(costs {100 * self.shift_error:.2f} % of the noise variance; tolerated: {100 * _EXTRA_ERROR:.2f} %)",
            not bad,
            "training",
            "The images do not lie on each other, and the network would learn a blurred or shifted picture: register "
            "them, or crop one by the whole pixels."
            if bad
            else "The images lie on each other closely enough.",
        )

    def _independence(self) -> Finding:
        bad = self._certain(self.shared) and self.shared.value < -_EXTRA_ERROR
        bound = max(0.0, self.shared.value + self.threshold * self.shared.error)
        if bad:
            sentence = (
                "Where one image is too bright the other is too dark: they were not taken independently (one made from "
                "the other, or both from one exposure). Take two exposures."
            )
        elif bound < 1:
            sentence = "The images have little in common at the finest scale, hence little white noise that both share."
        else:
            sentence = "The pictures are rich in fine detail, which cannot be told from noise that both share."
        return Finding(
            "independence",
            f"white noise in both: at most {100 * bound:.0f} % of what differs",
            not bad,
            "training",
            sentence,
        )

    def _imbalance(self) -> Finding:
        bad = self._certain(self.imbalance) and abs(self.imbalance.value) > 2 * _EXTRA_ERROR
        off = -self.imbalance.value * _root_mean_square(self.noise) ** 2 / 2
        return Finding(
            "equal noise",
            f"first's noise variance against second's: {_plus_minus(self.imbalance, 2, 100)} % "
            f"(tolerated: {200 * _EXTRA_ERROR:.2f} %)",
            not bad,
            "blind PSNR",
            f"Training is not affected, but the blind MSE is off by {off:+.2g}: do not trust the blind PSNR."
            if bad
            else "The two are equally noisy, as the blind PSNR needs.",
        )

    def _noise(self) -> Finding:
        return Finding(
            "noise level",
            ", ".join(f"{noise:.4f} ({255 * noise:.1f}/255)" for noise in self.noise),
            holds=True,
            affects="expectations",
            sentence=f"The noisy images have a PSNR of about {-20 * math.log10(_root_mean_square(self.noise)):.1f} dB.",
        )

    def _neighbours(self) -> Finding:
        lags = (self.horizontal, self.vertical, self.diagonal, self.antidiagonal)
        bad = any(self._certain(lag) and abs(lag.value) > _CORRELATION for lag in lags)
        return Finding(
            "neighbouring pixels",
            ", ".join(
                f"{name} {_plus_minus(lag, 3)}"
                for name, lag in zip(("in rows", "in columns", "falling", "rising"), lags, strict=True)
            )
            + f" (tolerated: {_CORRELATION:.3f})",
            not bad,
            "expectations",
            "The difference is correlated between neighbours. Such noise (from demosaicing, resizing, compression) "
            "leaves Noise2Noise right but looks like texture, so expect a smaller gain. If alignment or contrast "
            "failed as well, or the scene moved, mend that first."
            if bad
            else "The noise of neighbouring pixels is uncorrelated.",
        )

    def _brightness(self) -> Finding:
        change = self.variance_slope.value * self.brightness_spread
        bad = self._certain(self.variance_slope) and abs(change) > _ONE_DECIBEL
        return Finding(
            "noise against brightness",
            f"the noise variance changes by {100 * change:+.0f} % over one standard deviation of brightness",
            not bad,
            "expectations",
            f"The noise is stronger where the image is {'bright' if change > 0 else 'dark'}. Noise2Noise stays right: "
            "it needs a mean of zero at every brightness, not an equal strength."
            if bad
            else "The noise is about as strong in the dark as in the light.",
        )

    def _cut(self) -> Finding:
        bad = self.cut_in_one > _CUT_IN_ONE
        return Finding(
            "clipping",
            f"{100 * self.cut_in_one:.2f} % of the values are exactly 0 or 1 in one image only "
            f"(tolerated: {100 * _CUT_IN_ONE:.2f} %)",
            not bad,
            "expectations",
            "If noise was cut off at black and white there, both images have the same bias, which nothing else shows, "
            "and the restored image will be grey where it should be black or white: keep the values unclipped. (Noise "
            "that cannot pass black or white by its nature, such as counts of photons or picked pixels, is fine.)"
            if bad
            else "Hardly any noise was cut off at black or white.",
        )

    def _channels(self) -> Finding:
        pairs = [abs(value) for i, row in enumerate(self.channels) for value in row[:i]]
        return Finding(
            "channels",
            f"correlation of the noise between channels up to {max(pairs):.2f}",
            holds=True,
            affects="expectations",
            sentence="Noise2Noise holds whether the channels' noises are correlated or not; where they are, a network "
            "cannot average one channel's noise away with another's.",
        )


def inspect_pairs(
    first: Float[Tensor, "batch channels height width"], second: Float[Tensor, "batch channels height width"]
) -> Conditions:
    """Measure, from noisy pairs alone, what Noise2Noise and the blind PSNR rely on.

    With d = first - second, s = (first + second) / 2, m the mean of s over the four neighbours (so that a pixel's own
    noise is not in it) and sigma^2 = Var d / 2, all pooled over the pixels:

        bias        E d                                  gain            Cov(d, m) / Var m
        imbalance   2 E[d (s - m)] / (1 - r) / sigma^2   variance slope  Cov(d^2, m) / Var m / Var d
        neighbours  Cov(d(p), d(p + lag)) / Var d        shared          E[D first * D second] / sigma^2

    where r is the mean correlation with the four neighbours and D the diagonal difference (a - b - c + d) / 2 of four
    pixels in a square. The shift is first the whole number of pixels that makes the squared difference least, found by
    descent, then the least-squares solution of d = shift . grad s, with E[grad first grad second^T] in the place of the
    gradients' own square, which would count the noise as edges.

    Args:
        first: Noisy images, (batch, channels, height, width), black at 0 and white at 1; not clipped.
        second: The other noisy image of each pair, of the same shape.

    Returns:
        The measurements with their standard errors.

    Raises:
        TypeError: An argument is no floating-point tensor.
        ValueError: The shapes differ or are not four-dimensional, a value is not finite, the images are smaller than
            8x8 or hold fewer than 16 pieces of that size, or a channel does not differ between the two.

    Example:
        >>> generator = torch.Generator().manual_seed(0)
        >>> first, second = (0.5 + 0.1 * torch.randn(64, 1, 16, 16, generator=generator) for _ in range(2))
        >>> conditions = inspect_pairs(first, second)
        >>> round(conditions.noise[0], 2), conditions.training_holds, conditions.blind_psnr_holds
        (0.1, True, True)
    """
    _check(first, second)
    a, b = _pieces(first.detach().cpu()), _pieces(second.detach().cpu())
    differences = torch.cat([(x - y).mean(dim=(2, 3)) for x, y in _chunks(a, b)])
    brightness = torch.cat([((x + y) / 2).mean(dim=(2, 3)) for x, y in _chunks(a, b)]).mean(dim=0)
    offset = differences.mean(dim=0)
    squares = [(x - y - offset[:, None, None]).square().mean(dim=(2, 3)) for x, y in _chunks(a, b)]
    noise = (torch.cat(squares).mean(dim=0) / 2).sqrt()
    if not bool((noise > 0).all()):
        channel = int((noise == 0).nonzero()[0])
        raise ValueError(
            f"first and second differ by a constant in channel {channel}: one image was given twice, or the channel "
            "(such as an alpha channel) has no noise and must be left out"
        )
    chunks = [_moments(x, y, offset, brightness, noise) for x, y in _chunks(a, b)]
    moments = _Moments(*(torch.cat(column) for column in zip(*chunks, strict=True)))
    threshold = _threshold(tests=len(noise) + 10, samples=len(a))
    lags = [_mean(column) for column in moments.lags.T]
    spread = moments.spread.mean(dim=0)
    balance = 1 - (lags[0].value + lags[1].value) / 2
    shift = _shift(a, b, noise, threshold)
    return Conditions(
        pieces=len(a),
        threshold=threshold,
        noise=_floats(noise),
        bias=tuple(_mean(column) for column in differences.T),
        gain=_ratio(moments.gain, moments.spread[:, 0]),
        imbalance=_mean(moments.imbalance / balance),
        horizontal=lags[0],
        vertical=lags[1],
        diagonal=lags[2],
        antidiagonal=lags[3],
        channels=tuple(_floats(row) for row in moments.channels.mean(dim=0)),
        variance_slope=_ratio(moments.variance, moments.spread[:, 1]),
        brightness_spread=math.sqrt(float(spread[1])),
        shift=shift.pixels,
        shift_error=shift.error,
        shift_z=shift.z,
        shared=_mean(moments.shared),
        cut_in_one=float(moments.cut_in_one.mean()),
    )


class _Moments(NamedTuple):
    """Means over the pixels of each piece, of values in units of the channel's noise unless named otherwise."""

    lags: Float64[Tensor, "pieces 4"]
    channels: Float64[Tensor, "pieces channels channels"]
    gain: Float64[Tensor, " pieces"]
    imbalance: Float64[Tensor, " pieces"]
    variance: Float64[Tensor, " pieces"]  # against the brightness in its own unit
    spread: Float64[Tensor, "pieces 2"]  # of the brightness: in units of the noise, and in its own
    shared: Float64[Tensor, " pieces"]
    cut_in_one: Float64[Tensor, " pieces"]


def _moments(first: Tensor, second: Tensor, offset: Tensor, brightness: Tensor, noise: Tensor) -> _Moments:
    """Measure one chunk of pieces."""
    axes, sigma = (1, 2, 3), noise[:, None, None]
    d = (first - second - offset[:, None, None]) / sigma
    s = ((first + second) / 2 - brightness[:, None, None]) / sigma
    m = (s[..., :-2, 1:-1] + s[..., 2:, 1:-1] + s[..., 1:-1, :-2] + s[..., 1:-1, 2:]) / 4
    inner = d[..., 1:-1, 1:-1]
    own = m * sigma
    products = (
        d[..., :, :-1] * d[..., :, 1:],
        d[..., :-1, :] * d[..., 1:, :],
        d[..., :-1, :-1] * d[..., 1:, 1:],
        d[..., :-1, 1:] * d[..., 1:, :-1],
    )
    finest = (_diagonal_difference(first / sigma), _diagonal_difference(second / sigma))
    cut = ((first == 0) | (first == 1)) ^ ((second == 0) | (second == 1))
    return _Moments(
        lags=torch.stack([product.mean(dim=axes) / 2 for product in products], dim=1),
        channels=d.flatten(2) @ d.flatten(2).mT / (2 * d.shape[2] * d.shape[3]),
        gain=(inner * m).mean(dim=axes),
        imbalance=2 * (inner * (s[..., 1:-1, 1:-1] - m)).mean(dim=axes),
        variance=((inner.square() / 2 - 1) * own).mean(dim=axes),
        spread=torch.stack([m.square().mean(dim=axes), own.square().mean(dim=axes)], dim=1),
        shared=(finest[0] * finest[1]).mean(dim=axes),
        cut_in_one=cut.double().mean(dim=axes),
    )


def _diagonal_difference(x: Tensor) -> Tensor:
    """Haar's diagonal detail, which keeps the variance of white noise."""
    return (x[..., :-1, :-1] - x[..., :-1, 1:] - x[..., 1:, :-1] + x[..., 1:, 1:]) / 2


class _Shift(NamedTuple):
    """The fields of `Conditions` that tell of a shift."""

    pixels: tuple[Estimate, Estimate] | None
    error: float
    z: float


def _shift(first: Tensor, second: Tensor, noise: Tensor, threshold: float) -> _Shift:
    """Estimate by how much second is displaced."""
    step = max(1, min(math.ceil(first.numel() / _VALUES_FOR_SHIFT), len(first) // _FEWEST_PIECES))
    a, b = (pieces[::step].double() / noise[:, None, None] for pieces in (first, second))
    whole = _whole_shift(a, b, threshold)
    height, width = a.shape[2:]
    (top, left), (bottom, right) = ([max(0, -by) for by in whole], [max(0, by) for by in whole])
    a = a[..., top : height - bottom, left : width - right]
    b = b[..., bottom : height - top, right : width - left]
    of_a, of_b = _gradient(a), _gradient(b)
    inner = (a - b)[..., 1:-1, 1:-1]
    pull = torch.stack([((of_a[i] + of_b[i]) / 2 * inner).mean(dim=(1, 2, 3)) for i in (0, 1)], dim=1)
    edges = torch.stack([(of_a[i] * of_b[j]).mean(dim=(1, 2, 3)) for i in (0, 1) for j in (0, 1)], dim=1)
    edges = edges.reshape(-1, 2, 2)
    rest, variance = torch.zeros(2, dtype=torch.float64), torch.zeros(2, dtype=torch.float64)
    surest = math.inf if any(whole) else -math.inf
    for direction in _principal_directions(edges.mean(dim=0)):
        slope_a, slope_b = (direction[0] * of[0] + direction[1] * of[1] for of in (of_a, of_b))
        if _votes(slope_a * slope_b) > threshold:
            along = _ratio(pull @ direction, edges @ direction @ direction)
            rest, variance = rest + along.value * direction, variance + (along.error * direction).square()
            surest = max(surest, abs(along.z))
        else:
            variance = variance.masked_fill(direction.abs() > _LEANING, math.inf)
    if surest < 0:
        return _Shift(None, 0.0, 0.0)
    total = torch.tensor(whole, dtype=torch.float64) + rest
    down, across = (Estimate(*pair) for pair in zip(_floats(total), _floats(variance.sqrt()), strict=True))
    return _Shift((down, across), float(total @ edges.mean(dim=0) @ total), surest)


def _principal_directions(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Unit eigenvectors of the symmetric part of a 2x2 matrix."""
    angle = math.atan2(float(matrix[0, 1] + matrix[1, 0]), float(matrix[0, 0] - matrix[1, 1])) / 2
    cosine, sine = math.cos(angle), math.sin(angle)
    return torch.tensor([cosine, sine], dtype=torch.float64), torch.tensor([-sine, cosine], dtype=torch.float64)


def _whole_shift(a: Tensor, b: Tensor, threshold: float) -> tuple[int, int]:
    """Walk pixel by pixel to where b's content lies on a's, as long as each step is a certain gain."""
    reach = min(_FARTHEST_SHIFT, min(a.shape[2:]) // 4)
    height, width = a.shape[2] - 2 * reach, a.shape[3] - 2 * reach
    window = a[..., reach : reach + height, reach : reach + width]

    def misfit(down: int, right: int) -> Tensor:
        moved = b[..., reach + down : reach + down + height, reach + right : reach + right + width]
        return (window - moved).square()

    here, least = (0, 0), misfit(0, 0)
    while True:
        # One axis at a time: a diagonal step that gains by one of its parts would take the other unproved.
        steps = [(here[0] + i, here[1] + j) for i, j in ((-1, 0), (1, 0), (0, -1), (0, 1))]
        steps = [(i, j) for i, j in steps if max(abs(i), abs(j)) <= reach]
        votes = [_votes(least - misfit(*step)) for step in steps]
        if max(votes) <= threshold:
            return here
        here = steps[votes.index(max(votes))]
        least = misfit(*here)


def _votes(values: Tensor) -> float:
    """Standard errors by which the mean is above zero, each piece counting in units of its own.

    So the few pieces with strong edges neither decide alone nor drown the others by the spread that they cause. Where
    values are correlated inside a piece the median deviation of the votes makes up for it.
    """
    rows = values.flatten(1)
    votes = rows.mean(dim=1) / rows.std(dim=1).clamp(min=torch.finfo(rows.dtype).tiny) * math.sqrt(rows.shape[1])
    spread = float((votes - votes.median()).abs().median()) / NormalDist().inv_cdf(0.75)
    return float(votes.sum()) / (math.sqrt(len(votes)) * max(1.0, spread))


def _gradient(x: Tensor) -> tuple[Tensor, Tensor]:
    """Central differences down and across, inside the border."""
    return (x[..., 2:, 1:-1] - x[..., :-2, 1:-1]) / 2, (x[..., 1:-1, 2:] - x[..., 1:-1, :-2]) / 2


def _pieces(images: Tensor) -> Tensor:
    """Cut each image into equal pieces, of which there are 64 in all where the size allows; the rest is left out."""
    batch, channels, height, width = images.shape
    down = min(math.ceil(math.sqrt(_PIECES / batch)), height // _PIECE_SIZE)
    across = min(math.ceil(_PIECES / (batch * down)), width // _PIECE_SIZE)
    down = min(math.ceil(_PIECES / (batch * across)), height // _PIECE_SIZE)
    if batch * down * across < _FEWEST_PIECES:
        raise ValueError(
            f"first is too small to judge: {batch} image(s) of {height}x{width} pixels make {batch * down * across} "
            f"piece(s) of {_PIECE_SIZE}x{_PIECE_SIZE} or more, and {_FEWEST_PIECES} are needed: pass more or larger pairs"
        )
    size = (height // down, width // across)
    cut = images[..., : down * size[0], : across * size[1]]
    cut = cut.reshape(batch, channels, down, size[0], across, size[1]).permute(0, 2, 4, 1, 3, 5)
    return cut.reshape(batch * down * across, channels, *size).contiguous()


def _chunks(a: Tensor, b: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Pieces of both in float64, a bounded number of values at a time."""
    step = max(1, _VALUES_AT_ONCE // a[0].numel())
    return ((a[i : i + step].double(), b[i : i + step].double()) for i in range(0, len(a), step))


def _mean(samples: Tensor) -> Estimate:
    """The mean of independent samples, and its standard error."""
    return Estimate(float(samples.mean()), float(samples.std() / math.sqrt(len(samples))))


def _ratio(top: Tensor, bottom: Tensor) -> Estimate:
    """The ratio of two means over the same samples, and its standard error to first order."""
    mean = bottom.mean()
    if not float(mean) > 0:
        return Estimate(0.0, math.inf)
    ratio = top.mean() / mean
    return Estimate(float(ratio), _mean((top - ratio * bottom) / mean).error)


def _threshold(tests: int, samples: int) -> float:
    """Student's two-sided t for the false alarm probability shared by the tests (Abramowitz and Stegun 26.7.5)."""
    z, n = NormalDist().inv_cdf(1 - _FALSE_ALARM / (2 * tests)), samples - 1
    return (
        z
        + (z**3 + z) / (4 * n)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * n**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * n**3)
    )


def _root_mean_square(values: tuple[float, ...]) -> float:
    return math.sqrt(math.fsum(value**2 for value in values) / len(values))


def _floats(values: Tensor) -> tuple[float, ...]:
    return tuple(float(value) for value in values)


def _plus_minus(estimate: Estimate, digits: int, unit: float = 1.0) -> str:
    return f"{unit * estimate.value:+.{digits}f} ± {unit * estimate.error:.{digits}f}"


def _check(first: Tensor, second: Tensor) -> None:
    """Refuse what cannot be measured."""
    for name, images in (("first", first), ("second", second)):
        if not isinstance(images, Tensor):
            raise TypeError(f"{name} must be a tensor, not {type(images).__name__}")
        if not images.is_floating_point():
            raise TypeError(f"{name} must hold floating-point values, not {images.dtype}: divide by its peak")
        if images.ndim != 4 or images.numel() == 0 or min(images.shape[2:]) < _PIECE_SIZE:
            raise ValueError(
                f"{name} must be (batch, channels, height, width) with at least {_PIECE_SIZE}x{_PIECE_SIZE} pixels, "
                f"not of shape {tuple(images.shape)}"
            )
        if not bool(images.isfinite().all()):
            raise ValueError(f"{name} holds nan or infinite values: leave those images out")
    if first.shape != second.shape:
        raise ValueError(f"first and second must have one shape, not {tuple(first.shape)} and {tuple(second.shape)}")
