"""Quick trials that tell a file, which the engine never reads, when they start and finish, and when they were committed."""

import hashlib
import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from n2nfun.search.ledger import Ledger
from n2nfun.search.plan import SearchData, SearchPlan
from n2nfun.search.records import Record
from n2nfun.search.rungs import Rung
from n2nfun.search.space import SearchSpace, Setting, training_of

PLAN = SearchPlan(
    SearchSpace(lr=(0.001, 0.01, 0.05, 0.1, 0.2), hidden=((8, 32),), up_kernel=(3,), down_kernel=(2,), batch_size=(4,)),
    (Rung(epochs=1), Rung(5, epochs=2), Rung(1, epochs=3)),
    SearchData(),
)
"""20 settings, 15 different trainings; then 5, then 1."""
SEARCH = "witnessed"


def quick_record(setting: Setting, rung: int) -> Record:
    """Make a record of numbers that depend on the training alone; every fifth or so has diverged."""
    digest = hashlib.sha256(f"{training_of(setting).key} {rung}".encode()).digest()
    psnr = 20 + int.from_bytes(digest[:7], "big") / 2**56
    if digest[7] < 50:
        return Record(SEARCH, rung, setting, "diverged", reason="the loss is inf at step 1")
    return Record(SEARCH, rung, setting, "finished", psnr, psnr / 3, None, (psnr / 7, psnr), 1 / psnr)


@dataclass(frozen=True, slots=True)
class Line:
    """What the witness saw."""

    event: str
    rung: int
    key: str
    pid: int


def saw(witness: Path, event: str, rung: int, setting: Setting) -> None:
    """Append a line, whole."""
    line = f"{event} {rung} {setting.key} {os.getpid()}\n".encode()
    file = os.open(witness, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(file, line)
    finally:
        os.close(file)


def lines_of(witness: Path) -> list[Line]:
    """Read what the witness saw, in order."""
    if not witness.exists():
        return []
    parts = [line.split() for line in witness.read_text().splitlines()]
    return [Line(event, int(rung), key, int(pid)) for event, rung, key, pid in parts]


@dataclass(frozen=True, slots=True)
class WitnessedTrials:
    """A trainer of quick trials."""

    witness: Path
    seconds: float = 0.02
    """Of a trial, so that it can be killed on its way."""
    fatal_once: frozenset[str] = frozenset()
    """Keys of settings whose first trial in a rung kills its process."""
    fatal: frozenset[str] = frozenset()
    """Of those whose every trial does."""

    def __call__(self, trainings: tuple[Setting, ...], rung: int) -> tuple[Record, ...]:
        return tuple(self._one(setting, rung) for setting in trainings)

    def _one(self, setting: Setting, rung: int) -> Record:
        begun = any(
            (line.event, line.rung, line.key) == ("start", rung, setting.key) for line in lines_of(self.witness)
        )
        saw(self.witness, "start", rung, setting)
        time.sleep(self.seconds)
        if setting.key in self.fatal or (setting.key in self.fatal_once and not begun):
            os.kill(os.getpid(), signal.SIGKILL)
        record = quick_record(setting, rung)
        saw(self.witness, "finish", rung, setting)
        return record


@dataclass(frozen=True, slots=True)
class WitnessedLedger(Ledger):
    """A ledger that tells the witness of each commit, once it is done."""

    witness: Path = Path("witness.txt")
    fatal: frozenset[str] = frozenset()
    """Keys of settings whose first rung's commit kills its process, once it is done and before anybody hears of it."""

    def commit(self, records: Sequence[Record]) -> None:
        Ledger.commit(self, records)
        for record in records:
            saw(self.witness, "commit", record.rung, record.setting)
        if any(record.rung == 0 and record.setting.key in self.fatal for record in records):
            os.kill(os.getpid(), signal.SIGKILL)


def assert_nothing_started_after_its_commit(witness: Path) -> None:
    """Check the order of what the witness saw, and that nothing was committed twice."""
    of_key = {setting.key: training_of(setting).key for setting in PLAN.space.settings()}
    done: set[tuple[int, str]] = set()
    committed: list[tuple[int, str]] = []
    for line in lines_of(witness):
        if line.event == "start":
            assert (line.rung, line.key) not in done, line
        if line.event == "commit":
            done.add((line.rung, of_key[line.key]))
            committed.append((line.rung, line.key))
    assert len(committed) == len(set(committed))
