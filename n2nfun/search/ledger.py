"""The ledger: the records of a search. A result counts as finished when it is committed here, and nowhere else."""

import hashlib
import sqlite3
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from sqlalchemy import Connection, func, select, text, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import OperationalError

from n2nfun.search.database import (
    VERSION,
    LedgerError,
    connected,
    database_file,
    explained,
    parse_url,
    prepare_tables,
    records_table,
    searches_table,
    session,
    without_password,
)
from n2nfun.search.records import Record, RecordError, record_from_json, record_to_json
from n2nfun.search.space import Setting

__all__ = ["Entry", "Ledger", "LedgerBusyError", "SupersededError"]

_PATIENCE = 5
"""Seconds to wait for a driver to be gone that was killed."""
_LOCK_NOT_AVAILABLE = "55P03"
"""PostgreSQL's code."""


class LedgerBusyError(LedgerError):
    """Another driver runs the search."""


class SupersededError(LedgerError):
    """Another driver has taken the search over."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A record as it stands in the ledger."""

    record: Record
    committed: float
    """Seconds since 1970, by the clock of the machine that committed it."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """Where the records of a search are: an address, that may be sent to other processes and machines.

    Args:
        url: ``sqlite:///FILE``, or ``postgresql://…``.
        search: The search's identity; a database may hold several searches.
        term: Of the driver on whose behalf records are committed; see :meth:`take`.
    """

    url: str = field(repr=False)  # it may hold a password
    search: str
    term: int = 0

    @property
    def name(self) -> str:
        """The URL without its password."""
        return without_password(parse_url(self.url))

    def create(self, plan: str, *, alone: bool = False) -> None:
        """Enter the search; nothing happens where it is entered already.

        Args:
            plan: The search's, for readers of the ledger.
            alone: Whether the database may hold no other search.

        Raises:
            LedgerError: if the ledger is of another version, of another search, or cannot be used.
        """
        with connected(self.url, writing=True) as connection:
            prepare_tables(connection, self.name)
            known = {*connection.execute(select(searches_table.c.search)).scalars()}
            if alone and known - {self.search}:
                raise LedgerError(
                    f"the ledger {self.name} belongs to another search, {max(known)}, expected {self.search}: "
                    "put this search's own ledger back, or move that one away to begin again"
                )
            values = {"search": self.search, "version": VERSION, "term": 0, "plan": plan}
            statement = _insert(connection)(searches_table).values(values).on_conflict_do_nothing()
            connection.execute(statement)

    def plan(self) -> str:
        """Return the plan that the search was entered with.

        Raises:
            LedgerError: if the search is not in the ledger, or that cannot be read.
        """
        file = database_file(parse_url(self.url))
        if file is not None and not file.exists():  # SQLite would make it
            raise LedgerError(f"the ledger {self.name} is not there: has the search begun?")
        with connected(self.url, writing=False) as connection:
            statement = select(searches_table.c.plan).where(searches_table.c.search == self.search)
            found = connection.execute(statement).scalar_one_or_none()
        if found is None:
            raise LedgerError(f"the ledger {self.name} does not know the search {self.search}: is it another one's?")
        return str(found)

    def take(self) -> "Ledger":
        """Take the search over: from now on nobody commits on behalf of an earlier driver.

        Returns:
            The ledger to commit to.
        """
        with connected(self.url, writing=True) as connection:
            mine = searches_table.c.search == self.search
            connection.execute(update(searches_table).where(mine).values(term=searches_table.c.term + 1))
            return replace(self, term=connection.execute(select(searches_table.c.term).where(mine)).scalar_one())

    def entries(self) -> tuple[Entry, ...]:
        """Return all records in the order in which they were committed.

        Raises:
            LedgerError: if one is damaged, or the ledger cannot be read.
        """
        table = records_table.c
        statement = (
            select(table.outcome, table.seconds, table.committed)
            .where(table.search == self.search)
            .order_by(table.committed, table.rung, table.setting)
        )
        with connected(self.url, writing=False) as connection:
            rows = connection.execute(statement).all()
        try:
            return tuple(
                Entry(record_from_json(outcome, seconds=seconds), committed) for outcome, seconds, committed in rows
            )
        except RecordError as error:
            raise LedgerError(f"the ledger {self.name}: {error}") from None

    def records(self) -> tuple[Record, ...]:
        """Return all records in the order in which they were committed."""
        return tuple(entry.record for entry in self.entries())

    def missing(self, rung: int, settings: Sequence[Setting]) -> tuple[Setting, ...]:
        """Return those of the settings that have no record in a rung."""
        table = records_table.c
        statement = select(table.setting).where(
            table.search == self.search, table.rung == rung, table.setting.in_([setting.key for setting in settings])
        )
        with connected(self.url, writing=False) as connection:
            done = {*connection.execute(statement).scalars()}
        return tuple(setting for setting in settings if setting.key not in done)

    def commit(self, records: Sequence[Record]) -> None:
        """Enter records, all of them or none; of a setting that has one in its rung already, that one stays.

        Raises:
            SupersededError: if another driver has taken the search over.
            LedgerError: if they cannot be written.
        """
        if not records:
            return
        now = time.time()
        rows = [
            {
                "search": self.search,
                "rung": record.rung,
                "setting": record.setting.key,
                "outcome": record_to_json(record),
                "seconds": record.seconds,
                "committed": now,
            }
            for record in records
        ]
        with connected(self.url, writing=True) as connection:
            # Reading the term locks it: nobody takes the search over before this is committed.
            mine = (
                select(searches_table.c.term).where(searches_table.c.search == self.search).with_for_update(read=True)
            )
            if connection.execute(mine).scalar_one_or_none() != self.term:
                raise SupersededError(f"the search {self.search} in {self.name} was taken over by another driver")
            connection.execute(_insert(connection)(records_table).values(rows).on_conflict_do_nothing())

    @contextmanager
    def driven(self) -> Generator[None]:
        """Be the only driver; whatever becomes of this process, nothing keeps the next one out.

        Raises:
            LedgerBusyError: if there is another one.
        """
        busy = LedgerBusyError(f"another driver runs this search, with the ledger {self.name}: wait for it, or stop it")
        file = database_file(parse_url(self.url))
        with self._driven_on_server(busy) if file is None else _driven_on_disk(f"{file}.driver", self.url, busy):
            yield

    @contextmanager
    def _driven_on_server(self, busy: LedgerBusyError) -> Generator[None]:
        """Hold a lock of PostgreSQL's, which ends with the connection."""
        key = int.from_bytes(hashlib.sha256(self.search.encode()).digest()[:8], "big", signed=True)
        with explained(self.url):
            connection = session(self.url)
        try:
            with explained(self.url):
                # The server may take a moment to see that a driver was killed.
                connection.execute(text(f"SET lock_timeout = '{_PATIENCE}s'"))
                try:
                    connection.execute(select(func.pg_advisory_lock(key)))
                except OperationalError as error:
                    if getattr(error.orig, "sqlstate", None) == _LOCK_NOT_AVAILABLE:
                        raise busy from None
                    raise
            yield
            with explained(self.url):
                connection.execute(select(func.pg_advisory_unlock(key)))
        finally:
            connection.invalidate()  # closed, not kept for others: with it goes the lock
            connection.close()


@contextmanager
def _driven_on_disk(file: str, url: str, busy: LedgerBusyError) -> Generator[None]:
    """Hold SQLite's lock on an empty database: on each system the kind that ends with its process."""
    with explained(url):
        connection = sqlite3.connect(file, timeout=0, isolation_level=None)
        try:
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            connection.close()
            if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
                raise busy from None
            raise
    try:
        yield
    finally:
        connection.close()


def _insert(connection: Connection) -> "type[sqlite.Insert | postgresql.Insert]":
    """Return the database's own INSERT, which leaves rows that are there already."""
    return sqlite.Insert if connection.dialect.name == "sqlite" else postgresql.Insert
