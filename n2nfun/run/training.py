"""A training run: from settings to a folder with the trained network and all that was seen on the way."""

import math
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, TypeAlias, TypeVar, cast

import torch

from n2nfun.capture import UNREPEATED, captured
from n2nfun.config import ConfigError, TrainConfig, config_to_json
from n2nfun.data import NoisyPair, Pairs, Statistic
from n2nfun.data.batches import Augmentation, BatchOrder
from n2nfun.files import write_atomically
from n2nfun.losses import MSE, LossCache
from n2nfun.metrics import blind_psnr, psnr_mean, psnr_pooled
from n2nfun.models import Model
from n2nfun.optim import SGD, Adam, Optimizer
from n2nfun.restore import restore
from n2nfun.run.datasets import Dataset, load_dataset
from n2nfun.run.folder import LoadedRun, RunFolder, check_out
from n2nfun.run.log import Entry, to_csv
from n2nfun.run.networks import build_model
from n2nfun.run.pictures import Panel, draw_curves, draw_panels, save_figure
from n2nfun.run.recovering import recovering_loss
from n2nfun.schedules import constant, cosine
from n2nfun.train import TrainState, TrainStep, fit

__all__ = ["Finished", "Progress", "TrainingError", "measure", "panels", "run_training"]

T = TypeVar("T")

_ENTRIES = 20
"""How often a run is measured on its way."""
_MEASURED = 256
"""Held-out pairs that are measured each time."""
_TIMED_STEPS = 12
"""Steps that are timed, once they are repeated, to see how many fit a time budget."""

AnyStep: TypeAlias = TrainStep[Any, Any, LossCache, Any]
"""A step of a network that the settings name: its types are not known before the program runs."""


class TrainingError(ValueError):
    """Training that came to nothing: the loss is no longer a number."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run stands."""

    steps: int
    of: int
    images: int
    """Learned from so far, each as often as it was."""
    seconds: float
    """Of training so far."""
    loss: float
    """Of the last batch."""
    entry: Entry
    """The last measurement."""


@dataclass(frozen=True, slots=True, eq=False)
class Finished:
    """A run that has ended, and its result."""

    folder: RunFolder
    run: LoadedRun
    dataset: Dataset
    entries: tuple[Entry, ...]
    interrupted: bool


