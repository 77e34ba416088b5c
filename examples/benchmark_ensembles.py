"""Time an ensemble's step beside the steps of its networks one after the other: the time per network, against their number.

    python -m examples.benchmark_ensembles --output runs/ensembles.json

The course report's network; each copy has a seed, a learning rate, a momentum and a Nesterov flag of its own, and all see
the same batches. Both ways start from the same states and must make the same losses, to rounding, in their first steps;
then they are timed in turn, a block of steps each, round after round; the steps are captured, unless told otherwise. On a
CUDA device where there is one.
"""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from statistics import median
from typing import TypeAlias

import torch
import tyro
from torch import Tensor

from examples.benchmark.machine import machine, told, write
from n2nfun.capture import captured
from n2nfun.ensemble import EnsembleStep
from n2nfun.losses import MSE
from n2nfun.models import paper
from n2nfun.optim import SGD
from n2nfun.train import Batch

HALF_THE_DIGITS = torch.finfo(torch.float32).eps ** 0.5
"""Two ways to compute the same differ by far less, two networks by more."""

Way: TypeAlias = Callable[[], Tensor]
"""Makes a step of each network, and returns their losses."""


@dataclass(frozen=True)
class Config:
    """What to time."""

    networks: tuple[int, ...] = (1, 2, 4, 8, 16)
    """how many"""
    batches: tuple[int, ...] = (4, 16)
    """how many images of 32 x 32"""
    hidden: tuple[int, int] = (16, 32)
    """channels of the networks"""
    captured: bool = True
    """whether steps are recorded and repeated"""
    device: str = "cuda" if torch.cuda.is_available() else "cpu"
    """where to compute"""
    threads: int = os.cpu_count() or 1
    """of the CPU"""
    rounds: int = 7
    """how many times each is timed"""
    seconds: float = 0.1
    """how long a block of steps is at least"""
    output: Path | None = None
    """JSON file for all times"""


@dataclass(frozen=True)
class Timed:
    """What a step took, per network."""

    batch: int
    networks: int
    together: float
    """seconds, the median over the rounds, of an ensemble"""
    apart: float
    """of the networks one after the other"""


def optimizers(count: int) -> list[SGD]:
    """Return optimizers with different learning rates, momenta and Nesterov flags."""
    return [SGD(0.01 / (1 + k), momentum=0.5 if k % 3 else 0.9, nesterov=k % 2 == 0) for k in range(count)]


def ways(config: Config, size: int, count: int) -> tuple[Way, Way]:
    """Return a step of the networks together, and one of them apart; each goes on from where its last one ended."""
    ensemble = EnsembleStep(paper(hidden=config.hidden).layer, MSE(), optimizers(count), device=config.device)
    generator = torch.Generator(config.device).manual_seed(0)
    x, target = (torch.rand((size, 3, 32, 32), generator=generator, device=config.device) for _ in range(2))
    batch = Batch(x, target)
    several = ensemble.init([torch.Generator(config.device).manual_seed(seed) for seed in range(count)])
    alone = [ensemble.alone(k) for k in range(count)]
    states = [step.init(torch.Generator(config.device).manual_seed(seed)) for seed, step in enumerate(alone)]
    step_together = captured(ensemble) if config.captured else ensemble
    steps_apart = [captured(step) if config.captured else step for step in alone]

    def together() -> Tensor:
        nonlocal several
        several, metrics = step_together(several, batch)
        return metrics.loss

    def apart() -> Tensor:
        losses = list[Tensor]()
        for k, step in enumerate(steps_apart):
            states[k], metrics = step(states[k], batch)
            losses.append(metrics.loss)
        return torch.stack(losses)

    return together, apart


def check(together: Way, apart: Way) -> None:
    """Make five steps, the second with a velocity, the last repeated from a recording, and compare.

    Raises:
        RuntimeError: if the losses differ.
    """
    for _ in range(5):
        losses, expected = together(), apart()
        if bool(((losses - expected).abs() > HALF_THE_DIGITS * expected).any()):
            raise RuntimeError(f"together the networks have losses {losses}, apart {expected}")


def block(way: Way, seconds: float) -> float:
    """Return the mean time of the steps that fill some seconds; what a device has been given to do is waited for."""
    count, start = 0, time.perf_counter()
    while count < 3 or time.perf_counter() - start < seconds:
        if way().is_cuda and count % 8 == 7:  # else the device is given work for minutes
            torch.cuda.synchronize()
        count += 1
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return (time.perf_counter() - start) / count


def measure(config: Config) -> Iterator[Timed]:
    """Time both ways for each size of the batch and number of networks."""
    torch.set_num_threads(config.threads)
    for size, count in product(config.batches, config.networks):
        both = ways(config, size, count)
        check(*both)
        times = [[block(way, config.seconds) for way in both] for _ in range(config.rounds)]
        together, apart = (median(column) / count for column in zip(*times, strict=True))
        yield Timed(size, count, together, apart)


def main(config: Config) -> None:
    """Measure, print, and write the file."""
    timed = list[Timed]()
    print("| batch | networks | together, ms per network | apart | times as fast |\n|---|---|---|---|---|")
    for one in measure(config):
        timed.append(one)
        print(
            f"| {one.batch} | {one.networks} | {1000 * one.together:.2f} | {1000 * one.apart:.2f} "
            f"| {one.apart / one.together:.2f} |"
        )
    about = machine(config.threads) | {"device": _name(config.device)}
    print("\n" + told(about))
    write(config.output, about, times=[asdict(one) for one in timed])


def _name(device: str) -> str:
    return torch.cuda.get_device_name(device) if device.startswith("cuda") else device


if __name__ == "__main__":
    main(tyro.cli(Config, description=__doc__))
