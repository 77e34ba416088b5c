"""Batches of pairs in an order, and with augmentation, that are functions of the seed and the step alone."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Int64
from torch import Tensor

from n2nfun.data.pairs import Pairs
from n2nfun.train import Batch

__all__ = ["Augmentation", "BatchOrder"]


@dataclass(frozen=True, slots=True)
class Augmentation:
    """What is done to a batch at random, alike to inputs and targets."""

    flips: bool = True
    """Mirror left and right, with probability 1/2."""
    turns: bool = True
    """Turn by 0, 90, 180 or 270 degrees; images that are not square by 0 or 180."""
    swap: bool = True
    """Let first and second change roles, with probability 1/2. Not for pairs of which only one is noisy."""
    crop: int | None = None
    """Height and width of a random part of each image; None for the whole."""

    def __post_init__(self) -> None:
        if self.crop is not None and self.crop < 1:
            raise ValueError(f"crop is {self.crop}, expected at least 1, or None")

    def __call__(self, first: Tensor, second: Tensor, generator: torch.Generator) -> Batch:
        """Augment one batch (batch, channels, height, width).

        Raises:
            ValueError: if the crop is larger than the images.
        """
        height, width = first.shape[2:]
        # All is drawn whether used or not: one switch does not change what another draws.
        flip, swap, turn = (int(torch.randint(high, (), generator=generator)) for high in (2, 2, 4))
        if self.swap and swap:
            first, second = second, first
        if self.crop is not None:
            if self.crop > min(height, width):
                raise ValueError(f"crop is {self.crop}, expected at most {min(height, width)}, the size of the images")
            rows = torch.randint(height - self.crop + 1, (len(first),), generator=generator)
            columns = torch.randint(width - self.crop + 1, (len(first),), generator=generator)
            first, second = (_crop(images, rows, columns, self.crop) for images in (first, second))
        if self.turns:
            times = turn if first.shape[2] == first.shape[3] else 2 * (turn % 2)
            first, second = (torch.rot90(images, times, (2, 3)) for images in (first, second))
        if self.flips and flip:
            first, second = first.flip(3), second.flip(3)
        return Batch(first, second)


def _crop(images: Tensor, rows: Tensor, columns: Tensor, size: int) -> Tensor:
    """Cut a square out of each image at its own place."""
    down, across = (start[:, None] + torch.arange(size) for start in (rows, columns))
    chosen = torch.arange(len(images))[:, None, None]
    return images[chosen, :, down[:, :, None], across[:, None, :]].permute(0, 3, 1, 2)


@dataclass(frozen=True, slots=True, eq=False)
class BatchOrder:
    """The batches of endless epochs: each epoch takes every pair once, in a new order.

    The batch of a step depends on the seed and the step alone, so training goes on after an interruption as if there had
    been none.

    Args:
        pairs: The pairs to learn from.
        batch_size: Pairs in a batch; the last batch of an epoch has what is left.
        seed: Of the order and the augmentation.
        augmentation: What is done to each batch; None for nothing.

    Raises:
        ValueError: if there are no pairs, or batch_size is below 1.

    Example:
        >>> pairs = Pairs(torch.rand(5, 1, 4, 4), torch.rand(5, 1, 4, 4))
        >>> order = BatchOrder(pairs, 2, seed=0)
        >>> order.steps_per_epoch, [len(order.batch(step).x) for step in range(4)]
        (3, [2, 2, 1, 2])
    """

    pairs: Pairs
    batch_size: int
    seed: int
    augmentation: Augmentation | None = None

    def __post_init__(self) -> None:
        if len(self.pairs) == 0:
            raise ValueError("pairs is empty, expected at least one pair")
        if self.batch_size < 1:
            raise ValueError(f"batch_size is {self.batch_size}, expected at least 1")

    @property
    def steps_per_epoch(self) -> int:
        """How many batches take every pair once."""
        return -(-len(self.pairs) // self.batch_size)

    def batch(self, step: int) -> Batch:
        """Return the batch of a step, counted from 0."""
        epoch, index = divmod(step, self.steps_per_epoch)
        return self._batch(step, self._order(epoch)[index * self.batch_size :][: self.batch_size])

    def batches(self, start: int = 0) -> Iterator[Batch]:
        """Return the batches from a step on, without end: those of :meth:`batch`, with one order made per epoch."""
        epoch, index = divmod(start, self.steps_per_epoch)
        while True:
            for chosen in torch.split(self._order(epoch), self.batch_size)[index:]:
                yield self._batch(start, chosen)
                start += 1
            epoch, index = epoch + 1, 0

    def _order(self, epoch: int) -> Int64[Tensor, " pairs"]:
        return torch.randperm(len(self.pairs), generator=_generator(self.seed, 0, epoch))

    def _batch(self, step: int, chosen: Tensor) -> Batch:
        pairs = self.pairs[chosen]
        if self.augmentation is None:
            return Batch(pairs.first, pairs.second)
        return self.augmentation(pairs.first, pairs.second, _generator(self.seed, 1, step))


def _generator(seed: int, stream: int, index: int) -> torch.Generator:
    """Return the generator of one stream of randomness at one index.

    A linear congruential step spreads seeds that are near each other; the generator's own seeding mixes them.
    """
    mixed = (seed * 6364136223846793005 + stream * 1442695040888963407 + index * 2862933555777941757) % 2**63
    return torch.Generator().manual_seed(mixed)
