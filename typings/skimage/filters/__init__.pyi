from collections.abc import Sequence
from typing import Literal, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

_Float = TypeVar("_Float", np.float32, np.float64)
_Mode: TypeAlias = Literal["reflect", "constant", "nearest", "mirror", "wrap"]

def gaussian(
    image: NDArray[_Float],
    sigma: float | Sequence[float] = 1.0,
    *,
    mode: _Mode = "nearest",
    cval: float = 0,
    preserve_range: bool = False,
    truncate: float = 4.0,
    channel_axis: int | None = None,
    out: NDArray[_Float] | None = None,
) -> NDArray[_Float]: ...
def median(
    image: NDArray[_Float],
    footprint: NDArray[np.bool_] | None = None,
    out: NDArray[_Float] | None = None,
    mode: _Mode = "nearest",
    cval: float = 0.0,
    behavior: Literal["ndimage"] = "ndimage",  # "rank" takes unsigned integers
) -> NDArray[_Float]: ...
