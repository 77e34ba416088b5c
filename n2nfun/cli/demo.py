"""`n2nfun demo`: the whole of it in about two minutes, on data that ships with the package."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from tyro.conf import arg

from n2nfun.config import TrainConfig, check_range

__all__ = ["DemoConfig", "run"]

_JUDGED = 128
"""Held-out images in the table: enough to tell the restorers apart, and seconds for the slowest of them."""


@dataclass(frozen=True)
class DemoConfig:
    """Train on photographs that ship with scikit-image, each seen noisy only, and show what becomes of another one.

    Prints a table of PSNRs against classical restorers, and draws a picture: noisy, restored, clean.
    """

    seconds: Annotated[float, arg(metavar="N")] = 60.0
    """how long to train"""
    noise: Annotated[str, arg(metavar="NOISE")] = "gaussian:25"
    """or subsample:8-9, poisson:30, text:0.25"""
    seed: Annotated[int, arg(metavar="N")] = 0
    """of weights, pairs, order and augmentation"""
    out: Annotated[Path, arg(aliases=("-o",), metavar="DIR")] = Path("runs/demo")
    """the run's folder"""


def run(config: DemoConfig) -> int:
    """Train, compare, draw."""
    from n2nfun.cli.evaluate import show_evaluation  # noqa: PLC0415 - --help can do without
    from n2nfun.cli.train import train_and_watch  # noqa: PLC0415 - likewise

    check_range("seconds", config.seconds, 0.001, 1_000_000)
    settings = TrainConfig(
        noise=config.noise,
        seed=config.seed,
        out=config.out,
        time_budget=config.seconds,
        count=2_000,
        size=48,
        batch_size=16,
    )
    finished = train_and_watch(settings)
    dataset = replace(finished.dataset, validation=finished.dataset.validation.part(0, _JUDGED))
    return show_evaluation(finished.run, config.out, dataset)
