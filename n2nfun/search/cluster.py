"""Workers on other machines: a Dask cluster that is there already, by its ``concurrent.futures`` face."""

from collections.abc import Generator
from concurrent.futures import Executor, Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from n2nfun.search.errors import SearchError
from n2nfun.search.tasks import Task
from n2nfun.search.versions import difference, versions

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["ClusterWorkers", "dask_cluster"]

_PATIENCE = 30
"""Seconds to wait for a scheduler, and for a first worker."""
_GOODBYE = 5
"""Seconds to wait for a scheduler to take note that the search is done."""


@dataclass(slots=True)
class ClusterWorkers:
    """The workers of a Dask cluster, which belong to whoever started them: they stay when the search ends."""

    address: str
    count: int
    _client: "Client"
    _executor: Executor

    def submit(self, task: Task) -> Future[None]:
        """Start a task."""
        return self._executor.submit(task)

    def renew(self) -> None:
        """Refuse: a cluster's workers are its owner's to start.

        Raises:
            SearchError: always.
        """
        raise self._lost()

    def check(self) -> None:
        """Look for the scheduler, and count the workers, who come and go.

        Raises:
            SearchError: if the scheduler is gone.
        """
        if self._client.status != "running":
            raise self._lost()
        try:
            self.count = max(1, _threads(self._client))
        except OSError:
            raise self._lost() from None

    def died(self, error: BaseException) -> bool:
        """Tell whether a task's error says that its processes died: Dask tries a few times by itself."""
        from distributed import KilledWorker  # noqa: PLC0415 - of the extra `cluster`

        return isinstance(error, KilledWorker)

    def _lost(self) -> SearchError:
        return SearchError(
            f"the cluster at {self.address} is gone: start it and run the search again, it goes on from here"
        )


@contextmanager
def dask_cluster(address: str) -> Generator[ClusterWorkers]:
    """Give the workers of a cluster.

    Args:
        address: Of its scheduler, as ``tcp://127.0.0.1:8786``, or ``tls://…`` with Dask configured for it.

    Raises:
        SearchError: if it cannot be reached, has no workers, or they have other versions than this process.
    """
    try:
        from distributed import Client, Security  # noqa: PLC0415 - of the extra `cluster`
    except ImportError as error:
        raise SearchError(f"--cluster needs Dask ({error}): pip install 'n2nfun[cluster]'") from None
    try:
        # Asked before, as a client that cannot begin takes a minute to end.
        encrypted = Security().get_connection_args("client").get("ssl_context") is not None
    except OSError as error:
        raise SearchError(f"--cluster is {address}: Dask's certificate or key cannot be read ({error})") from None
    if address.startswith("tls://") and not encrypted:
        raise SearchError(
            f"--cluster is {address}, but Dask is not told which certificate and key to use: see its TLS settings"
        )
    try:
        client = Client(address, timeout=_PATIENCE, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        raise SearchError(f"--cluster is {address}: no scheduler answers there ({error})") from None
    try:
        try:
            client.wait_for_workers(1, timeout=_PATIENCE)
        except TimeoutError:
            raise SearchError(
                f"the cluster at {address} has no workers: start some with dask worker {address}"
            ) from None
        _check_versions(client, address)
        yield ClusterWorkers(address, _threads(client), client, client.get_executor(pure=False))
    finally:
        with suppress(OSError):  # of a scheduler that is gone, which is told already
            client.close(timeout=_GOODBYE)


def _threads(client: "Client") -> int:
    """Count the tasks that the workers run at a time."""
    return sum(client.nthreads().values())


def _check_versions(client: "Client", address: str) -> None:
    try:
        found = client.run(versions)
    except Exception as error:  # noqa: BLE001 - whatever unpickling there came to
        raise SearchError(f"the workers at {address} cannot run n2nfun ({type(error).__name__}: {error})") from None
    for worker, theirs in found.items():
        other = difference(theirs)
        if other is not None:
            raise SearchError(
                f"{worker} has {other.name} {other.theirs}, expected {other.own}, as here: results would differ"
            )
