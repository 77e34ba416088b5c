"""The driver, on workers in this process: what is trained, what is given up, and what ends the search."""

import dataclasses
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import BrokenExecutor, Future, ThreadPoolExecutor

import pytest

from n2nfun.checkpoint import CheckpointError
from n2nfun.config import ConfigError
from n2nfun.search.database import LedgerError
from n2nfun.search.engine import Workers, run_search
from n2nfun.search.errors import SearchError
from n2nfun.search.ledger import Ledger, SupersededError
from n2nfun.search.plan import plan_to_json
from n2nfun.search.records import Record
from n2nfun.search.space import Setting, trainings_of
from n2nfun.search.tasks import Task, Trainer, tasks_of
from tests.search.tables import ThreadWorkers, quick, run_here, table_of
from tests.search.witness import PLAN, SEARCH, quick_record

TRAININGS = trainings_of(PLAN.space.settings())
MOMENTUM = [training for training in TRAININGS if training.momentum]


class Counting:
    """A trainer that counts its trials, and fails as it is told."""

    def __init__(self, fail: Callable[[Setting, int], None] = lambda _setting, _times: None) -> None:
        self.trials: Counter[tuple[int, Setting]] = Counter()
        self.groups: list[int] = []
        self.fail = fail
        self.lock = threading.Lock()

    def __call__(self, trainings: tuple[Setting, ...], rung: int) -> tuple[Record, ...]:
        with self.lock:
            self.groups.append(len(trainings))
            self.trials.update((rung, training) for training in trainings)
        for training in trainings:
            self.fail(training, self.trials[rung, training])
        return quick(trainings, rung)


def expected(ledger: Ledger) -> None:
    """Check that all is there, as it should be."""
    found = {(record.rung, record.setting): record for record in ledger.records()}
    assert len(found) == sum(PLAN.sizes())
    for (rung, setting), record in found.items():
        assert record == quick_record(setting, rung)
    for number in range(len(PLAN.rungs)):
        assert {setting for rung, setting in found if rung == number} == {*PLAN.entrants(number, found.values())}


@pytest.mark.parametrize("count", [1, 3, 50])
def test_each_training_is_made_once_for_all_its_settings(sqlite_url: str, count: int) -> None:
    trainer = Counting()
    ledger = run_here(PLAN, Ledger(sqlite_url, SEARCH), trainer, count)
    expected(ledger)
    assert {*trainer.trials.values()} == {1}
    assert sum(rung == 0 for rung, _ in trainer.trials) == len(TRAININGS) == 15
    assert len([record for record in ledger.records() if record.rung == 0]) == 20
    run_here(PLAN, ledger, Counting(lambda _setting, _times: pytest.fail("trained again")))


def test_a_group_is_trained_and_committed_together(sqlite_url: str) -> None:
    def in_fours(trainings: tuple[Setting, ...]) -> Iterable[tuple[Setting, ...]]:
        return (trainings[start : start + 4] for start in range(0, len(trainings), 4))

    committed: list[int] = []

    class Watched(Ledger):
        def commit(self, records: Sequence[Record]) -> None:
            committed.append(len({record.setting.key for record in records}))
            super().commit(records)

    trainer = Counting()
    ledger = Watched(sqlite_url, SEARCH)
    ledger.create(plan_to_json(PLAN))
    mine = ledger.take()
    with ThreadPoolExecutor(1) as executor:
        run_search(PLAN, mine, trainer, ThreadWorkers(1, executor), grouping=in_fours)
    expected(ledger)
    assert trainer.groups[:4] == [4, 4, 4, 3]
    assert sum(committed[:4]) == 20


