"""Each fast form makes what its slow formula makes, and the page explains each; the figures are nobody's pass mark."""

import re
from pathlib import Path

import pytest
import torch

from examples.why_fast import Change, Config, changes, check_same, compiled, main

PAGE = (Path(__file__).parent.parent.parent / "examples" / "why_fast.md").read_text()


def names(text: str) -> list[str]:
    return re.findall(r"^\| (.*?) \| \d+\.\d\d \| \d+\.\d\d \| \d+\.\d \|$", text, re.MULTILINE)


def test_the_page_has_every_row(capsys: pytest.CaptureFixture[str]) -> None:
    main(Config(batch=2, rounds=1, seconds=0.0, threads=torch.get_num_threads(), compiled=False))
    printed = names(capsys.readouterr().out)
    assert printed == [change.name for change in changes(1)]
    assert names(PAGE) == [*printed, *(change.name for change in compiled(1))]


def test_two_ways_that_differ_are_refused() -> None:
    with pytest.raises(RuntimeError, match="halved: the two ways differ"):
        check_same(Change("halved", lambda: [torch.ones(2)], lambda: [torch.ones(2) / 2]))
