"""Which operations of PyTorch a call runs."""

from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode


class Operations(TorchDispatchMode):  # type: ignore[no-untyped-call]  # PyTorch does not type it
    """Records the names of the operations that PyTorch runs."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # nor this  # pyright: ignore[reportUnknownMemberType]
        self.names: set[str] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names.add(str(func))
        return func(*args, **(kwargs or {}))
