"""Evaluation: who is judged by what, and tuned on what."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from n2nfun.baselines import tune_baselines
from n2nfun.config import ConfigError, TrainConfig
from n2nfun.data import ImageError, NoiseError, NoisyPair, Pairs, Picture, write_image
from n2nfun.metrics import blind_psnr, psnr_mean, psnr_pooled, ssim
from n2nfun.run import datasets, evaluation
from n2nfun.run.datasets import Dataset, load_dataset
from n2nfun.run.evaluation import evaluate_run, judging_data
from n2nfun.run.folder import LoadedRun
from n2nfun.testing.bits import assert_same_bits
from n2nfun.testing.numbers import seeded
from tests.fresh_runs import fresh_run

NAMES = ["noisy input", "Gaussian blur", "median", "total variation", "non-local means", "denoiser"]


@pytest.fixture(autouse=True)
def few_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Judge by a few pairs, and tune on a few."""
    monkeypatch.setattr(datasets, "MOST_VALIDATION", 5)
    monkeypatch.setattr(evaluation, "_JUDGED_PAIRS", 6)
    monkeypatch.setattr(evaluation, "_TUNING_PAIRS", 4)


def photograph(folder: Path, name: str, value: float | None = None, size: int = 24) -> None:
    """Write a photograph, of one value or of smooth waves."""
    folder.mkdir(exist_ok=True)
    line = torch.linspace(0, 3, size).sin()
    pixels = torch.outer(line, line).expand(3, size, size) if value is None else torch.full((3, size, size), value)
    write_image(folder / name, Picture(pixels.clone()))


@pytest.fixture
def run(tmp_path: Path) -> LoadedRun:
    """A denoiser that changes nothing, of a run on two photographs."""
    for name in ("a.png", "b.png"):
        photograph(tmp_path / "photos", name)
    return fresh_run(tmp_path / "run", TrainConfig(data=tmp_path / "photos", width=2, count=9, size=12))


def draw(pairs: int, channels: int = 3, size: int = 12) -> tuple[Tensor, Tensor, Tensor]:
    """Draw two noisy images of each of some smooth ones, and those."""
    line = torch.linspace(0.2, 0.8, size)
    clean = torch.outer(line, line.flip(0)).expand(pairs, channels, size, size).clone()
    first, second = (clean + 0.1 * torch.randn(clean.shape, generator=seeded(seed)) for seed in (1, 2))
    return first, second, clean


def test_each_is_scored_by_the_metrics(run: LoadedRun) -> None:
    dataset = judging_data(run)
    judged = dataset.validation[:]
    assert judged.clean is not None
    found = evaluate_run(run, dataset)
    assert found.shape == (5, 3, 12, 12)
    assert [score.name for score in found.scores] == NAMES
    some = dataset.training[torch.tensor([0, 2, 4, 6])]  # four of nine
    assert some.clean is not None
    tuned = tune_baselines(some.first, some.clean)
    expected = [judged.first, *(baseline.run(judged.first) for baseline in tuned), judged.first.clamp(0, 1)]
    for score, restored in zip(found.scores, expected, strict=True):
        assert score.psnr_mean == psnr_mean(restored, judged.clean)
        assert score.psnr_pooled == psnr_pooled(restored, judged.clean)
        assert score.ssim == ssim(restored, judged.clean)
        assert score.blind_psnr is None
        assert score.seconds > 0
    assert found.scores[1].parameter == f"sigma {tuned[0].parameter:g} px"
    assert found.scores[3].parameter == f"weight {tuned[2].parameter:g}"
    assert found.scores[0].parameter == found.scores[5].parameter == ""


