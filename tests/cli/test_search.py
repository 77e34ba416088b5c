"""`n2nfun search`, as a person runs it: start, go on, status, report, dry run, Ctrl-C."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from n2nfun.cli.main import main
from n2nfun.search.database import LedgerError
from n2nfun.search.folder import Search, begin_search, open_search
from n2nfun.search.plan import plan_to_json, read_plan
from n2nfun.search.records import Record
from tests.search.tables import run_here

TINY = """
[space]
nesterov = [false, true]
momentum = [0, 0.9]
lr = [0.05]
hidden = [[2, 2]]
up_kernel = [3]
down_kernel = [2]
batch_size = [4]

[[rungs]]
samples = 8
epochs = 1

[[rungs]]
entrants = 1
epochs = {epochs}

[data]
pairs = ["pairs.npz"]
"""
"""Four settings, three trainings; then one."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with pairs, images to judge by, and plans on them."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    first, second, clean = (np.random.default_rng(seed).random((20, 3, 8, 8)).astype("float32") for seed in range(3))
    np.savez("pairs.npz", first=first, second=second)
    np.savez("val.npz", first=first[:5], second=clean[:5])
    Path("tiny.toml").write_text(TINY.format(epochs=2))
    Path("long.toml").write_text(TINY.format(epochs=100_000))
    return tmp_path


def test_start_status_report_denoise_and_go_on(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["search", "--plan", "tiny.toml", "--validation", "val.npz", "-o", "run"]
    assert main([*options, "--workers", "1"]) == 0
    shown, err = capsys.readouterr()
    assert err == ""
    entries = open_search(folder / "run").ledger.entries()
    assert len(entries) == 5
    keys = (entry.record.setting.key for entry in entries)
    for words in (*keys, "rung 2", "next: n2nfun denoise run/winner FILES -o OUT"):
        assert words in shown  # on one line, in eighty columns

    assert main(["search", "status", "run"]) == 0
    shown = capsys.readouterr().out
    assert "complete" in shown
    assert f"best so far: {entries[-1].record.setting.key}" in shown

    (folder / "run" / "report.md").unlink()
    assert main(["search", "report", "run"]) == 0
    assert (folder / "run" / "report.md").exists()
    assert main(["denoise", "run/winner", "run/winner.png", "-o", "out"]) == 0

    capsys.readouterr()
    assert main([*options, "--workers", "1"]) == 0
    assert main(["search", "-o", "run", "--workers", "1"]) == 0
    assert open_search(folder / "run").ledger.entries() == entries


def finished(folder: Path) -> Search:
    """Run the tiny search in this process."""
    search = begin_search(folder / "run", read_plan("tiny.toml"), None)
    run_here(search.plan, search.ledger, search.trials())
    return search


def test_another_search_in_the_same_folder_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    finished(folder)
    before = {path.name: path.read_bytes() for path in (folder / "run").iterdir() if path.is_file()}
    for options, part in (
        (["--seed", "1"], "data.seed: 0, not 1"),
        (["--plan", "smoke"], "space.lr: (0.05,), not (0.01, 0.05)"),
        (["--plan", "long.toml"], "rungs: "),
    ):
        capsys.readouterr()
        assert main(["search", *options, "-o", "run"]) == 2
        error = capsys.readouterr().err
        assert error.startswith(f"n2nfun: error: run holds another search, with {part}")
        assert error.endswith(": choose another --out, or leave the options out to go on with that one\n")
    assert before == {path.name: path.read_bytes() for path in (folder / "run").iterdir() if path.is_file()}


def test_a_search_that_another_driver_runs_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with finished(folder).ledger.driven():
        assert main(["search", "-o", "run"]) == 2
        assert "another driver runs this search" in capsys.readouterr().err
        assert main(["search", "status", "run"]) == 0
        assert main(["search", "report", "run"]) == 0


def test_a_search_does_not_go_on_with_another_version(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = finished(folder).folder.plan
    plan.write_text(re.sub(r'"torch": "[^"]*"', '"torch": "1.0"', plan.read_text()))
    assert main(["search", "-o", "run"]) == 2
    assert capsys.readouterr().err.startswith("n2nfun: error: run was begun with torch 1.0, this is ")
    assert main(["search", "status", "run"]) == 0


def test_a_dry_run_writes_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["search", "--plan", "tiny.toml", "--dry-run", "-o", "run", "--workers", "2"]) == 0
    shown = capsys.readouterr().out
    rows = [[cell.strip() for cell in line.strip("│").split("│")] for line in shown.splitlines() if line[:1] == "│"]
    assert [row[:5] for row in rows] == [["1", "4", "3", "8", "1"], ["2", "1", "1", "18", "2"]]
    assert "by 2 at a time" in shown
    assert "nothing was written" in shown
    assert not (folder / "run").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--plan", "mine"], "--plan is mine, expected paper, smoke, or a file ending in .toml"),
        (["--plan", "nowhere.toml"], "--plan is nowhere.toml: there is no such file"),
        (["--workers", "0"], "--workers is 0, expected from 1 to 4096"),
        (["--workers", "2", "--cluster", "tcp://a"], "--cluster and --workers are both given, expected one of them"),
        (["--seed", "-1"], "--seed is -1, expected from 0 to 9223372036854775807"),
        (["--ledger", "mysql://a/b"], "--ledger is mysql://a/b, expected sqlite:///FILE or postgresql://…"),
        (["--count", "0"], "--count is 0, expected at least 1"),
        (["-o", "pairs.npz"], "pairs.npz: is a file, expected a folder for the results"),
        (["--data", "a", "--pairs", "b"], "--pairs and --data are both given, expected one of them"),
        (["status", "nowhere"], "nowhere: no search has begun there, expected a folder with a search.json"),
        (["report", "nowhere"], "nowhere: no search has begun there, expected a folder with a search.json"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_errors_are_one_line(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["search", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"n2nfun: error: {message}")
    assert err.count("\n") == 1
    assert not Path("runs").exists()


def test_status_on_the_way(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    search = begin_search(folder / "run", read_plan("tiny.toml"), None)
    assert main(["search", "status", "run"]) == 2
    assert "is not there: has the search begun?" in capsys.readouterr().err
    assert not search.folder.ledger.exists()
    search.ledger.create(plan_to_json(search.plan))
    mine = search.ledger.take()
    chosen = [setting for setting in search.plan.space.settings() if setting.momentum]
    for setting in chosen:
        mine.commit([Record(mine.search, 0, setting, "finished", None, None, 20.0, seconds=1e-9)])
    assert main(["search", "status", "run"]) == 0
    shown = capsys.readouterr().out
    assert "trainings a minute while it runs; about" in shown
    assert "20.00 dB" in shown
    assert main(["search", "report", "run"]) == 0
    assert "the best network is written once the last rung has trained it" in capsys.readouterr().out


def _records(run: Path) -> int:
    """Count a search's records, where it may only just have begun: its ledger is a file before it has tables."""
    if not (run / "ledger.db").exists():
        return 0
    try:
        return len(open_search(run).ledger.entries())
    except LedgerError:
        return 0


@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C is no signal that can be sent to one process there")
def test_ctrl_c_leaves_a_search_that_goes_on(folder: Path) -> None:
    code = (
        "import signal, sys; from n2nfun.cli.main import main\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)  # which shells turn off in the background\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", code, "search", "--plan", "long.toml", "-o", "run", "--workers", "1"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        while _records(folder / "run") < 4:
            assert process.poll() is None
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the workers too
        out, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (1, "")
    assert out == "stopped: 4 of 5 records are in the ledger; the same command goes on from here\n"
