"""Batches: a batch is its samples, which know nothing of each other."""

import torch
from torch import Tensor

from n2nfun.testing.comparing import compute, differing, differing_trees
from n2nfun.testing.law import AnyLayer, Example, Law, exact
from n2nfun.tree import tree_map, zeros_like

__all__ = ["BATCHES"]


def _is_its_samples(layer: AnyLayer, example: Example) -> str | None:
    params, x, grad = example.whole(layer)
    y, dx, dparams = compute(layer, params, x, grad)
    samples = [compute(layer, params, x[i : i + 1], grad[i : i + 1]) for i in range(len(x))]
    if not samples:
        return None
    fault = differing("y", y, torch.cat([sample.y for sample in samples])) or differing(
        "dx", dx, torch.cat([sample.dx for sample in samples])
    )
    total = zeros_like(params)
    for sample in samples:
        total = tree_map(torch.add, total, sample.dparams)
    return fault or differing_trees("dparams, against the sum over the samples, ", dparams, total)


def _takes_none(layer: AnyLayer, example: Example) -> str | None:
    params, x, _ = example.whole(layer)
    empty = x[:0]
    shape = layer.output_shape(tuple(empty.shape))
    y, dx, dparams = compute(layer, params, empty, torch.zeros(shape, dtype=x.dtype))
    if tuple(y.shape) != shape or dx.shape != empty.shape:
        return f"y has shape {tuple(y.shape)} and dx {tuple(dx.shape)}, expected {shape} and {tuple(empty.shape)}"
    return differing_trees("dparams", dparams, zeros_like(params))


def _keeps_nan_in_its_sample(layer: AnyLayer, example: Example) -> str | None:
    params, x, grad = example.normal(layer)
    if len(x) < 2:
        return None
    y, dx, _ = compute(layer, params, x, grad)
    spoilt = _with_first(x, torch.nan)
    y_spoilt, dx_spoilt, _ = compute(layer, params, spoilt, _with_first(grad, torch.nan))
    return differing("with NaN in sample 0, y[1:]", y_spoilt[1:], y[1:]) or differing(
        "with NaN in sample 0, dx[1:]", dx_spoilt[1:], dx[1:]
    )


def _with_first(x: Tensor, value: float) -> Tensor:
    first = torch.full_like(x[:1], value)
    return torch.cat([first, x[1:]])


BATCHES = (
    Law("samples", "a batch gives what its samples give, and the sum of their dparams.", _is_its_samples, exact),
    Law("empty batch", "an empty batch gives an empty result, and dparams of 0.", _takes_none),
    Law("NaN stays", "NaN in one sample is seen in no other.", _keeps_nan_in_its_sample),
)
