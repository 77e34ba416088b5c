"""What a search says at its end: the table, the pictures, the network."""

import csv
import dataclasses
import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from n2nfun.run.folder import load_run
from n2nfun.run.training import measure
from n2nfun.search.data import digest_of, write_trial_data
from n2nfun.search.folder import Search, SearchFolder
from n2nfun.search.influence import influences
from n2nfun.search.ledger import Ledger
from n2nfun.search.plan import SearchData, SearchPlan
from n2nfun.search.records import Record
from n2nfun.search.report import columns_of, report_rows, rows_to_csv, rows_to_markdown, write_report
from n2nfun.search.rungs import Rung
from n2nfun.search.space import SearchSpace, Setting, training_of
from n2nfun.search.standing import leaders
from n2nfun.search.versions import versions
from tests.search.drawn import records
from tests.search.small_data import small_data
from tests.search.tables import run_here
from tests.search.witness import PLAN, quick_record

REAL = SearchPlan(
    SearchSpace(lr=(0.01, 0.1), hidden=((4, 4),), up_kernel=(3,), down_kernel=(2,), batch_size=(4,)),
    (Rung(None, 6, epochs=1), Rung(3, 8, epochs=2), Rung(1, epochs=2)),
    SearchData(),
)
"""8 settings, 6 different trainings; then 3, then 1."""


@given(st.lists(records, unique_by=lambda record: (record.rung, record.setting)), st.none() | st.integers(1, 5))
def test_a_row_says_what_the_records_do(found: list[Record], most: int | None) -> None:
    plan = dataclasses.replace(PLAN, rungs=(*PLAN.rungs, Rung(1, epochs=1)))
    rows = report_rows(plan, found, most)
    order = leaders(found)
    assert [row.setting for row in rows] == [record.setting for record in order][:most]
    assert [row.place for row in rows] == [*range(1, len(rows) + 1)]
    for row, record in zip(rows, order, strict=False):
        expected: list[float | None] = [None] * 4
        for each in found:
            if each.setting == row.setting:
                expected[each.rung] = each.score
        assert list(row.psnr) == expected
        assert len(row.cells()) == len(columns_of(plan))
        assert row.short_cells()[1] == row.setting.key
        assert [*row.short_cells()[2:]] == [*row.cells()[8:-1]] or row.short_cells()[2:] == (row.note, "", "", "")
        if record.status != "finished":
            assert row.note == record.status
        elif row.note:
            twin = rows[int(row.note.removeprefix("the same training as ")) - 1]
            assert twin.place < row.place
            assert training_of(twin.setting) == training_of(row.setting)
        else:
            assert all(training_of(other.setting) != training_of(row.setting) for other in rows[: row.place - 1])


def made() -> list[Record]:
    found = [quick_record(setting, 0) for setting in PLAN.space.settings()]
    for number in (1, 2):
        found += [quick_record(setting, number) for setting in PLAN.entrants(number, found)]
    return found


def test_the_csv_has_every_digit() -> None:
    rows = report_rows(PLAN, made(), None)
    table = [*csv.DictReader(io.StringIO(rows_to_csv(columns_of(PLAN), rows)))]
    assert len(table) == 20
    for row, line in zip(rows, table, strict=True):
        assert [float(line[name]) if line[name] else None for name in ("all x 1", "all x 2", "all x 3")] == [*row.psnr]
        assert (float(line["learning rate"]), float(line["momentum"])) == (row.setting.lr, row.setting.momentum)
        assert line["Nesterov"] == ("yes" if row.setting.nesterov else "no")


def test_the_markdown_is_a_table() -> None:
    columns, rows = columns_of(PLAN), report_rows(PLAN, made())
    lines = rows_to_markdown(columns, rows).splitlines()
    assert len(lines) == 22
    assert {line.count("|") for line in lines} == {len(columns) + 1}
    assert lines[2].startswith("| 1 | ")


