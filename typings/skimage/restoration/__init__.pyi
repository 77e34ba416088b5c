from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

_Float = TypeVar("_Float", np.float32, np.float64)

def denoise_nl_means(
    image: NDArray[_Float],
    patch_size: int = 7,
    patch_distance: int = 11,
    h: float = 0.1,
    fast_mode: bool = True,
    sigma: float = 0.0,
    *,
    preserve_range: bool = False,
    channel_axis: int | None = None,
) -> NDArray[_Float]: ...
def denoise_tv_chambolle(
    image: NDArray[_Float],
    weight: float = 0.1,
    eps: float = 2.0e-4,
    max_num_iter: int = 200,
    *,
    channel_axis: int | None = None,
) -> NDArray[_Float]: ...