def test_many_images_are_restored_in_groups(run: LoadedRun, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = judging_data(run)
    whole = evaluate_run(run, dataset)
    monkeypatch.setattr(evaluation, "_AT_ONCE", 2)
    for one, other in zip(evaluate_run(run, dataset).scores, whole.scores, strict=True):
        assert replace(one, seconds=0.0) == replace(other, seconds=0.0)


def test_the_sample_is_restored_by_each(run: LoadedRun) -> None:
    dataset = judging_data(run)
    sample = dataset.samples[0]
    panels = evaluate_run(run, dataset).panels
    assert [title.partition(",")[0] for title, _ in panels] == [*NAMES, "clean"]
    assert panels[0][0] == f"noisy input, {psnr_mean(sample.first[None], sample.clean[None]):.2f} dB"
    assert_same_bits(panels[0][1], sample.first)
    assert_same_bits(panels[5][1], sample.first.clamp(0, 1))
    assert_same_bits(panels[6][1], sample.clean)


def test_progress_names_what_is_being_done(run: LoadedRun) -> None:
    seen: list[tuple[str, int, int]] = []
    evaluate_run(run, judging_data(run), lambda name, done, of: seen.append((name, done, of)))
    assert seen == [("tuning", 0, 6), *((name, index, 6) for index, name in enumerate(NAMES))]


def test_images_smaller_than_the_window_have_no_ssim(run: LoadedRun) -> None:
    first, second, clean = draw(3, size=10)
    pairs = Pairs(first, second, clean)
    dataset = Dataset(pairs, pairs, (NoisyPair(first[0], second[0], clean[0]),), None)
    assert all(score.ssim is None for score in evaluate_run(run, dataset).scores)


def test_without_clean_images_the_psnr_is_estimated(tmp_path: Path) -> None:
    first, second, _ = draw(40)
    np.savez(tmp_path / "pairs.npz", first=first.numpy(), second=second.numpy())
    run = fresh_run(tmp_path / "run", TrainConfig(pairs=(tmp_path / "pairs.npz",), width=2))
    dataset = judging_data(run)
    found = evaluate_run(run, dataset)
    judged = dataset.validation[:]
    tuned = tune_baselines(*(images[:40:9][:4] for images in (first, second)))
    expected = [judged.first, *(baseline.run(judged.first) for baseline in tuned), judged.first.clamp(0, 1)]
    for score, restored in zip(found.scores, expected, strict=True):
        assert (score.psnr_mean, score.psnr_pooled, score.ssim) == (None, None, None)
        blind = blind_psnr(restored, judged.first, judged.second)
        assert score.blind_psnr == (None if math.isnan(blind) else blind)
    assert [title for title, _ in found.panels] == NAMES


def test_large_pairs_are_cut_for_tuning(run: LoadedRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "_TUNING_SIZE", 8)
    monkeypatch.setattr(evaluation, "_TUNING_PIXELS", 8 * 8 * 2)
    first, second, clean = draw(6)
    dataset = Dataset(Pairs(first, second, clean), judging_data(run).validation, judging_data(run).samples, None)
    tuned = tune_baselines(first[::3, :, 2:10, 2:10], clean[::3, :, 2:10, 2:10])
    found = evaluate_run(run, dataset)
    assert found.scores[1].parameter == f"sigma {tuned[0].parameter:g} px"


# What it is judged by


def test_by_default_it_is_the_runs_own_held_out_images(run: LoadedRun) -> None:
    found, own = judging_data(run), load_dataset(run.config)
    assert_same_bits(found.validation[:], own.validation[:])
    assert_same_bits(found.training[:], own.training[:])


def test_other_photographs_are_judged_or_tuned_on(run: LoadedRun, tmp_path: Path) -> None:
    other = tmp_path / "other"
    for number in range(1, 12):
        photograph(other, f"{number}.png", value=1.0 if number == 10 else 0.0)
    found = judging_data(run, data=other, noise="gaussian:10")
    judged, tuned = found.validation[:], found.training[:]
    assert judged.clean is not None
    assert tuned.clean is not None
    assert (len(judged), len(tuned)) == (6, 4)
    assert judged.first.shape[2:] == (12, 12)
    assert bool((judged.clean == 0).all())
    assert bool((tuned.clean == 1).all())
    assert bool((found.samples[0].clean == 0).all())
    assert str(found.noise) == "gaussian:10"
    assert_same_bits(judging_data(run, data=other, noise="gaussian:10").validation[:], judged)


def test_other_photographs_have_the_runs_noise_unless_another_is_named(run: LoadedRun, tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        photograph(tmp_path / "other", name)
    assert str(judging_data(run, data=tmp_path / "other").noise) == run.config.noise


def test_the_runs_own_photographs_are_held_out_under_any_noise(run: LoadedRun, tmp_path: Path) -> None:
    photograph(tmp_path / "photos", "a.png", 0.0)
    photograph(tmp_path / "photos", "b.png", 1.0)  # the last is held out
    for data in (None, tmp_path / "photos", tmp_path / "run" / ".." / "photos"):
        found = judging_data(run, data=data, noise="poisson:30")
        assert found.validation.clean is not None
        assert bool((found.validation.clean == 1).all())
        assert found.training.clean is not None
        assert bool((found.training.clean == 0).all())


def test_validation_images_are_judged(run: LoadedRun, tmp_path: Path) -> None:
    first, _, clean = draw(3)
    np.savez(tmp_path / "val.npz", first=first.numpy(), second=clean.numpy())
    found = judging_data(run, validation=tmp_path / "val.npz")
    assert found.validation.clean is not None
    assert_same_bits(found.validation[:].first, first)
    assert_same_bits(found.validation.clean, clean)
    assert_same_bits(found.samples[0].first, first[0])
    assert_same_bits(found.samples[0].clean, clean[0])
    assert evaluate_run(run, found).scores[0].psnr_mean == psnr_mean(first, clean)


def test_refusals(run: LoadedRun, tmp_path: Path) -> None:
    photograph(tmp_path / "one", "a.png")
    first, second, clean = draw(4)
    np.savez(tmp_path / "pairs.npz", first=first.numpy(), second=second.numpy())
    np.savez(tmp_path / "grey.npz", first=first[:, :1].numpy(), second=clean[:, :1].numpy())
    given = fresh_run(tmp_path / "given", TrainConfig(pairs=(tmp_path / "pairs.npz",), width=2))
    with pytest.raises(ConfigError, match=r"--data .*one has one image, expected at least 2"):
        judging_data(run, data=tmp_path / "one")
    with pytest.raises(ConfigError, match="--data and --validation are both given, expected one"):
        judging_data(run, data=tmp_path / "one", validation=tmp_path / "val.npz")
    with pytest.raises(ConfigError, match="--noise and --validation are both given, expected one"):
        judging_data(run, noise="gaussian:5", validation=tmp_path / "val.npz")
    for data, noise in ((tmp_path / "photos", None), (None, "gaussian:5")):
        with pytest.raises(ConfigError, match="given: learned from given pairs, expected both --data and --noise"):
            judging_data(given, data=data, noise=noise)
    with pytest.raises(ConfigError, match="has 1 channels, the images to learn from have 3"):
        judging_data(run, validation=tmp_path / "grey.npz")
    with pytest.raises(ImageError, match="nowhere: no such folder"):
        judging_data(run, data=tmp_path / "nowhere")
    with pytest.raises(NoiseError, match="no model has the name 'snow'"):
        judging_data(run, noise="snow:3")


def test_given_pairs_can_be_judged_by_photographs(tmp_path: Path) -> None:
    first, second, _ = draw(4)
    np.savez(tmp_path / "pairs.npz", first=first.numpy(), second=second.numpy())
    given = fresh_run(tmp_path / "given", TrainConfig(pairs=(tmp_path / "pairs.npz",), size=9, width=2))
    for name in ("a.png", "b.png"):
        photograph(tmp_path / "other", name)
    found = judging_data(given, data=tmp_path / "other", noise="gaussian:5")
    assert found.validation.first.shape == (6, 3, 9, 9)
