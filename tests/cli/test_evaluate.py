"""`n2nfun evaluate`: its table, its picture, its file."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from n2nfun.cli.main import main
from n2nfun.config import TrainConfig
from n2nfun.data import Picture, write_image
from n2nfun.metrics import psnr_mean, psnr_pooled, ssim
from n2nfun.testing.numbers import seeded
from tests.fresh_runs import fresh_run

NAMES = ["noisy input", "Gaussian blur", "median", "total variation", "non-local means", "denoiser"]
LINE = torch.linspace(0.2, 0.8, 12)
CLEAN = torch.outer(LINE, LINE.flip(0)).expand(4, 3, 12, 12).clone()
FIRST, SECOND = (CLEAN + 0.1 * torch.randn(CLEAN.shape, generator=seeded(seed)) for seed in (1, 2))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with a run on given pairs whose network changes nothing, and validation images."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    np.savez("pairs.npz", first=FIRST.numpy(), second=SECOND.numpy())
    np.savez("val.npz", first=FIRST.numpy(), second=CLEAN.numpy())
    fresh_run(tmp_path / "run", TrainConfig(pairs=(Path("pairs.npz"),), width=2))
    return tmp_path


def written(folder: Path) -> Any:
    """Read evaluation.json, which holds no NaN or infinity."""

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    return json.loads((folder / "evaluation.json").read_text(), parse_constant=refuse)


def rows(table: str) -> dict[str, list[str]]:
    """Read the cells of a printed table by those of the first column."""
    cells = [[cell.strip() for cell in line.strip("│┃ ").split("│")] for line in table.splitlines() if line[:1] == "│"]
    return {row[0]: row[1:] for row in cells}


def test_validation_images_are_judged(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "run", "--validation", "val.npz"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "4 colour images of 12x12 pixels" in out
    assert "tuned to" in out
    assert "PSNR pooled" in out
    assert "blind" not in out
    assert "picture: run/evaluation.png" in out
    printed = rows(out)
    assert list(printed) == NAMES
    noisy = [f"{psnr_mean(FIRST, CLEAN):.2f} dB", f"{psnr_pooled(FIRST, CLEAN):.2f} dB", f"{ssim(FIRST, CLEAN):.3f}"]
    assert printed["noisy input"][:-1] == ["", *noisy]
    clipped = FIRST.clamp(0, 1)
    assert printed["denoiser"][1] == f"{psnr_mean(clipped, CLEAN):.2f} dB"
    assert printed["Gaussian blur"][0].startswith("sigma ")
    found = written(folder / "run")
    assert [found[name] for name in ("run", "images", "channels", "height", "width")] == ["run", 4, 3, 12, 12]
    assert [score["name"] for score in found["scores"]] == NAMES
    assert found["scores"][5]["psnr_mean"] == psnr_mean(clipped, CLEAN)
    assert found["scores"][5]["blind_psnr"] is None


def test_the_picture_shows_each_with_its_psnr(folder: Path) -> None:
    assert main(["evaluate", "run", "--validation", "val.npz", "-o", "deep/out"]) == 0
    assert sorted(path.name for path in (folder / "deep" / "out").iterdir()) == ["evaluation.json", "evaluation.png"]
    with Image.open(folder / "deep" / "out" / "evaluation.png") as image:
        image.load()
        width, height = image.size
        assert width > 1.5 * height  # two rows of four
        pixels = np.asarray(image.convert("RGB"))
    quarters = [pixels[row * height // 2 : (row + 1) * height // 2] for row in (0, 1)]
    columns = [half[:, column * width // 4 : (column + 1) * width // 4] for half in quarters for column in range(4)]
    assert [len(np.unique(part)) > 10 for part in columns] == [True] * 7 + [False]


def test_without_clean_images_the_psnr_is_estimated(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.savez("pairs.npz", first=FIRST.repeat(5, 1, 1, 1).numpy(), second=SECOND.repeat(5, 1, 1, 1).numpy())
    assert main(["evaluate", "run"]) == 0
    out = capsys.readouterr().out
    assert "blind PSNR" in out
    assert "PSNR mean" not in out
    assert "No clean images are known" in out
    assert list(rows(out)) == NAMES
    found = written(folder / "run")
    assert all(score["psnr_mean"] is None and score["ssim"] is None for score in found["scores"])
    assert any(score["blind_psnr"] is not None for score in found["scores"])


def test_perfect_images_are_no_nonsense_in_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.savez("val.npz", first=CLEAN.numpy(), second=CLEAN.numpy())
    assert main(["evaluate", "run", "--validation", "val.npz"]) == 0
    assert rows(capsys.readouterr().out)["denoiser"][1:3] == ["inf dB", "inf dB"]
    assert written(folder / "run")["scores"][5]["psnr_mean"] == "inf"


def test_other_photographs_under_other_noise(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("n2nfun.run.evaluation._JUDGED_PAIRS", 3)
    monkeypatch.setattr("n2nfun.run.evaluation._TUNING_PAIRS", 2)
    (folder / "photos").mkdir()
    for name in ("a", "b"):
        write_image(folder / "photos" / f"{name}.png", Picture(CLEAN[0].repeat(1, 3, 3)))
    assert main(["evaluate", "run", "--data", "photos", "--noise", "gaussian:20"]) == 0
    assert "3 colour images of 32x32 pixels" in capsys.readouterr().out


def test_a_checkpoint_file_is_evaluated_beside_it(folder: Path) -> None:
    assert main(["evaluate", "run/checkpoint.safetensors", "--validation", "val.npz"]) == 0
    assert (folder / "run" / "evaluation.png").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "nowhere: no such file, expected a checkpoint"),
        (["run", "--validation", "gone.npz"], "gone.npz: cannot be read"),
        (["run", "--noise", "gaussian:5"], "expected both --data and --noise"),
        (["run", "--data", "gone", "--noise", "gaussian:5"], "gone: no such folder"),
        (["run", "--data", "gone", "--noise", "snow"], "no model has the name 'snow'"),
    ],
)
def test_errors_are_one_line(
    arguments: list[str], message: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert len(err.splitlines()) == 1
    assert not (folder / "run" / "evaluation.json").exists()


@pytest.mark.parametrize("out", ["val.npz", "val.npz/deeper", "gone"])
def test_a_file_in_the_place_of_the_folder_is_found_before_the_work(
    out: str, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def work(*_: object) -> None:
        raise AssertionError

    (folder / "gone").symlink_to("nowhere")
    monkeypatch.setattr("n2nfun.run.folder.load_checkpoint", work)
    assert main(["evaluate", "run", "-o", out]) == 2
    named = out.partition("/")[0]
    assert capsys.readouterr().err == f"n2nfun: error: {named}: is a file, expected a folder for the results\n"


def test_another_runs_picture_survives_a_failure(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "run" / "evaluation.png").write_bytes(b"old")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    assert main(["evaluate", "run", "--validation", "val.npz"]) == 2
    assert (folder / "run" / "evaluation.png").read_bytes() == b"old"
    assert sorted(path.name for path in (folder / "run").iterdir()) == ["checkpoint.safetensors", "evaluation.png"]
