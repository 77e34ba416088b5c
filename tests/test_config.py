"""Settings: what is left open is decided, what contradicts itself is refused, and all survive storage."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from n2nfun.config import ConfigError, TrainConfig, config_from_json, config_to_json

paths = st.sampled_from([Path("a"), Path("b c"), Path("/ä/d.npz")])


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "model": st.sampled_from(["denoiser", "paper"]),
            "data": st.none() | paths,
            "pairs": st.lists(paths, max_size=2).map(tuple),
            "epochs": st.none() | st.floats(0, 1e9),
            "steps": st.none() | st.integers(1, 10**9),
            "nesterov": st.none() | st.booleans(),
            "hidden": st.tuples(st.integers(1, 99), st.integers(1, 99)),
            "out": paths,
        },
    )
)
def test_settings_survive_storage(values: dict[str, Any]) -> None:
    config = TrainConfig(**values)
    assert config_from_json(config_to_json(config), "here") == config


def test_what_is_left_open_suits_the_model() -> None:
    ours, report = TrainConfig().resolved(), TrainConfig(model="paper").resolved()
    assert (ours.optimizer, ours.lr, ours.batch_size, ours.schedule, ours.augment) == (
        "adam",
        0.003,
        32,
        "cosine",
        True,
    )
    assert (ours.momentum, ours.nesterov, ours.epochs) == (None, None, 10)
    assert (report.optimizer, report.lr, report.batch_size, report.schedule) == ("sgd", 0.01, 4, "constant")
    assert (report.momentum, report.nesterov, report.augment) == (0.9, True, False)
    assert TrainConfig(optimizer="sgd", momentum=0.0).resolved().nesterov is False
    assert TrainConfig(steps=3).resolved().epochs is None
    assert ours.resolved() == ours


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (TrainConfig(epochs=1, steps=1), "--epochs and --steps are both given, expected one of them"),
        (TrainConfig(steps=1, time_budget=1), "--steps and --time-budget are both given, expected one of them"),
        (TrainConfig(steps=0), "--steps is 0, expected from 1 to 9223372036854775807"),
        (TrainConfig(epochs=-1.5), "--epochs is -1.5, expected more than 0 and at most 1e+09"),
        (TrainConfig(epochs=float("inf")), "--epochs is inf, expected more than 0 and at most 1e+09"),
        (TrainConfig(time_budget=float("inf")), "--time-budget is inf, expected more than 0 and at most 1e+09"),
        (TrainConfig(time_budget=float("nan")), "--time-budget is nan, expected more than 0 and at most 1e+09"),
        (TrainConfig(seed=10**23), f"--seed is {10**23}, expected from 0 to 9223372036854775807"),
        (TrainConfig(seed=-1), "--seed is -1, expected from 0 to 9223372036854775807"),
        (TrainConfig(batch_size=10**20), f"--batch-size is {10**20}, expected from 1 to 65535"),
        (TrainConfig(lr=float("nan")), "--lr is nan, expected more than 0 and at most 1e+30"),
        (TrainConfig(lr=-1), "--lr is -1, expected more than 0 and at most 1e+30"),
        (TrainConfig(optimizer="sgd", momentum=1.0), "--momentum is 1.0, expected from 0 to below 1"),
        (TrainConfig(optimizer="sgd", momentum=float("nan")), "--momentum is nan, expected from 0 to below 1"),
        (
            TrainConfig(optimizer="sgd", momentum=0.0, nesterov=True),
            "--nesterov True and --momentum 0 are both given, expected a momentum above 0 with it",
        ),
        (TrainConfig(width=0), "--width is 0, expected from 1 to 4096"),
        (TrainConfig(hidden=(4, -3)), "--hidden is -3, expected from 1 to 4096"),
        (TrainConfig(down_kernel=0), "--down-kernel is 0, expected from 1 to 255"),
        (TrainConfig(up_kernel=256), "--up-kernel is 256, expected from 1 to 255"),
        (TrainConfig(crop=0), "--crop is 0, expected at least 1"),
        (TrainConfig(crop=33), "--crop is 33, expected at most --size, which is 32"),
        (TrainConfig(crop=33, pairs=(Path("a"), Path("b"))), "--crop is 33, expected at most --size, which is 32"),
        (TrainConfig(pairs=(Path("a"),), data=Path("b")), "--pairs and --data are both given, expected one of them"),
        (TrainConfig(pairs=(Path("a"),) * 3), "--pairs has 3 paths, expected a file, or two folders"),
        (TrainConfig(count=0), "--count is 0, expected at least 1"),
        (TrainConfig(size=0), "--size is 0, expected at least 1"),
        (TrainConfig(batch_size=0), "--batch-size is 0, expected from 1 to 65535"),
        (
            TrainConfig(optimizer="adam", momentum=0.9),
            "--momentum and --nesterov belong to --optimizer sgd, not to adam",
        ),
        (TrainConfig(momentum=0.9), "--momentum and --nesterov belong to --optimizer sgd, not to adam"),
        (
            TrainConfig(target="clean", pairs=(Path("a"),)),
            "--target clean needs clean images, expected --data with it, not --pairs",
        ),
    ],
)
def test_refusals(config: TrainConfig, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        config.resolved()
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([], "here: expected the settings of a training run, got list"),
        ({"rate": 1, "beta": 2}, "here: unknown settings beta, rate: written by another version?"),
        ({"lr": "fast"}, "here: lr is 'fast': "),
        ({"model": "other"}, "here: model is 'other': "),
    ],
)
def test_stored_settings_that_are_none_are_refused(values: object, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        config_from_json(values, "here")
    assert str(caught.value).startswith(message)
