"""The benchmark of precisions trains, judges and times; its figures are nobody's pass mark."""

import json
from pathlib import Path

import pytest
import torch

from examples.benchmark_precision import Config, main


def test_it_trains_in_each_precision(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "out" / "results.json"
    main(Config(steps=5, batch=2, pairs=4, block=2, device="cpu", threads=torch.get_num_threads(), output=output))
    results = json.loads(output.read_text())["results"]
    assert [one["compute"] for one in results] == ["float32", "bfloat16"]
    assert all(one["seconds"] > 0 and 0 < one["loss"] < 1 and one["psnr_mean"] > 0 for one in results)
    assert results[0]["loss"] != results[1]["loss"]
    assert "| bfloat16 | " in capsys.readouterr().out
