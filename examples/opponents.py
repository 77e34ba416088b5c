"""The opponents of ``benchmark.py``: each makes the same training step in its own way, in a process of its own."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any, Literal, TypeAlias, TypeVar, cast
from unittest.mock import patch

import torch
from torch import Tensor, nn

from examples.exchange_with_torch import twin
from n2nfun.losses import MSE
from n2nfun.models import denoiser, paper
from n2nfun.optim import SGD
from n2nfun.train import Batch, TrainState, train_step
from n2nfun.tree import leaves

Opponent: TypeAlias = Literal[
    "n2nfun", "n2nfun compiled", "torch", "torch channels_last", "torch compiled", "torch channels_last compiled"
]
Allocator: TypeAlias = Literal["default", "tuned"]
F = TypeVar("F", bound=Callable[..., Any])

TUNED = "glibc.malloc.mmap_threshold=1073741824:glibc.malloc.trim_threshold=1073741824"
"""Freed memory stays with the process, whose pages then need not be mapped anew at every step."""

LR, MOMENTUM = 0.01, 0.9
SIZE = 32


@dataclass(frozen=True)
class Case:
    """A model, and how many images of 32 x 32 a batch has."""

    model: Literal["paper", "denoiser"]
    batch: int
    hidden: tuple[int, int] = (16, 32)
    down_kernel: int = 2
    up_kernel: int = 5


Step: TypeAlias = Callable[[], Tensor]
"""Makes a step and returns the loss."""
Weights: TypeAlias = Callable[[], list[Tensor]]
"""Returns all parameters, in the order of the layers."""


def _layer(case: Case) -> Any:
    if case.model == "denoiser":
        return denoiser().layer
    return paper(hidden=case.hidden, down_kernel=case.down_kernel, up_kernel=case.up_kernel).layer


def _start(case: Case) -> tuple[Any, Batch]:
    """Return the parameters that everyone starts with, and the batch."""
    generator = torch.Generator().manual_seed(0)
    params = _layer(case).init(generator)
    shape = (case.batch, 3, SIZE, SIZE)
    return params, Batch(torch.rand(shape, generator=generator), torch.rand(shape, generator=generator))


def n2nfun_step(case: Case, *, compiled: bool) -> tuple[Step, Weights]:
    """Train with n2nfun."""
    params, batch = _start(case)
    layer, loss, optimizer = _layer(case), MSE(), SGD(LR, momentum=MOMENTUM, nesterov=True)
    state = TrainState(params, optimizer.init(params), 0)

    def once(state: TrainState[Any, Any], batch: Batch) -> tuple[TrainState[Any, Any], Tensor]:
        after, metrics = train_step(layer, loss, optimizer, state, batch)
        return after, metrics.loss

    run = _compile(once) if compiled else once

    def step() -> Tensor:
        nonlocal state
        state, value = run(state, batch)
        return value

    return step, lambda: leaves(state.params)


class _Block(nn.Module):
    """``x + conv(relu(x))``."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return x + cast("Tensor", self.conv(torch.relu(x)))


class _Denoiser(nn.Module):
    """n2nfun's default model."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.inner = nn.Sequential(
            nn.Conv2d(3, width, 3, padding=1),
            *(_Block(width) for _ in range(3)),
            nn.ReLU(),
            nn.Conv2d(width, 3, 3, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + cast("Tensor", self.inner((x - 0.5) / 0.25))


def module(case: Case) -> nn.Module:
    """Build the same network of ``torch.nn``."""
    if case.model == "denoiser":
        return _Denoiser()
    return twin(_layer(case))


def torch_step(case: Case, *, compiled: bool, layout: torch.memory_format) -> tuple[Step, Weights]:
    """Train with ``torch.nn``, autograd and the fused SGD."""
    params, batch = _start(case)
    network: Any = module(case)  # torch's own types are partial
    with torch.no_grad():
        for own, start in zip(network.parameters(), leaves(params), strict=True):
            own.copy_(start)
    network = network.to(memory_format=layout)
    x, target = (tensor.contiguous(memory_format=layout) for tensor in (batch.x, batch.target))
    optimizer: Any = torch.optim.SGD(network.parameters(), LR, momentum=MOMENTUM, nesterov=True, fused=True)

    def loss() -> Tensor:
        return nn.functional.mse_loss(network(x), target)

    run: Any = _compile(loss) if compiled else loss

    def step() -> Tensor:
        optimizer.zero_grad()
        value = run()
        value.backward()
        optimizer.step()
        return cast("Tensor", value)

    return step, lambda: [leaf.detach() for leaf in network.parameters()]


def _compile(function: F) -> F:
    """Compile, without a break."""
    return cast("F", torch.compile(function, fullgraph=True))  # pyright: ignore[reportUnknownMemberType]  # partially typed in torch


def _step(opponent: Opponent, case: Case) -> tuple[Step, Weights]:
    compiled = opponent.endswith("compiled")
    if opponent.startswith("n2nfun"):
        return n2nfun_step(case, compiled=compiled)
    layout = torch.channels_last if "channels_last" in opponent else torch.contiguous_format
    return torch_step(case, compiled=compiled, layout=layout)


def _peak(step: Step) -> int:
    """Return how many bytes of tensors a step holds at most, beyond those that were there before it."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        step()
    profiler: Any = profile.profiler
    found: list[Any] = profiler.kineto_results.events()
    held = highest = 0
    for event in sorted((e for e in found if e.name() == "[memory]"), key=lambda e: int(e.start_ns())):
        held += int(event.nbytes())
        highest = max(highest, held)
    return highest


def _serve(pipe: Connection, opponent: Opponent, threads: int) -> None:
    """Answer a worker's questions, until it asks to stop."""
    torch.set_num_threads(threads)
    step: Step | None = None
    while True:
        match pipe.recv():
            case Case() as case:
                torch.compiler.reset()
                step, weights = _step(opponent, case)
                loss = float(step())
                pipe.send((loss, float(sum(leaf.double().square().sum() for leaf in weights()))))
            case float() as seconds if step is not None:
                pipe.send(_timed(step, seconds))
            case "peak" if step is not None:
                pipe.send(_peak(step))
            case _:
                return


def _timed(step: Step, seconds: float) -> float:
    """Return the mean time of the steps that fill some seconds, after one that warms up."""
    step()
    count, start = 0, time.perf_counter()
    while count < 3 or time.perf_counter() - start < seconds:
        step()
        count += 1
    return (time.perf_counter() - start) / count


class Worker:
    """A process in which an opponent makes its steps."""

    def __init__(self, opponent: Opponent, allocator: Allocator, threads: int) -> None:
        context = get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, opponent, threads), daemon=True)
        environment = {"GLIBC_TUNABLES": TUNED if allocator == "tuned" else "", "OMP_NUM_THREADS": str(threads)}
        with patch.dict(os.environ, environment):  # what a process is started with
            self._process.start()
        theirs.close()

    def prepare(self, case: Case) -> tuple[float, float]:
        """Build a network and make a step; return its loss, and the sum of the squares of its parameters after it."""
        self._pipe.send(case)
        loss, squares = self._pipe.recv()
        return float(loss), float(squares)

    def time(self, seconds: float) -> float:
        """Make steps for some seconds, and return the mean time of one."""
        self._pipe.send(seconds)
        return float(self._pipe.recv())

    def peak(self) -> int:
        """Return how many bytes of tensors a step holds at most, beyond those that were there before it."""
        self._pipe.send("peak")
        return int(self._pipe.recv())

    def stop(self) -> None:
        """End the process."""
        self._pipe.send("stop")
        self._process.join()
