from typing import Literal

import numpy as np
from numpy.typing import NDArray

def structural_similarity(
    im1: NDArray[np.floating],
    im2: NDArray[np.floating],
    *,
    win_size: int | None = None,
    gradient: Literal[False] = False,  # True would return a tuple
    data_range: float | None = None,
    channel_axis: int | None = None,
    gaussian_weights: bool = False,
    full: Literal[False] = False,  # True would return a tuple
    **kwargs: float,  # K1, K2, sigma, use_sample_covariance
) -> np.float64: ...
def peak_signal_noise_ratio(
    image_true: NDArray[np.floating], image_test: NDArray[np.floating], *, data_range: float | None = None
) -> np.float64: ...
