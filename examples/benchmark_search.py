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

from examples.benchmark.agreement import check_agreement
from examples.benchmark.cases import Training
from examples.benchmark.machine import machine, told, write
from examples.benchmark.opponents import Opponent
from examples.benchmark.work import Made
from examples.benchmark.worker import Surroundings, Worker
from n2nfun.search.folder import Search, open_search
from n2nfun.search.ledger import Entry
from n2nfun.search.space import training_of

OPPONENTS: tuple[Opponent, ...] = ("n2nfun", "torch", "torch channels_last")


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
        samples = search.plan.data.count if rung.samples is None else rung.samples
        case = Training(
            "paper",
            setting.batch_size,
            setting.hidden,
            setting.down_kernel,
            setting.up_kernel,
            size=search.plan.data.size,
        )
        found[case] += rung.epochs * math.ceil(samples / setting.batch_size)
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
    plans = dict.fromkeys([(config.workers, 1), (1, config.workers)])
    ways = [Way(opponent, *plan) for plan, opponent in product(plans, OPPONENTS)]
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
            expected: Made | None = None
            for team in teams.values():
                for prepared in pool.map(Worker.prepare, team, repeat(case)):
                    expected = expected or prepared.made
                    check_agreement(case, prepared.made, expected)
            times = {way: list[float]() for way in ways}
            for _, (way, team) in product(range(config.rounds), teams.items()):
                each = list(pool.map(Worker.time, team, repeat(config.seconds)))
                times[way].append(1 / sum(1 / seconds for seconds in each))
            found[case] = {way: median(times[way]) for way in ways}
            print(f"{case}: " + "; ".join(f"{way}: {1000 * found[case][way]:.3f} ms" for way in ways), flush=True)
    return found


def table(steps: Counter[Training], times: Times) -> str:
    """Compare what all the steps would have taken, each way; of torch.nn the better layout for each shape."""
    ways = list(next(iter(times.values())))
    own = sum(count * times[case][ways[0]] for case, count in steps.items())
    lines = [
        "| | processes | threads of each | minutes for all steps | n2nfun, a process for each core, is faster |",
        "|---|---|---|---|---|",
    ]
    for processes, threads in dict.fromkeys((way.processes, way.threads) for way in ways):
        for name in ("n2nfun", "torch"):
            total = sum(
                count
                * min(
                    seconds
                    for way, seconds in times[case].items()
                    if (way.processes, way.threads) == (processes, threads) and way.opponent.startswith(name)
                )
                for case, count in steps.items()
            )
            shown = "torch.nn, eager" if name == "torch" else name
            lines.append(f"| {shown} | {processes} | {threads} | {total / 60:.1f} | {total / own:.2f} times |")
    return "\n".join(lines)


def batch_table(steps: Counter[Training], times: Times) -> str:
    """Show for each size of batch what part of the time it takes, and how it compares, in as many processes as the search has."""
    own, *rivals = [way for way in next(iter(times.values())) if way.threads == 1]
    totals: dict[int, tuple[float, float]] = {}
    for case, count in steps.items():
        ours, theirs = totals.get(case.batch, (0.0, 0.0))
        best = min(times[case][rival] for rival in rivals)
        totals[case.batch] = (ours + count * times[case][own], theirs + count * best)
    whole = sum(ours for ours, _ in totals.values())
    lines = ["| batch | part of the time | n2nfun is faster than torch.nn |", "|---|---|---|"]
    for batch, (ours, theirs) in sorted(totals.items()):
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
    if {entry.record.rung for entry in entries} != set(range(len(search.plan.rungs))):
        raise SystemExit(f"{config.run}: the search is not complete; the same n2nfun search command goes on with it")
    steps = steps_of(search, entries)
    with tempfile.TemporaryDirectory() as compiled:
        times = time_steps(list(steps), config, Path(compiled))
    shares = shares_of(entries, config.workers)
    print(*("\n" + one for one in (table(steps, times), batch_table(steps, times), share_table(shares))), sep="\n")
    about = machine(config.workers)
    print("\n" + told(about))
    rows = [
        {"case": asdict(case), "steps": steps[case], "seconds": {str(way): one for way, one in times[case].items()}}
        for case in steps
    ]
    write(config.output, about, times=rows, rungs=[asdict(share) for share in shares])


if __name__ == "__main__":
    main(tyro.cli(Config, description=__doc__))
