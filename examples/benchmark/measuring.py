"""Times of all opponents, taken in turn."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from statistics import median
from typing import TypeAlias

from examples.benchmark.agreement import check_all
from examples.benchmark.cases import Case, Part, Restoring, Training
from examples.benchmark.opponents import RESTORING, Opponent
from examples.benchmark.worker import Allocator, Memory, Prepared, Surroundings, Worker

Key: TypeAlias = tuple[Opponent, Allocator]


@dataclass(frozen=True)
class Effort:
    """How long to measure, and on what."""

    allocators: tuple[Allocator, ...]
    threads: int
    rounds: int
    seconds: float
    compiled: Path


@dataclass(frozen=True)
class Timed:
    """What one opponent took for a case."""

    part: Part
    case: Case
    opponent: Opponent
    allocator: Allocator
    times: tuple[float, ...]
    """of each round, the mean of a block"""
    prepared: float
    """seconds of the first steps, compiling included: the second allocator finds compiled what the first one compiled"""
    peak: int | None
    """bytes of tensors that a run holds at most beyond what there was before it; None where they are not torch's"""
    resident: int
    """bytes of the process at most"""

    @property
    def seconds(self) -> float:
        """The median."""
        return median(self.times)


def measure(part: Part, cases: list[Case], opponents: tuple[Opponent, ...], effort: Effort) -> Iterator[Timed]:
    """Time the opponents on each case: training steps side by side, images in a fresh process each time.

    Raises:
        RuntimeError: if one fails, or two of them do not make the same.
    """
    steps = [case for case in cases if isinstance(case, Training)]
    yield from _steps(part, steps, opponents, effort)
    for case in cases:
        if isinstance(case, Restoring):
            yield from _images(part, case, opponents, effort)


def _contestants(opponents: tuple[Opponent, ...], effort: Effort) -> dict[Key, Surroundings]:
    """Return opponents and what their processes are started with. The floor allocates nothing: one is enough."""
    return {
        (opponent, allocator): Surroundings(allocator, effort.threads, effort.compiled)
        for opponent, allocator in product(opponents, effort.allocators)
        if opponent != "floor" or allocator == effort.allocators[0]
    }


def _steps(part: Part, cases: list[Training], opponents: tuple[Opponent, ...], effort: Effort) -> Iterator[Timed]:
    """Keep all processes, as they take seconds to start, and let them work in turn, round after round."""
    with ExitStack() as stack:
        contestants = _contestants(opponents, effort) if cases else {}
        workers = _started(contestants, stack)
        for case in cases:
            prepared = {key: worker.prepare(case) for key, worker in workers.items()}
            _check(case, prepared)
            times = {key: list[float]() for key in workers}
            for _ in range(effort.rounds):
                for key, worker in workers.items():
                    times[key].append(worker.time(effort.seconds))
            for key, worker in workers.items():
                yield _timed(part, case, key, times[key], prepared[key], worker.memory())


def _images(part: Part, case: Restoring, opponents: tuple[Opponent, ...], effort: Effort) -> Iterator[Timed]:
    """Start a process for each turn: a large image leaves no room for what others keep, and its pages are counted."""
    contestants = _contestants(tuple(one for one in opponents if one in RESTORING), effort)
    times = {key: list[float]() for key in contestants}
    first: dict[Key, Prepared] = {}
    memory: dict[Key, Memory] = {}
    for _ in range(effort.rounds):
        with ExitStack() as stack:
            for key, worker in _started(contestants, stack).items():
                prepared = worker.prepare(case)
                times[key].append(worker.time(effort.seconds))
                if key not in first:
                    first[key], memory[key] = prepared, worker.memory()
                    _check(case, first)
                worker.stop()
    for key in contestants:
        yield _timed(part, case, key, times[key], first[key], memory[key])


def _started(contestants: dict[Key, Surroundings], stack: ExitStack) -> dict[Key, Worker]:
    """Start all processes, and wait until nothing goes on in any; they end with the stack at last."""
    workers = {key: stack.enter_context(Worker(key[0], surroundings)) for key, surroundings in contestants.items()}
    for worker in workers.values():
        worker.ready()
    return workers


def _check(case: Case, prepared: dict[Key, Prepared]) -> None:
    """Require that all have made the same; the floor makes nothing."""
    check_all(
        case,
        (
            (f"{opponent}, {allocator} allocator", one.made)
            for (opponent, allocator), one in prepared.items()
            if opponent != "floor"
        ),
    )


def _timed(part: Part, case: Case, key: Key, times: list[float], prepared: Prepared, memory: Memory) -> Timed:
    return Timed(part, case, *key, tuple(times), prepared.seconds, memory.peak, memory.resident)
