"""Cut images into pieces, the independent samples of an inspection."""

import math
from collections.abc import Iterator

from torch import Tensor

_PIECES = 64  # as many as there are images, or at least this many where their size allows
FEWEST_PIECES = 16
PIECE_SIZE = 8  # pixels, the smallest
_VALUES_AT_ONCE = 2**18  # in float64; a chunk stays in the cache


def cut_into_pieces(images: Tensor) -> Tensor:
    """Cut each image into equal pieces, of which there are 64 in all where the size allows; the rest is left out."""
    batch, channels, height, width = images.shape
    down = min(math.ceil(math.sqrt(_PIECES / batch)), height // PIECE_SIZE)
    across = min(math.ceil(_PIECES / (batch * down)), width // PIECE_SIZE)
    down = min(math.ceil(_PIECES / (batch * across)), height // PIECE_SIZE)
    if batch * down * across < FEWEST_PIECES:
        raise ValueError(
            f"first is too small to judge: {batch} image(s) of {height}x{width} pixels make {batch * down * across} "
            f"piece(s) of {PIECE_SIZE}x{PIECE_SIZE} or more, and {FEWEST_PIECES} are needed: pass more or larger pairs"
        )
    size = (height // down, width // across)
    cut = images[..., : down * size[0], : across * size[1]]
    cut = cut.reshape(batch, channels, down, size[0], across, size[1]).permute(0, 2, 4, 1, 3, 5)
    return cut.reshape(batch * down * across, channels, *size).contiguous()


def chunks(a: Tensor, b: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Pieces of both in float64, a bounded number of values at a time."""
    step = max(1, _VALUES_AT_ONCE // a[0].numel())
    return ((a[i : i + step].double(), b[i : i + step].double()) for i in range(0, len(a), step))
