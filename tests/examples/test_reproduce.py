"""The reproduction runs, on data and steps too few to say anything."""

import json
from pathlib import Path

from examples.reproduce import Config, main
from n2nfun.data import load_photograph, write_image
from n2nfun.data.images import Picture


def test_it_makes_its_table(tmp_path: Path) -> None:
    for part in ("training", "judging"):
        (tmp_path / part).mkdir()
        write_image(tmp_path / part / "a.png", Picture(load_photograph("astronaut")[:, :256, :256], 8))
    folders = (tmp_path / "training", tmp_path / "judging")
    main(Config(*folders, pairs=64, paper_steps=2, denoiser_steps=2, seeds=2, out=tmp_path / "out"))
    table = (tmp_path / "out/table.md").read_text().splitlines()
    assert [line.split("|")[1].strip().split(",")[0] for line in table[2:8]] == [
        "noisy input",
        "Gaussian blur",
        "denoiser",
        "denoiser",
        "paper",
        "paper",
    ]
    results = json.loads((tmp_path / "out/results.json").read_text())["results"]
    assert [(r["name"], r["seed"]) for r in results[2:]] == [
        ("denoiser", 0),
        ("denoiser", 1),
        ("denoiser, clean targets", 0),
        ("paper", 0),
        ("paper", 1),
        ("paper, gradient without 1/N", 0),
    ]
    assert all(r["steps"] == 2 for r in results[2:])
