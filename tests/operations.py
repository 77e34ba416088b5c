"""Which operations of PyTorch a call runs."""

from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode


class Operations(TorchDispatchMode):  # type: ignore[no-untyped-call]  # PyTorch does not type it
    """Records the operations that PyTorch runs."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # nor this  # pyright: ignore[reportUnknownMemberType]
        self.names: set[str] = set()
        self.made: list[tuple[str, int | None]] = []
        """Each operation, and how many dimensions its result has, where that is a tensor."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names.add(str(func))
        found = func(*args, **(kwargs or {}))
        self.made.append((str(func), found.ndim if isinstance(found, Tensor) else None))
        return found
