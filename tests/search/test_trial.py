"""A trial is a pure function: the same bits in any process, and where a killed one went before."""

import dataclasses
import math
import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch

from n2nfun.checkpoint import load_checkpoint
from n2nfun.data import Pairs, Statistic
from n2nfun.losses import L0, L1, MSE
from n2nfun.run.folder import load_run
from n2nfun.run.training import measure
from n2nfun.search.data import TrialData
from n2nfun.search.records import Record, record_to_json
from n2nfun.search.rungs import Rung
from n2nfun.search.space import Setting
from n2nfun.search.trial import Keeping, run_trial, training_step
from n2nfun.testing.bits import assert_same_bits
from n2nfun.train import Batch, fit
from tests.fresh_runs import fresh_run
from tests.search.small_data import small_data

SETTING = Setting(True, 0.9, 0.05, (4, 6), 3, 2, 4)
RUNG = Rung(None, 9, epochs=3)


def run(setting: Setting = SETTING, rung: Rung = RUNG, keeping: Keeping | None = None, **changes: Any) -> Record:
    return run_trial("a", setting, 1, rung, small_data(**changes), 5, keeping)


def test_it_is_the_fold_and_the_measure_of_a_training_run() -> None:
    data = small_data()
    training = training_step(SETTING, RUNG, data, 5)
    order, model, step = training.order, training.model, training.step
    assert order.steps_per_epoch == 3
    state = step.init(torch.Generator().manual_seed(5))
    curve: list[float | None] = []
    losses: list[float] = []
    quality: tuple[float | None, ...] = ()
    for state, metrics in fit(step, state, [order.batch(index) for index in range(9)]):  # noqa: B020 - a fold
        losses.append(float(metrics.loss))
        if state.step % 3 == 0:
            quality = measure(model, state.params, data.validation)
            curve.append(quality[1])
    found = run()
    assert found.status == "finished"
    assert (found.search, found.rung, found.setting) == ("a", 1, SETTING)
    assert list(found.curve) == curve
    assert (found.psnr_blind, found.psnr_mean, found.psnr_pooled) == quality
    assert found.loss == sum(losses[-3:]) / 3
    assert found.seconds > 0


def test_other_arguments_are_other_trainings() -> None:
    texts = {
        record_to_json(dataclasses.replace(record, search="", rung=0, setting=SETTING))
        for record in (
            run(),
            run(dataclasses.replace(SETTING, nesterov=False)),
            run(dataclasses.replace(SETTING, momentum=0.8)),
            run(dataclasses.replace(SETTING, lr=0.06)),
            run(dataclasses.replace(SETTING, hidden=(4, 7))),
            run(dataclasses.replace(SETTING, up_kernel=5)),
            run(dataclasses.replace(SETTING, down_kernel=4)),
            run(dataclasses.replace(SETTING, batch_size=3)),
            run(rung=Rung(None, 8, epochs=3)),
            run(rung=Rung(None, 9, epochs=2)),
            run_trial("a", SETTING, 1, RUNG, small_data(), 6),
        )
    }
    assert len(texts) == 11


def test_all_pairs_are_learned_from_where_no_number_is_said() -> None:
    assert run(rung=Rung(epochs=2)).curve == run(rung=Rung(None, 10, epochs=2)).curve


def test_without_clean_images_the_blind_psnr_decides() -> None:
    found = run(clean=False)
    assert found.psnr_mean is found.psnr_pooled is None
    assert found.curve[-1] == found.score == found.psnr_blind
    assert len(found.curve) == 3


def traced() -> str:
    return record_to_json(run())


def test_the_same_bits_in_another_process() -> None:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as executor:
        there = executor.submit(traced).result()
    assert there == traced()


def test_the_same_bits_with_more_threads_around() -> None:
    before, threads = traced(), torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert traced() == before
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize(
    ("keeps", "kinds"), [(Statistic.MEAN, {MSE}), (Statistic.MEDIAN, {L1}), (Statistic.MODE, {L0})]
)
def test_the_loss_is_the_one_that_recovers_what_the_noise_keeps(keeps: Statistic, kinds: set[type]) -> None:
    step = training_step(SETTING, RUNG, small_data(keeps=keeps), 5).step
    losses = [step.loss(index) if callable(step.loss) else step.loss for index in range(9)]
    assert {type(loss) for loss in losses} == kinds
    gammas = [loss.gamma for loss in losses if isinstance(loss, L0)]
    assert gammas == [2 * (1 - index / 9) for index in range(9)] or not gammas


def test_an_infinite_rate_diverges_early() -> None:
    found = run(dataclasses.replace(SETTING, lr=1e30))
    assert found.status == "diverged"
    assert found.score is None
    assert found.loss is None
    assert found.reason.startswith("the loss is nan at step ") or found.reason.startswith("the PSNR is nan after step ")
    assert len(found.curve) < RUNG.epochs
    assert found == run(dataclasses.replace(SETTING, lr=1e30))


