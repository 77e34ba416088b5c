"""`n2nfun train` and `n2nfun demo`, as a person runs them."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from n2nfun.cli.main import main
from n2nfun.data import read_image

TINY = ["--count", "12", "--size", "8", "--width", "2", "--batch-size", "4"]


def test_train_then_denoise(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    assert main(["train", *TINY, "--steps", "5", "--out", str(run)]) == 0
    shown = capsys.readouterr().out
    assert "done after 5 steps" in shown
    assert "blind PSNR, from noisy pairs alone:" in shown
    assert "PSNR, mean over images:" in shown
    assert "PSNR, pooled:" in shown
    assert main(["denoise", str(run), str(run / "samples"), "-o", str(tmp_path / "out")]) == 0
    before, after = read_image(run / "samples/0.png"), read_image(tmp_path / "out/0.png")
    assert after.pixels.shape == before.pixels.shape


def test_the_papers_network_by_its_options(tmp_path: Path) -> None:
    options = ["--model", "paper", "--hidden", "8", "4", "--down-kernel", "4", "--up-kernel", "3", "--momentum", "0.5"]
    run = tmp_path / "run"
    assert main(["train", *TINY, *options, "--nesterov", "False", "--steps", "2", "-o", str(run)]) == 0


def test_demo_draws_a_picture_and_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--seconds", "0.1", "--out", str(tmp_path / "demo")]) == 0
    shown = capsys.readouterr().out
    for name in ("noisy", "blur", "median", "variation", "non-local", "PSNR mean", "PSNR pooled"):
        assert name in shown
    assert read_image(tmp_path / "demo/evaluation.png").pixels.shape[0] == 3


def test_an_error_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--data", str(tmp_path / "nowhere"), "--out", str(tmp_path / "run")]) == 2
    error = capsys.readouterr().err
    assert error.startswith("n2nfun: error: ")
    assert "nowhere" in error
    assert error.count("\n") == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "--time-budget", "inf"], "--time-budget is inf, expected more than 0 and at most 1e+09"),
        (["train", "--epochs", "inf"], "--epochs is inf, expected more than 0 and at most 1e+09"),
        (["train", "--lr", "nan"], "--lr is nan, expected more than 0 and at most 1e+30"),
        (["train", "--batch-size", "9" * 20], f"--batch-size is {'9' * 20}, expected from 1 to 65535"),
        (["train", "--seed", "9" * 23], f"--seed is {'9' * 23}, expected from 0 to 9223372036854775807"),
        (["demo", "--seed", "9" * 23], f"--seed is {'9' * 23}, expected from 0 to 9223372036854775807"),
        (["demo", "--seconds", "inf"], "--seconds is inf, expected from 0.001 to 1000000"),
        (["train", "-o", "file"], "file: is a file, expected a folder for the results"),
        (["train", "-o", "file/deeper"], "file: is a file, expected a folder for the results"),
    ],
)
def test_what_cannot_be_is_refused_before_the_data_are_made(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def work(*_: object) -> None:
        raise AssertionError

    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    monkeypatch.setattr("n2nfun.run.training.load_dataset", work)
    assert main(arguments) == 2
    assert capsys.readouterr().err == f"n2nfun: error: {message}\n"


@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C is no signal that can be sent to one process there")
def test_ctrl_c_ends_with_everything_written(tmp_path: Path) -> None:
    run = tmp_path / "run"
    # A shell's background jobs ignore the signal, and so does what they start.
    heeding = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    code = f"{heeding}; import sys; from n2nfun.cli.main import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", code, "train", *TINY, "--steps", "1000000", "--out", str(run)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            while not (run / "log.csv").exists():  # written before the first step
                assert process.poll() is None
                time.sleep(0.05)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=120)
        finally:
            process.kill()
    assert process.returncode == 0, err
    assert "interrupted after" in out
    assert {path.name for path in run.iterdir()} == {
        "checkpoint.safetensors",
        "config.json",
        "curves.png",
        "log.csv",
        "samples",
        "summary.json",
    }
