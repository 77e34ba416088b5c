"""Layers as algebra: compositions of drawn layers, the formula of the course report, and whole Jacobians."""

from typing import Any, cast

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from n2nfun.compose import Residual, Sequential, residual
from n2nfun.layer import Layer, NoParams, Shape
from n2nfun.layers import Conv2d, ConvParams, Identity, NearestUpsampling, Normalize, ReLU, Sigmoid, Upsampling
from n2nfun.testing import conv_geometries, networks
from n2nfun.testing.bits import assert_same_bits
from n2nfun.testing.comparing import compute
from n2nfun.testing.geometries import ConvGeometry
from n2nfun.testing.numbers import normal_numbers, normal_params, seeded, seeds, whole_numbers, whole_params
from n2nfun.tree import leaves, rebuild
from tests.layer_cases import PAPER
from tests.layers.report import also_on_the_reports_convolutions
from tests.oracle import reference

Network = tuple[Sequential[Any, Any], Shape]
few = settings(max_examples=settings().max_examples // 2)  # drawing a network takes longer than running it
THE_PAPERS: Network = (PAPER, (1, 3, 32, 32))


def normal_arguments(layer: Layer[Any, Any], shape: Shape, generator: torch.Generator) -> tuple[Any, Tensor, Tensor]:
    """Return params, x and grad."""
    params, x = normal_params(layer, generator, torch.float32), normal_numbers(shape, generator, torch.float32)
    return params, x, normal_numbers(layer.output_shape(shape), generator, torch.float32)


@given(networks(), seeds())
@example(THE_PAPERS, seeded(0))
@few
def test_a_network_is_the_chain_rule_by_hand(case: Network, generator: torch.Generator) -> None:
    network, shape = case
    params, x, grad = normal_arguments(network, shape, generator)
    computed = compute(network, params, x, grad)
    caches: list[Any] = []
    for layer, own in zip(network.layers, params, strict=True):
        x, cache = layer.forward(own, x)
        caches.append(cache)
    dparams: list[Any] = []
    for layer, own, cache in reversed(list(zip(network.layers, params, caches, strict=True))):
        grad, gradients = layer.backward(own, cache, grad)
        dparams.append(gradients)
    assert_same_bits(tuple(computed), (x, grad, tuple(reversed(dparams))))


@given(networks(), st.data(), seeds())
@few
def test_composition_is_associative(case: Network, data: st.DataObject, generator: torch.Generator) -> None:
    network, shape = case
    first = data.draw(st.integers(0, len(network.layers) - 1))
    last = data.draw(st.integers(first + 1, len(network.layers)))
    params, x, grad = normal_arguments(network, shape, generator)
    before, inner, behind = network.layers[:first], network.layers[first:last], network.layers[last:]
    grouped: Sequential[Any, Any] = Sequential((*before, Sequential(inner), *behind))
    regrouped = (*params[:first], params[first:last], *params[last:])
    y, dx, dparams = compute(grouped, regrouped, x, grad)
    flat = (*dparams[:first], *dparams[first], *dparams[first + 1 :])
    assert_same_bits((y, dx, flat), tuple(compute(network, params, x, grad)))
    assert type(dparams) is type(dparams[first]) is tuple
    assert grouped.output_shape(shape) == network.output_shape(shape)


@given(networks(), st.data(), seeds())
@few
def test_identity_is_neutral(case: Network, data: st.DataObject, generator: torch.Generator) -> None:
    network, shape = case
    place = data.draw(st.integers(0, len(network.layers)))
    params, x, grad = normal_arguments(network, shape, generator)
    longer: Sequential[Any, Any] = Sequential((*network.layers[:place], Identity(), *network.layers[place:]))
    y, dx, dparams = compute(longer, (*params[:place], NoParams(), *params[place:]), x, grad)
    assert dparams[place] == NoParams()
    assert_same_bits((y, dx, (*dparams[:place], *dparams[place + 1 :])), tuple(compute(network, params, x, grad)))


# The report's formula


def stuffed(grad: Tensor, stride: tuple[int, int]) -> Tensor:
    """Put stride - 1 rows and columns of zeros between the numbers."""
    batch, channels, height, width = grad.shape
    zeros = grad.new_zeros(batch, channels, (height - 1) * stride[0] + 1, (width - 1) * stride[1] + 1)
    zeros[:, :, :: stride[0], :: stride[1]] = grad
    return zeros


def by_the_report(layer: Conv2d, params: ConvParams, x: Tensor, grad: Tensor) -> tuple[Tensor, ConvParams]:
    """Differentiate a convolution as the course report does.

    dx is the convolution of the stuffed, padded grad with the kernel turned by 180°; dweight that of x with the stuffed
    grad as its kernel; dbias is the sum of grad.
    """
    (rows, columns), (vertical, horizontal) = layer.kernel_size, layer.padding
    padded, g = functional.pad(x, (horizontal, horizontal, vertical, vertical)), stuffed(grad, layer.stride)
    below, right = padded.shape[2] - g.shape[2], padded.shape[3] - g.shape[3]
    framed = functional.pad(g, (columns - 1, right, rows - 1, below))
    dpadded = functional.conv2d(framed, params.weight.flip(2, 3).transpose(0, 1))
    dx = dpadded[:, :, vertical : vertical + x.shape[2], horizontal : horizontal + x.shape[3]]
    products = functional.conv2d(padded.transpose(0, 1), g.transpose(0, 1)).transpose(0, 1)
    dbias = None if params.bias is None else grad.sum((0, 2, 3))
    return dx, ConvParams(products[:, :, :rows, :columns], dbias)


@given(case=conv_geometries(), generator=seeds())
@also_on_the_reports_convolutions
def test_the_reports_formula_equals_ours(case: ConvGeometry, generator: torch.Generator) -> None:
    layer, shape = case.layer, (max(1, case.shape[0]), *case.shape[1:])  # conv2d takes no kernel of no channels
    params, x = whole_params(layer, generator), whole_numbers(shape, generator)
    grad = whole_numbers(layer.output_shape(shape), generator)
    _, dx, dparams = compute(layer, params, x, grad)
    expected = by_the_report(layer, params, x, grad)
    for ours, theirs in zip(leaves((dx, dparams)), leaves(expected), strict=True):
        assert torch.equal(ours, theirs)


# The whole Jacobian

TINY: list[tuple[Layer[Any, Any], Shape]] = [
    (Conv2d(1, 2, 2, stride=2), (1, 1, 5, 5)),
    (Conv2d(2, 1, (1, 2), stride=(1, 3), padding=(1, 2)), (2, 2, 2, 3)),
    (Conv2d(1, 1, 3, stride=4, padding=3, bias=False), (1, 1, 3, 2)),
    (Upsampling(1, 2, 5, scale_factor=2, padding=2), (1, 1, 2, 2)),
    (Upsampling(2, 1, 2, padding=1, trim=1), (1, 2, 2, 1)),
    (Upsampling(1, 1, 3, scale_factor=(3, 2), bias=False), (2, 1, 1, 2)),
    (NearestUpsampling((2, 3)), (1, 2, 2, 1)),
    (ReLU(), (1, 2, 3, 3)),
    (Sigmoid(), (1, 1, 2, 3)),
    (Identity(), (1, 1, 2, 3)),
    (Normalize(0.5, 0.25), (1, 1, 2, 3)),
    (residual(Conv2d(2, 2, 3, padding=1)), (1, 2, 2, 2)),
    (Conv2d(1, 2, 2) >> ReLU() >> Upsampling(2, 1, 3, padding=1), (1, 1, 3, 2)),
]


def jacobian(layer: Layer[Any, Any], params: Any, x: Tensor) -> list[Tensor]:
    """Return the derivative of every output in every input and parameter, one backward for each output."""
    y, cache = layer.forward(params, x)
    rows = [leaves(layer.backward(params, cache, one.view(y.shape))) for one in torch.eye(y.numel(), dtype=x.dtype)]
    return [torch.stack(columns).view(*y.shape, *columns[0].shape) for columns in zip(*rows, strict=True)]


def jacobian_by_autograd(layer: Layer[Any, Any], params: Any, x: Tensor) -> tuple[Tensor, ...]:
    """Return the same from PyTorch."""

    def function(x: Tensor, *own: Tensor) -> Tensor:
        return reference(layer, rebuild(params, list(own)), x)

    differentiate: Any = cast("Any", torch.autograd.functional).jacobian  # PyTorch does not type it
    whole: tuple[Tensor, ...] = differentiate(function, (x, *leaves(params)))
    return whole


@pytest.mark.parametrize(("layer", "shape"), TINY, ids=lambda value: repr(value)[:60])
@given(generator=seeds())
@settings(max_examples=max(5, settings().max_examples // 20))  # of one layer and size; only the numbers differ
def test_the_jacobian_is_autograds(layer: Layer[Any, Any], shape: Shape, generator: torch.Generator) -> None:
    params, x = whole_params(layer, generator), whole_numbers(shape, generator)
    for ours, theirs in zip(jacobian(layer, params, x), jacobian_by_autograd(layer, params, x), strict=True):
        assert torch.equal(ours, theirs)


def test_the_tiny_layers_are_of_every_kind() -> None:
    kinds = {type(layer) for layer, _ in TINY}
    assert kinds == {Conv2d, Upsampling, NearestUpsampling, ReLU, Sigmoid, Identity, Normalize, Residual, Sequential}
