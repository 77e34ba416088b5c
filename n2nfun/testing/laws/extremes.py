"""Numbers at the ends of the line, and arguments that are none."""

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from n2nfun.testing.bits import all_as_before, bits
from n2nfun.testing.comparing import compute
from n2nfun.testing.law import DTYPES, AnyLayer, Example, Law, Traits
from n2nfun.tree import leaves, tree_map

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["EXTREMES"]


def _survives_one_large_number(layer: AnyLayer, example: Example) -> str | None:
    params, x, grad = tree_map(torch.zeros_like, example.whole(layer))
    ones = tree_map(torch.ones_like, params)
    sign, place = (-1) ** example.seed, example.seed // 2
    for value in (sign * 1000.0, sign * torch.finfo(x.dtype).max, sign * torch.inf):
        for name, arguments in (
            ("x", (_with_one(x, value, place), grad)),
            ("grad", (x, _with_one(grad, value, place))),
        ):
            y, dx, _ = compute(layer, ones, *arguments)
            for result, tensor in (("y", y), ("dx", dx)):
                if bool(tensor.isnan().any()):
                    return f"one number of {value:g} among zeros in {name} gives NaN in {result}"
    return None


def _with_one(zeros: Tensor, value: float, place: int) -> Tensor:
    """Put a number somewhere."""
    tensor = zeros.clone()
    if tensor.numel():
        tensor.view(-1)[place % tensor.numel()] = value
    return tensor


def _refuses(layer: AnyLayer, example: Example) -> str | None:
    params, x, grad = example.whole(layer)
    y, cache = layer.forward(params, x)
    held = leaves((params, x, grad, cache, y))
    before = [bits(leaf) for leaf in held]
    calls: dict[str, Callable[[], object]] = {
        "forward of an x that is no tensor": lambda: layer.forward(params, _any("x")),
        "forward of an x of integers": lambda: layer.forward(params, x.int()),
        "forward of params that are no params": lambda: layer.forward(_any(object()), x),
        "backward of a cache that is none": lambda: layer.backward(params, _any(object()), grad),
        "backward of a grad that is no tensor": lambda: layer.backward(params, cache, _any(None)),
        "backward of a grad of another shape": lambda: layer.backward(params, cache, grad[None]),
    }
    if leaves(params):
        calls["forward of params of another dtype"] = lambda: layer.forward(tree_map(Tensor.float, params), x)
    for what, call in calls.items():
        try:
            call()
        except (TypeError, ValueError):
            pass
        except Exception as error:  # noqa: BLE001 - any other is a fault
            return f"{what} raises {type(error).__name__}, expected TypeError or ValueError"
        else:
            return f"{what} raises nothing"
        if not all_as_before(held, before):
            return f"{what} is refused, but changed an argument"
    return None


def _any(value: object) -> Any:
    """Hide a value's type from the checker, as callers without one do."""
    return value


def _claimed(traits: Traits) -> bool:
    return traits.refuses


EXTREMES = (
    Law(
        "one large number",
        "one large or infinite number among zeros, in x or in grad, gives no NaN.",
        _survives_one_large_number,
        dtypes=DTYPES,
    ),
    Law("refusals", "illegal arguments raise TypeError or ValueError, and change nothing.", _refuses, _claimed),
)
