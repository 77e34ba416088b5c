"""One table of layers and inputs, for what must hold of every layer."""

from typing import Any, NamedTuple

import pytest

from n2nfun.compose import Sequential, residual, sequential
from n2nfun.layer import Layer, Shape
from n2nfun.layers import Conv2d, Identity, NearestUpsampling, Normalize, ReLU, Sigmoid, Upsampling


class Case(NamedTuple):
    """A layer, and the shape of an input for it."""

    name: str
    layer: Layer[Any, Any]
    shape: Shape


PAPER = sequential(
    Conv2d(3, 16, 2, stride=2),
    ReLU(),
    Conv2d(16, 32, 2, stride=2),
    ReLU(),
    Upsampling(32, 16, 5, scale_factor=2, padding=2),
    ReLU(),
    Upsampling(16, 3, 5, scale_factor=2, padding=2),
    Sigmoid(),
)
"""The paper's network."""

BETTER = sequential(residual(Conv2d(3, 16, 3, padding=1) >> ReLU() >> Conv2d(16, 3, 3, padding=1)))

CASES = [
    Case("convolution", Conv2d(3, 4, 3, padding=1), (3, 3, 7, 6)),
    Case("convolution without bias", Conv2d(3, 4, 3, bias=False), (3, 3, 7, 6)),
    Case("convolution that leaves input uncovered", Conv2d(3, 4, 2, stride=3), (3, 3, 9, 8)),
    Case("convolution padded beyond its kernel", Conv2d(2, 1, (1, 2), stride=(2, 1), padding=3), (3, 2, 3, 4)),
    Case("convolution that tiles", Conv2d(3, 8, 2, stride=2), (3, 3, 8, 6)),
    Case("convolution by points", Conv2d(5, 3, 1), (3, 5, 4, 6)),
    Case("convolution by points of one image", Conv2d(16, 3, 1), (1, 16, 4, 6)),
    Case("convolution by points to one channel", Conv2d(16, 1, 1), (3, 16, 4, 6)),
    Case("convolution by points of one channel", Conv2d(1, 16, 1), (3, 1, 4, 6)),
    Case("upsampling that enlarges nothing", Upsampling(16, 1, 1, scale_factor=1), (3, 16, 4, 5)),
    Case("convolution of many channels", Conv2d(17, 16, 3, padding=1), (3, 17, 5, 6)),
    Case("convolution to one channel", Conv2d(16, 1, 3, padding=1), (3, 16, 9, 8)),
    Case("upsampling", Upsampling(3, 4, 5, padding=2), (3, 3, 4, 5)),
    Case("upsampling by an even kernel", Upsampling(3, 2, 2, padding=1, trim=1), (3, 3, 4, 5)),
    Case("upsampling in groups of phases", Upsampling(16, 16, 3, scale_factor=(3, 2), bias=False), (3, 16, 3, 4)),
    Case("nearest upsampling", NearestUpsampling((2, 3)), (3, 3, 4, 5)),
    Case("ReLU", ReLU(), (3, 3, 4, 5)),
    Case("Sigmoid", Sigmoid(), (3, 3, 4, 5)),
    Case("Identity", Identity(), (3, 3, 4, 5)),
    Case("Normalize", Normalize(0.5, 0.25), (3, 3, 4, 5)),
    Case("the paper's network", PAPER, (3, 3, 8, 12)),
    Case("the paper's network but for its end", Sequential(PAPER.layers[:-1]), (2, 3, 8, 12)),
    Case("a residual network", BETTER, (3, 3, 6, 7)),
    Case("a nested one", sequential(Conv2d(3, 3, 1), Conv2d(3, 2, 2) >> ReLU()), (3, 3, 4, 5)),
]

every_case = pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
