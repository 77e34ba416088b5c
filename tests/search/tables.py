"""What the ledger's table holds, and what an undisturbed search puts into it."""

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select

from n2nfun.search.database import connected, records_table
from n2nfun.search.engine import run_search
from n2nfun.search.ledger import Ledger
from n2nfun.search.plan import SearchPlan, plan_to_json
from n2nfun.search.records import Record
from n2nfun.search.space import Setting, training_of
from n2nfun.search.tasks import Task, Trainer
from tests.search.witness import PLAN, SEARCH, quick_record

Table = list[tuple[str, int, str, str]]


@dataclass(slots=True)
class ThreadWorkers:
    """Workers in this process, as many as one likes: an executor like any other."""

    count: int
    executor: ThreadPoolExecutor

    def submit(self, task: Task) -> "Future[None]":
        return self.executor.submit(task)

    def renew(self) -> None:
        raise AssertionError

    def check(self) -> None: ...

    def died(self, error: BaseException) -> bool:
        return False


def run_here(plan: SearchPlan, ledger: Ledger, trainer: Trainer, count: int = 1) -> Ledger:
    """Run a search in threads of this process."""
    ledger.create(plan_to_json(plan))
    mine = ledger.take()
    with ThreadPoolExecutor(count) as executor:
        run_search(plan, mine, trainer, ThreadWorkers(count, executor))
    return mine


def quick(trainings: tuple[Setting, ...], rung: int) -> tuple[Record, ...]:
    """Train by making numbers up."""
    assert all(training == training_of(training) for training in trainings)
    return tuple(quick_record(setting, rung) for setting in trainings)


def table_of(url: str) -> Table:
    """Read the part of the table that no time has a part in, in an order of its own."""
    columns = records_table.c
    statement = select(columns.search, columns.rung, columns.setting, columns.outcome)
    with connected(url, writing=False) as connection:
        return sorted((str(a), int(b), str(c), str(d)) for a, b, c, d in connection.execute(statement))


def undisturbed(folder: Path) -> Table:
    """Return the table of the witnessed search when nothing befalls it."""
    url = f"sqlite:///{folder / 'undisturbed.db'}"
    run_here(PLAN, Ledger(url, SEARCH), quick)
    found = table_of(url)
    assert len(found) == sum(PLAN.sizes())
    return found
