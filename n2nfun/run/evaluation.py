"""How good a run's network is, next to the noisy input and to classical restorers."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from n2nfun.baselines import TunedBaseline, tune_baselines
from n2nfun.config import ConfigError
from n2nfun.data import NoisyPair, Pairs, make_pairs, parse_noise, read_photographs
from n2nfun.metrics import blind_psnr, psnr_mean, psnr_pooled, ssim
from n2nfun.restore import restore
from n2nfun.run.datasets import Dataset, load_dataset
from n2nfun.run.folder import LoadedRun
from n2nfun.run.pictures import Panel

__all__ = ["Evaluation", "Score", "evaluate_run", "judging_data"]

_TUNING_PAIRS = 64
_TUNING_PIXELS = 64 * 32 * 32
"""Of all pairs that classical restorers are tuned on together: seconds, where the whole training data would take hours."""
_TUNING_SIZE = 64
"""Larger pairs are cut to this height and width, so that several fit."""
_JUDGED_PAIRS = 512
"""Made of other photographs."""
_TUNED_ON = 10
"""Of this many other photographs, one is tuned on and not judged."""
_SSIM_WINDOW = 11
_AT_ONCE = 64
"""Images that are restored together: bounds the memory."""
_LARGEST_SAMPLE = 384
"""Height and width of the largest example picture."""


@dataclass(frozen=True, slots=True)
class Score:
    """What one way to restore reached; None is what cannot be known."""

    name: str
    parameter: str
    """How strongly it smooths, as it was tuned; empty where there is nothing to tune."""
    psnr_mean: float | None
    """Mean over the images of each one's PSNR, in dB; None where no clean images are known."""
    psnr_pooled: float | None
    """PSNR of their pooled error, likewise."""
    ssim: float | None
    """Structural similarity; None also where images are smaller than its window of 11x11."""
    blind_psnr: float | None
    """The pooled PSNR estimated from noisy pairs alone, where no clean images are known."""
    seconds: float
    """To restore all the images."""


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """The scores of all ways to restore, and one sample restored by each."""

    shape: tuple[int, int, int, int]
    """Of the images that were judged: how many, channels, height, width."""
    scores: tuple[Score, ...]
    """The noisy input's first, the network's last."""
    panels: tuple[Panel, ...]
    """The sample likewise, and clean at the end where that is known."""


@dataclass(frozen=True, slots=True)
class _Method:
    """One way to restore."""

    name: str
    parameter: str
    restore: Callable[[Tensor], Tensor]


def judging_data(
    run: LoadedRun, *, data: Path | None = None, noise: str | None = None, validation: Path | None = None
) -> Dataset:
    """Return what a run is judged by, and on which classical restorers are tuned: never the same images.

    Args:
        run: Without other arguments, it is judged by its own held-out images, the very ones of its training.
        data: Other photographs to judge by; every tenth of them, or the last, is left for tuning.
        noise: Another noise, of ``data`` or of the run's own photographs.
        validation: Other images to judge by, noisy and clean, as val_data.pkl; tuned is on the run's own.

    Raises:
        ConfigError: if arguments do not go together, or there is too little data.
        ValueError: if something cannot be read, or does not fit.
    """
    config = run.config
    if validation is not None:
        if data is not None or noise is not None:
            raise ConfigError(f"--{'noise' if data is None else 'data'} and --validation are both given, expected one")
        few = replace(config, validation=validation, count=min(config.count, _TUNING_PAIRS))
        found = load_dataset(few)
        return replace(found, samples=(_first(found.validation),))
    if data is None and noise is None:
        return load_dataset(config)
    if config.pairs and (data is None or noise is None):
        raise ConfigError(f"{run.path}: learned from given pairs, expected both --data and --noise to judge by others")
    noise = config.noise if noise is None else noise
    if data is None or (config.data is not None and data.resolve() == config.data.resolve()):
        return load_dataset(replace(config, noise=noise, validation=None, count=_TUNING_PAIRS))
    return _of_photographs(data, noise, config.size, config.seed)


def _of_photographs(folder: Path, noise: str, size: int, seed: int) -> Dataset:
    model, photographs = parse_noise(noise), read_photographs(folder)
    others = photographs[_TUNED_ON - 1 :: _TUNED_ON] or photographs[-1:]
    judged = tuple(photo for photo in photographs if not any(photo is other for other in others))
    if not judged:
        raise ConfigError(f"--data {folder} has one image, expected at least 2: one is left out to tune on")
    generator = torch.Generator().manual_seed(seed)
    tuning = make_pairs(others, model, _TUNING_PAIRS, size, generator)
    pairs = make_pairs(judged, model, _JUDGED_PAIRS, size, generator)
    sample = model.pair(judged[0], None, generator)
    sample = NoisyPair(
        *(_middle(image, _LARGEST_SAMPLE).clone() for image in (sample.first, sample.second, sample.clean))
    )
    return Dataset(tuning, pairs, (sample,), model)