def test_only_what_is_missing_of_a_group_is_trained(sqlite_url: str) -> None:
    ledger = Ledger(sqlite_url, SEARCH)
    ledger.create(plan_to_json(PLAN))
    mine = ledger.take()
    mine.commit([quick_record(PLAN.space.settings()[0], 0)])
    trainer = Counting()
    (task,) = tasks_of(mine, trainer, 0, PLAN.space.settings(), lambda trainings: [trainings])
    task()
    task()
    assert len(mine.records()) == 20
    assert trainer.groups == [15]  # one of them for the twin of the setting that was there
    assert len(task.apart()) == 15


def failing(chosen: Setting, most: int, error: Exception) -> Callable[[Setting, int], None]:
    def fail(setting: Setting, times: int) -> None:
        if setting == chosen and times <= most:
            raise error

    return fail


def test_what_fails_in_company_is_tried_alone(sqlite_url: str) -> None:
    trainer = Counting(failing(MOMENTUM[0], 2, RuntimeError("no memory")))
    expected(run_here(PLAN, Ledger(sqlite_url, SEARCH), trainer, 3))
    assert trainer.trials[0, MOMENTUM[0]] == 3


def test_what_fails_alone_twice_is_given_up(sqlite_url: str) -> None:
    trainer = Counting(failing(MOMENTUM[0], 99, RuntimeError("no memory")))
    ledger = run_here(PLAN, Ledger(sqlite_url, SEARCH), trainer, 3)
    found = {record.setting: record for record in ledger.records() if record.rung == 0}
    assert found.pop(MOMENTUM[0]) == Record(
        SEARCH, 0, MOMENTUM[0], "failed", reason="RuntimeError: no memory (in each of 2 tries alone)"
    )
    assert trainer.trials[0, MOMENTUM[0]] == 3
    assert found == {setting: quick_record(setting, 0) for setting in found}
    assert len(found) == 19


def test_of_a_group_only_the_guilty_one_is_given_up(sqlite_url: str) -> None:
    ledger = Ledger(sqlite_url, SEARCH)
    ledger.create(plan_to_json(PLAN))
    trainer = Counting(failing(MOMENTUM[0], 99, RuntimeError("no memory")))
    with ThreadPoolExecutor(1) as executor:
        workers = ThreadWorkers(1, executor)
        run_search(PLAN, ledger.take(), trainer, workers, grouping=lambda trainings: [trainings])
    found = [record for record in ledger.records() if record.rung == 0]
    assert [record.setting for record in found if record.status == "failed"] == [MOMENTUM[0]]
    assert len(found) == 20


@pytest.mark.parametrize("error", [OSError("disk gone"), LedgerError("ledger gone"), ConfigError("no data there")])
def test_what_is_no_settings_fault_ends_the_search(sqlite_url: str, error: Exception) -> None:
    ledger = Ledger(sqlite_url, SEARCH)
    with pytest.raises(type(error), match=str(error)):
        run_here(PLAN, ledger, Counting(failing(MOMENTUM[3], 99, error)))
    before = ledger.records()
    assert 0 < len(before) < 20
    assert all(record == quick_record(record.setting, 0) for record in before)
    trainer = Counting()
    expected(run_here(PLAN, ledger, trainer))
    assert not {(0, record.setting) for record in before} & set(trainer.trials)


def test_a_driver_that_was_superseded_ends(sqlite_url: str) -> None:
    ledger = Ledger(sqlite_url, SEARCH)

    def superseded(setting: Setting, _times: int) -> None:
        if setting == MOMENTUM[3]:
            ledger.take()

    with pytest.raises(SupersededError, match="taken over by another driver"):
        run_here(PLAN, ledger, Counting(superseded))
    assert all(record.setting != MOMENTUM[3] for record in ledger.records())


@pytest.mark.parametrize("moment", range(5))
def test_ctrl_c_leaves_a_search_that_goes_on(sqlite_url: str, moment: int) -> None:
    ledger = Ledger(sqlite_url, SEARCH)
    ledger.create(plan_to_json(PLAN))
    glances = 0

    def interrupt() -> None:
        nonlocal glances
        glances += 1
        if glances > 5 * moment:
            raise KeyboardInterrupt

    with ThreadPoolExecutor(2) as executor, pytest.raises(KeyboardInterrupt):
        run_search(PLAN, ledger.take(), Counting(), ThreadWorkers(2, executor), interrupt)
    expected(run_here(PLAN, ledger, Counting()))


