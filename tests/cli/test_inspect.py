"""`n2nfun inspect`: findings in words, and what the exit status says."""

from pathlib import Path

import numpy as np
import pytest
import torch

from n2nfun.cli.main import main
from n2nfun.data import Picture, write_image
from n2nfun.testing.numbers import seeded

CLEAN = torch.rand(200, 3, 1, 1, generator=seeded(0)).expand(200, 3, 16, 16)
FIRST, SECOND = (0.25 + CLEAN / 2 + 0.05 * torch.randn(CLEAN.shape, generator=seeded(seed)) for seed in (1, 2))


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with sound pairs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "300")
    np.savez("pairs.npz", first=FIRST.numpy(), second=SECOND.numpy())
    return tmp_path


def verdicts(table: str) -> dict[str, str]:
    """Read the second column by the first."""
    cells = [[cell.strip() for cell in line.strip("│").split("│")] for line in table.splitlines() if line[:1] == "│"]
    return {row[0]: row[1] for row in cells if row[0]}


def test_sound_pairs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", "--pairs", "pairs.npz"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "200 colour pairs of 16x16 pixels" in out
    assert set(verdicts(out)) == {
        "bias", "contrast", "alignment", "independence", "equal noise", "noise level", "neighbouring pixels",
        "noise against brightness", "clipping", "channels",
    }  # fmt: skip
    assert set(verdicts(out).values()) == {"holds"}
    assert "Neither image is brighter than the other." in out
    assert "Nothing was found that keeps Noise2Noise from learning the clean images." in out
    assert "What pairs alone cannot show" in out


def test_biased_pairs_fail(capsys: pytest.CaptureFixture[str]) -> None:
    np.savez("biased.npz", first=FIRST.numpy(), second=(SECOND + 0.03).numpy())
    assert main(["inspect", "--pairs", "biased.npz"]) == 1
    out = capsys.readouterr().out
    assert verdicts(out)["bias"] == "fails: training"
    assert "One image is brighter than the other" in out
    assert "Noise2Noise will not learn the clean images from these pairs: bias." in out


def test_unequal_noise_fails_the_blind_psnr_alone(capsys: pytest.CaptureFixture[str]) -> None:
    louder = SECOND + 0.05 * torch.randn(SECOND.shape, generator=seeded(3))
    np.savez("unequal.npz", first=FIRST.numpy(), second=louder.numpy())
    assert main(["inspect", "--pairs", "unequal.npz"]) == 0
    out = capsys.readouterr().out
    assert verdicts(out)["equal noise"] == "fails: blind PSNR"
    assert "Do not trust the blind PSNR of these pairs." in out


def test_two_folders(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, noisy in (("first", FIRST), ("second", SECOND)):
        (folder / name).mkdir()
        for number in range(20):
            write_image(folder / name / f"{number} größe.png", Picture(noisy[number], 16))
    assert main(["inspect", "--pairs", "first", "second"]) == 0
    assert "20 colour pairs of 16x16 pixels" in capsys.readouterr().out
    assert main(["inspect", "--pairs", "first", "second", "--size", "8"]) == 0
    assert "80 colour pairs of 8x8 pixels" in capsys.readouterr().out


def test_made_pairs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "photos").mkdir()
    line = torch.linspace(0.3, 0.7, 40)
    write_image(folder / "photos" / "a.png", Picture(torch.outer(line, line)[None]))
    arguments = ["inspect", "--data", "photos", "--noise", "gaussian:10", "--count", "50", "--size", "24"]
    assert main(arguments) == 0
    out = capsys.readouterr().out
    assert "50 grey pairs of 24x24 pixels" in out
    assert set(verdicts(out).values()) == {"holds"}
    assert main(arguments) == 0
    assert capsys.readouterr().out == out
    assert main([*arguments, "--seed", "1"]) == 0
    assert capsys.readouterr().out != out


def test_photographs_come_with_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", "--noise", "poisson:30", "--count", "100"]) == 0
    out = capsys.readouterr().out
    assert "100 colour pairs of 32x32 pixels" in out
    assert verdicts(out)["noise against brightness"] == "note"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--pairs", "pairs.npz", "--data", "x"], "--pairs and --data are both given, expected one of them"),
        (["--pairs", "pairs.npz", "--noise", "x"], "--pairs and --noise are both given, expected one of them"),
        (["--pairs", "a", "b", "c"], "--pairs has 3 paths, expected a file, or two folders"),
        (["--pairs", "gone.npz"], "gone.npz: cannot be read"),
        (["--pairs", "pairs.npz", "--size", "8"], "pairs.npz: size is 8, but only the images of two folders are cut"),
        (["--noise", "snow:1"], "no model has the name 'snow'"),
        (["--data", "gone"], "gone: no such folder"),
        (["--seed", "99999999999999999999999"], "--seed is 99999999999999999999999, expected from 0 to 922337203685"),
        (["--size", "100000"], "the photograph is 512x512, too small for a crop of 100000x100000 (height x width)"),
        (["--count", "100000000000"], "100000000000 pairs of 32x32 need 3433228 GiB, more than there is: use fewer"),
        (["--count", "0"], "count is 0; expected at least 1"),
        (["--count", "1", "--size", "8"], "first is too small to judge"),
        (["--size", "0"], "size is 0; expected"),
    ],
)
def test_errors_are_one_line(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert len(err.splitlines()) == 1