def test_influences_are_the_shares_of_the_variance() -> None:
    space = SearchSpace(
        lr=(0.01, 0.1), momentum=(0.5, 0.9), hidden=((8, 8),), up_kernel=(3,), down_kernel=(2,), batch_size=(4,)
    )
    values = {(0.01, 0.5): 10.0, (0.01, 0.9): 12.0, (0.1, 0.5): 16.0, (0.1, 0.9): 18.0}
    found = [Record("a", 0, setting, "finished", values[setting.lr, setting.momentum]) for setting in space.settings()]
    lr, momentum, nesterov = influences(space, found)
    assert (lr.name, momentum.name, nesterov.name) == ("lr", "momentum", "nesterov")
    assert (lr.share, momentum.share, nesterov.share) == (72 / 80, 8 / 80, 0.0)
    assert lr.choices == ("0.01", "0.1")
    assert sorted(lr.psnr[0]) == [10, 10, 12, 12]
    assert nesterov.choices == ("no", "yes")


def test_settings_without_a_psnr_have_no_influence() -> None:
    setting = PLAN.space.settings()[0]
    assert influences(PLAN.space, [Record("a", 0, setting, "diverged"), Record("a", 0, setting, "failed")]) == ()
    infinite = Record("a", 0, setting, "finished", float("inf"))
    assert influences(PLAN.space, [infinite]) == ()
    (first, *_) = influences(PLAN.space, [infinite, Record("a", 0, setting, "finished", 20.0)])
    assert first.share == 0


@pytest.fixture
def search(tmp_path: Path) -> Search:
    """A search on small data that has begun, in a folder whose ledger is there."""
    folder = SearchFolder(tmp_path / "run")
    folder.path.mkdir()
    write_trial_data(small_data(), folder.data)
    found = Search(folder, REAL, digest_of(folder.data), Ledger(f"sqlite:///{folder.ledger}", "a"), versions())
    found.ledger.create("plan")
    return found


def finished(search: Search) -> tuple[Record, ...]:
    """Run a search to its end, with real trials."""
    return run_here(REAL, search.ledger, search.trials()).records()


def test_a_real_search_ends_with_all_that_was_promised(search: Search) -> None:
    everything = finished(search)
    report = write_report(search)
    names = [file.name for file in report.files]
    assert names == ["report.md", "report.csv", "settings.png", "winner.png"]
    for file in report.files[2:]:
        with Image.open(file) as picture:
            assert len(np.unique(np.asarray(picture.convert("L")))) > 10
    markdown = report.files[0].read_text()
    assert "8 settings, 6 different trainings" in markdown
    assert rows_to_markdown(columns_of(REAL), report.rows) in markdown
    (best,) = [record for record in everything if record.rung == 2]
    assert report.best == best
    assert report.winner == search.folder.winner
    run = load_run(search.folder.winner)
    assert (run.config.lr, run.config.hidden) == (best.setting.lr, (4, 4))
    assert measure(run.model, run.params, small_data().validation)[1] == best.psnr_mean


def test_a_search_on_its_way_has_a_report_too(search: Search) -> None:
    report = write_report(search)
    assert (report.rows, report.best, report.winner) == ((), None, None)
    assert [file.name for file in report.files] == ["report.md", "report.csv"]
    setting = REAL.space.settings()[2]
    search.ledger.take().commit([Record("a", 0, setting, "diverged"), *half(setting)])
    report = write_report(search)
    assert report.winner is None
    assert [row.note for row in report.rows] == ["", "diverged"]
    assert [file.name for file in report.files][2:] == ["settings.png"]


def half(setting: Setting) -> list[Record]:
    other = dataclasses.replace(setting, lr=0.1 if setting.lr == 0.01 else 0.01)
    return [Record("a", 0, other, "finished", None, None, 21.0)]


def test_blind_psnrs_are_called_so(search: Search) -> None:
    search.ledger.take().commit(half(REAL.space.settings()[0]))
    assert "estimated from the noisy pairs" in write_report(search).files[0].read_text()


def test_a_network_that_is_gone_is_not_promised(search: Search) -> None:
    finished(search)
    for file in (search.folder.path / "trials").iterdir():
        file.write_bytes(b"damaged")
    assert write_report(search).winner is None
