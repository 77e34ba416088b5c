"""Inputs of a program that it reads where they are, rather than from a copy: another tensor at each run.

Torch's operations are bound to tensors, and a tensor can be told to look at other memory. For a few, as they look at a
batch, that takes less time than to copy it; for the many that look at parameters it takes longer.
"""

from collections.abc import Iterable

from torch import Tensor

from n2nfun.addresses import fills_registers
from n2nfun.capture.memory import side_by_side
from n2nfun.capture.recording import memory_of

__all__ = ["Borrowed"]


class Borrowed:
    """An input, and all tensors of a program that look at it.

    Args:
        recorded: What the program was recorded with, in memory of its own.
        looking: Tensors, among which are those that look at it.
    """

    def __init__(self, recorded: Tensor, looking: Iterable[Tensor]) -> None:
        memory = memory_of(recorded)
        own = {id(one): one for one in looking if memory_of(one) == memory}
        self._views = [(one, int(one.storage_offset()), one.shape, one.stride()) for one in own.values()]
        self._address = recorded.data_ptr()

    def read(self, tensor: Tensor) -> None:
        """Look at a tensor of the same shape, strides and dtype, and keep it until the next one is looked at."""
        address = tensor.data_ptr()
        if address != self._address:
            alike = fills_registers(tensor)  # as the recorded one: sums round by it
            self._address = address if alike else -1
            self._look_at(tensor if alike else side_by_side([tensor])[0])

    def _look_at(self, tensor: Tensor) -> None:
        memory, begin = tensor.untyped_storage(), int(tensor.storage_offset())
        for view, offset, shape, strides in self._views:
            view.set_(memory, begin + offset, shape, strides)
