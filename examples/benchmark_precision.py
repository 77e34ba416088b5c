"""Train the course report's network with and without bfloat16 compute, side by side: the time of a step, and the PSNR.

    python -m examples.benchmark_precision --output runs/precision.json

Both learn from the same pairs, made from photographs that ship with scikit-image, in the same order and from the same
parameters, a block of steps each in turn, and are judged on another photograph. The parameters, the loss and the optimizer
are float32 in both. On a CUDA device where there is one.
"""

import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

import torch
import tyro

from examples.benchmark.machine import machine, told, write
from n2nfun.data import Pairs, held_out_photographs, make_pairs, parse_noise, training_photographs
from n2nfun.data.batches import BatchOrder
from n2nfun.losses import MSE
from n2nfun.metrics import psnr_mean, psnr_pooled
from n2nfun.models import paper
from n2nfun.optim import SGD
from n2nfun.train import Batch, TrainState, TrainStep

PRECISIONS: dict[str, torch.dtype | None] = {"float32": None, "bfloat16": torch.bfloat16}


@dataclass(frozen=True)
class Config:
    """How long to train, and on what."""

    steps: int = 5_000
    """of each training"""
    batch: int = 4
    """images"""
    pairs: int = 2_000
    """to learn from"""
    noise: str = "gaussian:25"
    """or subsample:8-9, poisson:30, text:0.25"""
    block: int = 50
    """steps that are timed as one, in turn"""
    device: str = "cuda" if torch.cuda.is_available() else "cpu"
    """where to compute"""
    threads: int = os.cpu_count() or 1
    """of the CPU"""
    seed: int = 0
    """of weights, pairs and order"""
    output: Path | None = None
    """JSON file for all results"""


@dataclass(frozen=True)
class Result:
    """One training."""

    compute: str
    seconds: float
    """per step: the median over the blocks"""
    loss: float
    """mean over the last block"""
    psnr_mean: float
    psnr_pooled: float


def train(config: Config) -> list[Result]:
    """Train in each precision, in turn, and judge."""
    torch.set_num_threads(config.threads)
    generator, noise = torch.Generator().manual_seed(config.seed), parse_noise(config.noise)
    training = make_pairs(training_photographs(), noise, config.pairs, 32, generator)
    judging = make_pairs(held_out_photographs(), noise, 500, 32, generator)
    steps = {
        name: TrainStep(paper().layer, MSE(), SGD(0.01, momentum=0.9, nesterov=True), compute=compute)
        for name, compute in PRECISIONS.items()
    }
    states: dict[str, Any] = {
        name: step.init(torch.Generator(config.device).manual_seed(config.seed)) for name, step in steps.items()
    }
    times, losses = ({name: list[float]() for name in steps} for _ in range(2))
    batches = islice(BatchOrder(training, config.batch, config.seed).batches(), config.steps)
    while block := [_moved(batch, config.device) for batch in islice(batches, config.block)]:
        for name, step in steps.items():
            states[name], seconds, loss = _made(step, states[name], block)
            times[name].append(seconds)
            losses[name].append(loss)
    return [_judged(name, states[name], judging, median(times[name]), losses[name][-1]) for name in steps]


def _moved(batch: Batch, device: str) -> Batch:
    return Batch(batch.x.to(device), batch.target.to(device))


def _made(
    step: TrainStep[Any, Any, Any, Any], state: TrainState[Any, Any], block: Sequence[Batch]
) -> tuple[TrainState[Any, Any], float, float]:
    """Make steps; return the state, the mean time of a step and the mean loss."""
    start, losses = time.perf_counter(), list[torch.Tensor]()
    for batch in block:
        state, metrics = step(state, batch)
        losses.append(metrics.loss)
    loss = float(torch.stack(losses).mean())  # which waits for the device
    return state, (time.perf_counter() - start) / len(block), loss


def _judged(name: str, state: TrainState[Any, Any], judging: Pairs, seconds: float, loss: float) -> Result:
    """Restore in float32 what a network was not shown."""
    judged = judging[:]
    assert judged.clean is not None  # made pairs have it
    device = state.params[0].weight.device
    restored = paper().layer.apply(state.params, judged.first.to(device)).cpu()
    return Result(name, seconds, loss, psnr_mean(restored, judged.clean), psnr_pooled(restored, judged.clean))


def main(config: Config) -> None:
    """Train, print, and write the file."""
    results = train(config)
    print("| compute | ms per step | loss | PSNR, mean over images | PSNR, pooled |\n|---|---|---|---|---|")
    for one in results:
        print(
            f"| {one.compute} | {1000 * one.seconds:.2f} | {one.loss:.5f} | {one.psnr_mean:.2f} | {one.psnr_pooled:.2f} |"
        )
    about = machine(config.threads) | {"device": config.device}
    print("\n" + told(about))
    write(config.output, about, results=[asdict(one) for one in results])


if __name__ == "__main__":
    main(tyro.cli(Config, description=__doc__))
