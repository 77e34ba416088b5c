"""The data of a search: made once, written, read by every worker."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from n2nfun.checkpoint import CheckpointError
from n2nfun.config import ConfigError
from n2nfun.data import Picture, Statistic, write_image
from n2nfun.run.datasets import load_dataset
from n2nfun.search.data import digest_of, load_trial_data, prepare_data, read_trial_data, write_trial_data
from n2nfun.search.plan import PRESETS, SearchData, SearchPlan
from n2nfun.testing.bits import assert_same_bits
from n2nfun.testing.numbers import seeded
from tests.search.small_data import small_data

SMOKE = PRESETS["smoke"]


def plan(**changes: object) -> SearchPlan:
    values = SearchData(noise="gaussian:25", count=128, size=8)
    return replace(SMOKE, data=replace(values, **changes))  # type: ignore[arg-type]  # fields by name


def write_photographs(folder: Path, count: int, *, channels: int = 3) -> Path:
    folder.mkdir()
    for place in range(count):
        levels = torch.randint(256, (channels, 20, 24), generator=seeded(place))
        write_image(folder / f"{place:02}.png", Picture(levels.to(torch.float32) / 255))
    return folder


def test_it_is_the_data_of_a_training_run() -> None:
    found = prepare_data(plan())
    expected = load_dataset(plan().data.config())
    assert_same_bits(found.training.first, expected.training.first)
    assert_same_bits(found.training.second, expected.training.second)
    assert found.training.clean is None
    assert found.validation.clean is not None
    assert expected.validation.clean is not None
    assert_same_bits(found.validation.clean, expected.validation.clean)
    assert (found.keeps, found.channels) == (Statistic.MEAN, 3)


@pytest.mark.parametrize("keeps", Statistic)
def test_what_is_read_is_what_was_written(keeps: Statistic, tmp_path: Path) -> None:
    data, file = small_data(keeps=keeps, clean=keeps == Statistic.MEAN), tmp_path / "data.safetensors"
    write_trial_data(data, file)
    found = read_trial_data(file)
    assert found.keeps == data.keeps
    for mine, theirs in ((found.training, data.training), (found.validation, data.validation)):
        assert_same_bits(mine.first, theirs.first)
        assert_same_bits(mine.second, theirs.second)
        assert (mine.clean is None) == (theirs.clean is None)
    first = digest_of(file)
    write_trial_data(small_data(keeps=keeps, clean=keeps == Statistic.MEAN), file)
    assert digest_of(file) == first
    assert load_trial_data(file, first) is load_trial_data(file, first)


def test_other_data_than_the_search_began_with_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "data.safetensors"
    write_trial_data(small_data(), file)
    digest = digest_of(file)
    write_trial_data(small_data(pairs=9), file)
    with pytest.raises(ConfigError, match="is not the file that this search began with: put that back"):
        load_trial_data(file, digest)
    file.write_bytes(b"")
    with pytest.raises(CheckpointError):
        read_trial_data(file)
    file.unlink()
    with pytest.raises(FileNotFoundError):
        load_trial_data(file, digest)


def test_photographs_may_judge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("n2nfun.search.data.MOST_VALIDATION", 9)
    photographs = write_photographs(tmp_path / "photos", 3)
    found = prepare_data(plan(validation=photographs))
    again = prepare_data(plan(validation=photographs))
    assert len(found.validation) == 9
    assert found.validation.clean is not None
    assert_same_bits(found.validation.first, again.validation.first)
    grey = write_photographs(tmp_path / "grey", 1, channels=1)
    with pytest.raises(ConfigError, match="has 1 channels, the images to learn from have 3"):
        prepare_data(plan(validation=grey))


def test_given_pairs(tmp_path: Path) -> None:
    first, second, third = (np.random.default_rng(seed).random((150, 3, 8, 8)).astype("float32") for seed in range(3))
    np.savez(tmp_path / "pairs.npz", first=first, second=second)
    np.savez(tmp_path / "val.npz", first=first[:5], second=third[:5])
    found = prepare_data(plan(pairs=(tmp_path / "pairs.npz",), validation=tmp_path / "val.npz"))
    assert (len(found.training), len(found.validation)) == (135, 5)
    assert found.validation.clean is not None
    blind = prepare_data(plan(pairs=(tmp_path / "pairs.npz",)))
    assert blind.validation.clean is None
    assert len(blind.validation) == 15


def test_too_few_pairs_for_a_rung_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"^rung 2 learns from 128 pairs, there are 127$"):
        prepare_data(plan(count=127))


def test_pairs_of_a_size_that_no_network_makes_are_refused() -> None:
    with pytest.raises(
        ConfigError, match=r"^the pairs are 10x10, expected multiples of 4, as the networks halve twice$"
    ):
        prepare_data(plan(size=10))
