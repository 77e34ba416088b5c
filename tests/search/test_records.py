"""Records are written and read without the loss of a bit."""

import dataclasses
import json
import math
from typing import Any

import pytest
from hypothesis import given

from n2nfun.search.records import Record, RecordError, record_from_json, record_to_json
from n2nfun.search.space import Setting
from tests.search.drawn import records

SETTING = Setting(False, 0.9, 0.01, (16, 32), 5, 2, 4)


@given(records)
def test_what_is_read_is_what_was_written(record: Record) -> None:
    text = record_to_json(record)
    read = record_from_json(text, seconds=record.seconds)
    assert repr(read) == repr(record)  # also tells 0.0 from -0.0
    assert record_to_json(read) == text
    assert "\n" not in text


@given(records, records)
def test_equal_records_are_equal_texts(one: Record, other: Record) -> None:
    assert record_to_json(dataclasses.replace(one, seconds=1.5)) == record_to_json(one)
    assert dataclasses.replace(one, seconds=1.5) == one
    if one != other:
        assert record_to_json(one) != record_to_json(other)


@pytest.mark.parametrize(
    ("mean", "blind", "score"), [(20.0, 19.0, 20.0), (20.0, None, 20.0), (None, 19.0, 19.0), (None, None, None)]
)
def test_the_mean_decides_and_the_blind_one_where_it_must(
    mean: float | None, blind: float | None, score: float | None
) -> None:
    assert Record("a", 0, SETTING, "finished", mean, None, blind).score == score


@pytest.mark.parametrize("name", ["psnr_mean", "psnr_pooled", "psnr_blind", "loss", "seconds"])
def test_nan_is_no_number_of_a_record(name: str) -> None:
    values: dict[str, Any] = {name: math.nan}
    with pytest.raises(ValueError, match="is NaN, expected None"):
        dataclasses.replace(Record("a", 0, SETTING, "finished"), **values)


def changed(**values: object) -> str:
    return json.dumps({**json.loads(record_to_json(Record("a", 0, SETTING, "finished"))), **values})


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", "the text: "),
        ("[]", "the text: "),
        ('{"search": "a"}', "rung: "),
        (changed(status="done"), "status: "),
        (changed(setting={"nesterov": True}), "setting.momentum: "),
        (changed(curve=[1, "a"]), "curve.1: "),
        (record_to_json(Record("a", 0, SETTING, "finished"))[:-3], "the text: "),
    ],
)
def test_a_damaged_text_is_refused(text: str, place: str) -> None:
    with pytest.raises(RecordError, match=rf"^a record is damaged: {place}"):
        record_from_json(text)
