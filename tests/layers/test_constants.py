"""What follows from a geometry is computed once, and is nothing that a compiler warns of."""

from typing import Any

import torch
from torch import Tensor

from n2nfun.layers.constants import once_for_each


def test_results_are_kept_for_each_argument() -> None:
    calls: list[int] = []

    @once_for_each
    def ones(size: int) -> Tensor:
        """Make ones."""
        calls.append(size)
        return torch.ones(size)

    assert ones(2) is ones(2)
    assert torch.equal(ones(3), torch.ones(3))
    assert calls == [2, 3]
    assert (ones.__name__, ones.__doc__) == ("ones", "Make ones.")


def test_a_compiled_function_may_ask() -> None:
    @once_for_each
    def ones(size: int) -> Tensor:
        return torch.ones(size)

    def twice(x: Tensor) -> Tensor:
        return x + ones(2) + ones(2)

    run: Any = torch.compile(twice, fullgraph=True, backend="eager")  # pyright: ignore[reportUnknownMemberType]  # partially typed in torch
    assert torch.equal(run(torch.zeros(2)), torch.full((2,), 2.0))
