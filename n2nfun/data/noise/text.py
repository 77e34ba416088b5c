"""Random text over an image."""

import string
from dataclasses import dataclass
from functools import lru_cache
from math import floor
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from n2nfun.data.noise.crop import corrupted_pair, draw_integer
from n2nfun.data.noise.protocol import NoiseError, NoisyPair, Photo, Statistic
from n2nfun.data.noise.textual import number_text, read_number

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont, ImageFont

_CHARACTERS = string.ascii_letters + string.digits
_LONGEST = 10  # characters in a word
_SIZES = (8, 24)  # pixels, smallest and largest letters


@dataclass(frozen=True, slots=True)
class Text:
    """Lays random words over the image, in random colours, sizes and places, until a fraction of it is covered.

    A covered pixel has a word's colour, the others are untouched (the letters are not smoothed at their edges). A
    word that leaves the image goes on at the opposite border, and the last is cut off: so exactly
    ``floor(coverage * height * width)`` pixels are covered, and each is with the same probability.

    Keeps the median, exactly: a pixel shows its own value at least half of the time, so at most half of its values are
    below it, and at most half above. Hence L1. The mean is drawn towards grey.

    Attributes:
        coverage: The fraction of covered pixels, above 0 and at most 0.5.

    Raises:
        NoiseError: If the coverage is outside of that.

    Example:
        >>> noisy = Text(0.25).corrupt(torch.zeros(3, 40, 60), torch.Generator().manual_seed(0))
        >>> int((noisy != 0).any(0).sum()), 40 * 60 // 4
        (600, 600)

    Reference:
        Lehtinen et al., Noise2Noise, 2018, section 3.2, "Text removal".
    """

    coverage: float

    form: ClassVar[str] = "text:0.25 (fraction of the pixels that words cover)"
    keeps: ClassVar[Statistic] = Statistic.MEDIAN
    because: ClassVar[str] = "since words cover a pixel less often than not"

    def __post_init__(self) -> None:
        if not 0 < self.coverage <= 0.5:
            raise NoiseError(
                f"the coverage is {self.coverage}; expected above 0 and at most 0.5: "
                "where words cover a pixel more often than not, nothing tells its colour"
            )

    def __str__(self) -> str:
        return f"text:{number_text(self.coverage)}"

    @classmethod
    def parse(cls, argument: str) -> "Text":
        """The model of what stands behind ``text:``.

        Raises:
            ValueError: If that is not a number.
        """
        return cls(read_number(argument))

    def corrupt(
        self, clean: Float32[Tensor, "channels height width"], generator: torch.Generator
    ) -> Float32[Tensor, "channels height width"]:
        """Lay words over one image."""
        channels, height, width = clean.shape
        noisy = clean.flatten(1).clone()
        covered = torch.zeros(height * width, dtype=torch.bool)
        missing = floor(self.coverage * height * width)
        while missing > 0:
            word = _draw_word(height, width, generator)
            fresh = word[~covered[word]][:missing]
            noisy[:, fresh] = torch.rand(channels, 1, generator=generator)
            covered[fresh] = True
            missing -= len(fresh)
        return noisy.reshape(channels, height, width)

    def pair(
        self,
        photograph: Photo,
        size: int | tuple[int, int] | None,
        generator: torch.Generator,
    ) -> NoisyPair:
        """Crop, and lay words over the crop twice: see `NoiseModel.pair`.

        Raises:
            NoiseError: If the photograph is smaller than the size.
        """
        return corrupted_pair(photograph, size, generator, self.corrupt)


def _draw_word(height: int, width: int, generator: torch.Generator) -> Int64[Tensor, " ink"]:
    """The pixels of a random word at a random place, as places in the flattened image, in the order of reading."""
    length = draw_integer(1, _LONGEST, generator)
    word = "".join(_CHARACTERS[draw_integer(0, len(_CHARACTERS) - 1, generator)] for _ in range(length))
    ink = _ink(word, draw_integer(*_SIZES, generator), height, width)
    rows = (ink[:, 1] + draw_integer(0, height - 1, generator)) % height
    columns = (ink[:, 0] + draw_integer(0, width - 1, generator)) % width
    return rows * width + columns


def _ink(word: str, size: int, height: int, width: int) -> Int64[Tensor, "ink 2"]:
    """Where a word at the top left of an image has ink: (column, row), column by column."""
    from PIL import Image, ImageDraw  # noqa: PLC0415 - only this noise pays for Pillow

    canvas = Image.new("1", (width, height))
    draw = ImageDraw.Draw(canvas)
    font = _font(size)
    left, top, _, _ = draw.textbbox((0, 0), word, font=font)
    draw.text((-left, -top), word, fill=1, font=font)
    return torch.as_tensor(np.asarray(canvas).T.copy()).nonzero()


@lru_cache(maxsize=_SIZES[1])
def _font(size: int) -> "FreeTypeFont | ImageFont":
    """The font that comes with Pillow. The basic layout needs no library of the system: the same letters everywhere."""
    from PIL import ImageFont  # noqa: PLC0415 - only this noise pays for Pillow

    font = ImageFont.load_default(size)
    return font.font_variant(layout_engine=ImageFont.Layout.BASIC) if isinstance(font, ImageFont.FreeTypeFont) else font
