"""Reproduce the course report's network and compare it with the blur and the default model, in one table.

    python examples/reproduce.py --training DIR --judging DIR

makes 40,000 pairs of 32 x 32 by ``subsample:8-14`` from the photographs of one folder, judges on 1,000 made the same way
from those of the other, and prints, as Markdown:

- the noisy input, and the Gaussian blur with the sigma that suits the training images best;
- the report's final model (Nesterov, momentum 0.9, lr 0.01, hidden 16 and 32, kernels 2 and 5, batch 4), as many steps as
  10 epochs of 50,000 pairs have;
- the same with the gradient as the report prints it, without 1/N;
- the default model, trained on noisy targets and, to compare, on clean ones.

Each is trained with every seed, the two that are there to compare with the first one alone, in a process of its own on
one thread, as many at a time as there are cores. The seconds are those of one training on its one thread.
"""

import json
import math
import os
import platform
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from statistics import mean, stdev
from typing import Any, Literal, TypeAlias, TypeVar

import torch
import tyro
from torch import Tensor

from n2nfun.baselines import gaussian_blur
from n2nfun.data import Pairs, make_pairs, parse_noise, read_photographs
from n2nfun.data.batches import Augmentation, BatchOrder
from n2nfun.losses import MSE, LossCache
from n2nfun.metrics import psnr_mean, psnr_pooled
from n2nfun.models import Model, denoiser, paper
from n2nfun.optim import SGD, Adam
from n2nfun.schedules import cosine
from n2nfun.train import TrainStep, fit

P = TypeVar("P")
Name: TypeAlias = Literal["paper", "paper, gradient without 1/N", "denoiser", "denoiser, clean targets"]


@dataclass(frozen=True)
class Config:
    """Where the photographs are, and how long to train."""

    training: Path
    """folder of photographs to learn from"""
    judging: Path
    """folder of photographs to judge on"""
    pairs: int = 40_000
    """pairs to learn from"""
    paper_steps: int = 125_000
    """batches of 4: 10 epochs of 50,000 pairs"""
    denoiser_steps: int = 7_500
    """batches of 16"""
    seeds: int = 3
    """of weights and order"""
    out: Path = Path("runs/reproduce")
    """folder for the data, results.json and table.md"""


@dataclass(frozen=True)
class Result:
    """One training, or one restorer that needs none."""

    name: str
    seed: int | None
    psnr_mean: float
    psnr_pooled: float
    steps: int
    seconds: float


class Sum:
    """The squared error whose gradient is the one that the report prints: ``2 (prediction - target)``, without 1/N."""

    def forward(self, prediction: Tensor, target: Tensor) -> tuple[Tensor, LossCache]:
        """Return the mean, as the report does."""
        return MSE().forward(prediction, target)

    def backward(self, cache: LossCache) -> Tensor:
        """Return the gradient of the sum."""
        return 2 * cache.difference


def judge(name: str, seed: int | None, restored: Tensor, pairs: Pairs, steps: int, seconds: float) -> Result:
    """Compare restored images with the clean ones, clipped to [0, 1]."""
    assert pairs.clean is not None
    restored = restored.clamp(0, 1)
    return Result(name, seed, psnr_mean(restored, pairs.clean), psnr_pooled(restored, pairs.clean), steps, seconds)


