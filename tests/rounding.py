"""How far floating-point arithmetic may be off, after Higham, "Accuracy and Stability of Numerical Algorithms", 2002.

A sum of n products, added in any order, is within ``gamma(n) * sum |products|`` of the exact one (section 3.1): every
product is rounded once, and passes through at most n - 1 rounded additions.
"""

import torch
from torch import Tensor

DTYPES = (torch.float32, torch.float64, torch.float16, torch.bfloat16)


def unit_roundoff(dtype: torch.dtype) -> float:
    """Return the largest relative error of rounding to nearest."""
    return torch.finfo(dtype).eps / 2


def gamma(operations: Tensor | float, dtype: torch.dtype) -> Tensor:
    """Bound the relative error of a chain of roundings: ``n u / (1 - n u)``."""
    product = torch.as_tensor(operations, dtype=torch.float64) * unit_roundoff(dtype)
    assert bool((product < 1).all())
    return product / (1 - product)


def half_smallest(dtype: torch.dtype) -> float:
    """Return the largest error of rounding to a subnormal number: half the distance between two of them."""
    info = torch.finfo(dtype)
    return info.tiny * info.eps / 2


def working_dtype(dtype: torch.dtype) -> torch.dtype:
    """Return the precision that layers compute in."""
    return torch.float32 if dtype in {torch.float16, torch.bfloat16} else dtype


def sums_of_products_bound(reference: Tensor, terms: Tensor, magnitude: Tensor, dtype: torch.dtype) -> Tensor:
    """Bound the distance of sums of products from the same sums computed in float64.

    Args:
        reference: The sums, computed in float64.
        terms: How many products each has.
        magnitude: The sums of the products' absolute values, computed in float64.
        dtype: Of the factors and of the result. 16-bit numbers are summed in float32, and rounded once.
    """
    wide = torch.float64
    magnitude = magnitude / (1 - gamma(terms, wide))  # it is a rounded sum itself
    apart = (gamma(terms, working_dtype(dtype)) + gamma(terms, wide)) * magnitude
    if working_dtype(dtype) is dtype:
        return apart
    return apart + unit_roundoff(dtype) * (reference.abs() + apart) + half_smallest(dtype)


def assert_within(computed: Tensor, reference: Tensor, bound: Tensor) -> None:
    """Require ``|computed - reference| <= bound`` for every number."""
    assert computed.shape == reference.shape
    excess = (computed.double() - reference).abs() - bound
    assert bool((excess <= 0).all()), f"beyond the bound by up to {excess.max().item()}"
