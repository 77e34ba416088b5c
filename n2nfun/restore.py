"""Restoring images of any size: pad to what the network takes, run it tile by tile, cut the padding off."""

from itertools import product
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from n2nfun.arguments import check_int
from n2nfun.layer import P
from n2nfun.models import Model

__all__ = ["restore"]


def restore(
    model: Model[P, Any], params: P, images: Float[Tensor, "batch channels height width"], *, tile: int = 512
) -> Float[Tensor, "batch channels height width"]:
    """Run a model on whole images of any height and width, and clip the result to [0, 1].

    Images larger than a tile are computed in tiles, each with the model's halo around it, so that no output misses input
    that it depends on: the tiling does not show, and memory stays that of a tile. At the image's own borders, pixels are
    mirrored where the model needs a multiple of some size. Grey images given to a colour model are computed as three
    equal channels, and averaged; colour images given to a grey model channel by channel.

    Args:
        model: The network, and its halo.
        params: The network's parameters.
        images: Noisy images in [0, 1]; values outside, as noise makes them, are welcome.
        tile: Height and width of a tile without its halo, rounded up to the model's multiple.

    Raises:
        TypeError: if images is not a tensor of floats, or of another dtype than params, or tile is not an int.
        ValueError: if images does not have four dimensions and 1 or 3 channels, or tile is not positive.

    Example:
        >>> import torch
        >>> from n2nfun.models import paper
        >>> model = paper()
        >>> params = model.layer.init(torch.Generator().manual_seed(0))
        >>> restore(model, params, torch.rand(1, 3, 33, 50)).shape
        torch.Size([1, 3, 33, 50])
    """
    if not isinstance(images, Tensor) or not images.is_floating_point():
        what = images.dtype if isinstance(images, Tensor) else type(images).__name__
        raise TypeError(f"images is {what}, expected a tensor of floats in [0, 1]")
    if images.dim() != 4 or images.shape[1] not in {1, 3}:
        raise ValueError(f"images has shape {tuple(images.shape)}, expected (batch, 1 or 3 channels, height, width)")
    check_int("tile", tile)
    if images.numel() == 0:
        return images.detach().clone()
    batch, channels, height, width = images.shape
    if channels == model.channels:
        return _restore_tiles(model, params, images, tile)
    if channels == 1:
        return _restore_tiles(model, params, images.expand(batch, 3, height, width), tile).mean(1, keepdim=True)
    apart = images.reshape(batch * channels, 1, height, width)
    return _restore_tiles(model, params, apart, tile).reshape(images.shape)


def _restore_tiles(model: Model[P, Any], params: P, images: Tensor, tile: int) -> Tensor:
    height, width = images.shape[2:]
    step = _round_up(tile, model.multiple)
    halo = _round_up(model.halo, model.multiple)
    out = torch.empty_like(images, memory_format=torch.contiguous_format)
    for top, left in product(range(0, height, step), range(0, width, step)):
        rows = _window(top, step, halo, height, model.multiple)
        columns = _window(left, step, halo, width, model.multiple)
        part = images[:, :, rows][:, :, :, columns]
        y = model.layer.apply(params, part)
        first_row, first_column = min(top, halo), min(left, halo)
        target = out[:, :, top : top + step, left : left + step]
        target.copy_(
            y[:, :, first_row : first_row + target.shape[2], first_column : first_column + target.shape[3]].clamp(0, 1)
        )
    return out


def _round_up(size: int, multiple: int) -> int:
    return -(-size // multiple) * multiple


def _window(start: int, step: int, halo: int, size: int, multiple: int) -> Tensor:
    """Return the indices that a tile reads: its halo inside the image, then mirrored ones up to the next multiple."""
    first = max(0, start - halo)
    last = min(size, start + step + halo)
    indices = torch.arange(first, first + _round_up(last - first, multiple))
    period = max(2 * size - 2, 1)
    folded = indices % period  # a mirrored image repeats: 0 1 2 3 2 1 | 0 1 2 3 …
    return torch.where(folded < size, folded, period - folded)
