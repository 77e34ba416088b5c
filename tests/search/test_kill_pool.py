"""Workers and drivers are killed, on a pool of processes: the table comes out as if nothing had been."""

import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from n2nfun.search.engine import run_search
from n2nfun.search.plan import plan_to_json
from n2nfun.search.pool import process_pool
from n2nfun.search.records import record_from_json
from n2nfun.search.space import trainings_of
from tests.search.processes import Process, Victim, kill_on_the_way, start_python
from tests.search.tables import table_of, undisturbed
from tests.search.witness import (
    PLAN,
    SEARCH,
    WitnessedLedger,
    WitnessedTrials,
    assert_nothing_started_after_its_commit,
    lines_of,
)

pytestmark = pytest.mark.skipif(os.name == "nt", reason="SIGKILL and process groups are POSIX")


def driver(url: str, witness: Path, *fatal: str) -> Callable[[], Process]:
    return lambda: start_python("-m", "tests.search.driver", url, str(witness), "2", *fatal)


def test_workers_killed_in_mid_trial_and_after_their_commit(sqlite_url: str, tmp_path: Path) -> None:
    witness = tmp_path / "witness.txt"
    trainings = [training.key for training in trainings_of(PLAN.space.settings())]
    within, after = random.Random(0).sample(trainings, 2)
    start = driver(sqlite_url, witness, f"in:{within}", f"after:{after}")
    assert kill_on_the_way(start, witness, 0, []) == 0
    assert table_of(sqlite_url) == undisturbed(tmp_path)
    assert_nothing_started_after_its_commit(witness)
    starts = [line.key for line in lines_of(witness) if (line.event, line.rung) == ("start", 0)]
    assert starts.count(within) >= 2
    assert starts.count(after) == 1


@pytest.mark.parametrize(
    ("database", "victims"),
    [
        ("sqlite_url", ("driver", "worker", "both")),
        ("postgres_url", ("driver", "both")),
    ],
)
def test_drivers_and_workers_killed_at_any_moment(
    database: str, victims: tuple[Victim, ...], request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    url, witness = str(request.getfixturevalue(database)), tmp_path / "witness.txt"
    assert kill_on_the_way(driver(url, witness), witness, 1, victims) >= len(victims) - 1
    assert table_of(url) == undisturbed(tmp_path)
    assert_nothing_started_after_its_commit(witness)


def test_a_setting_that_kills_its_process_is_given_up(sqlite_url: str, tmp_path: Path) -> None:
    url, witness = sqlite_url, tmp_path / "witness.txt"
    ledger = WitnessedLedger(url, SEARCH, witness=witness)
    ledger.create(plan_to_json(PLAN))
    poison = next(setting for setting in PLAN.space.settings() if setting.momentum)  # that no other is the same as
    with process_pool(2) as workers:
        run_search(PLAN, ledger.take(), WitnessedTrials(witness, 0.0, fatal=frozenset([poison.key])), workers)
    found, usual = (
        {key: outcome for _, rung, key, outcome in table if rung == 0}
        for table in (table_of(url), undisturbed(tmp_path))
    )
    failed = record_from_json(found.pop(poison.key))
    assert (failed.status, failed.reason) == ("failed", "its process died (in each of 2 tries alone)")
    assert found == {key: outcome for key, outcome in usual.items() if key != poison.key}
    assert sum(line.key == poison.key and line.event == "start" for line in lines_of(witness)) == 3
