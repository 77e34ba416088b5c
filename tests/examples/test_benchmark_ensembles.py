"""The benchmark of ensembles compares and times; its figures are nobody's pass mark."""

import json
import re
from pathlib import Path

import pytest
import torch

from examples.benchmark_ensembles import Config, check, main, optimizers


def test_it_times_both_ways(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "out" / "times.json"
    threads = torch.get_num_threads()
    main(Config((1, 2), (1,), hidden=(2, 3), device="cpu", threads=threads, rounds=1, seconds=0.001, output=output))
    rows = re.findall(r"^\| 1 \| (\d) (?:\| \d+\.\d\d ){3}\|$", capsys.readouterr().out, re.MULTILINE)
    assert rows == ["1", "2"]
    times = json.loads(output.read_text())["times"]
    assert [(one["batch"], one["networks"]) for one in times] == [(1, 1), (1, 2)]
    assert all(one["together"] > 0 and one["apart"] > 0 for one in times)


def test_it_times_none_that_compute_something_else() -> None:
    check(lambda: torch.ones(2), lambda: torch.ones(2))
    with pytest.raises(RuntimeError, match="together the networks have losses"):
        check(lambda: torch.ones(2), lambda: torch.tensor([1.0, 1.001]))


def test_its_networks_differ_in_all() -> None:
    found = optimizers(4)
    assert len({sgd.lr for sgd in found}) == 4
    assert len({sgd.momentum for sgd in found}) == len({sgd.nesterov for sgd in found}) == 2
