"""Pairs of noisy images, as they are stored and as they are learned from."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import torch
from jaxtyping import Float32, Int64, UInt8
from torch import Tensor

from n2nfun.data.noise import NoiseModel, Subsample
from n2nfun.data.noise.crop import as_size, as_values, check_photograph, draw_integer
from n2nfun.data.noise.protocol import Photo


class PairsError(ValueError):
    """Pairs that do not fit together, or a file of pairs that cannot be read."""


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Noisy images, two of each scene, and the clean ones where they are known.

    Stored as bytes, or as float32 values where bytes would not hold them; indexing makes float32 values in [0, 1] of
    the chosen ones (noisy values may leave that range).

    Attributes:
        first: One noisy image of each scene.
        second: The other one, independent of the first given the scene.
        clean: What the noise was laid over. None in earnest: then it is not known.

    Raises:
        PairsError: If shapes or dtypes do not agree, or are others than these.

    Example:
        >>> pairs = Pairs(torch.zeros(9, 3, 32, 32), torch.ones(9, 3, 32, 32))
        >>> len(pairs), pairs[torch.tensor([4, 0])].second.shape
        (9, torch.Size([2, 3, 32, 32]))
    """

    first: Float32[Tensor, "pairs channels height width"] | UInt8[Tensor, "pairs channels height width"]
    second: Float32[Tensor, "pairs channels height width"] | UInt8[Tensor, "pairs channels height width"]
    clean: Float32[Tensor, "pairs channels height width"] | UInt8[Tensor, "pairs channels height width"] | None = None

    def __post_init__(self) -> None:
        if self.first.dtype not in {torch.uint8, torch.float32}:
            raise PairsError(f"first is {self.first.dtype}; expected torch.uint8, or torch.float32 in [0, 1]")
        if self.first.ndim != 4 or self.first.shape[1] not in {1, 3} or 0 in self.first.shape[2:]:
            raise PairsError(
                f"first has shape {tuple(self.first.shape)}; expected (pairs, channels, height, width) "
                "with 1 or 3 channels, and a height and a width of at least 1"
            )
        for name, other in (("second", self.second), ("clean", self.clean)):
            if other is not None and (other.shape, other.dtype) != (self.first.shape, self.first.dtype):
                raise PairsError(
                    f"{name} is {other.dtype} of shape {tuple(other.shape)}; expected {self.first.dtype} of shape "
                    f"{tuple(self.first.shape)}, as first"
                )

    def __len__(self) -> int:
        return len(self.first)

    def __getitem__(self, indices: slice | Int64[Tensor, " batch"]) -> "Pairs":
        """The chosen pairs, as float32 values.

        Raises:
            IndexError: If an index is outside of the pairs. Negative ones count from the end.
        """
        if isinstance(indices, Tensor):
            outside = indices[(indices < -len(self)) | (indices >= len(self))]
            if outside.numel():
                raise IndexError(f"index {int(outside[0])} is outside of the {len(self)} pairs")
        return Pairs(
            as_values(self.first[indices]),
            as_values(self.second[indices]),
            None if self.clean is None else as_values(self.clean[indices]),
        )

    def part(self, start: int, stop: int) -> "Pairs":
        """The pairs from start up to, not including, stop, as they are stored: views, nothing is copied.

        Example:
            >>> pairs = Pairs(torch.zeros(9, 3, 4, 4), torch.ones(9, 3, 4, 4))
            >>> len(pairs.part(0, 7)), len(pairs.part(7, 9))
            (7, 2)
        """
        clean = None if self.clean is None else self.clean[start:stop]
        return Pairs(self.first[start:stop], self.second[start:stop], clean)


def make_pairs(
    photographs: Sequence[Photo],
    noise: NoiseModel,
    count: int,
    size: int | tuple[int, int],
    generator: torch.Generator,
) -> Pairs:
    """Make pairs from photographs: for each, a photograph drawn uniformly, a random crop of it, and noise twice.

    Where the noise takes its values from the photographs (`Subsample`) and those are of 8 bits, the pairs are stored as
    bytes, a quarter of the space: exact for the noisy images, and the clean ones rounded to the nearest of 255 steps,
    as the course's files have it. Otherwise they are stored as float32.

    Args:
        photographs: Bytes, or values in [0, 1]; sizes may differ, channels may not.
        noise: The noise model.
        count: How many pairs, at least 1.
        size: Height and width of each, or one number for both.
        generator: The only source of randomness: the same state gives the same pairs.

    Raises:
        PairsError: If there are no photographs, if grey and colour are mixed, if count is below 1, or if there is no
            memory for so many pairs.
        NoiseError: If a photograph is too small for the noise at this size.

    Example:
        >>> from n2nfun.data import parse_noise, training_photographs
        >>> generator = torch.Generator().manual_seed(0)
        >>> pairs = make_pairs(training_photographs(), parse_noise("subsample:8-14"), 5, 32, generator)
        >>> len(pairs), pairs.first.dtype, pairs[:2].first.dtype
        (5, torch.uint8, torch.float32)
    """
    if not photographs:
        raise PairsError("there are no photographs; expected at least one")
    if count < 1:
        raise PairsError(f"count is {count}; expected at least 1")
    height, width = as_size(size)
    for photograph in photographs:
        check_photograph(photograph)
    channels = {photograph.shape[0] for photograph in photographs}
    if len(channels) > 1:
        raise PairsError(
            f"the photographs have {sorted(channels)} channels; expected one kind: all grey, or all colour"
        )
    for photograph in {photograph.shape: photograph for photograph in photographs}.values():
        # Whether the noise fits is for the noise to say: before memory is asked for, and from no randomness of the caller's.
        noise.pair(photograph, (height, width), torch.Generator())
    in_bytes = isinstance(noise, Subsample) and all(_has_eight_bits(photograph) for photograph in photographs)
    shape = (count, channels.pop(), height, width)
    first, second, clean = _three(shape, torch.uint8 if in_bytes else torch.float32)
    for index in range(count):
        photograph = photographs[draw_integer(0, len(photographs) - 1, generator)]
        pair = noise.pair(photograph, (height, width), generator)
        for stored, image in ((first, pair.first), (second, pair.second), (clean, pair.clean)):
            stored[index] = image * 255 + 0.5 if in_bytes else image  # a byte cuts the fraction off: that rounds
    return Pairs(first, second, clean)


def _three(shape: tuple[int, int, int, int], dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    """Three empty tensors, asked for at once: each alone might be granted where there is no memory for all."""
    try:
        first, second, clean = torch.empty((3, *shape), dtype=dtype)
    except (RuntimeError, MemoryError, TypeError):  # TypeError: a count that does not fit 64 bits
        count, _, height, width = shape
        gib = -(-3 * prod(shape) * dtype.itemsize // 2**30)
        raise PairsError(
            f"{count} pairs of {height}x{width} need {gib} GiB, more than there is: use fewer or smaller ones"
        ) from None
    return first, second, clean


def _has_eight_bits(photograph: Photo) -> bool:
    """Whether every value is one of the 256 that a byte can hold."""
    if photograph.dtype == torch.uint8:
        return True
    return torch.equal((photograph * 255).round() / 255, photograph)
