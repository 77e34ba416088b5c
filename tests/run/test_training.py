"""A training run end to end, in a temporary folder: what it writes, repeats and refuses."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from n2nfun.checkpoint import load_checkpoint, save_checkpoint
from n2nfun.config import ConfigError, TrainConfig, config_to_json
from n2nfun.data import read_image
from n2nfun.data.batches import Augmentation
from n2nfun.losses import L0, L1, MSE
from n2nfun.metrics import psnr_mean
from n2nfun.run import datasets
from n2nfun.run.datasets import load_dataset
from n2nfun.run.folder import load_run
from n2nfun.run.training import Finished, Progress, TrainingError, run_training
from n2nfun.testing.bits import assert_same_bits

TINY = TrainConfig(steps=6, count=12, size=8, width=2, batch_size=4)


@pytest.fixture(autouse=True)
def few_validation_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw few pairs to judge by: to draw them takes longer than these trainings. The commands are tested with all."""
    monkeypatch.setattr(datasets, "MOST_VALIDATION", 64)


def quiet(progress: Progress) -> None:
    """Watch nothing."""


def run_in(folder: Path, **changes: Any) -> Finished:
    return run_training(replace(TINY, out=folder, **changes), quiet)


def test_the_folder_holds_all_that_was_promised(tmp_path: Path) -> None:
    finished = run_in(tmp_path / "a")
    names = {path.relative_to(tmp_path / "a").as_posix() for path in (tmp_path / "a").rglob("*")}
    assert names == {
        "config.json",
        "log.csv",
        "checkpoint.safetensors",
        "curves.png",
        "samples",
        "samples/0.png",
        "summary.json",
    }
    assert json.loads((tmp_path / "a/config.json").read_text())["steps"] == 6
    lines = (tmp_path / "a/log.csv").read_text().splitlines()
    assert lines[0] == "step,seconds,loss,lr,blind_psnr,psnr_mean,psnr_pooled"
    assert [line.split(",")[0] for line in lines[1:]] == ["0", "1", "2", "3", "4", "5", "6"]
    summary = json.loads((tmp_path / "a/summary.json").read_text())
    assert (summary["steps"], summary["images"], summary["interrupted"]) == (6, 24, False)
    judged = finished.dataset.validation[:256]
    assert judged.clean is not None
    assert summary["noisy_psnr_mean"] == psnr_mean(judged.first, judged.clean)
    # The denoiser starts as the identity, but what it makes is clipped.
    assert finished.entries[0].psnr_mean == psnr_mean(judged.first.clamp(0, 1), judged.clean)


def test_its_pictures_are_pictures(tmp_path: Path) -> None:
    run_in(tmp_path / "a")
    for name, least in (("curves.png", (600, 300)), ("samples/0.png", (600, 200))):
        with Image.open(tmp_path / "a" / name) as picture:
            assert picture.size >= least
            assert np.asarray(picture.convert("L")).std() > 1
    assert read_image(tmp_path / "a/samples/0.png").pixels.shape[0] == 3


def test_the_same_settings_give_the_same_bits(tmp_path: Path) -> None:
    first, second = run_in(tmp_path / "a"), run_in(tmp_path / "b")
    assert_same_bits(first.run.params, second.run.params)
    assert [e.loss for e in first.entries] == [e.loss for e in second.entries]
    other = run_in(tmp_path / "c", seed=1)
    assert [e.loss for e in first.entries] != [e.loss for e in other.entries]


def test_what_is_loaded_is_what_was_trained(tmp_path: Path) -> None:
    finished = run_in(tmp_path / "a", model="paper", size=8)
    loaded = load_run(tmp_path / "a")
    assert loaded.config == finished.run.config
    assert_same_bits(loaded.params, finished.run.params)
    assert load_checkpoint(tmp_path / "a/checkpoint.safetensors").scalars[".step"] == 6


def test_interruption_keeps_what_was_learned(tmp_path: Path) -> None:
    def interrupt(progress: Progress) -> None:
        if progress.steps == 3:
            raise KeyboardInterrupt

    finished = run_training(replace(TINY, steps=400, out=tmp_path / "a"), interrupt)
    assert finished.interrupted
    assert finished.entries[-1].step == 3
    assert json.loads((tmp_path / "a/summary.json").read_text())["interrupted"] is True
    assert load_checkpoint(tmp_path / "a/checkpoint.safetensors").scalars[".step"] == 3
    assert (tmp_path / "a/curves.png").exists()


