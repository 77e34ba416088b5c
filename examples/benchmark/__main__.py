"""Time n2nfun beside torch.nn with autograd, JAX, and the machine's matrix products.

    python -m examples.benchmark --output runs/benchmark.json

Every opponent runs in a process of its own, with glibc's allocator as it is or tuned (see ``--allocators``), on the same
inputs and the same starting parameters. After its first steps each must have made the same loss and parameters, or the same
image, to rounding; then they are timed in turn, a block of runs each, round after round. Of each opponent the better
allocator counts, of torch.nn and JAX also the better memory layout. The tables compare with the goals, which are set for
the 48 shapes of the grid and the larger image. JAX takes part where it is installed: ``pip install n2nfun[benchmark]``.
"""

import os
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Literal, TypeAlias

import tyro

from examples.benchmark import starting, with_jax
from examples.benchmark.cases import Part, cases
from examples.benchmark.goals import tables
from examples.benchmark.machine import machine, told, write
from examples.benchmark.measuring import Effort, Timed, measure
from examples.benchmark.opponents import ALL, JAX, Opponent
from examples.benchmark.worker import Allocator

Chosen: TypeAlias = Part | Literal["start"]


@dataclass(frozen=True)
class Config:
    """What to time."""

    parts: tuple[Chosen, ...] = ("grid", "default", "restore", "start")
    """grid: training steps of the 48 shapes of the paper's search; default: of the default model; restore: two images;
    start: importing, and --help; tiny: a small case of each kind, which shows that all works"""
    opponents: tuple[Opponent, ...] = ALL
    """who: those with "compiled" take half a minute or more to compile each shape"""
    allocators: tuple[Allocator, ...] = ("default", "tuned")
    """glibc's, as it is or with its thresholds raised"""
    shapes: int | None = None
    """so many of the grid's 48, spread over it"""
    threads: int = os.cpu_count() or 1
    """of each opponent"""
    rounds: int = 7
    """how many times each is timed"""
    seconds: float = 0.03
    """how long a block of steps is at least"""
    output: Path | None = None
    """JSON file for all times, written after each case"""


def main(config: Config) -> None:
    """Measure, print, and write the file."""
    about = machine(config.threads)
    opponents: tuple[Opponent, ...] = tuple(one for one in config.opponents if one not in JAX or with_jax.installed())
    if opponents != config.opponents:
        print("JAX is left out, as it is not installed: pip install n2nfun[benchmark]")
    timed: list[Timed] = []
    started: dict[str, list[float]] = {}
    for one in _measured(config, opponents):
        timed.append(one)
        peak = "" if one.peak is None else f", peak {one.peak / 2**20:.2f} MiB"
        print(
            f"{one.case}; {one.opponent}, {one.allocator}: {1000 * one.seconds:.3f} ms{peak}, first {one.prepared:.2f} s",
            flush=True,
        )
        _write(config.output, about, timed, started)
    if "start" in config.parts:
        started = starting.start_times(config.rounds)
        _write(config.output, about, timed, started)
    for part in config.parts:
        if part == "start":
            print("\n" + starting.table(started))
        else:
            print(*("\n" + table for table in tables(part, timed)), sep="\n")
    for opponent in opponents:
        firsts = [one.prepared for one in timed if one.opponent == opponent and one.allocator == config.allocators[0]]
        if firsts and opponent.endswith("compiled"):
            print(f"\n{opponent}: {median(firsts):.0f} s to compile a shape, at most {max(firsts):.0f} s")
    print("\n" + told(about))


def _measured(config: Config, opponents: tuple[Opponent, ...]) -> Iterator[Timed]:
    """Measure the parts, with an empty cache of compiled code: the seconds of compiling are a first user's."""
    with tempfile.TemporaryDirectory() as compiled:
        effort = Effort(config.allocators, config.threads, config.rounds, config.seconds, Path(compiled))
        for part in config.parts:
            if part != "start":
                yield from measure(part, cases(part, config.shapes), opponents, effort)


def _write(path: Path | None, about: dict[str, str | int], timed: list[Timed], started: dict[str, list[float]]) -> None:
    times = [{**asdict(one), "name": str(one.case), "seconds": one.seconds} for one in timed]
    write(path, about, times=times, start=started)


if __name__ == "__main__":
    main(tyro.cli(Config, description=__doc__))
