"""Who competes, and in what."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Literal, TypeAlias

import torch

from examples.benchmark import floor, with_jax, with_n2nfun, with_torch
from examples.benchmark.cases import Case, Restoring, Training
from examples.benchmark.work import Work
from n2nfun.capture import captured

Opponent: TypeAlias = Literal[
    "n2nfun",
    "n2nfun captured",
    "n2nfun compiled",
    "torch",
    "torch channels_last",
    "torch compiled",
    "torch channels_last compiled",
    "jax NCHW",
    "jax NHWC",
    "floor",
]

EAGER: tuple[Opponent, ...] = ("torch", "torch channels_last")
COMPILED: tuple[Opponent, ...] = ("torch compiled", "torch channels_last compiled")
JAX: tuple[Opponent, ...] = ("jax NCHW", "jax NHWC")
ALL: tuple[Opponent, ...] = ("n2nfun", "n2nfun captured", *EAGER, "n2nfun compiled", *COMPILED, *JAX, "floor")

NCHW, NHWC = torch.contiguous_format, torch.channels_last
TRAINING: Mapping[Opponent, Callable[[Training], Work]] = {
    "n2nfun": with_n2nfun.training,
    "n2nfun captured": partial(with_n2nfun.training, wrap=captured),
    "n2nfun compiled": partial(with_n2nfun.training, wrap=partial(captured, compile=True)),
    "torch": partial(with_torch.training, compiled=False, layout=NCHW),
    "torch channels_last": partial(with_torch.training, compiled=False, layout=NHWC),
    "torch compiled": partial(with_torch.training, compiled=True, layout=NCHW),
    "torch channels_last compiled": partial(with_torch.training, compiled=True, layout=NHWC),
    "jax NCHW": partial(with_jax.training, layout="NCHW"),
    "jax NHWC": partial(with_jax.training, layout="NHWC"),
    "floor": floor.training,
}
RESTORING: Mapping[Opponent, Callable[[Restoring], Work]] = {
    "n2nfun": with_n2nfun.restoring,
    "torch": partial(with_torch.restoring, layout=NCHW),
    "torch channels_last": partial(with_torch.restoring, layout=NHWC),
}


def work(opponent: Opponent, case: Case) -> Work:
    """Return what an opponent does for a case."""
    return TRAINING[opponent](case) if isinstance(case, Training) else RESTORING[opponent](case)
