"""The data of a search: made once, written to a file, and read by every worker."""

import hashlib
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import torch

from n2nfun.checkpoint import Json, load_checkpoint, save_checkpoint
from n2nfun.config import ConfigError
from n2nfun.data import Pairs, Statistic, make_pairs, parse_noise, read_photographs
from n2nfun.run.datasets import MOST_VALIDATION, check_channels, load_dataset
from n2nfun.search.plan import SearchData, SearchPlan

__all__ = [
    "TrialData",
    "digest_of",
    "load_search_data",
    "load_trial_data",
    "prepare_data",
    "read_trial_data",
    "write_trial_data",
]


@dataclass(frozen=True, slots=True, eq=False)
class TrialData:
    """What every trial learns from, and is judged by."""

    training: Pairs
    validation: Pairs
    keeps: Statistic
    """What the noise keeps of the clean values, and so the loss that recovers them."""

    @property
    def channels(self) -> int:
        """Of the images."""
        return self.training.first.shape[1]


def prepare_data(plan: SearchPlan) -> TrialData:
    """Read or make the data that a plan names; the same plan gives the same data.

    Raises:
        ConfigError: if they are too few for a rung, or their size fits no network of the space.
        ValueError: if something cannot be read.
    """
    data = load_search_data(plan.data)
    count, (height, width) = len(data.training), data.training.first.shape[2:]
    for number, rung in enumerate(plan.rungs, start=1):
        if rung.samples is not None and rung.samples > count:
            raise ConfigError(f"rung {number} learns from {rung.samples:,} pairs, there are {count:,}")
    if height % 4 or width % 4:
        raise ConfigError(f"the pairs are {height}x{width}, expected multiples of 4, as the networks halve twice")
    return data


def load_search_data(data: SearchData) -> TrialData:
    """Read or make what a plan's data settings name."""
    config = data.config()
    folder = data.validation if data.validation is not None and data.validation.is_dir() else None
    found = load_dataset(config if folder is None else replace(config, validation=None))
    training = Pairs(found.training.first, found.training.second)
    validation = found.validation
    if folder is not None:
        generator = torch.Generator().manual_seed(data.seed)
        noise = parse_noise(data.noise)
        validation = make_pairs(read_photographs(folder), noise, MOST_VALIDATION, data.size, generator)
        check_channels(folder, validation, training)
    return TrialData(training, validation, Statistic.MEAN if found.noise is None else found.noise.keeps)


def write_trial_data(data: TrialData, path: Path) -> None:
    """Write the data, whole or not at all.

    Raises:
        OSError: if the file cannot be written.
    """
    settings: dict[str, Json] = {"keeps": data.keeps.name}
    save_checkpoint(path, (data.training, data.validation), settings)


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file.

    Raises:
        OSError: if it cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_trial_data(path: Path) -> TrialData:
    """Read what :func:`write_trial_data` wrote.

    Raises:
        CheckpointError: if the file is missing, damaged, or another one.
    """
    found = load_checkpoint(path)

    def pairs(place: str) -> Pairs:
        first, second, clean = (found.tensors.get(f"{place}.{name}") for name in ("first", "second", "clean"))
        if first is None or second is None:
            raise ConfigError(f"{path}: holds no pairs, expected the data of a search")
        return Pairs(first, second, clean)

    return TrialData(pairs("[0]"), pairs("[1]"), Statistic[str(found.config["keeps"])])


@lru_cache(maxsize=1)
def load_trial_data(path: Path, digest: str) -> TrialData:
    """Read the data of a search once in a process.

    Raises:
        ConfigError: if the file is not the one that the search began with.
        OSError: if it cannot be read.
    """
    if digest_of(path) != digest:
        raise ConfigError(
            f"{path}: is not the file that this search began with: put that back, or begin another search"
        )
    return read_trial_data(path)
