from os import PathLike
from types import TracebackType
from typing import Self, final

from torch import Tensor

class SafetensorError(Exception): ...

@final
class safe_open:  # noqa: N801 - its name there
    def __new__(
        cls,
        filename: str | PathLike[str],
        framework: str,
        device: str | int | None = ...,
        *,
        backend: str | None = ...,
    ) -> Self: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self, _exc_type: type[BaseException] | None, _exc_value: BaseException | None, _traceback: TracebackType | None
    ) -> None: ...
    def metadata(self) -> dict[str, str] | None: ...
    def keys(self) -> list[str]: ...
    def get_tensor(self, name: str) -> Tensor: ...
