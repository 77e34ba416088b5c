"""A PostgreSQL server of the tests' own, on loopback, in a folder that goes with it."""

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from sqlalchemy import text

from n2nfun.search.database import LedgerError, connected, session
from tests.search.processes import until


def lacking() -> str | None:
    """Say why no server can be started; None where one can."""
    if find_spec("psycopg") is None:
        return "psycopg is not installed"
    return None if _programs() else "PostgreSQL (initdb, postgres) is not installed"


@contextmanager
def server() -> Generator[str]:
    """Run a server; give its URL."""
    programs = _programs()
    assert programs is not None
    initdb, postgres = programs
    folder = Path(tempfile.mkdtemp(prefix="n2nfun-postgres-"))
    user = None
    if os.geteuid() == 0:  # as whom PostgreSQL refuses to run
        names = {entry.pw_name for entry in pwd.getpwall()}
        user = "postgres" if "postgres" in names else "nobody"
        shutil.chown(folder, user)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    try:
        command: list[str | Path] = [
            initdb,
            "-D",
            folder / "data",
            "-U",
            "n2nfun",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--no-sync",
        ]
        subprocess.run(command, user=user, cwd=folder, check=True, capture_output=True)
        # Without fsync, which guards against the machine's death and not a process's.
        options = ["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "fsync=off"]
        with (
            (folder / "log").open("wb") as log,
            subprocess.Popen(
                [postgres, "-D", folder / "data", "-p", str(port), *options], user=user, cwd=folder, stderr=log
            ) as process,
        ):
            url = f"postgresql://n2nfun@127.0.0.1:{port}/postgres"
            try:
                until((folder / "log").read_text(), lambda: _answers(url))
                yield url
            finally:
                process.send_signal(signal.SIGQUIT)
    finally:
        shutil.rmtree(folder)


def empty_database(url: str) -> str:
    """Make a database on a server; return its URL."""
    name = f"n2nfun_{secrets.token_hex(8)}"
    connection = session(url)
    with connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    return f"{url.removesuffix('/postgres')}/{name}"


def _programs() -> tuple[str, str] | None:
    """Find initdb and postgres, which Debian keeps out of PATH."""
    kept = sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin")), reverse=True)
    path = os.pathsep.join([os.environ.get("PATH", ""), *kept])
    initdb, postgres = (shutil.which(name, path=path) for name in ("initdb", "postgres"))
    return None if initdb is None or postgres is None else (initdb, postgres)


def _answers(url: str) -> bool:
    try:
        with connected(url, writing=False):
            return True
    except LedgerError:
        return False
