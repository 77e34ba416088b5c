"""Noise models from text."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from n2nfun.data.noise.gaussian import Gaussian
from n2nfun.data.noise.impulse import Impulse
from n2nfun.data.noise.poisson import Poisson
from n2nfun.data.noise.protocol import NoiseError, NoiseModel
from n2nfun.data.noise.subsample import Subsample
from n2nfun.data.noise.text import Text

_PARSERS: Mapping[str, Callable[[str], NoiseModel]] = MappingProxyType(
    {
        "subsample": Subsample.parse,
        "gaussian": Gaussian.parse,
        "poisson": Poisson.parse,
        "impulse": Impulse.parse,
        "text": Text.parse,
    }
)

NOISE_FORMS: tuple[str, ...] = (Subsample.form, Gaussian.form, Poisson.form, Impulse.form, Text.form)
"""The text form of every noise model, with what its numbers mean."""


def parse_noise(text: str) -> NoiseModel:
    """Make the noise model that a text names; ``str`` of the model makes an equal text again.

    Args:
        text: A name and its numbers: one of `NOISE_FORMS`.

    Raises:
        NoiseError: If the name is not known, or its numbers make no sense.

    Example:
        >>> parse_noise("gaussian:0-50")
        Gaussian(low=0.0, high=50.0)
        >>> str(parse_noise("subsample:8-14"))
        'subsample:8-14'
    """
    name, _, argument = text.partition(":")
    known = "; known: " + ", ".join(NOISE_FORMS)
    if name not in _PARSERS:
        raise NoiseError(f"noise {text!r}: no model has the name {name!r}{known}")
    try:
        return _PARSERS[name](argument)
    except ValueError as error:
        raise NoiseError(f"noise {text!r}: {error}{known}") from error
