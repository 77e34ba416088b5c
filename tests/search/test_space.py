"""The grid, and which settings are the same training."""

from itertools import combinations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from n2nfun.config import ConfigError
from n2nfun.data import Pairs, Statistic
from n2nfun.search.data import TrialData
from n2nfun.search.rungs import Rung
from n2nfun.search.space import SearchSpace, Setting, training_of, trainings_of
from n2nfun.search.trial import run_trial
from n2nfun.testing.numbers import seeded

PAPER = SearchSpace().settings()

settings = st.builds(
    Setting,
    nesterov=st.booleans(),
    momentum=st.floats(0, 1, exclude_max=True),
    lr=st.floats(0, 1e30, exclude_min=True),
    hidden=st.tuples(st.integers(1, 4096), st.integers(1, 4096)),
    up_kernel=st.integers(1, 255),
    down_kernel=st.integers(1, 255),
    batch_size=st.integers(1, 65_535),
)


def test_the_papers_grid() -> None:
    assert len(PAPER) == len(set(PAPER)) == 2 * 2 * 3 * 4 * 2 * 2 * 3 == 576
    assert len(trainings_of(PAPER)) == 432
    assert PAPER[0] == Setting(False, 0.0, 0.001, (8, 32), 3, 2, 4)
    assert PAPER[-1] == Setting(True, 0.9, 0.05, (32, 64), 5, 4, 64)
    assert list(PAPER) == sorted(PAPER)


@given(settings)
def test_a_training_is_its_own_and_one_that_sgd_accepts(setting: Setting) -> None:
    training = training_of(setting)
    assert training_of(training) == training
    assert training == setting or (setting.nesterov and setting.momentum == 0)
    config = setting.config()
    assert (config.lr, config.momentum, config.nesterov) == (training.lr, training.momentum, training.nesterov)
    assert (config.hidden, config.up_kernel, config.down_kernel) == (
        setting.hidden,
        setting.up_kernel,
        setting.down_kernel,
    )
    assert (config.model, config.optimizer, config.schedule, config.augment) == ("paper", "sgd", "constant", False)


@given(st.lists(settings, unique=True))
def test_each_training_is_named_once_and_in_order(found: list[Setting]) -> None:
    trainings = trainings_of(found)
    assert len(set(trainings)) == len(trainings)
    assert {*trainings} == {training_of(setting) for setting in found}
    assert trainings_of(trainings) == trainings


@given(settings, settings)
def test_different_settings_have_different_keys(one: Setting, other: Setting) -> None:
    assert (one.key == other.key) == (one == other)


def test_keys_are_names_of_files() -> None:
    for setting in PAPER:
        assert set(setting.key) <= set("abcdefghijklmnopqrstuvwxyz0123456789.-")
    assert all(one.key != other.key for one, other in combinations(PAPER[::7], 2))


def test_nesterov_without_momentum_trains_plain_sgd() -> None:
    images = torch.rand((2, 6, 3, 8, 8), generator=seeded(0))
    data = TrialData(Pairs(images[0], images[1]), Pairs(images[1], images[0], images[0]), Statistic.MEAN)
    plain = Setting(False, 0.0, 0.1, (2, 3), 3, 2, 4)
    nesterov = Setting(True, 0.0, 0.1, (2, 3), 3, 2, 4)
    one, other = (run_trial("a", setting, 0, Rung(epochs=2), data, 0) for setting in (plain, nesterov))
    assert one.curve == other.curve
    assert one.loss == other.loss


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"lr": ()}, "space: lr is empty, expected at least one choice"),
        ({"lr": (0.1, 0.2, 0.1)}, "space: lr has 0.1 twice, expected different choices"),
        ({"lr": (0.1, -1.0)}, "space: lr is -1.0, expected more than 0 and at most 1e+30"),
        ({"momentum": (1.0,)}, "space: momentum is 1.0, expected from 0 to below 1"),
        ({"hidden": ((8, 0),)}, "space: hidden is 0, expected from 1 to 4096"),
        ({"up_kernel": (256,)}, "space: up-kernel is 256, expected from 1 to 255"),
        ({"batch_size": (0,)}, "space: batch-size is 0, expected from 1 to 65535"),
    ],
)
def test_what_cannot_be_trained_is_refused(choices: dict[str, tuple[object, ...]], message: str) -> None:
    with pytest.raises(ConfigError) as refused:
        SearchSpace(**choices)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # that is what is asked
    assert str(refused.value) == message
