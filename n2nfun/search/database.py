"""The ledger's database: its tables, how SQLite and PostgreSQL are opened, and what their errors mean to people."""

import re
import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from sqlalchemy import (
    URL,
    Column,
    Connection,
    Engine,
    Float,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    create_engine,
    event,
    inspect,
    make_url,
    select,
)
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from n2nfun.search.filesystems import network_filesystem

__all__ = [
    "VERSION",
    "LedgerError",
    "connected",
    "database_file",
    "explained",
    "parse_url",
    "prepare_tables",
    "records_table",
    "searches_table",
    "session",
    "without_password",
]

VERSION = 1
"""Of the tables below."""

_METADATA = MetaData()
searches_table: Table = Table(
    "n2nfun_searches",
    _METADATA,
    Column("search", String(64), primary_key=True),
    Column("version", Integer, nullable=False),
    Column("term", Integer, nullable=False),  # raised by each driver, so that those before it can commit no more
    Column("plan", Text, nullable=False),
)
records_table: Table = Table(
    "n2nfun_records",
    _METADATA,
    Column("search", String(64), primary_key=True),
    Column("rung", Integer, primary_key=True),
    Column("setting", String(255), primary_key=True),
    Column("outcome", Text, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("committed", Float, nullable=False),  # seconds since 1970, by the clock of the machine that committed
)

_PATIENCE = 60
"""Seconds to wait for another connection's transaction, or for an answer."""


class LedgerError(ValueError):
    """A ledger that cannot be used; nothing that was committed is lost."""


def parse_url(url: str) -> URL:
    """Read a ledger's URL.

    Raises:
        LedgerError: if it is none, or of another database than SQLite, in a file, and PostgreSQL.

    Example:
        >>> parse_url("mysql://host/name")
        Traceback (most recent call last):
        n2nfun.search.database.LedgerError: --ledger is mysql://host/name, expected sqlite:///FILE or postgresql://…
    """
    try:
        found = make_url(url)
    except (ArgumentError, ValueError):
        raise LedgerError(f"--ledger is {url}, expected sqlite:///FILE or postgresql://…") from None
    if found.drivername == "postgresql":
        return found.set(drivername="postgresql+psycopg")
    if found.drivername == "postgresql+psycopg":
        return found
    if found.drivername != "sqlite" or found.database in {None, "", ":memory:"}:
        raise LedgerError(f"--ledger is {without_password(found)}, expected sqlite:///FILE or postgresql://…")
    return found


def without_password(url: URL) -> str:
    """Write a URL as one may show and store it."""
    bare = url._replace(password=None).difference_update_query(["password"])
    return bare.render_as_string().replace("postgresql+psycopg:", "postgresql:")


def database_file(url: URL) -> Path | None:
    """Return the file of a SQLite database; None of another one."""
    return Path(url.database) if url.drivername == "sqlite" and url.database is not None else None


@contextmanager
def connected(url: str, *, writing: bool) -> Generator[Connection]:
    """Give a connection in a transaction, which is committed at the end, or rolled back on an error.

    Raises:
        LedgerError: of what goes wrong.
    """
    with explained(url):
        connection = _engine(url).connect()
        if not writing:
            connection = connection.execution_options(n2nfun_reading=True)
        with connection, connection.begin():
            yield connection


def session(url: str) -> Connection:
    """Return a connection outside of transactions, which the caller closes."""
    return _engine(url).connect().execution_options(isolation_level="AUTOCOMMIT")


@contextmanager
def explained(url: str) -> Generator[None]:
    """Turn the database's errors into ones for people."""
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error) as error:
        shown = without_password(parse_url(url))
        raise LedgerError(f"the ledger {shown} {_meaning(error)}") from error
    except ImportError as error:
        raise LedgerError(f"PostgreSQL needs psycopg ({error}): pip install 'n2nfun[cluster]'") from error


_SQLITE_MEANINGS = {
    sqlite3.SQLITE_FULL: "cannot grow: the disk is full. What was committed is safe: free some space, and run it again",
    sqlite3.SQLITE_CORRUPT: "is damaged: put back a copy of it, or move it away to begin again",
    sqlite3.SQLITE_NOTADB: "is no database, or damaged: put back a copy of it, or move it away to begin again",
    sqlite3.SQLITE_BUSY: f"is locked by another program, for more than {_PATIENCE} seconds",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened: does its folder exist?",
    sqlite3.SQLITE_READONLY: "cannot be written: is it, or its folder, read-only?",
    sqlite3.SQLITE_IOERR: "cannot be read or written: the disk, or the limits on it, do not let it",
}


def _meaning(error: Exception) -> str:
    """Say what an error means, after the ledger's name."""
    original = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    code = getattr(original, "sqlite_errorcode", None)
    meaning = None if code is None else _SQLITE_MEANINGS.get(code & 0xFF)  # the rest tells finer kinds apart
    detail = re.sub(r"\s+", " ", str(original)).strip()
    return f"{meaning} ({detail})" if meaning else f"cannot be used: {detail}"


@lru_cache
def _engine(url: str) -> Engine:
    """Return a process's connections to a ledger."""
    parsed = parse_url(url)
    file = database_file(parsed)
    if file is None:
        # A driver whose machine went away must not hold its lock for hours.
        keepalives = {"keepalives": 1, "keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}
        return create_engine(parsed, pool_pre_ping=True, connect_args={"connect_timeout": _PATIENCE, **keepalives})
    kind = network_filesystem(file)
    if kind is not None:
        raise LedgerError(
            f"the ledger {file} is on a network file system ({kind}), where SQLite loses data: "
            "keep it on a disk of this machine, or in PostgreSQL: --ledger postgresql://…"
        )
    # Opened for each transaction: that is quick, and a file that was replaced is seen.
    engine = create_engine(parsed, poolclass=NullPool, connect_args={"timeout": _PATIENCE})
    event.listen(engine, "connect", _set_up_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _set_up_sqlite(connection: sqlite3.Connection, _: object) -> None:
    connection.isolation_level = None  # Python begins no transactions of its own: _begin_sqlite does
    (mode,) = connection.execute("PRAGMA journal_mode=WAL").fetchone()
    if mode != "wal":
        raise LedgerError(
            f"SQLite cannot use its write-ahead log here (it says {mode!r}): use another disk, or PostgreSQL"
        )
    connection.execute("PRAGMA synchronous=FULL")


def _begin_sqlite(connection: Connection) -> None:
    # A transaction that reads first and then writes would fail where another one wrote between: so it locks at once.
    reading = connection.get_execution_options().get("n2nfun_reading", False)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


def prepare_tables(connection: Connection, shown: str) -> None:
    """Make the tables where they are missing, and check those that are there.

    Raises:
        LedgerError: if they are of another version, or damaged.
    """
    if connection.dialect.name == "sqlite":
        (answer,) = connection.exec_driver_sql("PRAGMA quick_check(1)").one()
        if answer != "ok":
            raise LedgerError(f"the ledger {shown} {_SQLITE_MEANINGS[sqlite3.SQLITE_CORRUPT]} ({answer})")
    if not inspect(connection).has_table(searches_table.name):
        _METADATA.create_all(connection)
    versions: set[Any] = {*connection.execute(select(searches_table.c.version).distinct()).scalars()}
    if versions - {VERSION}:
        raise LedgerError(
            f"the ledger {shown} is of version {max(versions)}, this n2nfun knows version {VERSION}: "
            "use the n2nfun that it was begun with, or begin another search"
        )
