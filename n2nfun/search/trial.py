"""A trial: one setting trained and judged, as a pure function, that goes on where a killed one left its checkpoint."""

import math
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, cast

import torch

from n2nfun.capture import CapturedStep, captured
from n2nfun.checkpoint import CheckpointError, Json, load_checkpoint, save_checkpoint
from n2nfun.config import config_to_json
from n2nfun.data.batches import BatchOrder
from n2nfun.models import Model
from n2nfun.optim import SGD, Optimizer
from n2nfun.run.networks import build_model
from n2nfun.run.recovering import recovering_loss
from n2nfun.run.training import AnyStep, measure
from n2nfun.search.data import TrialData
from n2nfun.search.records import Record
from n2nfun.search.rungs import Rung
from n2nfun.search.space import Setting, training_of
from n2nfun.train import Metrics, TrainState, TrainStep, fit

__all__ = ["Keeping", "Training", "one_thread", "run_trial", "training_step"]


@dataclass(frozen=True, slots=True)
class Keeping:
    """Where a trial keeps its state, to go on from there when it was killed."""

    file: Path
    every: float = 5.0
    """Seconds of training that may be lost, and the epoch that follows: most trials are done in less, and keep nothing."""
    network: bool = False
    """Whether the trained network stays in the file; otherwise the file is gone when the trial is done."""


@dataclass(frozen=True, slots=True)
class _Progress:
    """Where a trial stands after an epoch."""

    state: TrainState[Any, Any]
    curve: tuple[float, ...] = ()
    quality: tuple[float | None, float | None, float | None] = (None, None, None)
    """Blind PSNR, mean and pooled."""
    loss: float | None = None
    seconds: float = 0.0
    reason: str = ""
    """Why the training cannot go on."""


def run_trial(
    search: str, setting: Setting, number: int, rung: Rung, data: TrialData, seed: int, keeping: Keeping | None = None
) -> Record:
    """Train a setting as a rung says, and judge it after each epoch.

    A pure function but for the seconds: the same arguments give the same bits in any process of machines of one kind, on
    one thread, whether or not a killed trial went before. It ends early where the loss, or the PSNR, is no longer a number.

    Args:
        search: The search's identity, for the record.
        setting: The hyper-parameters.
        number: Of the rung, from 0.
        rung: How long, and on how much.
        data: To learn from and to judge by.
        seed: Of weights and order.
        keeping: Where to keep the state on the way; None to keep nothing.

    Raises:
        OSError: if the state cannot be written.
    """
    with one_thread():
        training = training_step(setting, rung, data, seed)
        step = training.step
        known = f"{search} {setting.key} {number} {rung}"
        fresh = step.init(torch.Generator().manual_seed(seed))
        progress = _Progress(fresh)
        if keeping is not None and keeping.file.exists():
            # An optimizer's state may have its final form only after a step.
            like, _ = step(fresh, training.order.batch(0))
            progress = _read(keeping.file, known, like) or progress
        unkept = 0.0
        while progress.state.step < rung.epochs * training.order.steps_per_epoch and not progress.reason:
            before = progress.seconds
            progress = _epoch(progress, training, data)
            unkept += progress.seconds - before
            if keeping is not None and not progress.reason and unkept >= keeping.every:
                _write(keeping.file, known, setting, data, progress)
                unkept = 0.0
    if keeping is not None:
        if keeping.network and not progress.reason:
            _write(keeping.file, known, setting, data, progress)
        else:
            keeping.file.unlink(missing_ok=True)
    blind, mean, pooled = progress.quality
    if progress.reason:
        record = Record(search, number, setting, "diverged", curve=progress.curve, reason=progress.reason)
        return replace(record, seconds=progress.seconds)
    return Record(
        search,
        number,
        setting,
        "finished",
        mean,
        pooled,
        blind,
        progress.curve,
        progress.loss,
        seconds=progress.seconds,
    )


@dataclass(frozen=True, slots=True)
class Training:
    """What a trial goes through: batches, network and step; their types are not known before the program runs."""

    order: BatchOrder
    model: Model[Any, Any]
    step: AnyStep
    repeated: CapturedStep[Any, Any, Metrics]
    """The step as it is run."""


def training_step(setting: Setting, rung: Rung, data: TrialData, seed: int) -> Training:
    """Return the batches, the network and the training step of a trial."""
    order = BatchOrder(data.training.part(0, rung.samples_of(len(data.training))), setting.batch_size, seed)
    training = training_of(setting)
    model = build_model(training.config(), data.channels)
    optimizer = SGD(training.lr, momentum=training.momentum, nesterov=training.nesterov)
    loss = recovering_loss(data.keeps, rung.epochs * order.steps_per_epoch)
    step = TrainStep(model.layer, loss, cast("Optimizer[Any, Any]", optimizer))
    return Training(order, model, step, captured(step))


def _epoch(progress: _Progress, training: Training, data: TrialData) -> _Progress:
    """Train for an epoch and judge."""
    start = time.perf_counter()
    state, losses, order = progress.state, list[float](), training.order

    def after(reason: str) -> _Progress:
        return replace(progress, reason=reason, seconds=progress.seconds + time.perf_counter() - start)

    for state, metrics in fit(training.repeated, state, islice(order.batches(state.step), order.steps_per_epoch)):  # noqa: B020 - a fold
        loss = float(metrics.loss)
        if not math.isfinite(loss):
            return after(f"the loss is {loss} at step {state.step}")
        losses.append(loss)
    quality = measure(training.model, state.params, data.validation)
    score = quality[0] if quality[1] is None else quality[1]
    if score is not None and math.isnan(score):
        return after(f"the PSNR is {score} after step {state.step}")
    curve = progress.curve if score is None else (*progress.curve, score)
    return _Progress(state, curve, quality, sum(losses) / len(losses), progress.seconds + time.perf_counter() - start)


def _write(file: Path, known: str, setting: Setting, data: TrialData, progress: _Progress) -> None:
    """Write a checkpoint, which is also one of ``n2nfun train``: ``n2nfun denoise`` takes it."""
    settings = cast("dict[str, Json]", {"config": config_to_json(setting.config()), "channels": data.channels})
    trial = cast(
        "Json",
        {
            "known": known,
            "curve": list(progress.curve),
            "quality": list(progress.quality),
            "loss": progress.loss,
            "seconds": progress.seconds,
        },
    )
    file.parent.mkdir(parents=True, exist_ok=True)
    save_checkpoint(file, progress.state, {**settings, "trial": trial})


def _read(file: Path, known: str, like: TrainState[Any, Any]) -> _Progress | None:
    """Return what a killed trial had come to; None where there is nothing, or nothing of use."""
    try:
        found = load_checkpoint(file)
        trial = cast("dict[str, Any]", found.config["trial"])
        if trial["known"] != known:
            return None
        state = found.fill(like)
    except (CheckpointError, KeyError):
        return None
    return _Progress(state, tuple(trial["curve"]), tuple(trial["quality"]), trial["loss"], trial["seconds"])


@contextmanager
def one_thread() -> Generator[None]:
    """Compute on one thread: the bits of sums depend on how many there are, and each core has a trial of its own."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
