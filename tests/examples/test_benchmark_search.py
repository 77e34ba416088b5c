"""The benchmark of the search times its steps, and reads its ledger; its figures are nobody's pass mark."""

import json
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from examples.benchmark.cases import Training
from examples.benchmark_search import Config, RungShare, Way, batch_table, main, shares_of, table
from n2nfun.cli.main import main as n2nfun
from n2nfun.search.folder import begin_search
from n2nfun.search.ledger import Entry
from n2nfun.search.plan import SearchData, SearchPlan, plan_to_json
from n2nfun.search.records import Record
from n2nfun.search.rungs import Rung
from n2nfun.search.space import SearchSpace, Setting

TINY = """
[space]
momentum = [0.0, 0.9]
lr = [0.01]
hidden = [[2, 2]]
up_kernel = [3]
down_kernel = [2]
batch_size = [4, 8]

[[rungs]]
samples = 10
epochs = 2

[[rungs]]
entrants = 1
epochs = 1

[data]
count = 16
size = 8
"""
"""Eight settings, six trainings; then one."""


def test_it_times_the_steps_of_a_search(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan, run, output = tmp_path / "tiny.toml", tmp_path / "run", tmp_path / "times.json"
    plan.write_text(TINY)
    assert n2nfun(["search", "--plan", str(plan), "-o", str(run), "--workers", "1"]) == 0
    capsys.readouterr()
    main(Config(run, workers=1, rounds=1, seconds=0.001, output=output))
    printed = capsys.readouterr().out
    assert re.findall(r"^\| (\S.*?) \| 1 \| 1 \| 0\.0 \| \d+\.\d\d times \|$", printed, re.MULTILINE) == [
        "n2nfun",
        "torch.nn, eager",
    ]
    assert len(re.findall(r"^\| [12] \| [16] \| 0\.0 \| \d+\.\d % \|$", printed, re.MULTILINE)) == 2
    steps = {one["case"]["batch"]: one["steps"] for one in json.loads(output.read_text())["times"]}
    last = {4: 4, 8: 2}  # of 16 pairs, by the batch of whichever won
    assert steps in [{4: 3 * 2 * 3 + won, 8: 3 * 2 * 2 + other} for won, other in ((last[4], 0), (0, last[8]))]


@pytest.mark.parametrize(
    ("data", "reason"),
    [(SearchData(count=4, size=8), "not complete"), (SearchData(pairs=(Path("pairs.npz"),)), "pairs")],
)
def test_it_refuses_a_search_that_it_cannot_time(
    data: SearchData, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    np.savez("pairs.npz", first=np.zeros((8, 3, 8, 8), "float32"), second=np.zeros((8, 3, 8, 8), "float32"))
    plan = SearchPlan(SearchSpace(), (Rung(epochs=1),), data)
    search = begin_search(Path("run"), plan, None)
    search.ledger.create(plan_to_json(plan))
    search.ledger.commit([Record(search.ledger.search, 0, plan.space.settings()[0], "finished", 1.0, seconds=1.0)])
    with pytest.raises(SystemExit, match=reason):
        main(Config(Path("run")))


def test_the_better_layout_counts_for_each_shape() -> None:
    one, two = (Training("paper", batch) for batch in (4, 16))
    own, plain, last = (Way(opponent, 2, 1) for opponent in ("n2nfun captured", "torch", "torch channels_last"))
    times = {one: {own: 1.0, plain: 2.0, last: 5.0}, two: {own: 2.0, plain: 9.0, last: 3.0}}
    for each in times.values():  # all take twice as long in one process
        each |= {Way(way.opponent, 1, 2): 2 * seconds for way, seconds in each.items()}
    rows = table(Counter({one: 60, two: 120}), times, 2).splitlines()[2:]
    assert rows == [
        "| n2nfun | 2 | 1 | 5.0 | 1.00 times |",
        "| torch.nn, eager | 2 | 1 | 8.0 | 1.60 times |",
        "| n2nfun | 1 | 2 | 10.0 | 2.00 times |",
        "| torch.nn, eager | 1 | 2 | 16.0 | 3.20 times |",
    ]
    rows = batch_table(Counter({one: 60, two: 120}), times, 2).splitlines()[2:]
    assert rows == ["| 4 | 20 % | 2.00 times |", "| 16 | 80 % | 1.50 times |"]


def test_settings_of_one_training_count_once() -> None:
    plain, nesterov, other = (
        Setting(form, 0.0, lr, (2, 2), 3, 2, 4) for form, lr in ((False, 0.1), (True, 0.1), (False, 0.2))
    )
    entries = [
        Entry(Record("search", 0, plain, "finished", 1.0, seconds=3.0), 103.0),
        Entry(Record("search", 0, nesterov, "finished", 1.0, seconds=3.0), 103.0),
        Entry(Record("search", 0, other, "finished", 2.0, seconds=5.0), 105.0),
        Entry(Record("search", 1, other, "finished", 2.0, seconds=4.0), 110.0),
    ]
    assert shares_of(entries, 2) == [RungShare(2, 5.0, 0.8), RungShare(1, 5.0, 0.8)]
