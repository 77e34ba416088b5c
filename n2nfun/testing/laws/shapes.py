"""Shapes and types: what a layer says of its results is true."""

from n2nfun.testing.comparing import compute, differing_trees, same
from n2nfun.testing.law import DTYPES, AnyLayer, Example, Law
from n2nfun.tree import leaves, paths

__all__ = ["SHAPES"]


def _says_its_shape(layer: AnyLayer, example: Example) -> str | None:
    params, x, _ = example.whole(layer)
    y, _ = layer.forward(params, x)
    said = layer.output_shape(example.shape)
    return None if tuple(y.shape) == said else f"forward gives shape {tuple(y.shape)}, output_shape says {said}"


def _gives_gradients_of_their_kind(layer: AnyLayer, example: Example) -> str | None:
    params, x, grad = example.whole(layer)
    _, dx, dparams = compute(layer, params, x, grad)
    if dx.shape != x.shape:
        return f"dx has shape {tuple(dx.shape)}, expected x's, {tuple(x.shape)}"
    if type(dparams) is not type(params):
        return f"dparams is a {type(dparams).__name__}, expected a {type(params).__name__}"
    got, expected = ([(path, tuple(leaf.shape)) for path, leaf in paths(tree)] for tree in (dparams, params))
    return None if got == expected else f"dparams has the tensors {got}, expected {expected}"


def _counts_its_parameters(layer: AnyLayer, example: Example) -> str | None:
    params, _, _ = example.whole(layer)
    held, said = sum(leaf.numel() for leaf in leaves(params)), layer.count_parameters()
    return None if held == said else f"params hold {held} numbers, count_parameters says {said}"


def _counts_its_work(layer: AnyLayer, example: Example) -> str | None:
    batch, *sample = example.shape
    alone, said = layer.multiply_adds((1, *sample)), layer.multiply_adds(example.shape)
    expected = batch * alone
    return (
        None if said == expected >= 0 else f"multiply_adds says {said} of a batch of {batch}, and {alone} of one sample"
    )


def _has_true_short_forms(layer: AnyLayer, example: Example) -> str | None:
    params, x, grad = example.normal(layer)
    y, cache = layer.forward(params, x)
    _, dparams = layer.backward(params, cache, grad)
    applied, gradients = layer.apply(params, x), layer.gradients(params, cache, grad)
    return differing_trees("apply's result", applied, y, alike=same) or differing_trees(
        "gradients' result", gradients, dparams, alike=same
    )


def _keeps_dtypes(layer: AnyLayer, example: Example) -> str | None:
    y, dx, dparams = compute(layer, *example.normal(layer))
    for name, tree in (("y", y), ("dx", dx), ("dparams", dparams)):
        for path, leaf in paths(tree):
            if leaf.dtype != example.dtype:
                return f"{name}{path} is {leaf.dtype}, expected {example.dtype}"
    return None


SHAPES = (
    Law("output shape", "output_shape says what forward gives.", _says_its_shape),
    Law(
        "gradient shapes",
        "dx has x's shape, dparams the type and shapes of params.",
        _gives_gradients_of_their_kind,
    ),
    Law("count", "count_parameters counts the numbers in params.", _counts_its_parameters),
    Law("work", "multiply_adds of a batch is that of a sample times the samples.", _counts_its_work),
    Law("short forms", "apply and gradients give what forward and backward give.", _has_true_short_forms),
    Law("dtype", "results have the dtype of the input.", _keeps_dtypes, dtypes=DTYPES),
)
