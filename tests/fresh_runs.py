"""Folders of runs that have not learned anything yet, so that what their networks do is known."""

from pathlib import Path
from typing import Any

import torch

from n2nfun.config import TrainConfig
from n2nfun.losses import MSE
from n2nfun.optim import SGD
from n2nfun.run.folder import LoadedRun, RunFolder, load_run
from n2nfun.run.networks import build_model
from n2nfun.train import TrainStep


def fresh_run(folder: Path, config: TrainConfig | None = None, *, channels: int = 3) -> LoadedRun:
    """Make a run's folder before its first step: a denoiser is the identity then."""
    settings = (TrainConfig(width=2) if config is None else config).resolved()
    step: TrainStep[Any, Any, Any, Any] = TrainStep(build_model(settings, channels).layer, MSE(), SGD(0.1))
    folder.mkdir(parents=True, exist_ok=True)
    RunFolder(folder).save(settings, channels, step.init(torch.Generator().manual_seed(settings.seed)))
    return load_run(folder)
