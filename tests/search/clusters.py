"""Dask clusters as processes of their own."""

import json
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.search.processes import start_python, stop, until

QUIET = {
    "DASK_DISTRIBUTED__LOGGING__DISTRIBUTED": "critical",  # of the workers that are killed
    "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "2",
    "DASK_DISTRIBUTED__ADMIN__LOW_LEVEL_LOG_LENGTH": "0",
    "OMP_NUM_THREADS": "1",
}

LOCAL_CLUSTER = """
import json, sys, threading
from distributed import LocalCluster
if __name__ == "__main__":
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        with open(sys.argv[1], "w") as file:
            json.dump({"address": cluster.scheduler_address}, file)
        threading.Event().wait()
"""


@contextmanager
def local_cluster(folder: Path) -> Generator[str]:
    """Run a LocalCluster of two workers; give its address."""
    file = folder / "cluster.json"
    process = start_python("-c", LOCAL_CLUSTER, str(file), **QUIET)
    try:
        yield _address(file)
    finally:
        stop(process)


@contextmanager
def external_cluster(folder: Path) -> Generator[str]:
    """Run a scheduler and two workers, as a user does, without anybody who restarts them; give the address."""
    file = folder / "scheduler.json"
    scheduler = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--no-jupyter", "--scheduler-file", str(file)]
    worker = ["--nthreads", "1", "--no-nanny", "--no-dashboard", "--local-directory", str(folder)]
    with ExitStack() as stack:
        stack.callback(stop, start_python("-m", "dask", "scheduler", *scheduler, **QUIET))
        address = _address(file)
        for _ in range(2):
            stack.callback(stop, start_python("-m", "dask", "worker", address, *worker, **QUIET))
        yield address


def _address(file: Path) -> str:
    until("no cluster starts", lambda: file.exists() and file.read_text().strip().endswith("}"))
    return str(json.loads(file.read_text())["address"])
