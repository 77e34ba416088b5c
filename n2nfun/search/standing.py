"""Where a search stands, as the ledger alone tells."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from n2nfun.search.ledger import Entry
from n2nfun.search.plan import SearchPlan
from n2nfun.search.records import Record
from n2nfun.search.rungs import ranked
from n2nfun.search.space import training_of, trainings_of

__all__ = ["RungStanding", "Standing", "best_of", "leaders", "standing"]

_RECENT = 32
"""Trainings from whose commits the pace is taken."""


@dataclass(frozen=True, slots=True)
class RungStanding:
    """One rung: how many settings have a record, of how many, and what became of them."""

    done: int
    of: int
    diverged: int
    failed: int
    best: Record | None
    """None where none has finished."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A whole search."""

    rungs: tuple[RungStanding, ...]
    best: Record | None
    """Of the highest rung where one has finished."""
    per_minute: float | None
    """Trainings, while there were any workers; None where too few were done to say."""
    seconds_left: float | None
    """At that pace, and as long for each sample as so far; likewise."""

    @property
    def complete(self) -> bool:
        """Whether every setting has its record."""
        return all(rung.done == rung.of for rung in self.rungs)


def standing(plan: SearchPlan, entries: Sequence[Entry]) -> Standing:
    """Return where a search stands.

    Args:
        plan: The search.
        entries: Of its ledger, in the order in which they were committed.
    """
    by_rung = [[entry.record for entry in entries if entry.record.rung == number] for number in range(len(plan.rungs))]
    rungs = tuple(
        RungStanding(
            len(records),
            size,
            sum(record.status == "diverged" for record in records),
            sum(record.status == "failed" for record in records),
            _first(ranked(records)),
        )
        for records, size in zip(by_rung, plan.sizes(), strict=True)
    )
    each = _trainings(entries)
    pace = _pace(each)
    left = None if pace is None else _seconds_left(plan, by_rung, each, pace)
    return Standing(rungs, best_of(entry.record for entry in entries), None if pace is None else 60 * pace, left)


def best_of(records: Iterable[Record]) -> Record | None:
    """Return the best record of the highest rung where one has finished; None where none has."""
    return _first(leaders(records))


def leaders(records: Iterable[Record]) -> tuple[Record, ...]:
    """Return for each setting the record of the highest rung it has been in, the best first: those higher up before others."""
    latest = {record.setting: record for record in sorted(records, key=lambda record: record.rung)}
    rungs = sorted({record.rung for record in latest.values()}, reverse=True)
    return tuple(
        record for rung in rungs for record in ranked(record for record in latest.values() if record.rung == rung)
    )


def _first(records: Sequence[Record]) -> Record | None:
    return next((record for record in records if record.status == "finished"), None)


def _trainings(entries: Sequence[Entry]) -> list[Entry]:
    """Return one entry for each training: settings that are the same have a record each, of the same seconds."""
    found = {(entry.record.rung, training_of(entry.record.setting)): entry for entry in reversed(entries)}
    return list(reversed(found.values()))


def _pace(each: Sequence[Entry]) -> float | None:
    """Return the trainings committed in a second, pauses not counted.

    While a search runs, no commit is later than the one before by more than the training took that it is of: what is
    longer was a pause.
    """
    recent = each[-_RECENT:]
    if len(recent) < 2:
        return None
    elapsed = sum(
        min(max(0.0, after.committed - before.committed), after.record.seconds) for before, after in pairwise(recent)
    )
    return (len(recent) - 1) / elapsed if elapsed > 0 else None


def _seconds_left(plan: SearchPlan, by_rung: list[list[Record]], each: Sequence[Entry], pace: float) -> float:
    work = [rung.samples_of(plan.data.count) * rung.epochs for rung in plan.rungs]
    recent = each[-_RECENT:]
    at_a_time = max(1.0, pace * sum(entry.record.seconds for entry in recent) / len(recent))
    rate = sum(entry.record.seconds for entry in each) / sum(work[entry.record.rung] for entry in each)
    left = 0.0
    for number, size in enumerate(plan.sizes()):
        if number == 0:
            done = {record.setting for record in by_rung[0]}
            missing = len(trainings_of(setting for setting in plan.space.settings() if setting not in done))
        else:
            missing = size - len(by_rung[number])
        # A rung waits for the one below, and its last training for nobody.
        left += math.ceil(missing / at_a_time) * rate * work[number]
    return left
