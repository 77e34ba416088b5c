"""The benchmark of the type checkers works; its figures are nobody's pass mark."""

import re

import pytest

from examples.benchmark_types import Config, main
from tests.typing.users import CACHE


@pytest.mark.xdist_group("mypy")  # with the others that fill its cache
def test_it_prints_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    main(Config(repeats=1, texts=("two networks of 16 layers",), cache=CACHE))
    rows = re.findall(r"^\| (.*?) \| \d+\.\d\d \|$", capsys.readouterr().out, re.MULTILINE)
    assert rows == ["mypy", "mypy with the plugin", "pyright"]
