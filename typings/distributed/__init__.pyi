from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any, Literal, TypeVar

_T = TypeVar("_T")

class KilledWorker(Exception):  # noqa: N818 - its name in Dask
    def __init__(self, task: object, last_worker: object, allowed_failures: int) -> None: ...

class Security:
    def __init__(self, require_encryption: bool | None = None, **kwargs: object) -> None: ...
    def get_connection_args(self, role: str) -> dict[str, object]: ...

class Client:
    status: str
    def __init__(
        self,
        address: str | None = None,
        loop: object = None,
        timeout: float | str | object = ...,
        set_as_default: bool = True,
        scheduler_file: str | None = None,
        security: object = None,
        asynchronous: bool = False,
        name: str | None = None,
        heartbeat_interval: object = None,
        serializers: object = None,
        deserializers: object = None,
        extensions: Any = ...,
        direct_to_workers: bool | None = None,
        connection_limit: int = 512,
        **kwargs: object,
    ) -> None: ...
    def close(self, timeout: float | str | object = ...) -> None: ...
    def get_executor(self, **kwargs: object) -> Executor: ...
    def nthreads(self, workers: list[str] | None = None) -> dict[str, int]: ...
    def run(
        self,
        function: Callable[..., _T],
        *args: object,
        workers: list[str] | None = None,
        wait: bool = True,
        nanny: bool = False,
        on_error: Literal["raise", "return", "ignore"] = "raise",
        **kwargs: object,
    ) -> dict[str, _T]: ...
    def wait_for_workers(self, n_workers: int, timeout: float | None = None) -> None: ...
