"""Time a finished search's training steps with n2nfun beside torch.nn, and tell what its engine took.

    python -m examples.benchmark_search runs/paper --output runs/search.json

The search's folder tells how many steps of each shape its trainings made. Those steps are timed here: with n2nfun and with
torch.nn in eager mode (autograd and the fused SGD, in both memory layouts), each once as the search runs them, in as many
processes of one thread as the machine has cores, all at work at once, and once in one process that has all the cores. All
make the same losses and parameters, to rounding, before any is timed; then they are timed in turn, round after round. All
steps are of Nesterov's form. What it all would have taken is the time of a step times the number of steps, added up.

The rest is read from the ledger: how much of the time between a rung's beginning and its last commit the workers trained
and judged. The engine's share is what is left in the first rung; in the others workers also wait for the last one. It is
true of a search that ran in one go.
"""

import math
import os
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from itertools import product, repeat
from pathlib import Path
from statistics import median
from typing import Annotated, TypeAlias

import tyro

from examples.benchmark.agreement import check_all
from examples.benchmark.cases import Training
from examples.benchmark.machine import machine, told, write
from examples.benchmark.opponents import EAGER, Opponent
from examples.benchmark.worker import Surroundings, Worker
from n2nfun.search.folder import Search, open_search
from n2nfun.search.ledger import Entry
from n2nfun.search.space import training_of
from n2nfun.search.standing import standing

SIDES: Mapping[str, tuple[Opponent, ...]] = {"n2nfun": ("n2nfun captured",), "torch.nn, eager": EAGER}
"""Who is compared; of several the better counts."""

Plan: TypeAlias = tuple[int, int]
"""How many processes, and threads of each."""


def plans_for(workers: int) -> list[Plan]:
    """Return a process for each core, as the search runs, and one process for all."""
    return list(dict.fromkeys([(workers, 1), (1, workers)]))


@dataclass(frozen=True)
class Config:
    """Which search, and how long to time."""

    run: Annotated[Path, tyro.conf.Positional]
    """the folder of a search on photographs that is complete"""
    workers: int = os.cpu_count() or 1
    """of the search; as many threads has the one process"""
    rounds: int = 5
    """how many times each is timed"""
    seconds: float = 0.05
    """how long a block of steps is at least"""
    output: Path | None = None
    """JSON file for all results"""


@dataclass(frozen=True)
class Way:
    """Who makes the steps, and how."""

    opponent: Opponent
    processes: int
    threads: int

    def __str__(self) -> str:
        return f"{self.opponent}, {self.processes} x {self.threads}"


Times: TypeAlias = Mapping[Training, Mapping[Way, float]]
"""Seconds for each step, where all processes make one at a time."""


@dataclass(frozen=True)
class RungShare:
    """What became of the workers' time in a rung."""

    trainings: int
    wall: float
    """seconds"""
    trained: float
    """the part of it in which a worker trained and judged"""


def steps_of(search: Search, entries: Sequence[Entry]) -> Counter[Training]:
    """Count the steps of each shape that the search's finished trainings made."""
    found: Counter[Training] = Counter()
    for number, setting in {
        (entry.record.rung, training_of(entry.record.setting)) for entry in entries if entry.record.status == "finished"
    }:
        rung = search.plan.rungs[number]
        case = Training(
            "paper",
            setting.batch_size,
            setting.hidden,
            setting.down_kernel,
            setting.up_kernel,
            size=search.plan.data.size,
        )
        found[case] += rung.epochs * math.ceil(rung.samples_of(search.plan.data.count) / setting.batch_size)
    return found


def shares_of(entries: Sequence[Entry], workers: int) -> list[RungShare]:
    """Return what became of the workers' time, rung after rung; a rung begins where the one before ends."""
    found: list[RungShare] = []
    begun = min(entry.committed - entry.record.seconds for entry in entries)
    for number in sorted({entry.record.rung for entry in entries}):
        rung = [entry for entry in entries if entry.record.rung == number]
        trainings = {training_of(entry.record.setting): entry.record.seconds for entry in rung}
        ended = max(entry.committed for entry in rung)
        at_a_time = min(workers, len(trainings))
        found.append(RungShare(len(trainings), ended - begun, sum(trainings.values()) / (at_a_time * (ended - begun))))
        begun = ended
    return found


