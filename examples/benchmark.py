"""Time training steps side by side: n2nfun, and torch.nn with autograd, eager and compiled.

    python -m examples.benchmark --output runs/benchmark.json

Every opponent runs in a process of its own, with glibc's allocator as it is or tuned (see ``--allocators``), on the same
inputs and the same starting parameters. After its first step each must have made the same loss and parameters, to
rounding; then they are timed in turn, a block of steps each, round after round. The table has, for each opponent, the
geometric mean over the shapes of its best time over n2nfun's, and the worst shape. Everything goes into the JSON file.
"""

import json
import os
import platform
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import version
from itertools import product
from pathlib import Path
from statistics import geometric_mean, median
from typing import Literal, TypeAlias

import torch
import tyro

from examples.opponents import Allocator, Case, Opponent, Worker

Part: TypeAlias = Literal["grid", "quick", "default"]

HALF_THE_DIGITS = torch.finfo(torch.float32).eps ** 0.5
"""Two ways to compute the same differ by far less, two steps by more."""

RIVALS: dict[Opponent, tuple[Opponent, ...]] = {
    "n2nfun": ("torch", "torch channels_last"),
    "n2nfun compiled": ("torch compiled", "torch channels_last compiled"),
}

HIDDEN = ((8, 32), (16, 32), (16, 64), (32, 64))


def cases(part: Part) -> list[Case]:
    """List the shapes of a part: the paper's grid, four of it, or the default model's batches."""
    match part:
        case "grid":
            return [
                Case("paper", batch, hidden, down, up)
                for hidden, down, up, batch in product(HIDDEN, (2, 4), (3, 5), (4, 16, 64))
            ]
        case "quick":
            return [Case("paper", batch, (16, 32), 2, up) for up, batch in product((3, 5), (4, 16))]
        case "default":
            return [Case("denoiser", batch) for batch in (4, 16, 64)]


@dataclass(frozen=True)
class Config:
    """What to time."""

    part: Part = "grid"
    """grid: the 48 shapes of the paper's search; quick: four of them; default: the default model"""
    opponents: tuple[Opponent, ...] = ("n2nfun", "torch", "torch channels_last")
    """who: those with "compiled" take half a minute or more to compile each shape"""
    allocators: tuple[Allocator, ...] = ("default", "tuned")
    """glibc's, as it is or with its thresholds raised; of each opponent the better counts"""
    threads: int = os.cpu_count() or 1
    """of each opponent"""
    rounds: int = 7
    """how many times each is timed"""
    seconds: float = 0.03
    """how long a block of steps is at least"""
    output: Path | None = None
    """JSON file for all times"""


@dataclass(frozen=True)
class Timed:
    """What one opponent took for a step."""

    case: Case
    opponent: Opponent
    allocator: Allocator
    seconds: float
    """median over the rounds of the mean of a block"""
    peak: int
    """bytes that a step holds at most beyond what it started with"""


def measure(config: Config) -> Iterator[Timed]:
    """Time all opponents on each shape, in turn.

    Raises:
        RuntimeError: if two of them do not compute the same.
    """
    workers: dict[tuple[Opponent, Allocator], Worker] = {
        (opponent, allocator): Worker(opponent, allocator, config.threads)
        for opponent, allocator in product(config.opponents, config.allocators)
    }
    try:
        for case in cases(config.part):
            first: tuple[float, float] | None = None
            for (opponent, _), worker in workers.items():
                loss, squares = worker.prepare(case)
                found = (loss, squares)
                first = first or found
                if any(
                    abs(own - other) > HALF_THE_DIGITS * abs(other) for own, other in zip(found, first, strict=True)
                ):
                    raise RuntimeError(
                        f"{opponent} on {case}: loss and squared parameters {found}, the first has {first}"
                    )
            times = {key: list[float]() for key in workers}
            for _ in range(config.rounds):
                for key, worker in workers.items():
                    times[key].append(worker.time(config.seconds))
            for (opponent, allocator), seconds in times.items():
                yield Timed(case, opponent, allocator, median(seconds), workers[opponent, allocator].peak())
    finally:
        for worker in workers.values():
            worker.stop()


def best(timed: list[Timed], case: Case, opponents: tuple[Opponent, ...], field: Literal["seconds", "peak"]) -> float:
    """Return the least time, or peak, on a shape of any of some opponents, with any allocator."""
    found = [one for one in timed if one.case == case and one.opponent in opponents]
    return min(one.seconds if field == "seconds" else one.peak for one in found)


def ratios(
    timed: list[Timed], own: Opponent, others: tuple[Opponent, ...], field: Literal["seconds", "peak"]
) -> list[float]:
    """Return for each shape how many times as much the best of the others takes."""
    shapes = dict.fromkeys(one.case for one in timed)
    return [best(timed, case, others, field) / best(timed, case, (own,), field) for case in shapes]


def main(config: Config) -> None:
    """Measure, print, and write the file."""
    timed: list[Timed] = []
    for one in measure(config):
        timed.append(one)
        print(
            f"{one.case} {one.opponent}, {one.allocator}: {1000 * one.seconds:.2f} ms, peak {one.peak / 2**20:.2f} MiB"
        )
    print(
        "\n| against | n2nfun is faster by | worst shape | its peak over n2nfun's | worst shape |\n|---|---|---|---|---|"
    )
    for own, rivals in RIVALS.items():
        others: tuple[Opponent, ...] = tuple(rival for rival in rivals if rival in config.opponents)
        if own in config.opponents and others:
            times, peaks = ratios(timed, own, others, "seconds"), ratios(timed, own, others, "peak")
            print(
                f"| {' or '.join(others)} | {geometric_mean(times):.2f} | {min(times):.2f} "
                f"| {geometric_mean(peaks):.2f} | {min(peaks):.2f} |"
            )
    machine = {
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "threads": config.threads,
        "python": platform.python_version(),
        "torch": version("torch"),
    }
    print("\n" + ", ".join(f"{name} {value}" for name, value in machine.items()))
    if config.output is not None:
        config.output.parent.mkdir(parents=True, exist_ok=True)
        config.output.write_text(json.dumps({"machine": machine, "times": [asdict(one) for one in timed]}, indent=1))


if __name__ == "__main__":
    main(tyro.cli(Config, description=__doc__))
