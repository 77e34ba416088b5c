"""Run calls at the same time, in turns of one line of Python each: what they can do to each other, they do every time."""

import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from threading import Semaphore
from types import FrameType
from typing import Any, TypeVar

T = TypeVar("T")

__all__ = ["in_turns"]

_PATIENCE = 0.02
"""Seconds after which a thread goes on without its turn: the one whose turn it is may wait for a lock that this one has."""


_SHORT, _SELDOM = 200, 16
"""After so many lines only one in so many ends a turn, for the sake of long calls."""


class _Turns:
    """Passes the turn on, from thread to thread and round again."""

    def __init__(self, threads: int) -> None:
        self._running = [True] * threads
        self._turns = [Semaphore(0) for _ in range(threads)]
        self._turns[0].release()

    def wait(self, me: int) -> None:
        self._turns[me].acquire(timeout=_PATIENCE)

    def pass_on(self, me: int) -> None:
        following = [*range(me + 1, len(self._turns)), *range(me)]
        other = next((index for index in following if self._running[index]), None)
        if other is not None:
            self._turns[other].release()
            if self._running[me]:
                self.wait(me)

    def leave(self, me: int) -> None:
        self._running[me] = False
        self.pass_on(me)


def in_turns(calls: Sequence[Callable[[], T]]) -> list[T]:
    """Make each call in a thread of its own, and return their results.

    Example:
        >>> order = []
        >>> def run(name):
        ...     for number in range(2):
        ...         order.append((name, number))
        >>> _ = in_turns([lambda: run("a"), lambda: run("b")])
        >>> order
        [('a', 0), ('b', 0), ('a', 1), ('b', 1)]
    """
    turns = _Turns(len(calls))

    def run(me: int) -> T:
        lines = count()

        def trace(_frame: FrameType, _event: str, _argument: Any) -> Any:
            line = next(lines)
            if line < _SHORT or line % _SELDOM == 0:
                turns.pass_on(me)
            return trace

        turns.wait(me)
        sys.settrace(trace)  # of this thread
        try:
            return calls[me]()
        finally:
            sys.settrace(None)
            turns.leave(me)

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, range(len(calls))))
