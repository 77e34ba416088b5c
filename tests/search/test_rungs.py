"""Who enters the next rung."""

import dataclasses
import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from n2nfun.config import ConfigError
from n2nfun.search.records import Record
from n2nfun.search.rungs import PAPER_RUNGS, Rung, entrants, ranked
from tests.search.drawn import records

one_rung = st.lists(records, unique_by=lambda record: record.setting)


@given(one_rung, st.randoms(use_true_random=False))
def test_the_order_of_the_records_is_of_no_account(found: list[Record], chance: random.Random) -> None:
    shuffled = chance.sample(found, len(found))
    assert ranked(shuffled) == ranked(found)
    assert sorted(map(repr, ranked(found))) == sorted(map(repr, found))


@given(one_rung)
def test_each_is_no_worse_than_the_next(found: list[Record]) -> None:
    order = ranked(found)
    for one, other in pairwise(order):
        if one.status != other.status:
            assert (one.status, other.status) in {
                ("finished", "diverged"),
                ("finished", "failed"),
                ("diverged", "failed"),
            }
        elif one.status != "finished" or one.score == other.score:
            assert one.setting < other.setting
        else:
            assert other.score is None or (one.score is not None and one.score > other.score)


@given(one_rung, st.none() | st.integers(1, 10))
def test_the_best_enter(found: list[Record], most: int | None) -> None:
    chosen = entrants(Rung(most, epochs=1), found)
    assert len(chosen) == len(set(chosen)) == (len(found) if most is None else min(most, len(found)))
    assert list(chosen) == [record.setting for record in ranked(found)][: len(chosen)]


@given(one_rung, st.integers(1, 10), st.integers(1, 10))
def test_who_enters_does_not_hang_on_who_is_worse(found: list[Record], few: int, more: int) -> None:
    chosen = entrants(Rung(few, epochs=1), found)
    rest = [record for record in found if record.setting not in chosen]
    assert chosen == entrants(Rung(few, epochs=1), [record for record in found if record not in rest[:more]])


@given(one_rung, st.data())
def test_a_better_score_never_loses_a_place(found: list[Record], data: st.DataObject) -> None:
    finished = [record for record in found if record.status == "finished" and record.psnr_mean is not None]
    if not finished:
        return
    record = data.draw(st.sampled_from(finished))
    assert record.psnr_mean is not None
    better = dataclasses.replace(record, psnr_mean=record.psnr_mean + data.draw(st.floats(0, 10)))
    after = [better if each is record else each for each in found]
    assert ranked(after).index(better) <= ranked(found).index(record)


def test_the_papers() -> None:
    assert [(rung.entrants, rung.samples, rung.epochs) for rung in PAPER_RUNGS] == [
        (None, 1_000, 10),
        (20, 5_000, 20),
        (1, None, 10),
    ]


@pytest.mark.parametrize("values", [{"entrants": 0}, {"samples": 0}, {"epochs": 0}])
def test_numbers_below_one_are_refused(values: dict[str, int]) -> None:
    (name,) = values
    with pytest.raises(ConfigError, match=f"^rungs: {name} is 0, expected at least 1$"):
        Rung(**{"epochs": 1, **values})