@dataclasses.dataclass
class BrokenWorkers:
    """Workers that are gone at chosen submissions, or whose tasks then end as if their process had died."""

    gone: set[int]
    dying: set[int]
    cancelled: set[int] = dataclasses.field(default_factory=set[int])
    count: int = 1
    submissions: int = 0
    renewals: int = 0
    lost: bool = False

    def submit(self, task: Task) -> "Future[None]":
        self.submissions += 1
        future: Future[None] = Future()
        if self.submissions in self.gone:
            raise BrokenExecutor
        if self.submissions in self.cancelled:
            future.cancel()
            future.set_running_or_notify_cancel()
            return future
        if self.submissions in self.dying:
            future.set_exception(BrokenExecutor())
        else:
            task()
            future.set_result(None)
        return future

    def renew(self) -> None:
        self.renewals += 1

    def check(self) -> None:
        if self.lost:
            raise SearchError("lost")

    def died(self, error: BaseException) -> bool:
        return isinstance(error, BrokenExecutor)


def run_on(workers: Workers, url: str, trainer: Trainer = quick) -> Ledger:
    ledger = Ledger(url, SEARCH)
    ledger.create(plan_to_json(PLAN))
    mine = ledger.take()
    run_search(PLAN, mine, trainer, workers)
    return mine


def test_workers_that_die_idle_are_replaced(sqlite_url: str) -> None:
    workers = BrokenWorkers(gone={1, 5, 6}, dying=set())
    expected(run_on(workers, sqlite_url))
    assert workers.renewals == 3


def test_workers_that_die_at_work_are_replaced(sqlite_url: str) -> None:
    workers = BrokenWorkers(gone={4}, dying={3, 5, 9})  # the third, alone: gone, dying, done; then another
    expected(run_on(workers, sqlite_url))
    assert workers.renewals == 4


def test_a_setting_is_given_up_after_two_deaths_alone(sqlite_url: str) -> None:
    workers = BrokenWorkers(gone=set(), dying={3, 4, 5})
    ledger = run_on(workers, sqlite_url)
    failed = [record for record in ledger.records() if record.status == "failed"]
    assert {record.reason for record in failed} == {"its process died (in each of 2 tries alone)"}
    assert {record.rung for record in failed} == {0}
    assert len(trainings_of(record.setting for record in failed)) == 1


def test_tasks_that_are_taken_away_end_the_search(sqlite_url: str) -> None:
    with pytest.raises(SearchError, match="the workers were taken away: run the search again, it goes on from here"):
        run_on(BrokenWorkers(set(), set(), cancelled={4}), sqlite_url)
    expected(run_on(BrokenWorkers(set(), set()), sqlite_url))


def test_workers_that_are_lost_end_the_search(sqlite_url: str) -> None:
    with pytest.raises(SearchError, match="lost"):
        run_on(BrokenWorkers(set(), set(), lost=True), sqlite_url)


def test_the_table_does_not_depend_on_the_workers(sqlite_url: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = f"sqlite:///{tmp_path_factory.mktemp('other') / 'ledger.db'}"
    run_here(PLAN, Ledger(other, SEARCH), quick, 7)
    run_on(BrokenWorkers({2}, {8}), sqlite_url)
    assert table_of(sqlite_url) == table_of(other)


def test_a_damaged_checkpoint_is_the_trials_own_matter(sqlite_url: str) -> None:
    """An error that only one setting meets is that setting's, though it is a ValueError as a ledger's is."""
    trainer = Counting(failing(MOMENTUM[1], 1, CheckpointError("damaged")))
    expected(run_here(PLAN, Ledger(sqlite_url, SEARCH), trainer))
