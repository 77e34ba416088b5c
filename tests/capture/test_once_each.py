"""Operations that a graph has twice of the same are made once."""

from collections import Counter
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.fx import GraphModule
from torch.fx.experimental.proxy_tensor import make_fx

from n2nfun.testing.bits import assert_same_bits
from tests.test_compiled_steps import OF_TORCH

pytestmark = pytest.mark.filterwarnings(OF_TORCH)


def once_each(function: Callable[[Tensor], tuple[Tensor, ...]], x: Tensor) -> tuple[GraphModule, Counter[str]]:
    """Return the graph of a function without what is repeated, and how often it has each operation."""
    from n2nfun.capture.once_each import OnceEach  # noqa: PLC0415 - where torch's warning, as it is imported, is expected

    module: GraphModule = make_fx(function)(x)
    OnceEach()(module.graph)
    module.graph.lint()
    module.recompile()
    return module, Counter(str(node.target) for node in module.graph.nodes if node.op == "call_function")


def test_windows_that_are_gathered_twice_are_gathered_once() -> None:
    def twice(x: Tensor) -> tuple[Tensor, ...]:
        one, other = (x.as_strided((3, 4), (2, 1)).clone() for _ in range(2))
        return one @ one.t(), other.t() @ other

    x = torch.arange(8.0)
    module, operations = once_each(twice, x)
    assert operations["aten.as_strided.default"] == operations["aten.clone.default"] == 1
    assert operations["aten.mm.default"] == 2
    assert_same_bits(module(x), twice(x))


def test_what_is_returned_is_memory_of_its_own() -> None:
    def returned(x: Tensor) -> tuple[Tensor, ...]:
        return x + 1, x + 1, 2 * (x + 1), 2 * (x + 1) + (x + 1)

    x = torch.arange(3.0)
    module, operations = once_each(returned, x)
    found = module(x)
    assert_same_bits(found, returned(x))
    assert len({one.data_ptr() for one in found}) == 4
    assert operations["aten.add.Tensor"] == 4  # two that are returned, one for all others, and the sum


def test_operations_of_other_arguments_stay() -> None:
    def different(x: Tensor) -> tuple[Tensor, ...]:
        return ((x.clone() + x.sum(0)) * (x.sum(1) - x.sum(0, keepdim=True)) + torch.zeros_like(x),)

    x = torch.arange(9.0).view(3, 3)
    module, operations = once_each(different, x)
    assert sum(operations.values()) == 9
    assert_same_bits(module(x), different(x))


def test_random_numbers_stay_different() -> None:
    def drawn(x: Tensor) -> tuple[Tensor, ...]:
        return (torch.rand_like(x) - torch.rand_like(x),)

    _, operations = once_each(drawn, torch.ones(3))
    assert operations["aten.rand_like.default"] == 2