def evaluate_run(
    run: LoadedRun, dataset: Dataset, observe: Callable[[str, int, int], None] = lambda _name, _done, _of: None
) -> Evaluation:
    """Judge the noisy input, four classical restorers, and a run's network, on a data set's validation pairs.

    Each classical restorer has the strength of the best mean PSNR on up to 64 of the training pairs. Where no clean
    images are known, the second noisy image stands in for the clean one in tuning, which its noise makes no easier for
    any strength; and only a PSNR estimated from the pairs can be given (``n2nfun.metrics.blind_psnr``).

    Args:
        run: The network.
        dataset: Of :func:`judging_data`, or what the run has just been trained with.
        observe: Called before each restorer with its name, how many are done, and how many there are.

    Raises:
        ValueError: if values are not numbers.
    """
    judged = dataset.validation[:]
    observe("tuning", 0, 6)
    methods = (
        _Method("noisy input", "", _unchanged),
        *(_classical(tuned) for tuned in _tuned(dataset.training)),
        _Method(run.config.model, "", partial(restore, run.model, run.params)),
    )
    scores: list[Score] = []
    for method in methods:
        observe(method.name, len(scores), len(methods))
        scores.append(_score(method, judged))
    batch, channels, height, width = judged.first.shape
    panels = _panels(methods, dataset.samples[0], clean_known=judged.clean is not None)
    return Evaluation((batch, channels, height, width), tuple(scores), panels)


def _unchanged(images: Tensor) -> Tensor:
    return images


def _classical(tuned: TunedBaseline) -> _Method:
    name, _, unit = tuned.parameter_name.partition(", ")
    return _Method(tuned.name, f"{name} {tuned.parameter:g} {unit}".strip(), tuned.run)


def _tuned(training: Pairs) -> tuple[TunedBaseline, ...]:
    """Tune the classical restorers on some of the training pairs, evenly taken from all of them."""
    height, width = (min(_TUNING_SIZE, size) for size in training.first.shape[2:])
    count = max(1, min(_TUNING_PAIRS, _TUNING_PIXELS // (height * width), len(training)))
    some = training[torch.arange(count) * len(training) // count]
    target = some.second if some.clean is None else some.clean
    return tune_baselines(_middle(some.first, _TUNING_SIZE), _middle(target, _TUNING_SIZE))


def _score(method: _Method, judged: Pairs) -> Score:
    start = time.perf_counter()
    restored = torch.cat([method.restore(images) for images in judged.first.split_with_sizes(_sizes(len(judged)))])
    seconds = time.perf_counter() - start
    if judged.clean is None:
        blind = blind_psnr(restored, judged.first, judged.second)
        return Score(method.name, method.parameter, None, None, None, None if math.isnan(blind) else blind, seconds)
    return Score(
        method.name,
        method.parameter,
        psnr_mean(restored, judged.clean),
        psnr_pooled(restored, judged.clean),
        ssim(restored, judged.clean) if min(restored.shape[2:]) >= _SSIM_WINDOW else None,
        None,
        seconds,
    )


def _sizes(images: int) -> list[int]:
    """Split so many images into groups that are restored together."""
    return [min(_AT_ONCE, images - start) for start in range(0, images, _AT_ONCE)]


def _panels(methods: tuple[_Method, ...], sample: NoisyPair, *, clean_known: bool) -> tuple[Panel, ...]:
    """Restore a sample by each method, each titled with its PSNR where that is known."""
    noisy, clean = sample.first[None], sample.clean[None]
    panels: list[Panel] = []
    for method in methods:
        restored = method.restore(noisy)
        title = f"{method.name}, {psnr_mean(restored, clean):.2f} dB" if clean_known else method.name
        panels.append((title, restored[0]))
    return (*panels, ("clean", sample.clean)) if clean_known else tuple(panels)


def _first(pairs: Pairs) -> NoisyPair:
    """Return the first of pairs with clean images, as a sample to look at."""
    shown = pairs[:1]
    assert shown.clean is not None  # --validation's have it
    return NoisyPair(
        *(_middle(image[0], _LARGEST_SAMPLE).clone() for image in (shown.first, shown.second, shown.clean))
    )


def _middle(images: Float[Tensor, "*batch height width"], size: int) -> Float[Tensor, "*batch out_height out_width"]:
    """Cut the middle out of images that are larger than this."""
    top, left = (max(0, length - size) // 2 for length in images.shape[-2:])
    return images[..., top : top + size, left : left + size]
