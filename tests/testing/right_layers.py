"""Layers that keep every law, each with what is claimed of it."""

from dataclasses import dataclass
from functools import partial
from typing import TypedDict

from n2nfun.compose import residual, sequential
from n2nfun.layers import Conv2d, Identity, NearestUpsampling, Normalize, ReLU, Sigmoid, Upsampling
from n2nfun.testing import Law, laws_of
from n2nfun.testing.law import AnyLayer
from tests.oracle import differentiate

__all__ = [
    "CONVOLUTION",
    "IDENTITY",
    "NEAREST_UPSAMPLING",
    "NORMALIZE",
    "RELU",
    "RIGHT_LAYERS",
    "SIGMOID",
    "UPSAMPLING",
    "RightLayer",
]


class Claims(TypedDict, total=False):
    """What :func:`laws_of` can be told of a layer."""

    linear: bool
    linear_in_params: bool
    exact: bool
    rounds_once: bool


@dataclass(frozen=True, slots=True)
class RightLayer:
    """A layer, and what is claimed of it."""

    name: str
    layer: AnyLayer
    claims: Claims

    def laws(self) -> tuple[Law, ...]:
        """List the laws that apply to it, autograd's answer among them, and to what is derived from it."""
        return laws_of(**self.claims, refuses=True, reference=partial(differentiate, self.layer))


_LINEAR = Claims(linear=True, linear_in_params=True, rounds_once=True)

# Rows between the windows and below the last that none reads, columns that two read, and zeros to the left and right.
CONVOLUTION = RightLayer("convolution", Conv2d(2, 2, 2, stride=(3, 1), padding=(0, 1)), _LINEAR)
UPSAMPLING = RightLayer("upsampling", Upsampling(2, 1, 3, padding=1), _LINEAR)
NEAREST_UPSAMPLING = RightLayer("nearest upsampling", NearestUpsampling(2), _LINEAR)
RELU = RightLayer("ReLU", ReLU(), Claims(linear_in_params=True, rounds_once=True))
SIGMOID = RightLayer("Sigmoid", Sigmoid(), Claims(linear_in_params=True, exact=False))
IDENTITY = RightLayer("Identity", Identity(), _LINEAR)
NORMALIZE = RightLayer("Normalize", Normalize(0.5, 0.25), _LINEAR)

RIGHT_LAYERS = (
    CONVOLUTION,
    RightLayer("tiling convolution", Conv2d(2, 3, 2, stride=2, bias=False), _LINEAR),
    RightLayer("padded convolution", Conv2d(1, 2, (3, 2), padding=(2, 1)), _LINEAR),
    RightLayer("wide convolution", Conv2d(16, 2, 3, padding=1), _LINEAR),
    UPSAMPLING,
    RightLayer("trimmed upsampling", Upsampling(1, 2, (2, 3), scale_factor=(3, 2), padding=1, trim=1), _LINEAR),
    NEAREST_UPSAMPLING,
    RELU,
    SIGMOID,
    IDENTITY,
    NORMALIZE,
    RightLayer("residual", residual(Conv2d(2, 2, 3, padding=1)), Claims(linear=True, linear_in_params=True)),
    RightLayer("network", sequential(Conv2d(2, 3, 2), ReLU(), Upsampling(3, 2, 2, padding=1)), Claims()),
)
