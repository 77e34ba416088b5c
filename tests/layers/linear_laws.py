"""What holds of every layer that is linear in its input and in its parameters: equality with autograd, and rounding."""

from typing import Any

import torch

from n2nfun.layer import Layer, Shape
from n2nfun.testing.bits import assert_same_bits
from n2nfun.testing.comparing import compute
from n2nfun.testing.numbers import normal_numbers, normal_params, whole_numbers, whole_params
from n2nfun.tree import leaves, tree_map
from tests.oracle import differentiate
from tests.rounding import assert_within, sums_of_products_bound


def assert_exact(layer: Layer[Any, Any], shape: Shape, generator: torch.Generator, dtype: torch.dtype) -> None:
    """On whole numbers every sum is exact, so the results are those of autograd, to the bit but for the sign of 0."""
    params, x = whole_params(layer, generator, dtype), whole_numbers(shape, generator, dtype)
    grad = whole_numbers(layer.output_shape(shape), generator, dtype)
    expected = differentiate(layer, params, x, grad)
    computed = compute(layer, params, x, grad)
    assert_same_bits(*(tree_map(lambda leaf: leaf + 0.0, result) for result in (computed, expected)))


def assert_rounded_within_bound(
    layer: Layer[Any, Any], shape: Shape, generator: torch.Generator, dtype: torch.dtype
) -> None:
    """On other numbers the results are within the bound of sums of products from autograd's in float64."""
    params, x = normal_params(layer, generator, dtype), normal_numbers(shape, generator, dtype)
    grad = normal_numbers(layer.output_shape(shape), generator, dtype)
    exact = tree_map(torch.Tensor.double, (params, x, grad))
    computed = compute(layer, params, x, grad)
    expected = differentiate(layer, *exact)
    terms = differentiate(layer, *tree_map(torch.ones_like, exact))  # a sum of ones counts itself
    magnitude = differentiate(layer, *tree_map(torch.abs, exact))
    for value, *rest in zip(*map(leaves, (computed, expected, terms, magnitude)), strict=True):
        assert value.dtype is dtype
        assert_within(value, rest[0], sums_of_products_bound(rest[0], rest[1], rest[2], dtype))
