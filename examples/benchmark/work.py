"""What an opponent returns for a case: something to do over and over."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Made: TypeAlias = list[NDArray[np.float32]]
"""Of training steps the last one's loss, and all parameters in the order of the layers; of restoring the image."""


@dataclass(frozen=True)
class Work:
    """What an opponent does over and over."""

    run: Callable[[], Any]
    """Makes a step, or restores the image, and returns the loss or the image."""
    made: Callable[[Any], Made]
    """Returns what must agree, given what the last run returned."""
    wait: Callable[[], object] | None = None
    """Waits for what the last run began, where it returns before it is done."""
    keeps: Callable[[], int] | None = None
    """Tells how many bytes of tensors it keeps between its runs for their sake alone, where it does."""
    torchs: bool = True
    """Whether its memory is that of torch's tensors."""
