"""A layer's methods are pure functions: they change nothing, keep nothing, and draw nothing at random."""

from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from n2nfun.testing.bits import bits
from n2nfun.testing.comparing import compute, differing_trees
from n2nfun.testing.law import AnyLayer, Example, Law, LawBroken
from n2nfun.testing.numbers import seeded
from n2nfun.tree import paths, tree_map

__all__ = ["PURITY"]


@contextmanager
def _unchanged(what: str, **trees: object) -> Generator[None]:
    """Require that a call leaves trees of tensors, and torch's random state, as they are."""
    named = [(f"{name}{path}", leaf) for name, tree in trees.items() for path, leaf in paths(tree)]
    before = [(bits(leaf), leaf._version, leaf.stride()) for _, leaf in named]  # noqa: SLF001 - counts changes in place
    state = torch.get_rng_state()
    yield
    for (name, leaf), (old, version, stride) in zip(named, before, strict=True):
        if not torch.equal(bits(leaf), old):
            raise LawBroken(f"{what} changed {name}")
        if leaf._version != version or leaf.stride() != stride:  # noqa: SLF001 - likewise
            raise LawBroken(f"{what} wrote to {name}, or laid it out anew")
    if not torch.equal(torch.get_rng_state(), state):
        raise LawBroken(f"{what} drew from torch's global random state")


def _changes_nothing(layer: AnyLayer, example: Example) -> str | None:
    params, x, grad = example.normal(layer)
    try:
        with _unchanged("forward()", params=params, x=x):
            y, cache = layer.forward(params, x)
        with _unchanged("backward()", params=params, x=x, y=y, cache=cache, grad=grad):
            layer.backward(params, cache, grad)
        with _unchanged("gradients()", params=params, x=x, y=y, cache=cache, grad=grad):
            layer.gradients(params, cache, grad)
        with _unchanged("init()", params=params):
            layer.init(seeded(example.seed))
    except LawBroken as broken:
        return str(broken)
    return None


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


def _gives_the_same_bits(layer: AnyLayer, example: Example) -> str | None:
    params, x, grad = example.normal(layer)
    first = compute(layer, params, x, grad)
    y, cache = layer.forward(params, x)
    other = layer.forward(params, 2 * x)[1]  # a call in between
    layer.backward(params, other, grad)
    layer.backward(params, cache, 2 * grad)
    again = (y, *layer.backward(params, cache, grad))
    return differing_trees("the second result", again, first) or differing_trees(
        "init's second result", layer.init(seeded(1)), layer.init(seeded(1))
    )


def _hangs_on_no_graph(layer: AnyLayer, example: Example) -> str | None:
    params, x, grad = tree_map(_asking, example.normal(layer))
    y, cache = layer.forward(params, x)
    dx, dparams = layer.backward(params, cache, grad)
    for name, tree in (("y", y), ("cache", cache), ("dx", dx), ("dparams", dparams)):
        for path, leaf in paths(tree):
            if leaf.grad_fn is not None or leaf.requires_grad:
                return f"{name}{path} hangs on a graph of autograd, though it is told what to differentiate by nobody"
    return None


def _asking(leaf: Tensor) -> Tensor:
    return leaf.clone().requires_grad_()


def _runs_in_threads(layer: AnyLayer, example: Example) -> str | None:
    arguments = [Example(example.shape, example.seed + i).normal(layer) for i in range(4)]
    alone = [compute(layer, *own) for own in arguments]

    def run(own: tuple[Any, Tensor, Tensor]) -> object:
        return compute(layer, *own)

    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(run, arguments))
    return next(
        (
            fault
            for got, expected in zip(together, alone, strict=True)
            if (fault := differing_trees("a result among threads", got, expected))
        ),
        None,
    )


def _draws_from_its_generator(layer: AnyLayer, example: Example) -> str | None:
    first, again = layer.init(seeded(example.seed)), layer.init(seeded(example.seed))
    return differing_trees("init's result from the same seed", again, first)


PURITY = (
    Law("changes nothing", "no call changes an argument, a cache, or a global.", _changes_nothing),
    Law("owns its results", "no result shares memory with an argument.", _owns_its_results),
    Law("same bits", "the same call gives the same bits, whatever was called before.", _gives_the_same_bits),
    Law("seeded", "init draws from its generator alone.", _draws_from_its_generator),
    Law("no graph", "no result hangs on a graph of autograd.", _hangs_on_no_graph),
    Law("threads", "calls at the same time do not disturb each other.", _runs_in_threads),
)