def time_steps(cases: Sequence[Training], config: Config, compiled: Path) -> Times:
    """Time a step of each shape, each way.

    Raises:
        RuntimeError: if one fails, or two of them do not make the same.
    """
    ways = [Way(one, *plan) for plan, side in product(plans_for(config.workers), SIDES.values()) for one in side]
    found: dict[Training, dict[Way, float]] = {}
    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(config.workers))
        teams: dict[Way, list[Worker]] = {
            way: [
                stack.enter_context(Worker(way.opponent, Surroundings("default", way.threads, compiled)))
                for _ in range(way.processes)
            ]
            for way in ways
        }
        for case in cases:
            prepared = ((way, pool.map(Worker.prepare, team, repeat(case))) for way, team in teams.items())
            check_all(case, ((str(way), one.made) for way, each in prepared for one in each))
            times = {way: list[float]() for way in ways}
            for _, (way, team) in product(range(config.rounds), teams.items()):
                each = list(pool.map(Worker.time, team, repeat(config.seconds)))
                times[way].append(1 / sum(1 / seconds for seconds in each))
            found[case] = {way: median(times[way]) for way in ways}
            print(f"{case}: " + "; ".join(f"{way}: {1000 * found[case][way]:.3f} ms" for way in ways), flush=True)
    return found


def total(steps: Mapping[Training, int], times: Times, plan: Plan, opponents: tuple[Opponent, ...]) -> float:
    """Return the seconds of all the steps; the better of the opponents counts for each shape."""
    return sum(count * min(times[case][Way(one, *plan)] for one in opponents) for case, count in steps.items())


def table(steps: Counter[Training], times: Times, workers: int) -> str:
    """Compare what all the steps would have taken, each way."""
    lines = [
        "| | processes | threads of each | minutes for all steps | n2nfun, a process for each core, is faster |",
        "|---|---|---|---|---|",
    ]
    own, *_ = plans = plans_for(workers)
    for plan, (name, opponents) in product(plans, SIDES.items()):
        seconds = total(steps, times, plan, opponents)
        ratio = seconds / total(steps, times, own, SIDES["n2nfun"])
        lines.append(f"| {name} | {plan[0]} | {plan[1]} | {seconds / 60:.1f} | {ratio:.2f} times |")
    return "\n".join(lines)


def batch_table(steps: Counter[Training], times: Times, workers: int) -> str:
    """Show for each size of batch what part of the time it takes, and how it compares, in as many processes as the search has."""
    lines = ["| batch | part of the time | n2nfun is faster than torch.nn |", "|---|---|---|"]
    own, *_ = plans_for(workers)
    whole = total(steps, times, own, SIDES["n2nfun"])
    for batch in sorted({case.batch for case in steps}):
        part = {case: count for case, count in steps.items() if case.batch == batch}
        ours, theirs = (total(part, times, own, opponents) for opponents in SIDES.values())
        lines.append(f"| {batch} | {100 * ours / whole:.0f} % | {theirs / ours:.2f} times |")
    return "\n".join(lines)


def share_table(shares: Sequence[RungShare]) -> str:
    """Show what became of the workers' time."""
    lines = ["| rung | trainings | minutes | trained and judged |", "|---|---|---|---|"]
    for number, share in enumerate(shares, start=1):
        lines.append(f"| {number} | {share.trainings} | {share.wall / 60:.1f} | {100 * share.trained:.1f} % |")
    return "\n".join(lines)


def main(config: Config) -> None:
    """Time, read, print, and write the file.

    Raises:
        SystemExit: if the search is not complete, or not on photographs, whose pairs have three channels and the plan's size.
    """
    search = open_search(config.run)
    if search.plan.data.pairs:
        raise SystemExit(f"{config.run}: the search is on pairs of its own, expected one on photographs")
    entries = search.ledger.entries()
    if not standing(search.plan, entries).complete:
        raise SystemExit(f"{config.run}: the search is not complete; the same n2nfun search command goes on with it")
    steps = steps_of(search, entries)
    with tempfile.TemporaryDirectory() as compiled:
        times = time_steps(list(steps), config, Path(compiled))
    shares = shares_of(entries, config.workers)
    compared = (one(steps, times, config.workers) for one in (table, batch_table))
    print(*("\n" + one for one in (*compared, share_table(shares))), sep="\n")
    about = machine(config.workers)
    print("\n" + told(about))
    rows = [
        {"case": asdict(case), "steps": steps[case], "seconds": {str(way): one for way, one in times[case].items()}}
        for case in steps
    ]
    write(config.output, about, times=rows, rungs=[asdict(share) for share in shares])


if __name__ == "__main__":
    main(tyro.cli(Config, description=__doc__))
