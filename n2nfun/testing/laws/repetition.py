"""The same again: a layer keeps nothing between its calls, and draws nothing but from the generator it is given."""

from functools import partial

import torch

from n2nfun.testing.annotations import annotations_unchecked
from n2nfun.testing.comparing import Results, compute, differing_results, differing_trees, same
from n2nfun.testing.law import SAME_BITS, AnyLayer, Example, Law
from n2nfun.testing.numbers import seeded
from n2nfun.testing.turns import in_turns
from n2nfun.tree import paths, tree_map

__all__ = ["REPETITION"]


def _gives_the_same_bits(layer: AnyLayer, example: Example) -> str | None:
    params, x, grad = example.normal(layer)
    # Another input bends elsewhere; and what the first results hold now, a memory that calls share would lose.
    expected, other = (
        tree_map(torch.clone, compute(layer, *own)) for own in ((params, x, grad), (params, -x, 1 - grad))
    )
    y, cache = layer.forward(params, x)
    other_y, other_cache = layer.forward(params, -x)
    results = Results(y, *layer.backward(params, cache, grad))
    others = Results(other_y, *layer.backward(params, other_cache, 1 - grad))
    again = Results(y, *layer.backward(params, cache, grad))
    for where, got, right in (
        ("of two calls that take turns, the first's ", results, expected),
        ("of two calls that take turns, the second's ", others, other),
        ("from the same cache, the second time, ", again, expected),
    ):
        fault = differing_results(where, got, right, alike=same)
        if fault is not None:
            return fault
    return None


def _draws_from_its_generator(layer: AnyLayer, example: Example) -> str | None:
    generator, twin, other = seeded(example.seed), seeded(example.seed), seeded(example.seed + 1)
    params = layer.init(generator)
    fault = differing_trees("init's result from the same seed", layer.init(twin), params, alike=same)
    layer.init(other)
    if fault is not None:
        return fault
    if torch.equal(generator.get_state(), other.get_state()):
        return "init leaves generators of different seeds in the same state: it seeds what it is given"
    if not paths(params) and not torch.equal(generator.get_state(), seeded(example.seed).get_state()):
        return "init draws from its generator, but makes no parameters"
    kinds = ((path, leaf.dtype) for path, leaf in paths(params) if leaf.dtype != torch.float32)
    return next((f"init's params{path} is {dtype}, expected torch.float32" for path, dtype in kinds), None)


def _runs_in_threads(layer: AnyLayer, example: Example) -> str | None:
    arguments = [Example(example.shape, example.seed + i).normal(layer) for i in range(2)]
    alone = [tree_map(torch.clone, compute(layer, *own)) for own in arguments]
    with annotations_unchecked():
        together = in_turns([partial(compute, layer, *own) for own in arguments])
    faults = (
        differing_results("of two calls at the same time, one's ", got, expected, alike=same)
        for got, expected in zip(together, alone, strict=True)
    )
    return next((fault for fault in faults if fault), None)


REPETITION = (
    Law(*SAME_BITS, _gives_the_same_bits),
    Law(
        "seeded", "init draws float32 parameters from its generator, and from nothing else.", _draws_from_its_generator
    ),
    Law("threads", "calls at the same time do not disturb each other.", _runs_in_threads),
)
