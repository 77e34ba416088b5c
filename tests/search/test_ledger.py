"""The ledger, in SQLite and in PostgreSQL: what is committed stays, once, and what is wrong is said."""

import dataclasses
import pickle
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, event, update

from n2nfun.search.database import LedgerError, connected, parse_url, records_table, searches_table, without_password
from n2nfun.search.ledger import Ledger, LedgerBusyError, SupersededError
from n2nfun.search.records import Record
from n2nfun.search.space import Setting
from tests.search.drawn import records

SETTINGS = [Setting(False, 0.9, 0.01, (16, 32), 5, 2, batch) for batch in range(1, 40)]


def record(place: int, psnr: float = 20.0, *, search: str = "a", rung: int = 0) -> Record:
    return Record(search, rung, SETTINGS[place], "finished", psnr, seconds=1 / 3)


@pytest.fixture
def ledger(url: str, request: pytest.FixtureRequest) -> Ledger:
    """A ledger of each kind, of a search of the test's own, taken over once."""
    mine = Ledger(url, f"of {request.node.name}"[:64])
    mine.create("plan")
    return mine.take()


def test_what_is_committed_is_read(ledger: Ledger) -> None:
    made = [record(0, 1 / 3, search=ledger.search), record(1, float("inf"), search=ledger.search)]
    ledger.commit(made)
    assert ledger.records() == tuple(made)
    assert [entry.record.seconds for entry in ledger.entries()] == [1 / 3, 1 / 3]
    assert ledger.missing(0, SETTINGS[:4]) == tuple(SETTINGS[2:4])
    assert ledger.missing(1, SETTINGS[:4]) == tuple(SETTINGS[:4])
    assert ledger.plan() == "plan"


@given(found=st.lists(records, max_size=5, unique_by=lambda record: (record.rung, record.setting)))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
def test_records_come_back_to_the_bit(found: list[Record], tmp_path_factory: pytest.TempPathFactory) -> None:
    one = Ledger(f"sqlite:///{tmp_path_factory.mktemp('ledger') / 'ledger.db'}", "a")
    one.create("plan")
    mine = one.take()
    if found:
        mine.commit(found)
    assert sorted(map(repr, mine.records())) == sorted(map(repr, found))


def test_the_first_record_of_a_setting_stays(ledger: Ledger) -> None:
    ledger.commit([])
    ledger.commit([record(0, 20.0, search=ledger.search)])
    ledger.commit([record(0, 30.0, search=ledger.search), record(1, 31.0, search=ledger.search)])
    assert [found.psnr_mean for found in ledger.records()] == [20.0, 31.0]


def test_searches_do_not_see_each_other(ledger: Ledger) -> None:
    other = dataclasses.replace(ledger, search="another", term=0)
    other.create("other plan")
    other = other.take()
    ledger.commit([record(0, search=ledger.search)])
    assert other.records() == ()
    assert other.missing(0, SETTINGS[:1]) == (SETTINGS[0],)
    assert (ledger.plan(), other.plan()) == ("plan", "other plan")


def test_a_search_is_entered_once(ledger: Ledger) -> None:
    ledger.create("another plan")
    assert ledger.plan() == "plan"


def test_an_earlier_driver_commits_no_more(ledger: Ledger) -> None:
    later = ledger.take()
    with pytest.raises(SupersededError, match="was taken over by another driver"):
        ledger.commit([record(0, search=ledger.search)])
    assert later.records() == ()
    later.commit([record(0, search=ledger.search)])
    assert len(ledger.records()) == 1