def run_training(config: TrainConfig, observe: Callable[[Progress], None]) -> Finished:
    """Train as the settings say, and write the run's folder.

    The folder holds config.json, log.csv, checkpoint.safetensors, curves.png, samples/*.png and summary.json. The same
    settings give the same bits on one machine with one number of threads; a time budget is turned into a number of steps
    first, which is stored. Ctrl-C ends training, not the writing.

    Args:
        config: The settings.
        observe: Called after every step.

    Raises:
        ConfigError: if settings contradict each other, or do not fit the data.
        TrainingError: if the loss becomes infinite or NaN; what was written stays.
        OSError: if the folder cannot be written.
        ValueError: if the data cannot be read.
    """
    config = config.resolved()
    check_out(config.out)
    dataset = load_dataset(config)
    model = build_model(config, dataset.channels)
    shape = _learned_shape(config, dataset)
    if model.layer.output_shape(shape) != shape:
        raise ConfigError(
            f"--model {config.model} makes images of shape {model.layer.output_shape(shape)} of images of shape {shape}: "
            f"height and width must be multiples of {model.multiple}"
        )
    order = BatchOrder(dataset.training, _decided(config.batch_size), config.seed, _augmentation(config))
    config = _with_steps(config, model, dataset, order)
    folder = RunFolder(config.out)
    folder.samples.mkdir(parents=True, exist_ok=True)
    folder.write_json(folder.config, config_to_json(config))

    step = _step(config, model, dataset, _decided(config.steps))
    state = step.init(torch.Generator().manual_seed(config.seed))
    journal = _Journal(folder, config, dataset, model)
    journal.add(state, 0.0, None, float(step.rate(0)))
    total = _decided(config.steps)
    every = max(1, total // _ENTRIES)
    losses: list[float] = []
    seconds, images, interrupted = 0.0, 0, False
    try:
        start = time.perf_counter()
        for state, metrics in fit(captured(step), state, islice(order.batches(), total)):  # noqa: B020 - a fold
            loss = float(metrics.loss)
            losses.append(loss)
            images += min(order.batch_size, len(dataset.training))
            seconds += time.perf_counter() - start
            if not math.isfinite(loss):
                raise TrainingError(f"the loss is {loss} at step {state.step}: try a smaller --lr, not {metrics.lr:g}")
            if state.step % every == 0:
                journal.add(state, seconds, losses, float(metrics.lr))
            observe(Progress(state.step, total, images, seconds, loss, journal.entries[-1]))
            start = time.perf_counter()
    except KeyboardInterrupt:
        interrupted = True
    if journal.entries[-1].step != state.step:
        journal.add(state, seconds, losses, float(step.rate(state.step - 1)))
    run = LoadedRun(config.out, config, model, state.params)
    finished = Finished(folder, run, dataset, tuple(journal.entries), interrupted)
    _write_results(finished, images)
    return finished


@dataclass(frozen=True, slots=True, eq=False)
class _Journal:
    """The entries of a run, written to its folder with the checkpoint as they are made."""

    folder: RunFolder
    config: TrainConfig
    dataset: Dataset
    model: Model[Any, Any]
    entries: list[Entry] = field(default_factory=list[Entry])

    def add(self, state: TrainState[Any, Any], seconds: float, losses: list[float] | None, lr: float) -> None:
        """Measure a state; ``losses`` are those since the last entry, and are used up."""
        loss = sum(losses) / len(losses) if losses else None
        quality = measure(self.model, state.params, self.dataset.validation)
        self.entries.append(Entry(state.step, round(seconds, 3), loss, lr, *quality))
        if losses is not None:
            losses.clear()
        self.folder.save(self.config, self.dataset.channels, state)
        write_atomically(self.folder.log, to_csv(self.entries))


def measure(model: Model[Any, Any], params: Any, pairs: Pairs) -> tuple[float | None, float | None, float | None]:
    """Return blind PSNR, and mean and pooled PSNR where clean images are known, of the first held-out pairs."""
    shown = pairs[: min(len(pairs), _MEASURED)]
    restored = restore(model, params, shown.first)
    second_is_clean = shown.clean is not None and torch.equal(shown.clean, shown.second)
    blind = None if second_is_clean else blind_psnr(restored, shown.first, shown.second)
    blind = blind if blind is not None and math.isfinite(blind) else None
    if shown.clean is None:
        return blind, None, None
    return blind, psnr_mean(restored, shown.clean), psnr_pooled(restored, shown.clean)


def _decided(value: T | None) -> T:
    """Return a setting that resolved() has decided."""
    assert value is not None
    return value


def _augmentation(config: TrainConfig) -> Augmentation | None:
    """Return what is done to batches; crops do not depend on the rest of it."""
    if not config.augment and config.crop is None:
        return None
    augment = bool(config.augment)
    return Augmentation(flips=augment, turns=augment, swap=augment and config.target == "noisy", crop=config.crop)


def _learned_shape(config: TrainConfig, dataset: Dataset) -> tuple[int, int, int, int]:
    """Return the shape of one image that is learned from: of a pair, or of a crop of it."""
    height, width = dataset.training.first.shape[2:]
    if config.crop is None:
        return 1, dataset.channels, height, width
    if config.crop > min(height, width):
        raise ConfigError(
            f"--crop is {config.crop}, expected at most {min(height, width)}, as the pairs are {height}x{width}"
        )
    return 1, dataset.channels, config.crop, config.crop


def _step(config: TrainConfig, model: Model[Any, Any], dataset: Dataset, steps: int) -> AnyStep:
    """Return the training step that the settings describe."""
    lr = _decided(config.lr)
    optimizer = (
        SGD(lr, momentum=_decided(config.momentum), nesterov=_decided(config.nesterov))
        if config.optimizer == "sgd"
        else Adam(lr)
    )
    schedule = cosine(lr, steps, warmup=min(steps // 10, 200)) if config.schedule == "cosine" else constant(lr)
    keeps = Statistic.MEAN if dataset.noise is None else dataset.noise.keeps  # of given pairs, the mean
    loss = MSE() if config.target == "clean" else recovering_loss(keeps, steps)
    return TrainStep(model.layer, loss, cast("Optimizer[Any, Any]", optimizer), schedule)


def _with_steps(config: TrainConfig, model: Model[Any, Any], dataset: Dataset, order: BatchOrder) -> TrainConfig:
    """Return the settings with the length of training as a number of steps, whichever way it was given."""
    if config.epochs is not None:
        return replace(config, epochs=None, steps=max(1, round(config.epochs * order.steps_per_epoch)))
    if config.time_budget is None:
        return config
    step = _step(config, model, dataset, 1)
    repeated, times = captured(step), list[float]()
    state = step.init(torch.Generator().manual_seed(config.seed))
    for batch in islice(order.batches(), UNREPEATED + _TIMED_STEPS):
        start = time.perf_counter()
        state, _ = repeated(state, batch)
        times.append(time.perf_counter() - start)
    taken = statistics.median(times[UNREPEATED:])
    return replace(config, time_budget=None, steps=max(1, round(config.time_budget / taken)))


def _write_results(finished: Finished, images: int) -> None:
    """Write the curves, the sample pictures and the summary."""
    folder, run, last = finished.folder, finished.run, finished.entries[-1]
    save_figure(
        draw_curves(finished.entries, f"{run.config.model}, {run.config.noise}, seed {run.config.seed}"), folder.curves
    )
    for number, sample in enumerate(finished.dataset.samples):
        known = finished.dataset.validation.clean is not None
        save_figure(draw_panels(panels(run, sample, clean_known=known)), folder.samples / f"{number}.png")
    noisy = finished.dataset.validation[: min(len(finished.dataset.validation), _MEASURED)]
    summary = {
        "steps": last.step,
        "images": images,
        "seconds": last.seconds,
        "images_per_second": round(images / last.seconds, 1) if last.seconds else None,
        "interrupted": finished.interrupted,
        "loss": last.loss,
        "blind_psnr": last.blind_psnr,
        "psnr_mean": last.psnr_mean,
        "psnr_pooled": last.psnr_pooled,
        "noisy_psnr_mean": None if noisy.clean is None else psnr_mean(noisy.first, noisy.clean),
        "noisy_psnr_pooled": None if noisy.clean is None else psnr_pooled(noisy.first, noisy.clean),
        "parameters": run.model.layer.count_parameters(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "machine": platform.processor() or platform.machine(),
        "threads": torch.get_num_threads(),
    }
    folder.write_json(folder.summary, summary)


def panels(run: LoadedRun, sample: NoisyPair, *, clean_known: bool) -> list[Panel]:
    """Return a sample noisy, restored and clean, titled with their PSNRs; without the clean one where it is not known."""
    noisy, clean = sample.first[None], sample.clean[None]
    restored = restore(run.model, run.params, noisy)
    if not clean_known:
        return [("noisy", noisy[0]), ("restored", restored[0])]
    return [
        (f"noisy, {psnr_mean(noisy, clean):.2f} dB", noisy[0]),
        (f"restored, {psnr_mean(restored, clean):.2f} dB", restored[0]),
        ("clean", clean[0]),
    ]
