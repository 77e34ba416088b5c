"""One random pixel of each block of a larger photograph."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from n2nfun.data.noise.crop import as_size, as_values, check_photograph, draw_crop, draw_integer
from n2nfun.data.noise.protocol import Image, NoiseError, NoisyPair, Photo, Statistic
from n2nfun.data.noise.textual import range_text, read_range


@dataclass(frozen=True, slots=True)
class Subsample:
    """Subsampling without a filter: clean is the k x k block mean, noisy ONE uniformly random pixel of each block.

    The same pixel for all channels. k is drawn uniformly from ``low`` to ``high``, or to the largest that fits the
    photograph, once per pair. The two noisy images are drawn independently, so that they agree at one pixel in k**2.

    Keeps the mean, exactly: the expectation of a uniformly drawn pixel is the mean of its block. Hence L2. The noise
    is independent between pixels, and strong where the photograph has edges or texture.

    Attributes:
        low: The smallest k, at least 2.
        high: The largest k.

    Raises:
        NoiseError: If not 2 <= low <= high.

    Example:
        >>> pair = Subsample(8, 14).pair(torch.rand(3, 300, 450), 32, torch.Generator().manual_seed(0))
        >>> pair.first.shape, pair.clean.shape
        (torch.Size([3, 32, 32]), torch.Size([3, 32, 32]))
        >>> str(Subsample(8, 14))
        'subsample:8-14'
    """

    low: int
    high: int

    form: ClassVar[str] = "subsample:8-14 or subsample:8 (pixels of a photograph to one of the image)"
    keeps: ClassVar[Statistic] = Statistic.MEAN
    because: ClassVar[str] = "since the average pixel of a block is the mean of the block"

    def __post_init__(self) -> None:
        if not 2 <= self.low <= self.high:
            raise NoiseError(f"the scales are {self.low} to {self.high}; expected 2 <= low <= high")

    def __str__(self) -> str:
        return f"subsample:{range_text(self.low, self.high)}"

    @classmethod
    def parse(cls, argument: str) -> "Subsample":
        """The model of what stands behind ``subsample:``.

        Raises:
            ValueError: If that is not a whole number or a range of them.
        """
        low, high = read_range(argument)
        if "." in argument:
            raise NoiseError(f"{argument!r} is not a whole number such as 8 or a range such as 8-14")
        return cls(int(low), int(high))

    def pair(
        self,
        photograph: Photo,
        size: int | tuple[int, int] | None,
        generator: torch.Generator,
    ) -> NoisyPair:
        """Crop k times the size, and take from each block two random pixels and the mean: see `NoiseModel.pair`.

        With size None the crop is as many whole blocks as fit the photograph.

        Raises:
            NoiseError: If the photograph is too small for the smallest k.
        """
        check_photograph(photograph)
        height, width = photograph.shape[1:]
        rows, columns = (1, 1) if size is None else as_size(size)
        largest = min(height // rows, width // columns)
        if largest < self.low:
            raise NoiseError(
                f"the photograph is {height}x{width}, too small for {self} at {rows}x{columns} (height x width): "
                f"that needs {rows * self.low}x{columns * self.low}, and "
                + (f"the largest scale that fits is {largest}" if largest else "no scale fits")
                + "; use larger photographs or a smaller size"
            )
        scale = draw_integer(self.low, min(self.high, largest), generator)
        if size is None:
            rows, columns = height // scale, width // scale
        crop = draw_crop(photograph, rows * scale, columns * scale, generator)
        clean = _block_mean(crop, scale)  # first of all: it brings the crop into the processor's cache
        first, second = _two_of_each_block(crop, scale, generator)
        return NoisyPair(first, second, clean)


# NumPy picks and sums in one thread. PyTorch would wake all of its threads for each of thousands of small crops, and
# wait for the last: ten times slower on a busy machine.


def _two_of_each_block(crop: Photo, scale: int, generator: torch.Generator) -> tuple[Image, Image]:
    """Two images, each of one uniformly random pixel of each block of scale x scale."""
    height, width = crop.shape[1:]
    blocks = (2, height // scale, width // scale)
    rows = torch.arange(0, height, scale).unsqueeze(1) + torch.randint(scale, blocks, generator=generator)
    columns = torch.arange(0, width, scale) + torch.randint(scale, blocks, generator=generator)
    picked = crop.numpy()[:, rows.numpy(), columns.numpy()].swapaxes(0, 1)
    first, second = as_values(torch.as_tensor(picked))
    return first, second


def _block_mean(crop: Photo, scale: int) -> Image:
    """The mean of each block of scale x scale; of bytes, correctly rounded: their sum is exact in float32."""
    channels, height, width = crop.shape
    in_bytes = crop.dtype == torch.uint8
    rows = crop.reshape(channels, height // scale, scale, width).numpy()
    columns = np.add.reduce(rows, axis=2, dtype=np.uint32 if in_bytes else np.float32)
    total = np.add.reduce(columns.reshape(channels, height // scale, width // scale, scale), axis=3)
    return torch.as_tensor(total.astype(np.float32) / np.float32(scale * scale * (255 if in_bytes else 1)))
