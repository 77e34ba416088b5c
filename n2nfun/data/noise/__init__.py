"""Noise models: small immutable values that make pairs of noisy images, each with what it keeps of the clean one."""

from n2nfun.data.noise.gaussian import Gaussian
from n2nfun.data.noise.impulse import Impulse
from n2nfun.data.noise.parsing import NOISE_FORMS, parse_noise
from n2nfun.data.noise.poisson import Poisson
from n2nfun.data.noise.protocol import NoiseError, NoiseModel, NoisyPair, Statistic, explain
from n2nfun.data.noise.subsample import Subsample
from n2nfun.data.noise.text import Text

__all__ = [
    "NOISE_FORMS",
    "Gaussian",
    "Impulse",
    "NoiseError",
    "NoiseModel",
    "NoisyPair",
    "Poisson",
    "Statistic",
    "Subsample",
    "Text",
    "explain",
    "parse_noise",
]
