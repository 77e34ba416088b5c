"""Photon noise."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float32
from torch import Tensor

from n2nfun.data.noise.crop import corrupted_pair
from n2nfun.data.noise.protocol import NoiseError, NoisyPair, Photo, Statistic
from n2nfun.data.noise.textual import number_text, read_number


@dataclass(frozen=True, slots=True)
class Poisson:
    """``noisy = Poisson(peak * clean) / peak``: counted photons, ``peak`` of them on average where the image is white.

    The variance is ``clean / peak``: it depends on the signal. Not clipped.

    Keeps the mean, exactly: a Poisson variable's expectation is its rate. Hence L2.

    Attributes:
        peak: Photons per value at white, from 0.001 (one photon is then a thousand times white) to 10,000,000 (float32
            counts exactly to 16,777,216).

    Raises:
        NoiseError: If the peak is outside of that.

    Example:
        >>> noisy = Poisson(30).corrupt(torch.full((1, 2, 2), 0.5), torch.Generator().manual_seed(0))
        >>> (noisy * 30).round()  # counts of about 15
        tensor([[[14., 17.],
                 [11., 16.]]])

    Reference:
        Lehtinen et al., Noise2Noise, 2018, section 3.2.
    """

    peak: float

    form: ClassVar[str] = "poisson:30 (photons per value at white)"
    keeps: ClassVar[Statistic] = Statistic.MEAN
    because: ClassVar[str] = "since the average count is the rate"

    def __post_init__(self) -> None:
        if not 0.001 <= self.peak <= 1e7:
            raise NoiseError(f"the peak is {self.peak}; expected from 0.001 to 10000000 photons")

    def __str__(self) -> str:
        return f"poisson:{number_text(self.peak)}"

    @classmethod
    def parse(cls, argument: str) -> "Poisson":
        """The model of what stands behind ``poisson:``.

        Raises:
            ValueError: If that is not a number.
        """
        return cls(read_number(argument))

    def corrupt(
        self, clean: Float32[Tensor, "*shape channels height width"], generator: torch.Generator
    ) -> Float32[Tensor, "*shape channels height width"]:
        """Count photons for an image, or a batch of them.

        Raises:
            NoiseError: If a value is negative: there is no such light.
        """
        if bool((clean < 0).any()):
            raise NoiseError("the image has values below 0; expected values in [0, 1]: use clean.clip(0, 1)")
        return torch.poisson(clean * self.peak, generator=generator) / self.peak

    def pair(
        self,
        photograph: Photo,
        size: int | tuple[int, int] | None,
        generator: torch.Generator,
    ) -> NoisyPair:
        """Crop, and count photons twice: see `NoiseModel.pair`.

        Raises:
            NoiseError: If the photograph is smaller than the size.
        """
        return corrupted_pair(photograph, size, generator, self.corrupt)
