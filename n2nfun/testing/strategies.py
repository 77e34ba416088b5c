"""Strategies for hypothesis: geometries, images, memory layouts, parameters, layers, networks and optimizers."""

from typing import Any, TypeVar

import torch
from hypothesis import strategies as st
from torch import Tensor

from n2nfun.compose import Sequential, residual
from n2nfun.layer import Layer, Shape
from n2nfun.layers import Conv2d, Identity, NearestUpsampling, Normalize, ReLU, Sigmoid
from n2nfun.optim import SGD, Adam
from n2nfun.testing.geometries import conv_geometries, upsamplings
from n2nfun.testing.law import AnyLayer
from n2nfun.testing.layouts import LAYOUTS
from n2nfun.testing.numbers import seeds, whole_numbers, whole_params

__all__ = ["images", "laid_out", "layers", "networks", "optimizers", "params_for"]

P = TypeVar("P")


def images(shape: Shape, dtype: torch.dtype = torch.float64) -> st.SearchStrategy[Tensor]:
    """Draw images of whole numbers from -8 to 8, for which sums are exact.

    Example:
        >>> from hypothesis import find
        >>> find(images((2, 3, 4, 5)), lambda x: bool((x > 0).any())).shape
        torch.Size([2, 3, 4, 5])
    """
    return seeds().map(lambda generator: whole_numbers(shape, generator, dtype))


def laid_out(tensor: Tensor) -> st.SearchStrategy[Tensor]:
    """Draw memory layouts of a tensor: the same numbers, at other places.

    Channels last, dimensions in reverse, the last two swapped, holes filled with NaN, an odd offset, strides of single
    rows that mean nothing.
    """
    return st.sampled_from([layout(tensor) for layout in LAYOUTS])


def params_for(layer: Layer[P, Any], dtype: torch.dtype = torch.float64) -> st.SearchStrategy[P]:
    """Draw parameters of whole numbers for a layer."""
    return seeds().map(lambda generator: whole_params(layer, generator, dtype))


@st.composite
def layers(draw: st.DrawFn) -> tuple[AnyLayer, Shape]:
    """Draw a single layer, and the shape of an input for it."""
    kind = draw(st.integers(0, 3))
    if kind == 0:
        convolution = draw(conv_geometries())
        return convolution.layer, convolution.shape
    if kind == 1:
        return draw(upsamplings())
    shape = (draw(st.integers(0, 3)), draw(st.integers(1, 3)), draw(st.integers(1, 6)), draw(st.integers(1, 6)))
    if kind == 2:
        return NearestUpsampling((draw(st.integers(1, 3)), draw(st.integers(1, 3)))), shape
    return draw(st.sampled_from([ReLU(), Sigmoid(), Identity(), Normalize(0.5, 0.25)])), shape


@st.composite
def networks(draw: st.DrawFn) -> tuple[Sequential[Any, Any], Shape]:
    """Draw a network of layers that fit each other, residual ones among them, and the shape of an input for it."""
    channels, height, width = draw(st.integers(1, 3)), draw(st.integers(3, 7)), draw(st.integers(3, 7))
    shape: Shape = (draw(st.sampled_from([1, 2, 0])), channels, height, width)
    after, found = shape, list[AnyLayer]()
    for _ in range(draw(st.integers(1, 4))):
        found.append(_next(draw, after))
        after = found[-1].output_shape(after)
    return Sequential(tuple(found)), shape


def _next(draw: st.DrawFn, shape: Shape) -> AnyLayer:
    """Draw a layer that takes images of a shape."""
    _, channels, height, width = shape
    kind = draw(st.integers(0, 3))
    if kind == 0:
        return ReLU()
    if kind == 1:
        return residual(Sequential((ReLU(), Conv2d(channels, channels, 3, padding=1))))
    if kind == 2 and max(height, width) < 10:
        return NearestUpsampling(2)
    kernel = (draw(st.integers(1, min(3, height))), draw(st.integers(1, min(3, width))))
    return Conv2d(channels, draw(st.integers(1, 3)), kernel, stride=draw(st.integers(1, 2)), bias=draw(st.booleans()))


def optimizers() -> st.SearchStrategy[SGD | Adam]:
    """Draw optimizers: every legal combination of SGD's arguments, of dyadic numbers, and Adam with and without decay."""
    dyadic = st.sampled_from([0.0, 0.25, 0.5])
    plain = st.builds(SGD, st.sampled_from([0.0, 0.125, 1.0]), momentum=dyadic, dampening=dyadic, weight_decay=dyadic)
    nesterov = st.builds(
        SGD,
        st.sampled_from([0.0, 0.125, 1.0]),
        momentum=st.sampled_from([0.25, 0.5]),
        weight_decay=dyadic,
        nesterov=st.just(value=True),
    )
    adam = st.builds(Adam, st.sampled_from([0.0, 0.125]), weight_decay=dyadic, decoupled=st.booleans())
    return st.one_of(plain, nesterov, adam)
