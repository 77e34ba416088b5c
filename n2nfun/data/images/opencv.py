"""OpenCV's part: 16-bit colour, which Pillow would cut to 8 bits. From and to bytes, so that any file name works."""

from collections.abc import Generator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray


def decode_sixteen_bits(data: bytes) -> NDArray[np.uint16] | None:
    """The samples (height, width, channels) of an RGB or RGBA file of 16 bits, or None if it is something else."""
    import cv2  # noqa: PLC0415 - only 16-bit files pay for OpenCV

    with _silent():
        try:
            samples = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), cv2.IMREAD_UNCHANGED)
        except cv2.error:
            return None
    if samples is None or samples.dtype != np.uint16 or samples.ndim != 3:
        return None
    return _reversed_colours(samples.astype(np.uint16, copy=False))


def encode_sixteen_bits(suffix: str, samples: NDArray[np.uint16]) -> bytes | None:
    """The bytes of a PNG or TIFF file with 1, 3 or 4 channels of 16 bits, or None where OpenCV cannot."""
    import cv2  # noqa: PLC0415 - only 16-bit files pay for OpenCV

    with _silent():
        try:
            done, encoded = cv2.imencode(suffix, _reversed_colours(samples))
        except cv2.error:
            return None
    return encoded.tobytes() if done else None


def _reversed_colours(samples: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """Exchange red and blue: OpenCV's order of channels is BGR(A)."""
    channels = samples.shape[2]
    return samples if channels == 1 else samples[:, :, [2, 1, 0, 3][:channels]]


@contextmanager
def _silent() -> Generator[None]:
    """Keep OpenCV from printing to the terminal: what fails is reported by our own error."""
    from cv2.utils import logging  # noqa: PLC0415 - only 16-bit files pay for OpenCV

    before = logging.getLogLevel()
    logging.setLogLevel(logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        logging.setLogLevel(before)
