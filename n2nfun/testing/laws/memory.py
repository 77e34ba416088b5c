"""Memory: results depend on the numbers in the arguments, not on where these lie, and lie in a memory of their own."""

import torch
from torch import Tensor

from n2nfun.testing.comparing import compute, differing_results, same
from n2nfun.testing.law import AnyLayer, Example, Law
from n2nfun.testing.layouts import LAYOUTS
from n2nfun.testing.numbers import seeded
from n2nfun.tree import paths, tree_map

__all__ = ["MEMORY"]


def _takes_any_layout(layer: AnyLayer, example: Example) -> str | None:
    params, x, grad = example.normal(layer)
    expected = compute(layer, params, x, grad)
    layout = LAYOUTS[example.seed % len(LAYOUTS)]
    for name, arguments in (
        ("x", (params, layout(x), grad)),
        ("grad", (params, x, layout(grad))),
        ("params", (tree_map(layout, params), x, grad)),
    ):
        try:
            got = compute(layer, *arguments)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is reported with the layout
            return f"{name} laid out as {layout.__name__}: {type(error).__name__}: {error}"
        fault = differing_results(f"with {name} laid out as {layout.__name__}, ", got, expected, alike=same)
        if fault is not None:
            return fault
    return None


def _takes_repeated_memory(layer: AnyLayer, example: Example) -> str | None:
    params, x, grad = example.normal(layer)
    dims = [dim for dim in range(min(x.dim(), grad.dim())) if x.shape[dim] and grad.shape[dim]]
    if not dims:
        return None
    dim = dims[example.seed % len(dims)]
    repeated, incoming = (t.narrow(dim, 0, 1).expand_as(t) for t in (x, grad))
    return differing_results(
        f"with x and grad of stride 0 in dimension {dim}, ",
        compute(layer, params, repeated, incoming),
        compute(layer, params, repeated.contiguous(), incoming.contiguous()),
        alike=same,
    )


def _memory(tree: object) -> dict[int, str]:
    return {leaf.untyped_storage().data_ptr(): path for path, leaf in paths(tree) if leaf.numel()}


def _shared(name: str, result: object, **arguments: object) -> str | None:
    own = _memory(result)
    for argument, tree in arguments.items():
        for address, path in _memory(tree).items():
            if address in own:
                return f"{name}{own[address]} shares memory with {argument}{path}"
    return None


def _owns_its_results(layer: AnyLayer, example: Example) -> str | None:
    params, x, grad = example.normal(layer)
    y, cache = layer.forward(params, x)
    dx, dparams = layer.backward(params, cache, grad)
    return (
        _shared("y", y, params=params, x=x)
        or _shared("dx", dx, params=params, x=x, cache=cache, grad=grad)
        or _shared("dparams", dparams, params=params, x=x, cache=cache, grad=grad)
    )


def _gives_each_number_a_place(layer: AnyLayer, example: Example) -> str | None:
    y, dx, dparams = compute(layer, *example.normal(layer))
    made = layer.init(seeded(example.seed))
    for name, tree in (("y", y), ("dx", dx), ("dparams", dparams), ("init's params", made)):
        for path, leaf in paths(tree):
            places = len(set(_places(leaf)))
            if places < leaf.numel():
                return f"{name}{path} holds {leaf.numel()} numbers in the memory of {places}"
    return None


def _places(leaf: Tensor) -> list[int]:
    """Return where the numbers of a tensor lie."""
    places = torch.zeros((), dtype=torch.int64)
    for size, stride in zip(leaf.shape, leaf.stride(), strict=True):
        places = places[..., None] + stride * torch.arange(size)
    return [int(place) for place in places.flatten()]


MEMORY = (
    Law(
        "layout",
        "the same numbers give the same bits from every memory layout.",
        _takes_any_layout,
        dtypes=(torch.float32, torch.float64),
    ),
    Law("stride 0", "numbers that share their memory count as often as they are seen.", _takes_repeated_memory),
    Law("owns its results", "no result shares memory with an argument.", _owns_its_results),
    Law("no overlap", "no two numbers of a result share their memory.", _gives_each_number_a_place),
)
