"""Drivers as processes of their own, that are killed at moments drawn from a seed."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal, TypeAlias

from tests.search.witness import lines_of

ROOT = Path(__file__).parent.parent.parent
Victim: TypeAlias = Literal["driver", "worker", "both"]
Process: TypeAlias = "subprocess.Popen[bytes]"
_HANG = 120
"""Seconds after which something is taken to hang; no test needs a tenth of it."""


def start_python(*arguments: str, **environment: str) -> Process:
    """Start Python in a process group of its own, which holds all that it starts."""
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        start_new_session=True,
    )


def members(group: int) -> list[int]:
    """List the living processes of a group; a killed one that nobody has waited for yet is not alive."""
    listed = subprocess.run(["ps", "-A", "-o", "pid=,pgid=,stat="], capture_output=True, text=True, check=True).stdout
    rows = [line.split() for line in listed.splitlines()]
    return [int(pid) for pid, member_of, state in rows if int(member_of) == group and not state.startswith("Z")]


def until(what: str, happened: Callable[[], bool]) -> None:
    """Wait for something."""
    deadline = time.monotonic() + _HANG
    while not happened():
        assert time.monotonic() < deadline, what
        time.sleep(0.002)


def kill_on_the_way(start: Callable[[], Process], witness: Path, seed: int, victims: Sequence[Victim]) -> int:
    """Run a driver to the end, in spite of what befalls it at moments that a seed decides.

    A killed driver is started again once its workers are gone.

    Args:
        start: Starts a driver.
        witness: What its trials write to: moments are counted by its lines.
        seed: Of the moments.
        victims: Who is killed with SIGKILL, one after the other.

    Returns:
        How many there were before the end.
    """
    moments = random.Random(seed)
    process, killed = start(), 0
    try:
        for victim in victims:
            wanted = len(lines_of(witness)) + moments.randrange(1, 9)
            until("nothing happens", lambda: len(lines_of(witness)) >= wanted or process.poll() is not None)  # noqa: B023
            if process.poll() is not None:
                break
            killed += 1
            if victim in {"worker", "both"}:
                _kill_worker(witness)
            if victim in {"driver", "both"}:
                process.kill()
                process.wait()
                until("workers outlive their driver", lambda: not members(process.pid))  # noqa: B023
                process = start()
        assert process.wait(_HANG) == 0
        until("workers outlive the search", lambda: not members(process.pid))
    finally:
        stop(process)
    return killed


def stop(process: Process) -> None:
    """End a process with all of its group."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _kill_worker(witness: Path) -> None:
    """Kill the process that was the last to start a trial, which may have just ended."""
    pid = next(line.pid for line in reversed(lines_of(witness)) if line.event == "start")
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
