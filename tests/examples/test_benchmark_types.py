"""The benchmark of the type checkers works; its figures are nobody's pass mark."""

import re
from pathlib import Path

import pytest

from examples.benchmark_types import Config, main

CACHE = Path(__file__).parent.parent.parent / ".mypy_cache" / "benchmark"


def test_it_prints_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    main(Config(repeats=1, texts=("two networks of 16 layers",), cache=CACHE))
    rows = re.findall(r"^\| (.*?) \| \d+\.\d\d \|$", capsys.readouterr().out, re.MULTILINE)
    assert rows == ["mypy", "mypy with the plugin", "pyright"]
