"""Workers and drivers are killed, on Dask clusters: the table comes out as if nothing had been."""

import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

import pytest

from n2nfun.search.cluster import ClusterWorkers, dask_cluster
from n2nfun.search.errors import SearchError
from n2nfun.search.space import trainings_of
from tests.search.clusters import external_cluster, local_cluster
from tests.search.processes import Process, Victim, kill_on_the_way, start_python
from tests.search.tables import table_of, undisturbed
from tests.search.witness import PLAN, assert_nothing_started_after_its_commit, lines_of

pytestmark = [
    pytest.mark.skipif(os.name == "nt", reason="SIGKILL and process groups are POSIX"),
    pytest.mark.skipif(find_spec("distributed") is None, reason="Dask is not installed"),
]


def driver(url: str, witness: Path, address: str, *fatal: str) -> Callable[[], Process]:
    return lambda: start_python("-m", "tests.search.driver", url, str(witness), address, *fatal)


def test_on_a_local_cluster_whose_workers_are_restarted(sqlite_url: str, tmp_path: Path) -> None:
    witness = tmp_path / "witness.txt"
    victims: tuple[Victim, ...] = ("both", "driver")
    fatal = trainings_of(PLAN.space.settings())[-1].key  # among the last ones of the first rung
    with local_cluster(tmp_path) as address:
        assert kill_on_the_way(driver(sqlite_url, witness, address, f"after:{fatal}"), witness, 2, victims) == 2
    assert table_of(sqlite_url) == undisturbed(tmp_path)
    assert_nothing_started_after_its_commit(witness)


def test_on_a_scheduler_with_two_workers_of_which_one_stays(postgres_url: str, tmp_path: Path) -> None:
    witness = tmp_path / "witness.txt"
    victims: tuple[Victim, ...] = ("driver", "worker")
    with external_cluster(tmp_path) as address:
        assert kill_on_the_way(driver(postgres_url, witness, address), witness, 3, victims) == 2
    assert table_of(postgres_url) == undisturbed(tmp_path)
    assert_nothing_started_after_its_commit(witness)
    assert len({line.pid for line in lines_of(witness)}) == 2


def test_a_scheduler_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("n2nfun.search.cluster._PATIENCE", 0.5)
    message = r"^--cluster is tcp://127\.0\.0\.1:1: no scheduler answers there"
    with pytest.raises(SearchError, match=message), dask_cluster("tcp://127.0.0.1:1"):
        raise AssertionError


class FarClient:
    """Stands for Dask's client when its scheduler has gone."""

    def __init__(self, status: str) -> None:
        self.status = status

    def nthreads(self) -> dict[str, int]:
        raise TimeoutError("nobody answers")


@pytest.mark.parametrize("status", ["connecting", "closed", "running"])
def test_a_scheduler_that_is_gone_is_noticed(status: str) -> None:
    client = cast("Any", FarClient(status))
    with ThreadPoolExecutor(1) as executor:
        workers = ClusterWorkers("tcp://a:1", 1, client, executor)
        for look in (workers.check, workers.renew):
            with pytest.raises(
                SearchError, match="the cluster at tcp://a:1 is gone: start it and run the search again"
            ):
                look()


def test_tls_without_a_certificate_is_said_at_once() -> None:
    with (
        pytest.raises(SearchError, match="is not told which certificate and key to use"),
        dask_cluster("tls://127.0.0.1:1"),
    ):
        raise AssertionError


def test_without_dask_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(SearchError, match=r"needs Dask .*: pip install 'n2nfun\[cluster\]'"), dask_cluster("tcp://a"):
        raise AssertionError
