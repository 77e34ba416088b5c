"""The benchmark of the type checkers works; its figures are nobody's pass mark."""

import re
from pathlib import Path

import pytest

from examples.benchmark_types import Config, main

CACHE = Path(__file__).parent.parent.parent / ".mypy_cache" / "benchmark"


def test_it_prints_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    main(Config(repeats=1, cache=CACHE))
    rows = re.findall(r"^\| (.*?)((?: \| \d+\.\d\d){3}) \|$", capsys.readouterr().out, re.MULTILINE)
    assert [name for name, *_ in rows] == ["mypy", "mypy with the plugin", "pyright"]