def test_a_loss_that_is_no_number_ends_the_trial_at_its_step() -> None:
    data = small_data()
    spoilt = data.training.first.clone()
    spoilt[7] = math.inf
    found = run_trial("a", SETTING, 0, RUNG, dataclasses.replace(data, training=Pairs(spoilt, data.training.second)), 5)
    order = training_step(SETTING, RUNG, data, 5).order
    first = next(step for step in range(3) if bool(spoilt[:9][_indices(order.batch(step), data)].isinf().any()))
    assert found.status == "diverged"
    assert found.reason == f"the loss is nan at step {first + 1}"
    assert found.curve == ()


def _indices(batch: Batch, data: TrialData) -> list[int]:
    """Find which pairs a batch holds."""
    return [next(index for index in range(9) if torch.equal(data.training.first[index], image)) for image in batch.x]


class Killed(BaseException):
    """Stands for SIGKILL: nothing catches it."""


@pytest.fixture
def killing(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Give a function that lets a trial die when it is measured for the n-th time from now."""
    left = [10**9]

    def measured(*arguments: Any) -> tuple[float | None, float | None, float | None]:
        left[0] -= 1
        if left[0] < 0:
            raise Killed
        return measure(*arguments)

    monkeypatch.setattr("n2nfun.search.trial.measure", measured)

    def kill_at(times: int) -> None:
        left[0] = times - 1

    return kill_at


@pytest.mark.parametrize(
    ("deaths", "momentum"), [([1], 0.9), ([2], 0.0), ([3], 0.9), ([2, 2], 0.9), ([1, 1, 2, 1], 0.9)]
)
def test_a_killed_trial_goes_on_and_comes_to_the_same(
    deaths: list[int], momentum: float, killing: Callable[[int], None], tmp_path: Path
) -> None:
    setting = dataclasses.replace(SETTING, momentum=momentum)
    undisturbed = run(setting)
    keeping = Keeping(tmp_path / "deep" / "trial.safetensors", every=0.0)
    for death in deaths:
        killing(death)
        with pytest.raises(Killed):
            run(setting, keeping=keeping)
    killing(1 + RUNG.epochs - sum(death - 1 for death in deaths))  # each epoch once: what was kept is not done again
    found = run(setting, keeping=keeping)
    assert record_to_json(found) == record_to_json(undisturbed)
    assert not keeping.file.exists()


def test_a_quick_trial_keeps_nothing(killing: Callable[[int], None], tmp_path: Path) -> None:
    keeping = Keeping(tmp_path / "trial.safetensors", every=1e9)
    killing(3)
    with pytest.raises(Killed):
        run(keeping=keeping)
    assert not keeping.file.exists()


@pytest.mark.parametrize("what", ["bytes", "a training run", "another search", "another rung"])
def test_what_is_of_no_use_is_not_gone_on_from(what: str, killing: Callable[[int], None], tmp_path: Path) -> None:
    file = tmp_path / "checkpoint.safetensors"
    keeping = Keeping(file, every=0.0)
    if what == "bytes":
        file.write_bytes(b"nothing of use")
    elif what == "a training run":
        fresh_run(tmp_path)
    else:
        search, rung = ("b", RUNG) if what == "another search" else ("a", Rung(None, 9, epochs=7))
        killing(3)
        with pytest.raises(Killed):
            run_trial(search, SETTING, 1, rung, small_data(), 6, keeping)
    assert file.exists()
    killing(RUNG.epochs + 1)
    assert record_to_json(run(keeping=keeping)) == record_to_json(run_again())


def run_again() -> Record:
    with pytest.MonkeyPatch.context() as unpatched:
        unpatched.setattr("n2nfun.search.trial.measure", measure)
        return run()


def test_the_network_stays_where_it_is_wanted(tmp_path: Path) -> None:
    keeping = Keeping(tmp_path / "trial.safetensors", network=True)
    found = run(keeping=keeping)
    loaded = load_run(keeping.file)
    blind, mean, pooled = measure(loaded.model, loaded.params, small_data().validation)
    assert (blind, mean, pooled) == (found.psnr_blind, found.psnr_mean, found.psnr_pooled)
    before = load_checkpoint(keeping.file)
    assert run(keeping=keeping) == found  # at once: nothing is left to do
    after = load_checkpoint(keeping.file)
    for name, tensor in before.tensors.items():
        assert_same_bits(after.tensors[name], tensor)


def test_arguments_are_left_alone() -> None:
    data, same = small_data(), small_data()
    state = torch.get_rng_state()
    run_trial("a", SETTING, 0, RUNG, data, 5)
    assert torch.equal(torch.get_rng_state(), state)
    assert_same_bits(data.training.first, same.training.first)
    assert_same_bits(data.training.second, same.training.second)
