"""Workers on this machine: a pool of processes, each of one thread."""

from collections.abc import Generator
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection

from n2nfun.search.errors import SearchError
from n2nfun.search.tasks import Task
from n2nfun.search.watching import end_with_driver

__all__ = ["PoolWorkers", "process_pool"]

_STARTS = 3
"""Failed ones in a row, after which processes are taken not to start here at all."""


@dataclass(slots=True)
class _Pool:
    """One executor, and the pipe by whose end its processes know that they are to end."""

    executor: ProcessPoolExecutor
    watched: Connection
    held: Connection

    def stop(self) -> None:
        self.held.close()
        self.executor.shutdown(wait=True, cancel_futures=True)
        self.watched.close()  # not before: a process may be starting, and is given it


@dataclass(slots=True)
class PoolWorkers:
    """A pool of processes, made anew when one of them was killed, which breaks it whole."""

    count: int
    _pool: _Pool

    def submit(self, task: Task) -> Future[None]:
        """Start a task."""
        return self._pool.executor.submit(task)

    def renew(self) -> None:
        """Make a new pool; of the broken one, no process is left.

        Raises:
            SearchError: if no process can be started.
        """
        self._pool.stop()
        self._pool = _started(self.count)

    def check(self) -> None:
        """Do nothing: a pool tells by itself when it breaks."""

    def died(self, error: BaseException) -> bool:
        """Tell whether a task's error says that its process died."""
        return isinstance(error, BrokenExecutor)

    def stop(self) -> None:
        """End the processes, whatever they do."""
        self._pool.stop()


@contextmanager
def process_pool(count: int) -> Generator[PoolWorkers]:
    """Give as many worker processes, which end with the context, or with this process.

    Raises:
        SearchError: if no process can be started.
    """
    workers = PoolWorkers(count, _started(count))
    try:
        yield workers
    finally:
        workers.stop()


def _started(count: int) -> _Pool:
    """Start processes until one of them answers: those that cannot even start are no task's fault."""
    for _ in range(_STARTS):
        # Not forked: the driver has threads, and a fork would hold the pipe's other end open in every worker.
        context = get_context("spawn")
        watched, held = context.Pipe(duplex=False)
        executor = ProcessPoolExecutor(count, mp_context=context, initializer=end_with_driver, initargs=(watched,))
        pool = _Pool(executor, watched, held)
        try:
            executor.submit(_nothing).result()
        except BrokenExecutor:
            pool.stop()
        except BaseException:  # Ctrl-C while it starts
            pool.stop()
            raise
        else:
            return pool
    raise SearchError(f"worker processes end as soon as they start, {_STARTS} times in a row: is memory short?")


def _nothing() -> None:
    """Show that a process has started."""
