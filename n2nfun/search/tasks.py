"""What a worker is given: a group of settings, and where their records go."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Protocol

from n2nfun.search.ledger import Ledger
from n2nfun.search.records import Record
from n2nfun.search.space import Setting, training_of, trainings_of

__all__ = ["Grouping", "Task", "Trainer", "tasks_of", "train_alone"]


class Trainer(Protocol):
    """Computes the records of several trainings, one each, in any process: it can be pickled."""

    def __call__(self, trainings: tuple[Setting, ...], rung: int, /) -> tuple[Record, ...]:
        """Return the records, in the order of the trainings: the same ones every time."""
        ...


class Grouping(Protocol):
    """Says which trainings are computed together, as one vectorised ensemble."""

    def __call__(self, trainings: tuple[Setting, ...], /) -> Iterable[tuple[Setting, ...]]:
        """Return the groups; each training is in one of them."""
        ...


def train_alone(trainings: tuple[Setting, ...]) -> Iterable[tuple[Setting, ...]]:
    """Make each training a group of its own."""
    return ((training,) for training in trainings)


@dataclass(frozen=True, slots=True)
class Task:
    """A group of settings of one rung: trained, and committed in one transaction, by the worker that is given it."""

    ledger: Ledger
    trainer: Trainer
    rung: int
    settings: tuple[Setting, ...]

    def __call__(self) -> None:
        """Train what is not in the ledger yet, and commit it.

        Settings that are the same training are trained once, and each has its record.
        """
        missing = self.ledger.missing(self.rung, self.settings)  # a scheduler may run a task again that was done
        if not missing:
            return
        trainings = trainings_of(missing)
        made = dict(zip(trainings, self.trainer(trainings, self.rung), strict=True))
        self.ledger.commit([replace(made[training_of(setting)], setting=setting) for setting in missing])

    def apart(self) -> "tuple[Task, ...]":
        """Return a task for each training of the group."""
        return tasks_of(self.ledger, self.trainer, self.rung, self.settings, train_alone)

    def fail(self, reason: str) -> None:
        """Record that the settings cannot be trained."""
        missing = self.ledger.missing(self.rung, self.settings)
        search, number = self.ledger.search, self.rung
        self.ledger.commit([Record(search, number, setting, "failed", reason=reason) for setting in missing])


def tasks_of(
    ledger: Ledger, trainer: Trainer, rung: int, settings: tuple[Setting, ...], grouping: Grouping
) -> tuple[Task, ...]:
    """Return the tasks that make the records of settings; those that are the same training are in the same task."""
    groups = (set(group) for group in grouping(trainings_of(settings)))
    return tuple(
        Task(ledger, trainer, rung, tuple(setting for setting in settings if training_of(setting) in group))
        for group in groups
    )
