"""Random-valued impulse noise."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float32
from torch import Tensor

from n2nfun.data.noise.crop import corrupted_pair
from n2nfun.data.noise.protocol import NoiseError, NoisyPair, Photo, Statistic
from n2nfun.data.noise.textual import number_text, read_number


@dataclass(frozen=True, slots=True)
class Impulse:
    """Replaces each PIXEL, with the given probability, by a colour drawn uniformly: all its channels, or none.

    Keeps the mode, exactly: a pixel's values are its own colour with probability ``1 - probability`` and otherwise
    spread evenly, so that the one value which stands out is the clean one. Hence the annealed L0. The mean is drawn
    towards grey, ``(1 - p) * clean + p / 2``, and so is, for p above 1/2, the median.

    Attributes:
        probability: Of a pixel to be replaced, between 0 and 1, both excluded.

    Raises:
        NoiseError: If the probability is outside of that.

    Example:
        >>> str(Impulse(0.3)), Impulse(0.3).keeps.loss
        ('impulse:0.3', 'annealed L0')

    Reference:
        Lehtinen et al., Noise2Noise, 2018, section 3.2, "Random-valued impulse noise".
    """

    probability: float

    form: ClassVar[str] = "impulse:0.3 (probability of a pixel to get a random colour)"
    keeps: ClassVar[Statistic] = Statistic.MODE
    because: ClassVar[str] = "since all colours but the pixel's own are equally rare"

    def __post_init__(self) -> None:
        if not 0 < self.probability < 1:
            raise NoiseError(f"the probability is {self.probability}; expected between 0 and 1, both excluded")

    def __str__(self) -> str:
        return f"impulse:{number_text(self.probability)}"

    @classmethod
    def parse(cls, argument: str) -> "Impulse":
        """The model of what stands behind ``impulse:``.

        Raises:
            ValueError: If that is not a number.
        """
        return cls(read_number(argument))

    def corrupt(
        self, clean: Float32[Tensor, "*shape channels height width"], generator: torch.Generator
    ) -> Float32[Tensor, "*shape channels height width"]:
        """Replace pixels of an image, or of a batch of them."""
        replaced = torch.rand(*clean.shape[:-3], 1, *clean.shape[-2:], generator=generator) < self.probability
        return torch.where(replaced, torch.rand(clean.shape, generator=generator), clean)

    def pair(
        self,
        photograph: Photo,
        size: int | tuple[int, int] | None,
        generator: torch.Generator,
    ) -> NoisyPair:
        """Crop, and replace pixels twice: see `NoiseModel.pair`.

        Raises:
            NoiseError: If the photograph is smaller than the size.
        """
        return corrupted_pair(photograph, size, generator, self.corrupt)
