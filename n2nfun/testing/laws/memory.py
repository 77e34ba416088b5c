"""Memory: results depend on the numbers in the arguments, not on where these lie."""

import torch

from n2nfun.testing.comparing import compute, differing_trees
from n2nfun.testing.law import AnyLayer, Example, Law
from n2nfun.testing.layouts import LAYOUTS
from n2nfun.tree import tree_map

__all__ = ["MEMORY"]


def _takes_any_layout(layer: AnyLayer, example: Example) -> str | None:
    params, x, grad = example.normal(layer)
    expected = compute(layer, params, x, grad)
    for layout in LAYOUTS:
        for name, arguments in (
            ("x", (params, layout(x), grad)),
            ("grad", (params, x, layout(grad))),
            ("params", (tree_map(layout, params), x, grad)),
        ):
            try:
                got = compute(layer, *arguments)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is reported with the layout
                return f"{name} laid out as {layout.__name__}: {type(error).__name__}: {error}"
            fault = differing_trees(f"with {name} laid out as {layout.__name__}, the result", got, expected)
            if fault is not None:
                return fault
    return None


def _takes_repeated_memory(layer: AnyLayer, example: Example) -> str | None:
    params, x, grad = example.normal(layer)
    for dim in range(x.dim()):
        if min(x.shape[dim], grad.shape[dim] if dim < grad.dim() else 0) == 0:
            continue
        repeated, incoming = (t.narrow(dim, 0, 1).expand_as(t) for t in (x, grad))
        expected = compute(layer, params, repeated.contiguous(), incoming.contiguous())
        fault = differing_trees(
            f"with x and grad of stride 0 in dimension {dim}, the result",
            compute(layer, params, repeated, incoming),
            expected,
        )
        if fault is not None:
            return fault
    return None


MEMORY = (
    Law(
        "layout",
        "the same numbers give the same bits from every memory layout.",
        _takes_any_layout,
        dtypes=(torch.float32, torch.float64),
    ),
    Law("stride 0", "numbers that share their memory count as often as they are seen.", _takes_repeated_memory),
)
