"""How long a search will take, from a few timed steps of each shape of network and batch."""

import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import islice

import torch

from n2nfun.capture import UNREPEATED
from n2nfun.run.training import measure
from n2nfun.search.data import TrialData, load_search_data
from n2nfun.search.plan import SearchPlan
from n2nfun.search.rungs import Rung
from n2nfun.search.space import Setting, training_of, trainings_of
from n2nfun.search.trial import one_thread, training_step
from n2nfun.train import fit

__all__ = ["RungEstimate", "estimate"]

_TIMED_STEPS = 5
"""Once they are repeated; of which the median counts."""


@dataclass(frozen=True, slots=True)
class RungEstimate:
    """What one rung will train, and for how long."""

    settings: int
    trainings: int
    """Different ones; the most there can be, where the settings are not known yet."""
    samples: int
    epochs: int
    seconds: float
    """On all workers; of settings that are not known yet, as the average setting takes."""
    most_seconds: float
    """If those that are not known yet are the slowest ones."""


def estimate(plan: SearchPlan, workers: int) -> tuple[RungEstimate, ...]:
    """Time a few steps of every shape of network and batch, on this machine, and add up.

    Args:
        plan: The search.
        workers: How many trainings run at a time.

    Raises:
        ValueError: if the data cannot be read.
    """
    largest = max(plan.space.batch_size)
    data = load_search_data(replace(plan.data, count=min(plan.data.count, largest)))
    count = len(data.training) if plan.data.pairs else plan.data.count
    settings = plan.space.settings()
    trainings = trainings_of(settings)
    timed: dict[Setting, tuple[float, float]] = {}
    with one_thread():
        for training in trainings:
            shape = _shape(training)
            if shape not in timed:
                timed[shape] = _time(shape, data)
    found: list[RungEstimate] = []
    for rung, size in zip(plan.rungs, plan.sizes(), strict=True):
        samples = rung.samples_of(count)
        each = [_seconds(timed[_shape(training)], training, samples, rung) for training in trainings]
        most = size if size < len(settings) else len(trainings)

        def wall(seconds: list[float]) -> float:
            return max(*seconds, sum(seconds) / workers)

        whole = size == len(settings)
        usual = wall(each) if whole else wall([statistics.fmean(each)] * most)
        slowest = wall(each) if whole else wall(sorted(each, reverse=True)[:most])
        found.append(RungEstimate(size, min(most, len(trainings)), samples, rung.epochs, usual, slowest))
    return tuple(found)


def _shape(setting: Setting) -> Setting:
    """Return a setting of the same cost that stands for all of its shape."""
    return replace(training_of(setting), nesterov=False, lr=1e-6)


def _seconds(timed: tuple[float, float], setting: Setting, samples: int, rung: Rung) -> float:
    step, judging = timed
    return rung.epochs * (math.ceil(samples / setting.batch_size) * step + judging)


def _time(setting: Setting, data: TrialData) -> tuple[float, float]:
    """Return the seconds of a step, and of judging."""
    training = training_step(setting, Rung(epochs=1), data, 0)
    state = training.step.init(torch.Generator().manual_seed(0))
    states = fit(training.repeated, state, islice(training.order.batches(), UNREPEATED + _TIMED_STEPS))
    for _ in range(UNREPEATED):
        next(states)
    times = [_timed(lambda: next(states)) for _ in range(_TIMED_STEPS)]
    return statistics.median(times), _timed(lambda: measure(training.model, state.params, data.validation))


def _timed(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start
