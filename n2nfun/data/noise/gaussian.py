"""Additive Gaussian noise."""

from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import torch
from jaxtyping import Float32
from torch import Tensor

from n2nfun.data.noise.crop import corrupted_pair
from n2nfun.data.noise.protocol import NoiseError, NoisyPair, Photo, Statistic
from n2nfun.data.noise.textual import range_text, read_range

_LARGEST = 10_000
"""Forty times the range from black to white: nothing is left to learn, and squares are far from overflowing."""


@dataclass(frozen=True, slots=True)
class Gaussian:
    """``noisy = clean + sigma / 255 * n``, n standard normal, independent for every value; not clipped.

    sigma is drawn uniformly from ``low`` to ``high``: once per pair, so that both noisy images have the same noise
    level, as two shots of one camera have, and as the blind PSNR requires.

    Keeps the mean, exactly: n is zero on average. Hence L2.

    Attributes:
        low: The smallest sigma, in units of 1/255.
        high: The largest.

    Raises:
        NoiseError: If not 0 <= low <= high, with high above 0 and at most 10,000.

    Example:
        >>> str(Gaussian(0, 50))
        'gaussian:0-50'
        >>> Gaussian(25, 25).corrupt(torch.zeros(1, 2, 2), torch.Generator().manual_seed(0)).shape
        torch.Size([1, 2, 2])

    Reference:
        Lehtinen et al., Noise2Noise, 2018, section 3.1.
    """

    low: float
    high: float

    form: ClassVar[str] = "gaussian:25 or gaussian:0-50 (standard deviation in 1/255)"
    keeps: ClassVar[Statistic] = Statistic.MEAN
    because: ClassVar[str] = "since what it adds is zero on average"

    def __post_init__(self) -> None:
        if not 0 <= self.low <= self.high <= _LARGEST or self.high == 0:
            raise NoiseError(
                f"sigma is {self.low} to {self.high}; expected 0 <= low <= high, high above 0 and at most {_LARGEST}"
            )

    def __str__(self) -> str:
        return f"gaussian:{range_text(self.low, self.high)}"

    @classmethod
    def parse(cls, argument: str) -> "Gaussian":
        """The model of what stands behind ``gaussian:``.

        Raises:
            ValueError: If that is not a number or a range.
        """
        return cls(*read_range(argument))

    def corrupt(
        self, clean: Float32[Tensor, "*shape channels height width"], generator: torch.Generator
    ) -> Float32[Tensor, "*shape channels height width"]:
        """Add the noise to an image, or to a batch of them with one sigma."""
        return _add_noise(clean, generator, sigma=self._draw_sigma(generator))

    def pair(
        self,
        photograph: Photo,
        size: int | tuple[int, int] | None,
        generator: torch.Generator,
    ) -> NoisyPair:
        """Crop, and add noise twice with one sigma: see `NoiseModel.pair`.

        Raises:
            NoiseError: If the photograph is smaller than the size.
        """
        add_noise = partial(_add_noise, sigma=self._draw_sigma(generator))
        return corrupted_pair(photograph, size, generator, add_noise)

    def _draw_sigma(self, generator: torch.Generator) -> float:
        """The standard deviation of one pair."""
        if self.low == self.high:
            return self.low
        return self.low + (self.high - self.low) * float(torch.rand((), generator=generator))


def _add_noise(
    clean: Float32[Tensor, "*shape channels height width"], generator: torch.Generator, *, sigma: float
) -> Float32[Tensor, "*shape channels height width"]:
    """The noise with one standard deviation, in 1/255."""
    return clean + torch.randn(clean.shape, generator=generator) * (sigma / 255)
