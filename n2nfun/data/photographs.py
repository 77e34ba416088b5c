"""The photographs that scikit-image ships inside its wheel: data to start with, without a download.

Only natural colour photographs whose licence scikit-image's documentation states. Left out: the motorcycle (no licence
stated), the slide, the retina and the deep field (no natural scenes).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import torch
from jaxtyping import Float32
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Photograph:
    """Where a photograph comes from."""

    name: str
    """The function of ``skimage.data`` that loads it."""
    shows: str
    author: str
    licence: str
    source: str


PHOTOGRAPHS: Mapping[str, Photograph] = MappingProxyType(
    {
        photograph.name: photograph
        for photograph in (
            Photograph("astronaut", "Eileen Collins", "NASA", "public domain", "https://flic.kr/p/r9qvLn"),
            Photograph("chelsea", "a cat's face", "Stefan van der Walt", "CC0", "scikit-image"),
            Photograph("coffee", "a cup on a wooden table", "Rachel Michetti", "CC0", "Pikolo Espresso Bar"),
            Photograph(
                "rocket",
                "the launch of DSCOVR",
                "SpaceX",
                "public domain",
                "https://www.flickr.com/photos/spacexphotos/16511594820/",
            ),
        )
    }
)
"""All of them, by name."""

TRAINING: tuple[str, ...] = ("astronaut", "coffee", "rocket")
"""Photographs to learn from."""
HELD_OUT: tuple[str, ...] = ("chelsea",)
"""Photographs to judge by: whole ones, so that no judged pixel, nor a neighbour of one, was learned from."""


def load_photograph(name: str) -> Float32[Tensor, "3 height width"]:
    """Load one of the photographs, as values in [0, 1].

    Args:
        name: One of `PHOTOGRAPHS`.

    Raises:
        ValueError: If there is no such photograph.

    Example:
        >>> load_photograph("chelsea").shape
        torch.Size([3, 300, 451])
    """
    if name not in PHOTOGRAPHS:
        raise ValueError(f"no photograph has the name {name!r}; expected one of {', '.join(PHOTOGRAPHS)}")
    from skimage import data  # noqa: PLC0415 - only these photographs pay for scikit-image

    load = {"astronaut": data.astronaut, "chelsea": data.chelsea, "coffee": data.coffee, "rocket": data.rocket}[name]
    return torch.as_tensor(load().transpose(2, 0, 1).copy()).to(torch.float32) / 255


def training_photographs() -> tuple[Float32[Tensor, "3 _height _width"], ...]:
    """Load the photographs to learn from.

    Example:
        >>> [tuple(photograph.shape) for photograph in training_photographs()]
        [(3, 512, 512), (3, 400, 600), (3, 427, 640)]
    """
    return tuple(load_photograph(name) for name in TRAINING)


def held_out_photographs() -> tuple[Float32[Tensor, "3 _height _width"], ...]:
    """Load the photographs to judge by.

    Example:
        >>> [tuple(photograph.shape) for photograph in held_out_photographs()]
        [(3, 300, 451)]
    """
    return tuple(load_photograph(name) for name in HELD_OUT)
