"""Kernels in other orders in memory."""

import pytest
import torch
from torch import Tensor

from n2nfun.layers import reordering
from n2nfun.layers.reordering import reordered
from n2nfun.testing.bits import assert_same_bits
from n2nfun.testing.numbers import normal_numbers, seeded
from tests.operations import Operations


def turned(x: Tensor, *dims: int) -> Tensor:
    return x.flip(dims).transpose(0, 2)


@pytest.fixture(params=[0, 1 << 18], ids=["without an index", "with an index"])
def most(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(reordering, "_MOST", request.param)
    return int(request.param)


@pytest.mark.parametrize("dims", [(0,), (1, 2)])
@pytest.mark.parametrize("contiguous", [True, False])
def test_numbers_are_where_the_order_puts_them(most: int, dims: tuple[int, ...], contiguous: bool) -> None:
    x = normal_numbers((3, 4, 5), seeded(0), torch.float32)
    given = x if contiguous else x.permute(2, 0, 1).contiguous().permute(1, 2, 0)
    reordered(given, turned, *dims)
    with Operations() as operations:
        found = reordered(given, turned, *dims)
    assert_same_bits(found, turned(x, *dims))
    assert found.is_contiguous()
    assert ("aten.index_select.default" in operations.names) is (most > 0)
    assert ("aten.flip.default" in operations.names) is (most == 0)


@pytest.mark.usefixtures("most")
def test_of_many_each_is_reordered() -> None:
    x = normal_numbers((2, 3, 4, 5), seeded(0), torch.float64)

    def one(x: Tensor) -> Tensor:
        return reordered(x, turned, 1)

    many: Tensor = torch.func.vmap(one)(x)
    assert_same_bits(many, torch.stack([turned(each, 1) for each in x]))


@pytest.mark.parametrize(("size", "indexed"), [(6, True), (7, False)])
def test_an_index_is_of_few_numbers(size: int, indexed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reordering, "_MOST", 6)
    with Operations() as operations:
        reordered(torch.ones(1, 1, size), turned, 0)
    assert ("aten.index_select.default" in operations.names) is indexed