def train(name: Name, seed: int, config: Config) -> Result:
    """Train one network, and judge it: a pure function of its arguments and the data."""
    torch.set_num_threads(1)
    training, judging = (_load(config.out / f"{part}.pt") for part in ("training", "judging"))
    if name.startswith("paper"):
        loss = Sum() if "without" in name else MSE()
        step: Any = TrainStep(paper().layer, loss, SGD(0.01, momentum=0.9, nesterov=True))
        return _run(name, seed, paper(), step, BatchOrder(training, 4, seed), config.paper_steps, judging)
    if "clean" in name:
        assert training.clean is not None
        training = Pairs(training.first, training.clean, training.clean)
    order = BatchOrder(training, 16, seed, Augmentation(swap="clean" not in name))
    schedule = cosine(0.004, config.denoiser_steps, warmup=min(200, config.denoiser_steps // 10))
    step = TrainStep(denoiser().layer, MSE(), Adam(0.004), schedule)
    return _run(name, seed, denoiser(), step, order, config.denoiser_steps, judging)


def _run(
    name: str, seed: int, model: Model[P, Any], step: Any, order: BatchOrder, steps: int, judging: Pairs
) -> Result:
    state, start = step.init(torch.Generator().manual_seed(seed)), time.perf_counter()
    for state, metrics in fit(step, state, islice(order.batches(), steps)):  # noqa: B020, B007 - a fold
        if not math.isfinite(float(metrics.loss)):
            break
    seconds = time.perf_counter() - start
    judged = judging[:]
    return judge(name, seed, model.layer.apply(state.params, judged.first), judged, state.step, seconds)


def _load(path: Path) -> Pairs:
    return Pairs(*torch.load(path, weights_only=True))


def _make(config: Config) -> None:
    """Make the pairs, once."""
    noise, generator = parse_noise("subsample:8-14"), torch.Generator().manual_seed(0)
    config.out.mkdir(parents=True, exist_ok=True)
    for part, folder, count in (("training", config.training, config.pairs), ("judging", config.judging, 1000)):
        pairs = make_pairs(read_photographs(folder), noise, count, 32, generator)
        torch.save((pairs.first, pairs.second, pairs.clean), config.out / f"{part}.pt")


def untrained(config: Config) -> list[Result]:
    """Judge the noisy input and the blur, its sigma the best of a fine grid on training images."""
    training, judging = _load(config.out / "training.pt")[:1000], _load(config.out / "judging.pt")[:]
    assert training.clean is not None
    clean = training.clean
    sigma = max((s / 100 for s in range(40, 101)), key=lambda s: psnr_mean(gaussian_blur(training.first, s), clean))
    return [
        judge("noisy input", None, judging.first, judging, 0, 0.0),
        judge(f"Gaussian blur, sigma {sigma:.2f}", None, gaussian_blur(judging.first, sigma), judging, 0, 0.0),
    ]


def table(results: list[Result]) -> str:
    """Draw the results as Markdown: mean, and deviation between seeds where there are several."""
    lines = ["| | PSNR, mean over images | PSNR, pooled | steps | seconds |", "|---|---|---|---|---|"]
    for name in dict.fromkeys(result.name for result in results):
        same = [result for result in results if result.name == name]
        cells = [
            f"{mean(values):.2f}" + (f" ± {stdev(values):.2f}" if len(values) > 1 else "")
            for values in ([r.psnr_mean for r in same], [r.psnr_pooled for r in same])
        ]
        steps, seconds = max(r.steps for r in same), mean(r.seconds for r in same)
        lines.append(f"| {name} | {cells[0]} | {cells[1]} | {steps:,} | {seconds:.0f} |")
    return "\n".join(lines)


def main(config: Config) -> None:
    """Run it all."""
    _make(config)
    results = untrained(config)
    names: list[Name] = ["denoiser", "denoiser, clean targets", "paper", "paper, gradient without 1/N"]
    cores = os.cpu_count() or 1
    with ProcessPoolExecutor(cores, mp_context=get_context("spawn")) as pool:
        jobs = {
            pool.submit(train, name, seed, config): name
            for seed in range(config.seeds)
            for name in names
            if seed == 0 or name in {"paper", "denoiser"}
        }
        for job in as_completed(jobs):
            results.append(job.result())
            print(f"{results[-1]}", flush=True)
            _write(results, names, cores, config)
    print((config.out / "table.md").read_text())


def _write(results: list[Result], names: list[Name], cores: int, config: Config) -> None:
    """Write what is known so far, in the order of the names."""
    order: dict[str, int] = {name: place for place, name in enumerate(names)}
    ordered = sorted(results, key=lambda r: (order.get(r.name, -1), r.seed or 0))
    machine = f"{platform.machine()}, {cores} cores, one thread a training, torch {torch.__version__}"
    values = {"machine": machine, "results": [asdict(result) for result in ordered]}
    (config.out / "results.json").write_text(json.dumps(values, indent=2))
    (config.out / "table.md").write_text(f"{table(ordered)}\n\n{machine}\n")


if __name__ == "__main__":
    main(tyro.cli(Config, description=__doc__))
