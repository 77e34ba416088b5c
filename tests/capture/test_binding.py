"""Operations are called by torch's own functions where those make the very same operation, and nothing is computed to know."""

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

from n2nfun.capture.binding import bound
from n2nfun.testing.bits import assert_same_bits
from n2nfun.testing.numbers import normal_numbers, seeded

ATEN: Any = torch.ops.aten


def numbers(*shape: int) -> Tensor:
    return normal_numbers(shape, seeded(0), torch.float32)


OUT = torch.zeros(4, 4)
X, Y, BIAS = numbers(4, 4), numbers(4, 4), numbers(4)
PLACES = torch.tensor([3, 0, 0, 1])

CASES: dict[str, tuple[Any, tuple[Any, ...], dict[str, Any], Any]] = {
    "mul": (ATEN.mul.out, (X, Y), {"out": OUT}, torch.mul),
    "by a number": (ATEN.mul.out, (X, torch.tensor(2.0)), {"out": OUT}, torch.mul),
    "keyword": (ATEN.add.out, (X, Y), {"alpha": 2, "out": OUT}, torch.add),
    "list": (ATEN.cat.out, ([X[:2], Y[:2]],), {"out": OUT}, torch.cat),
    "index_select": (ATEN.index_select.out, (X, 0, PLACES), {"out": OUT}, torch.index_select),
    "sum": (ATEN.sum.IntList_out, (X[None], [0]), {"out": OUT}, torch.sum),
    "addbmm": (ATEN.addbmm.out, (BIAS, X[None], Y[None]), {"out": OUT}, torch.addbmm),
    "method": (ATEN.addmm_.default, (OUT, X, Y), {}, Tensor.addmm_),
    "no function of this name": (ATEN.threshold_backward.grad_input, (X, Y, 0), {"grad_input": OUT}, None),
    "a function that takes no place to write to": (ATEN.rsub.Scalar_out, (X, 1), {"out": OUT}, None),
}


@pytest.mark.parametrize("case", CASES)
def test_an_operation_is_called_by_the_function_that_makes_it_if_there_is_one(case: str) -> None:
    operation, args, kwargs, function = CASES[case]
    found = bound(operation, args, kwargs)
    assert isinstance(found, partial)
    assert found.func is (operation if function is None else function)


@pytest.mark.parametrize("case", CASES)
def test_binding_computes_nothing_and_calling_computes_what_the_operation_does(case: str) -> None:
    operation, args, kwargs, _ = CASES[case]
    written: Tensor = next((kwargs[name] for name in ("out", "grad_input") if name in kwargs), OUT)
    written.fill_(7)
    call = bound(operation, args, kwargs)
    assert_same_bits(written, torch.full_like(written, 7))
    call()
    found = written.clone()
    written.fill_(7)
    operation(*args, **kwargs)
    assert_same_bits(found, written)


def test_a_function_that_takes_one_argument_for_another_is_not_called(monkeypatch: pytest.MonkeyPatch) -> None:
    def turned(one: Tensor, other: Tensor, *, out: Tensor) -> Tensor:
        return subtract(other, one, out=out)

    subtract = torch.sub
    monkeypatch.setattr(torch, "sub", turned)
    found = bound(ATEN.sub.out, (X, Y), {"out": OUT})
    assert isinstance(found, partial)
    assert found.func is ATEN.sub.out
