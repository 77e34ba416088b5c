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
    params, x, grad = example.whole(layer)
    if x.numel() == 0:
        return None
    for value in (1000.0, -1000.0, torch.finfo(x.dtype).max, torch.finfo(x.dtype).min):
        one = torch.zeros_like(x)
        one.view(-1)[example.seed % x.numel()] = value
        y, dx, _ = compute(layer, tree_map(torch.ones_like, params), one, torch.zeros_like(grad))
        if bool(y.isnan().any()) or bool(dx.isnan().any()):
            return f"one number of {value:g} among zeros gives NaN"
    return None


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
    Law("one large number", "one large number among zeros gives no NaN.", _survives_one_large_number, dtypes=DTYPES),
    Law("refusals", "illegal arguments raise TypeError or ValueError, and change nothing.", _refuses, _claimed),
)
