"""Tensors to compute with: whole numbers, whose sums are exact, and normally distributed ones."""

from typing import Any, TypeVar

import torch
from hypothesis import strategies as st
from torch import Tensor

from n2nfun.layer import Layer, Shape
from n2nfun.tree import tree_map

P = TypeVar("P")


def seeds() -> st.SearchStrategy[torch.Generator]:
    """Draw a generator for the numbers in tensors, which Hypothesis need not shrink."""
    return st.integers(0, 2**32 - 1).map(seeded)


def seeded(seed: int) -> torch.Generator:
    """Make a generator."""
    return torch.Generator().manual_seed(seed)


def whole_numbers(shape: Shape, generator: torch.Generator, dtype: torch.dtype = torch.float64) -> Tensor:
    """Make integers from -8 to 8: a sum of up to 2^18 products of two is exact in float32."""
    return torch.randint(-8, 9, shape, generator=generator).to(dtype)


def normal_numbers(shape: Shape, generator: torch.Generator, dtype: torch.dtype) -> Tensor:
    """Make normally distributed numbers."""
    return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)


def whole_params(layer: Layer[P, Any], generator: torch.Generator, dtype: torch.dtype = torch.float64) -> P:
    """Make parameters of whole numbers for a layer."""
    return tree_map(lambda leaf: whole_numbers(tuple(leaf.shape), generator, dtype), layer.init(generator))


def normal_params(layer: Layer[P, Any], generator: torch.Generator, dtype: torch.dtype) -> P:
    """Make normally distributed parameters for a layer."""
    return tree_map(lambda leaf: normal_numbers(tuple(leaf.shape), generator, dtype), layer.init(generator))


def listed(tensor: Tensor) -> list[float]:
    """Return the numbers of a tensor."""
    return [float(number) for number in tensor.flatten()]
