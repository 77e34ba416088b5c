"""Where a search stands, from its entries alone."""

import dataclasses

from hypothesis import given
from hypothesis import strategies as st

from n2nfun.search.ledger import Entry
from n2nfun.search.plan import SearchData, SearchPlan
from n2nfun.search.records import Record
from n2nfun.search.rungs import Rung
from n2nfun.search.space import SearchSpace, Setting, training_of
from n2nfun.search.standing import Standing, best_of, leaders, standing
from tests.search.drawn import records
from tests.search.witness import PLAN, quick_record

SETTINGS = PLAN.space.settings()
EIGHT = SearchPlan(
    SearchSpace((False,), (0.9,), (0.1, 0.2, 0.3, 0.4), ((8, 8),), (3,), (2,), (4, 8)),
    (Rung(None, 100, epochs=2), Rung(1, None, epochs=1)),
    SearchData(count=1000),
)
"""Eight settings, all different trainings; the work of the last rung is five times that of one in the first."""


def entry(setting: Setting, rung: int, seconds: float, committed: float) -> Entry:
    return Entry(Record("a", rung, setting, "finished", 20.0, seconds=seconds), committed)


def test_nothing_is_known_before_the_first() -> None:
    found = standing(PLAN, [])
    assert [(rung.done, rung.of, rung.best) for rung in found.rungs] == [(0, 20, None), (0, 5, None), (0, 1, None)]
    assert (found.best, found.per_minute, found.seconds_left) == (None, None, None)
    assert not found.complete


def test_all_is_counted() -> None:
    made = [quick_record(setting, 0) for setting in SETTINGS[:12]]
    made.append(Record("a", 0, SETTINGS[12], "failed", reason="died"))
    found = standing(PLAN, [Entry(record, 1.0) for record in made])
    diverged = sum(record.status == "diverged" for record in made)
    assert diverged
    assert (found.rungs[0].done, found.rungs[0].diverged, found.rungs[0].failed) == (13, diverged, 1)
    finished = [record for record in made if record.status == "finished"]
    assert found.best == found.rungs[0].best == max(finished, key=lambda record: record.psnr_mean or 0)


def test_it_is_complete_when_every_setting_has_its_record() -> None:
    made = [Entry(quick_record(setting, 0), 0.0) for setting in SETTINGS]
    for number in (1, 2):
        assert not standing(PLAN, made).complete
        chosen = PLAN.entrants(number, [entry.record for entry in made])
        made += [Entry(quick_record(setting, number), 0.0) for setting in chosen]
    found = standing(PLAN, made)
    assert found.complete
    assert [rung.done for rung in found.rungs] == [20, 5, 1]


def paced(*times: tuple[float, float]) -> Standing:
    """Return the standing after trainings of so many seconds, committed at such times."""
    chosen = zip(EIGHT.space.settings(), times, strict=False)
    return standing(EIGHT, [entry(setting, 0, seconds, committed) for setting, (seconds, committed) in chosen])


def test_the_pace_of_one_worker() -> None:
    found = paced((4.0, 104.0), (4.0, 108.0), (4.0, 112.0), (4.0, 116.0))
    assert found.per_minute == 15
    assert found.seconds_left == 4 * 4 + 5 * 4


def test_the_pace_of_two_workers() -> None:
    found = paced((4.0, 104.0), (4.0, 106.0), (4.0, 108.0), (4.0, 110.0), (4.0, 112.0))
    assert found.per_minute == 30
    assert found.seconds_left == 2 * 4 + 5 * 4  # two at a time, of three; the last alone


def test_a_pause_is_not_counted() -> None:
    assert paced((4.0, 104.0), (4.0, 108.0), (4.0, 100_112.0), (4.0, 100_116.0)).per_minute == 15


def test_clocks_that_go_back_do_no_harm() -> None:
    assert paced((4.0, 104.0), (4.0, 108.0), (4.0, 107.0)).per_minute == 30
    assert paced((4.0, 104.0), (4.0, 104.0)).per_minute is None


def test_a_training_counts_once_however_many_settings_it_is_of() -> None:
    twins = [setting for setting in SETTINGS if not setting.momentum]
    assert len({training_of(setting) for setting in twins}) == len(twins) / 2
    made = [
        entry(setting, 0, 4.0, 104.0 + 4.0 * [training_of(twin) for twin in twins].index(training_of(setting)))
        for setting in twins
    ]
    made.sort(key=lambda entry: entry.committed)
    found = standing(PLAN, made)
    assert found.per_minute == 15
    assert found.rungs[0].done == 10


@given(st.lists(records, unique_by=lambda record: (record.rung, record.setting)))
def test_each_setting_leads_from_the_highest_rung_it_was_in(found: list[Record]) -> None:
    order = leaders(found)
    assert {record.setting for record in order} == {record.setting for record in found}
    assert len(order) == len({record.setting for record in order})
    assert [record.rung for record in order] == sorted((record.rung for record in order), reverse=True)
    for record in order:
        assert record.rung == max(other.rung for other in found if other.setting == record.setting)
    best = best_of(found)
    assert best is None or best.status == "finished"
    assert (best is None) == all(record.status != "finished" for record in order)
    assert leaders(dataclasses.replace(record, seconds=1.0) for record in reversed(found)) == order
