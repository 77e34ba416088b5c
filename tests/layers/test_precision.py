"""What a layer computes in: 16-bit floats in float32, others as they are, and nothing that autograd records."""

import pytest
import torch

from n2nfun.layers import Conv2d
from n2nfun.layers.precision import working
from n2nfun.testing.bits import assert_same_bits
from n2nfun.testing.numbers import normal_numbers, seeded
from n2nfun.tree import tree_map


@pytest.mark.parametrize("variable", [False, True], ids=["constant", "variable"])
@pytest.mark.parametrize(
    ("dtype", "wider"),
    [
        (torch.float16, torch.float32),
        (torch.bfloat16, torch.float32),
        (torch.float32, torch.float32),
        (torch.float64, torch.float64),
    ],
)
def test_sixteen_bits_are_widened(dtype: torch.dtype, wider: torch.dtype, *, variable: bool) -> None:
    x = normal_numbers((3, 4), seeded(0), dtype)
    widened = working(x.clone().requires_grad_(variable))
    assert not widened.requires_grad
    assert_same_bits(widened, x.to(wider))


def test_nothing_is_copied_without_need() -> None:
    x = torch.ones(3)
    assert working(x).data_ptr() == x.data_ptr()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_cache_is_kept_in_what_is_computed_in(dtype: torch.dtype) -> None:
    layer = Conv2d(3, 4, 3)
    params = tree_map(lambda leaf: leaf.to(dtype), layer.init(seeded(0)))
    assert layer.forward(params, torch.ones(1, 3, 4, 4, dtype=dtype))[1].padded.dtype is torch.float32
