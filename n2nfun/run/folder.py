"""The folder of a run: where its files are, and what is read from it again."""

import json
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch

from n2nfun.checkpoint import Json, load_checkpoint, save_checkpoint
from n2nfun.config import ConfigError, TrainConfig, config_from_json, config_to_json
from n2nfun.files import write_atomically
from n2nfun.models import Model
from n2nfun.run.networks import build_model
from n2nfun.train import TrainState

__all__ = ["LoadedRun", "RunFolder", "check_out", "load_run"]


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The names of a run's files."""

    path: Path

    @property
    def config(self) -> Path:
        """The settings."""
        return self.path / "config.json"

    @property
    def log(self) -> Path:
        """What was measured on the way, a line each time."""
        return self.path / "log.csv"

    @property
    def checkpoint(self) -> Path:
        """The network, and all that training needs to go on."""
        return self.path / "checkpoint.safetensors"

    @property
    def curves(self) -> Path:
        """Loss and PSNR against the step, drawn."""
        return self.path / "curves.png"

    @property
    def samples(self) -> Path:
        """The folder of pictures: noisy, restored, clean."""
        return self.path / "samples"

    @property
    def summary(self) -> Path:
        """The result, in numbers."""
        return self.path / "summary.json"

    def write_json(self, path: Path, values: object) -> None:
        """Write values as readable JSON, whole or not at all; infinite numbers as "inf", which JSON lacks."""
        write_atomically(path, (json.dumps(_finite(values), indent=2, allow_nan=False) + "\n").encode())

    def save(self, config: TrainConfig, channels: int, state: TrainState[Any, Any]) -> None:
        """Write the checkpoint."""
        settings = cast("dict[str, Json]", {"config": config_to_json(config), "channels": channels})
        save_checkpoint(self.checkpoint, state, settings)


@dataclass(frozen=True, slots=True, eq=False)
class LoadedRun:
    """A trained network with the settings that it came from."""

    path: Path
    config: TrainConfig
    model: Model[Any, Any]
    params: Any
    """Of the type that the model's layer takes."""


def _finite(values: object) -> object:
    if isinstance(values, dict):
        return {name: _finite(value) for name, value in cast("dict[str, object]", values).items()}
    if isinstance(values, list | tuple):
        return [_finite(value) for value in cast("list[object]", values)]
    return "inf" if values == math.inf else values


def check_out(out: Path) -> None:
    """Refuse a folder for results that cannot be made, before the work that leads to them; nothing is written.

    Raises:
        ConfigError: if it, or what it would be made in, is something else than a folder.
    """
    existing = next((path for path in (out, *out.parents) if os.path.lexists(path)), None)
    if existing is not None and not existing.is_dir():
        raise ConfigError(f"{existing}: is a file, expected a folder for the results")


def load_run(path: Path) -> LoadedRun:
    """Read the network of a run, from its folder or from a checkpoint file alone.

    Raises:
        CheckpointError: if the checkpoint is missing, damaged, or none of ours.
        ConfigError: if its settings cannot be read, or no network can have them.
    """
    found = load_checkpoint(RunFolder(path).checkpoint if path.is_dir() else path)
    stored = config_from_json(found.config.get("config"), str(found.path))
    channels = found.config.get("channels")
    if not isinstance(channels, int) or channels not in {1, 3}:
        raise ConfigError(f"{found.path}: channels is {channels!r}, expected 1 or 3")
    try:
        config = stored.resolved()
        model = build_model(config, channels)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{found.path}: {error}") from None
    params = found.fill(model.layer.init(torch.Generator().manual_seed(0)), ".params")
    return LoadedRun(path, config, model, params)
