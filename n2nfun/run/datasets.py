"""What a run learns from and is judged by."""

from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from n2nfun.config import ConfigError, TrainConfig
from n2nfun.data import (
    NoiseModel,
    NoisyPair,
    Pairs,
    held_out_photographs,
    make_pairs,
    parse_noise,
    read_pairs,
    read_photographs,
    training_photographs,
)
from n2nfun.data.folders import read_tiles

__all__ = ["MOST_VALIDATION", "Dataset", "check_channels", "load_dataset"]

_HOLD_OUT = 10
"""Of this many photographs, or pairs, one is held out."""
MOST_VALIDATION = 512
"""Pairs that are judged at a time during training."""
_LARGEST_SAMPLE = 384
"""Height and width of the largest example picture."""


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """Pairs to learn from, pairs to judge by, and images to look at."""

    training: Pairs
    validation: Pairs
    samples: tuple[NoisyPair, ...]
    """Larger images of the held-out photographs; of given pairs, some of those held out."""
    noise: NoiseModel | None
    """None where the pairs were given: then the noise is what it is."""

    @property
    def channels(self) -> int:
        """Of the images."""
        return self.training.first.shape[1]


def load_dataset(config: TrainConfig) -> Dataset:
    """Read or make what the settings name; the same settings give the same data.

    About a tenth is held out to judge by. Of photographs, and of two folders, these are whole images: no tile is judged
    whose neighbour was learned from. Where two folders hold a single image, some of its tiles are held out all the same;
    and of a file, whose pairs do not say where they come from, the last ones.

    Raises:
        ConfigError: if there is too little data to hold something out.
        ValueError: if something cannot be read, or does not fit the settings.
    """
    return _given(config) if config.pairs else _made(config)


def _made(config: TrainConfig) -> Dataset:
    noise = parse_noise(config.noise)
    generator = torch.Generator().manual_seed(config.seed)
    if config.data is None:
        training, held_out = training_photographs(), held_out_photographs()
    else:
        found = read_photographs(config.data)
        held_out = found[_HOLD_OUT - 1 :: _HOLD_OUT] or found[-1:]
        training = tuple(photo for photo in found if not any(photo is other for other in held_out))
        if not training:
            raise ConfigError(f"--data {config.data} has one image, expected at least 2: one is held out to judge by")
    pairs = make_pairs(training, noise, config.count, config.size, generator)
    validation = make_pairs(held_out, noise, MOST_VALIDATION, config.size, generator)
    if config.target == "clean":
        assert pairs.clean is not None  # made pairs have it
        pairs = Pairs(pairs.first, pairs.clean, pairs.clean)
    samples = tuple(noise.pair(photo, None, generator) for photo in held_out[:4])
    return Dataset(pairs, _judged(config, validation), tuple(_part(sample) for sample in samples), noise)


def _given(config: TrainConfig) -> Dataset:
    counts: tuple[int, ...] = ()
    if len(config.pairs) == 1:
        pairs = read_pairs(config.pairs[0])
    else:
        pairs, counts = read_tiles(config.pairs[0], config.pairs[1], size=config.size)
    if len(pairs) < 2:
        raise ConfigError(f"--pairs has {len(pairs)} pairs, expected at least 2: one is held out to judge by")
    cut = _cut(len(pairs), counts)
    training, held_out = pairs.part(0, cut), pairs.part(cut, min(len(pairs), cut + MOST_VALIDATION))
    validation = _judged(config, held_out)
    shown = validation[:4]
    samples = tuple(
        NoisyPair(shown.first[i], shown.second[i], shown.second[i] if shown.clean is None else shown.clean[i])
        for i in range(len(shown))
    )
    return Dataset(training, validation, samples, None)


def _cut(pairs: int, counts: tuple[int, ...]) -> int:
    """Return how many pairs are learned from: those of whole images, where it is known how many each image gave."""
    wanted = pairs - max(1, min(pairs // _HOLD_OUT, MOST_VALIDATION))
    borders = [*accumulate(counts)][:-1]
    return min(borders, key=lambda border: abs(border - wanted)) if borders else wanted


def _judged(config: TrainConfig, otherwise: Pairs) -> Pairs:
    """Return the pairs to judge by: those of --validation where it is given."""
    if config.validation is None:
        return otherwise
    found = read_pairs(config.validation, second_is_clean=True)
    check_channels(config.validation, found, otherwise)
    return found


def check_channels(validation: Path, judged: Pairs, learned: Pairs) -> None:
    """Refuse images to judge by that have other channels than those to learn from.

    Raises:
        ConfigError: if they have.
    """
    if judged.first.shape[1] != learned.first.shape[1]:
        raise ConfigError(
            f"--validation {validation} has {judged.first.shape[1]} channels, "
            f"the images to learn from have {learned.first.shape[1]}"
        )


def _part(sample: NoisyPair) -> NoisyPair:
    """Cut the middle out of a large image."""

    def cut(image: Float[Tensor, "channels height width"]) -> Tensor:
        height, width = image.shape[1:]
        top, left = max(0, height - _LARGEST_SAMPLE) // 2, max(0, width - _LARGEST_SAMPLE) // 2
        return image[:, top : top + _LARGEST_SAMPLE, left : left + _LARGEST_SAMPLE].clone()

    return NoisyPair(cut(sample.first), cut(sample.second), cut(sample.clean))
