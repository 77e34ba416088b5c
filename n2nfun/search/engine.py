"""The driver of a search: it does what the ledger lacks, on workers that may die at any moment."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, wait
from dataclasses import dataclass, field
from typing import Protocol

from n2nfun.config import ConfigError
from n2nfun.search.database import LedgerError
from n2nfun.search.errors import SearchError
from n2nfun.search.ledger import Ledger
from n2nfun.search.plan import SearchPlan
from n2nfun.search.tasks import Grouping, Task, Trainer, tasks_of, train_alone

__all__ = ["Workers", "run_search"]

_TRIES = 2
"""Of a task alone, after which its settings are given up."""
_GLANCE = 1.0
"""Seconds after which the observer is called though nothing has ended."""


class Workers(Protocol):
    """Where tasks run: the face of a ``concurrent.futures`` executor, and how to make it anew."""

    @property
    def count(self) -> int:
        """How many tasks run at a time."""
        ...

    def submit(self, task: Task, /) -> Future[None]:
        """Start a task.

        Raises:
            BrokenExecutor: if the workers are gone.
        """
        ...

    def renew(self) -> None:
        """Replace workers that are gone, once all of them are.

        Raises:
            SearchError: if they cannot be replaced.
        """
        ...

    def check(self) -> None:
        """Look after the workers.

        Raises:
            SearchError: if they cannot be reached any more.
        """
        ...

    def died(self, error: BaseException, /) -> bool:
        """Tell whether a task's error says that its process died."""
        ...


def run_search(
    plan: SearchPlan,
    ledger: Ledger,
    trainer: Trainer,
    workers: Workers,
    observe: Callable[[], None] = lambda: None,
    grouping: Grouping = train_alone,
) -> None:
    """Make all records that the ledger lacks, rung by rung.

    A task whose worker dies, or that fails, is tried again alone, so that one that kills its process takes nobody with it;
    if it fails alone twice, its settings are recorded as failed. Trouble with the ledger or the files ends the search.

    Args:
        plan: The search.
        ledger: With the term of this driver; see :meth:`Ledger.take`.
        trainer: Computes records.
        workers: Where.
        observe: Called now and then, and whenever a task has ended.
        grouping: Which trainings are computed together.

    Raises:
        SearchError: if there are no workers any more.
        LedgerError: if the ledger cannot be used, or another driver has taken over.
        OSError: if a file cannot be read or written.
    """
    for number in range(len(plan.rungs)):
        settings = plan.entrants(number, ledger.records())
        missing = ledger.missing(number, settings)
        _Rung(workers, observe, deque(tasks_of(ledger, trainer, number, missing, grouping))).run()


@dataclass(slots=True)
class _Rung:
    """The tasks of one rung on their way."""

    workers: Workers
    observe: Callable[[], None]
    waiting: deque[Task]
    running: dict[Future[None], Task] = field(default_factory=dict[Future[None], Task])
    suspects: list[Task] = field(default_factory=list[Task])
    """That have failed in company, which may not be their fault."""

    def run(self) -> None:
        self.observe()
        while self.waiting or self.running:
            self._start()
            self._collect()
            if not self.running:
                for task in self.suspects:
                    for part in task.apart():
                        self._settle(part)
                self.suspects.clear()

    def _start(self) -> None:
        """Start as many tasks as there are workers; none while suspects wait to be alone."""
        while self.waiting and not self.suspects and len(self.running) < self.workers.count:
            try:
                future = self.workers.submit(self.waiting[0])
            except BrokenExecutor:
                if self.running:
                    return  # they are to end likewise
                self.workers.renew()
            else:
                self.running[future] = self.waiting.popleft()

    def _collect(self) -> None:
        """Take note of what has ended."""
        done, _ = wait(self.running, timeout=_GLANCE, return_when=FIRST_COMPLETED)
        self.workers.check()
        if any(isinstance(future.exception(), BrokenExecutor) for future in done if not future.cancelled()):
            done, _ = wait(self.running)  # one worker's death ends all that runs
        errors = {future: _error_of(future) for future in done}
        self.suspects += [self.running[future] for future in self.running if errors.get(future) is not None]
        for future in done:
            del self.running[future]
        if any(isinstance(error, BrokenExecutor) for error in errors.values()):
            self.workers.renew()
        self.observe()

    def _settle(self, task: Task) -> None:
        """Try a task with nothing beside it until it is done, or has failed often enough to be given up."""
        reason = ""
        for _ in range(_TRIES):
            error = self._alone(task)
            if error is None:
                return
            reason = "its process died" if self.workers.died(error) else f"{type(error).__name__}: {error}"
        task.fail(f"{reason} (in each of {_TRIES} tries alone)")
        self.observe()

    def _alone(self, task: Task) -> BaseException | None:
        future = self._submitted(task)
        while not wait([future], timeout=_GLANCE).done:
            self.workers.check()
            self.observe()
        error = _error_of(future)
        if isinstance(error, BrokenExecutor):
            self.workers.renew()
        self.observe()
        return error

    def _submitted(self, task: Task) -> Future[None]:
        while True:
            try:
                return self.workers.submit(task)
            except BrokenExecutor:  # a worker was killed while it had nothing to do
                self.workers.renew()


def _error_of(future: Future[None]) -> BaseException | None:
    """Return how a task has failed, if it has; raise what is not the task's fault."""
    if future.cancelled():
        raise SearchError("the workers were taken away: run the search again, it goes on from here")
    error = future.exception()
    if isinstance(error, LedgerError | ConfigError | OSError):
        raise error
    return error
