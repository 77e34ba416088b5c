"""What a noise model is: a value that makes two noisy versions of one clean image."""

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Protocol, TypeAlias, runtime_checkable

import torch
from jaxtyping import Float32, UInt8
from torch import Tensor

Image: TypeAlias = Float32[Tensor, "channels height width"]
"""One image, values in [0, 1]; noisy ones may leave that."""
Photo: TypeAlias = Float32[Tensor, "channels _height _width"] | UInt8[Tensor, "channels _height _width"]
"""One photograph, of a size of its own: values in [0, 1], or the bytes of its file."""


class NoiseError(ValueError):
    """A noise model that cannot be, or that cannot be applied to what it was given."""


class Statistic(StrEnum):
    """What the noisy values of a pixel, drawn again and again, have in common with its clean value.

    A network that is trained on noisy targets learns that statistic of them which its loss asks for: so a noise that
    keeps the statistic is removed by that loss, and no clean image is needed.

    Reference:
        Lehtinen et al., Noise2Noise: Learning Image Restoration without Clean Data, 2018, sections 2 and 3.2.
    """

    MEAN = "mean"
    MEDIAN = "median"
    MODE = "mode"

    @property
    def loss(self) -> str:
        """The loss that recovers the clean image.

        L2 is the mean of squared differences, L1 of absolute ones; L0 is the mean of ``(|f(a) - b| + 1e-8) ** gamma``
        with gamma going from 2 to 0 during training.

        Example:
            >>> Statistic.MEDIAN.loss
            'L1'
        """
        return {"mean": "L2", "median": "L1", "mode": "annealed L0"}[self.value]


@dataclass(frozen=True, slots=True, eq=False)
class NoisyPair:
    """Two independent corruptions of one image, and the image. The noisy values are not clipped to [0, 1]."""

    first: Float32[Tensor, "channels height width"]
    second: Float32[Tensor, "channels height width"]
    clean: Float32[Tensor, "channels height width"]


@runtime_checkable
class NoiseModel(Protocol):
    """A kind of noise with its strength: an immutable value that `parse_noise` makes from its `str`, and back."""

    keeps: ClassVar[Statistic]
    """What the noise leaves as it was, and hence the loss that removes it."""
    because: ClassVar[str]
    """Why, in one clause for people."""

    def pair(
        self,
        photograph: Photo,
        size: int | tuple[int, int] | None,
        generator: torch.Generator,
    ) -> NoisyPair:
        """Crop the photograph at random and corrupt the crop twice, independently.

        Args:
            photograph: Values in [0, 1], or bytes.
            size: Height and width of the pair, or one number for both; None for as large as the photograph permits.
            generator: The only source of randomness.

        Raises:
            NoiseError: If the photograph is too small.
        """
        ...


def explain(noise: NoiseModel) -> str:
    """Say in one line what a noise keeps, and what that means for training.

    Example:
        >>> from n2nfun.data import parse_noise
        >>> explain(parse_noise("gaussian:25"))
        'gaussian:25 keeps the mean, since what it adds is zero on average: the L2 loss recovers the clean image'
    """
    return f"{noise} keeps the {noise.keeps}, {noise.because}: the {noise.keeps.loss} loss recovers the clean image"
