"""What the measurements mean for Noise2Noise, in words."""

import math
from dataclasses import dataclass
from typing import Literal

from n2nfun.conditions.estimates import Estimate

UNSEEN = (
    "What pairs alone cannot show: a bias that both images share (noise that is cut off at black and white, stuck or "
    "overwritten pixels), noise that both share (a fixed pattern of the sensor), and shifts that differ from pair to "
    "pair and average to nothing. Take the two images independently, and keep their values unclipped."
)

_EXTRA_ERROR = 0.1 * (10**0.01 - 1)  # in sigma^2: 0.1 dB for a restorer that gains 10 dB
_ONE_DECIBEL = 10**0.1 - 1
_CORRELATION = _ONE_DECIBEL / 9  # the mean of ten values with this correlation is 1 dB worse than of independent ones
# At a clean value of 0 or 1 the cut shifts the mean by sigma / sqrt(2 pi), and half of such pixels are cut in one image
# only.
_CUT_IN_ONE = _EXTRA_ERROR * (2 * math.pi) / 2


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
            >>> import torch
            >>> from n2nfun.conditions import inspect_pairs
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


def _root_mean_square(values: tuple[float, ...]) -> float:
    return math.sqrt(math.fsum(value**2 for value in values) / len(values))


def _plus_minus(estimate: Estimate, digits: int, unit: float = 1.0) -> str:
    return f"{unit * estimate.value:+.{digits}f} ± {unit * estimate.error:.{digits}f}"
