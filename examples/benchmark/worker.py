"""A process in which one opponent works, and nothing else does."""

import os
import time
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, TypeAlias
from unittest.mock import patch

import torch

from examples.benchmark import with_jax
from examples.benchmark.cases import FIRST_STEPS, Case, Restoring, Training
from examples.benchmark.memory import peak, resident
from examples.benchmark.opponents import Opponent, work
from examples.benchmark.work import Made, Work

Allocator: TypeAlias = Literal["default", "tuned"]

TUNED = "glibc.malloc.mmap_threshold=1073741824:glibc.malloc.trim_threshold=1073741824"
"""Freed memory stays with the process, whose pages then need not be mapped anew at every step."""


@dataclass(frozen=True)
class Surroundings:
    """What a process is started with."""

    allocator: Allocator
    threads: int
    compiled: Path
    """Folder for what torch.compile makes: a second process that compiles the same finds it there."""

    def variables(self) -> dict[str, str]:
        """Return the environment."""
        return {
            "GLIBC_TUNABLES": TUNED if self.allocator == "tuned" else "",
            "OMP_NUM_THREADS": str(self.threads),
            "TORCHINDUCTOR_CACHE_DIR": str(self.compiled),
            "JAX_PLATFORMS": "cpu",
            with_jax.THREADS: str(self.threads),
        }


@dataclass(frozen=True)
class Prepared:
    """What came of the first steps, or the first image."""

    seconds: float
    """what they took, compiling included"""
    made: Made


@dataclass(frozen=True)
class Memory:
    """What a run took."""

    peak: int | None
    """bytes of tensors beyond those before it; None where they are not torch's"""
    resident: int
    """bytes of the whole process at most so far"""


def _prepare(opponent: Opponent, case: Case) -> tuple[Work, Prepared]:
    if opponent.endswith("compiled"):
        torch.compiler.reset()
    doing = work(opponent, case)
    start = time.perf_counter()
    value = _finished(doing)
    if isinstance(case, Training):
        for _ in range(FIRST_STEPS - 1):
            value = _finished(doing)
    return doing, Prepared(time.perf_counter() - start, doing.made(value))


def _finished(doing: Work) -> Any:
    value = doing.run()
    if doing.wait is not None:
        doing.wait()
    return value


def _timed(doing: Work, seconds: float) -> float:
    """Return the mean time of the runs that fill some seconds, after one that warms up; if that one does, its own."""
    start = time.perf_counter()
    _finished(doing)
    if (first := time.perf_counter() - start) >= seconds:
        return first
    count, start = 0, time.perf_counter()
    while count < 3 or time.perf_counter() - start < seconds:
        doing.run()
        count += 1
    if doing.wait is not None:
        doing.wait()
    return (time.perf_counter() - start) / count


def _serve(pipe: Connection, opponent: Opponent, threads: int) -> None:
    """Answer a worker's questions, until it asks to stop."""
    torch.set_num_threads(threads)
    doing: Work | None = None
    keeps = False
    while True:
        match pipe.recv():
            case (Training() | Restoring()) as case:
                doing, prepared = _prepare(opponent, case)
                keeps = isinstance(case, Training)
                pipe.send(prepared)
            case float() as seconds if doing is not None:
                pipe.send(_timed(doing, seconds))
            case "memory" if doing is not None:
                highest = resident()
                kept = 0 if doing.keeps is None else doing.keeps()
                pipe.send(Memory(kept + peak(doing.run, keeps=keeps) if doing.torchs else None, highest))
            case "ready":
                pipe.send("ready")
            case _:
                return


class Worker:
    """Starts the process, asks it, and ends it where the ``with`` ends."""

    def __init__(self, opponent: Opponent, surroundings: Surroundings) -> None:
        context = get_context("spawn")
        self._opponent = opponent
        self._pipe, theirs = context.Pipe()
        arguments = (theirs, opponent, surroundings.threads)
        self._process = context.Process(target=_serve, args=arguments, daemon=True)
        with patch.dict(os.environ, surroundings.variables()):
            self._process.start()
        theirs.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def ready(self) -> None:
        """Wait until the process has imported all it needs."""
        self._ask("ready")

    def prepare(self, case: Case) -> Prepared:
        """Build the network, and make the first steps, or restore the image once."""
        found = self._ask(case)
        assert isinstance(found, Prepared)
        return found

    def time(self, seconds: float) -> float:
        """Work for some seconds, and return the mean time of a step or an image."""
        return float(self._ask(seconds))

    def memory(self) -> Memory:
        """Run once more, and return how much memory that takes."""
        found = self._ask("memory")
        assert isinstance(found, Memory)
        return found

    def stop(self) -> None:
        """End the process, if it has not ended."""
        with suppress(BrokenPipeError):
            self._pipe.send("stop")
        self._process.join()

    def _ask(self, question: object) -> Any:
        """Wait for an answer.

        Raises:
            RuntimeError: if the process fails.
        """
        try:
            self._pipe.send(question)
            return self._pipe.recv()
        except (EOFError, BrokenPipeError):
            raise RuntimeError(f"{self._opponent} failed; its own error stands above") from None
