"""The benchmark works on the smallest of its shapes; its figures are nobody's pass mark."""

import json
import re
from pathlib import Path
from statistics import geometric_mean

import pytest

from examples import benchmark
from examples.benchmark import Config, Part, Timed, main, ratios
from examples.opponents import Case, Opponent


def test_it_times_all_who_compute_the_same(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case = Case("paper", 1, (2, 3), 2, 3)

    def only(_: Part) -> list[Case]:
        return [case]

    monkeypatch.setattr(benchmark, "cases", only)
    main(
        Config(
            "quick", allocators=("tuned",), threads=1, rounds=1, seconds=0.001, output=tmp_path / "out" / "times.json"
        )
    )
    table = re.findall(
        r"^\| torch or torch channels_last(?: \| \d+\.\d\d){4} \|$", capsys.readouterr().out, re.MULTILINE
    )
    assert len(table) == 1
    times = json.loads((tmp_path / "out" / "times.json").read_text())["times"]
    assert [one["opponent"] for one in times] == ["n2nfun", "torch", "torch channels_last"]
    assert all(one["seconds"] > 0 and one["peak"] > 0 for one in times)


def test_the_grid_has_the_papers_48_shapes() -> None:
    assert len(set(benchmark.cases("grid"))) == 48


def test_the_best_of_the_others_counts_on_each_shape() -> None:
    shapes = [Case("paper", batch) for batch in (4, 16, 64)]
    times: list[tuple[Opponent, tuple[float, float, float]]] = [
        ("n2nfun", (1.0, 2.0, 3.0)),
        ("torch", (2.0, 90.0, 12.0)),
        ("torch channels_last", (7.0, 16.0, 99.0)),
    ]
    timed = [
        Timed(case, opponent, "tuned", taken, peak=1)
        for opponent, row in times
        for case, taken in zip(shapes, row, strict=True)
    ]
    found = ratios(timed, "n2nfun", ("torch", "torch channels_last"), "seconds")
    assert found == [2.0, 8.0, 4.0]
    assert round(geometric_mean(found), 12) == 4.0