def test_there_is_one_driver(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("n2nfun.search.ledger._PATIENCE", 1)
    with ledger.driven():
        with pytest.raises(LedgerBusyError, match="another driver runs this search"), ledger.driven():
            raise AssertionError
        assert ledger.records() == ()
        ledger.commit([record(0, search=ledger.search)])
    with ledger.driven():
        assert len(ledger.records()) == 1


def test_an_error_of_the_drivers_is_its_own(ledger: Ledger) -> None:
    with pytest.raises(ZeroDivisionError), ledger.driven():
        raise ZeroDivisionError
    with ledger.driven():
        pass


def test_many_commit_at_a_time(ledger: Ledger) -> None:
    def commit(first: int) -> None:
        for place in range(len(SETTINGS)):
            ledger.commit([record((first + place) % len(SETTINGS), search=ledger.search)])

    threads = [threading.Thread(target=commit, args=(first,)) for first in range(0, 8, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {found.setting for found in ledger.records()} == set(SETTINGS)
    assert len(ledger.records()) == len(SETTINGS)


def test_a_ledger_can_be_sent(ledger: Ledger) -> None:
    there = pickle.loads(pickle.dumps(ledger))
    assert there == ledger
    there.commit([record(0, search=ledger.search)])
    assert len(ledger.records()) == 1


def test_another_version_is_refused(ledger: Ledger, url: str) -> None:
    with connected(url, writing=True) as connection:
        connection.execute(update(searches_table).where(searches_table.c.search == ledger.search).values(version=2))
    try:
        with pytest.raises(LedgerError, match="is of version 2, this n2nfun knows version 1: use the n2nfun that"):
            ledger.create("plan")
    finally:
        with connected(url, writing=True) as connection:
            connection.execute(update(searches_table).values(version=1))


def test_another_searchs_ledger_is_refused(sqlite_url: str) -> None:
    Ledger(sqlite_url, "one").create("plan", alone=True)
    Ledger(sqlite_url, "one").create("plan", alone=True)
    with pytest.raises(LedgerError, match="belongs to another search, one, expected other: put this search's own"):
        Ledger(sqlite_url, "other").create("plan", alone=True)
    with pytest.raises(LedgerError, match="does not know the search other"):
        Ledger(sqlite_url, "other").plan()


def test_a_ledger_that_is_not_there_is_not_made_by_reading(sqlite_url: str, tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="is not there: has the search begun"):
        Ledger(sqlite_url, "a").plan()
    assert [*tmp_path.iterdir()] == []


def test_a_damaged_record_is_named(ledger: Ledger, url: str) -> None:
    ledger.commit([record(0, search=ledger.search)])
    with connected(url, writing=True) as connection:
        connection.execute(update(records_table).where(records_table.c.search == ledger.search).values(outcome="{"))
    with pytest.raises(LedgerError, match="a record is damaged"):
        ledger.records()


@pytest.mark.parametrize("place", ["first page", "later page", "everything", "cut"])
def test_a_damaged_file_is_refused_and_left_alone(place: str, sqlite_url: str, tmp_path: Path) -> None:
    first = Ledger(sqlite_url, "a")
    first.create("plan")
    mine = first.take()
    for start in range(0, 39, 13):
        mine.commit([dataclasses.replace(record(start + at), reason="x" * 500) for at in range(13)])
    file = tmp_path / "ledger.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = file.read_bytes()
    damaged = {
        "first page": content[:100] + bytes(1000) + content[1100:],
        "later page": content[:9000] + b"\xff" * 9000 + content[18000:],
        "everything": b"\xff" * len(content),
        "cut": content[: len(content) // 2],
    }[place]
    copy = tmp_path / "copy.db"
    copy.write_bytes(damaged)
    with pytest.raises(LedgerError, match=r"is damaged|is no database, or damaged"):
        Ledger(f"sqlite:///{copy}", "a").create("plan")
    assert copy.read_bytes() == damaged


@pytest.fixture
def full_disk() -> Generator[None]:
    """SQLite finds no room for another page."""

    def limit(connection: sqlite3.Connection, _: object) -> None:
        if isinstance(connection, sqlite3.Connection):
            pages = connection.execute("PRAGMA page_count").fetchone()[0]
            connection.execute(f"PRAGMA max_page_count={max(pages, 1)}")

    event.listen(Engine, "connect", limit)
    yield
    event.remove(Engine, "connect", limit)


@pytest.mark.usefixtures("full_disk")
def test_a_full_disk_loses_nothing(sqlite_url: str) -> None:
    grown = [dataclasses.replace(record(place), reason="x" * 5000) for place in range(30)]
    program = (
        "import pickle, sys\n"
        "from n2nfun.search.ledger import Ledger\n"
        "ledger = Ledger(sys.argv[1], 'a')\n"
        "ledger.create('plan')\n"
        "ledger.take().commit(pickle.load(sys.stdin.buffer))\n"
    )
    subprocess.run([sys.executable, "-c", program, sqlite_url], input=pickle.dumps(grown[:2]), check=True)
    mine = Ledger(sqlite_url, "a", 1)
    with pytest.raises(LedgerError, match=r"the disk is full\. What was committed is safe: free some space"):
        mine.commit(grown[2:])
    assert mine.records() == tuple(grown[:2])


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="cannot be opened: does its folder exist"):
        Ledger(f"sqlite:///{tmp_path / 'nowhere' / 'ledger.db'}", "a").create("plan")


def test_a_server_that_does_not_answer_is_named() -> None:
    pytest.importorskip("psycopg", reason="PostgreSQL needs it")
    with pytest.raises(
        LedgerError, match=r"the ledger postgresql://me@127\.0\.0\.1:1/name cannot be used: .*refused"
    ) as refused:
        Ledger("postgresql://me:secret@127.0.0.1:1/name", "a").create("plan")
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    "url", ["", "ledger.db", "sqlite://", "sqlite:///:memory:", "mysql://host/name", "postgresql+asyncpg://host/name"]
)
def test_what_is_no_ledger_is_refused(url: str) -> None:
    with pytest.raises(LedgerError, match="expected sqlite:///FILE or postgresql://"):
        parse_url(url)


def test_passwords_are_not_shown() -> None:
    url = "postgresql://me:secret@host:99/name?password=secret"
    assert without_password(parse_url(url)) == "postgresql://me@host:99/name"
    assert "secret" not in repr(Ledger(url, "a"))
    assert Ledger(url, "a").name == "postgresql://me@host:99/name"


def test_a_network_file_system_is_refused(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def network_filesystem(_: Path) -> str:
        return "nfs4"

    monkeypatch.setattr("n2nfun.search.database.network_filesystem", network_filesystem)
    with pytest.raises(LedgerError, match=r"is on a network file system \(nfs4\), where SQLite loses data: keep it on"):
        Ledger(sqlite_url, "a").create("plan")