def test_a_time_budget_becomes_a_number_of_steps(tmp_path: Path) -> None:
    finished = run_in(tmp_path / "a", steps=None, time_budget=0.05)
    stored = json.loads((tmp_path / "a/config.json").read_text())
    assert stored["time_budget"] is None
    assert stored["steps"] == finished.entries[-1].step > 0
    again = run_in(tmp_path / "b", steps=stored["steps"])
    assert_same_bits(finished.run.params, again.run.params)


def test_epochs_become_a_number_of_steps(tmp_path: Path) -> None:
    assert run_in(tmp_path / "a", steps=None, epochs=1.5).run.config.steps == round(1.5 * 12 / 4)


@pytest.mark.filterwarnings("ignore:overflow")
def test_a_loss_that_is_no_number_ends_training(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"the loss is (inf|nan) at step \d+: try a smaller --lr, not 1e\+30"):
        run_in(tmp_path / "a", lr=1e30, schedule="constant", optimizer="sgd")


@pytest.mark.parametrize(
    ("noise", "loss"), [("gaussian:25", MSE), ("subsample:8-9", MSE), ("text:0.2", L1), ("impulse:0.3", L0)]
)
def test_the_loss_is_the_one_that_recovers_what_the_noise_keeps(
    noise: str, loss: type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    used: set[type] = set()

    def spied(kind: type, forward: Callable[..., object]) -> Callable[..., object]:
        def forward_and_tell(self: object, *values: object) -> object:
            used.add(kind)
            return forward(self, *values)

        return forward_and_tell

    for kind in (MSE, L1, L0):
        monkeypatch.setattr(kind, "forward", spied(kind, kind.forward))
    run_in(tmp_path / "a", noise=noise)
    assert used == {loss}


def test_given_pairs_are_learned_from_and_judged_blindly(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    clean = generator.random((40, 1, 12, 12), dtype=np.float32)
    first, second = (clean + generator.normal(0, 0.05, clean.shape).astype(np.float32) for _ in range(2))
    np.savez(tmp_path / "pairs.npz", first=first, second=second)
    finished = run_in(tmp_path / "a", pairs=(tmp_path / "pairs.npz",))
    assert finished.entries[-1].blind_psnr is not None
    assert finished.entries[-1].psnr_mean is None
    assert len(finished.dataset.training) == 36
    assert (tmp_path / "a/samples/3.png").exists()
    assert finished.run.model.channels == 1


def test_the_course_validation_file_judges(tmp_path: Path) -> None:
    noisy, clean = (torch.randint(0, 256, (5, 3, 8, 8), dtype=torch.uint8) for _ in range(2))
    torch.save((noisy, clean), tmp_path / "train_data.pkl")
    torch.save((noisy, clean), tmp_path / "val_data.pkl")
    finished = run_in(tmp_path / "a", pairs=(tmp_path / "train_data.pkl",), validation=tmp_path / "val_data.pkl")
    assert finished.entries[-1].psnr_mean is not None
    assert len(finished.dataset.validation) == 5


def test_learning_helps(tmp_path: Path) -> None:
    finished = run_in(tmp_path / "a", steps=60, count=64, size=16, width=4)
    first, last = finished.entries[0], finished.entries[-1]
    assert first.psnr_mean is not None
    assert last.psnr_mean is not None
    assert last.psnr_mean > first.psnr_mean


def write_folders(folder: Path, *heights: int) -> tuple[Path, Path]:
    """Write two folders of images 8 wide and so high, each of one value of its own."""
    for side in ("noisy_a", "noisy_b"):
        (folder / side).mkdir()
        for number, height in enumerate(heights):
            Image.new("L", (8, height), 10 * number).save(folder / side / f"{number}.png")
    return folder / "noisy_a", folder / "noisy_b"


@pytest.mark.parametrize(
    ("tiles", "held_out"),
    [
        ((2, 2), 2),
        ((1, 9), 9),  # at least one image is learned from
        ((5, 5, 5, 4), 4),
        ((9, 9, 1, 1), 2),
        ((20, 1), 1),
        ((20,), 2),  # of a single image some tiles
    ],
)
def test_whole_images_of_two_folders_are_held_out(tiles: tuple[int, ...], held_out: int, tmp_path: Path) -> None:
    pairs = write_folders(tmp_path, *(8 * number for number in tiles))
    dataset = load_dataset(replace(TINY, pairs=pairs))
    assert (len(dataset.training), len(dataset.validation)) == (sum(tiles) - held_out, held_out)
    learned, judged = (
        {int(value) for value in part.first[:, 0, 0, 0]} for part in (dataset.training, dataset.validation)
    )
    assert len(tiles) == 1 or not learned & judged


def test_of_a_large_held_out_image_some_tiles_judge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("n2nfun.run.datasets.MOST_VALIDATION", 3)
    dataset = load_dataset(replace(TINY, pairs=write_folders(tmp_path, 16, 80)))
    assert (len(dataset.training), len(dataset.validation)) == (2, 3)


@pytest.mark.parametrize("augment", [True, False])
def test_crops_are_learned_from(augment: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shapes: set[tuple[int, ...]] = set()
    forward = MSE.forward

    def forward_and_tell(self: MSE, prediction: torch.Tensor, target: torch.Tensor) -> object:
        shapes.add(tuple(prediction.shape))
        return forward(self, prediction, target)

    monkeypatch.setattr(MSE, "forward", forward_and_tell)
    finished = run_in(tmp_path / "a", model="paper", size=10, crop=8, augment=augment)
    assert shapes == {(4, 3, 8, 8)}
    assert finished.dataset.training.first.shape[2:] == (10, 10)
    assert load_run(tmp_path / "a").config.crop == 8


def test_crops_alone_are_neither_turned_nor_swapped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[Augmentation] = []

    def told(*values: Any, **names: Any) -> Augmentation:
        used.append(Augmentation(*values, **names))
        return used[-1]

    monkeypatch.setattr("n2nfun.run.training.Augmentation", told)
    run_in(tmp_path / "a", crop=4, augment=False)
    run_in(tmp_path / "b", crop=4, target="clean")
    assert used == [Augmentation(flips=False, turns=False, swap=False, crop=4), Augmentation(swap=False, crop=4)]


def test_crops_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    zeros = np.zeros((2, 1, 9, 8), np.float32)
    np.savez(tmp_path / "pairs.npz", first=zeros, second=zeros)
    with pytest.raises(ConfigError) as caught:
        run_in(tmp_path / "a", pairs=(tmp_path / "pairs.npz",), crop=9)
    assert str(caught.value) == "--crop is 9, expected at most 8, as the pairs are 9x8"
    with pytest.raises(ConfigError, match="height and width must be multiples of 4"):
        run_in(tmp_path / "a", model="paper", size=8, crop=6)
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(
    ("config", "channels", "message"),
    [
        (TrainConfig(width=-1), 3, "--width is -1, expected from 1 to 4096"),
        (TrainConfig(), -3, "channels is -3, expected 1 or 3"),
        (TrainConfig(), "3", "channels is '3', expected 1 or 3"),
    ],
)
def test_a_checkpoint_of_impossible_settings_is_named(
    config: TrainConfig, channels: Any, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "checkpoint.safetensors"
    settings: Any = {"config": config_to_json(config), "channels": channels}
    save_checkpoint(path, (torch.zeros(1),), settings)
    with pytest.raises(ConfigError) as caught:
        load_run(tmp_path)
    assert str(caught.value) == f"{path}: {message}"


def test_refusals(tmp_path: Path) -> None:
    np.savez(tmp_path / "one.npz", first=np.zeros((1, 1, 4, 4), np.float32), second=np.zeros((1, 1, 4, 4), np.float32))
    with pytest.raises(ConfigError, match="--pairs has 1 pairs, expected at least 2: one is held out to judge by"):
        run_in(tmp_path / "a", pairs=(tmp_path / "one.npz",))
    (tmp_path / "photos").mkdir()
    Image.new("RGB", (32, 32)).save(tmp_path / "photos/a.png")
    with pytest.raises(ConfigError, match="has one image, expected at least 2: one is held out to judge by"):
        run_in(tmp_path / "a", data=tmp_path / "photos")
    with pytest.raises(ConfigError, match="height and width must be multiples of 4"):
        run_in(tmp_path / "a", model="paper", size=6)
