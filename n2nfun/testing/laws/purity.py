"""A layer's methods are pure functions: they change no argument and no global, and autograd does not see them."""

import pickle
import random
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from n2nfun.testing.annotations import annotations_unchecked
from n2nfun.testing.bits import bits
from n2nfun.testing.law import AnyLayer, Example, Law, LawBroken
from n2nfun.testing.numbers import seeded
from n2nfun.tree import paths, tree_map

__all__ = ["PURITY", "unchanged"]


class _Global(NamedTuple):
    """A state of the whole process, which a pure function leaves alone."""

    name: str
    read: Callable[[], object]
    write: Callable[[Any], object]


def _numpy_state() -> bytes:
    return pickle.dumps(np.random.get_state())  # noqa: NPY002 - asks whether the old generator was used


def _leave(state: object) -> None:
    """Do not put a random state back: that a number was drawn spoils nothing that follows."""


_GLOBALS = (
    _Global("torch's global random state", lambda: bytes(torch.get_rng_state().numpy()), _leave),
    _Global("Python's global random state", random.getstate, _leave),
    _Global("numpy's global random state", _numpy_state, _leave),
    _Global("whether autograd records", torch.is_grad_enabled, torch.set_grad_enabled),
    _Global("torch's default dtype", torch.get_default_dtype, torch.set_default_dtype),
    _Global("torch's number of threads", torch.get_num_threads, torch.set_num_threads),
)


def _as_it_is(leaf: Tensor) -> dict[str, object]:
    """Describe a tensor but for its numbers."""
    return {
        "its version (it was written to)": leaf._version,  # noqa: SLF001 - counts changes in place
        "its strides": leaf.stride(),
        "its requires_grad": leaf.requires_grad,
        "its .grad": id(leaf.grad) if leaf.is_leaf and leaf.grad is not None else None,
    }


@contextmanager
def unchanged(what: str, **trees: object) -> Generator[None]:
    """Require that a call leaves trees of tensors and the globals of torch, Python and numpy as they are.

    Raises:
        LawBroken: if it does not; the message names what the call changed. A global that would spoil what follows is
            put back.
    """
    named = [(f"{name}{path}", leaf) for name, tree in trees.items() for path, leaf in paths(tree)]
    before = [(bits(leaf), _as_it_is(leaf)) for _, leaf in named]
    states = [state.read() for state in _GLOBALS]
    try:
        with annotations_unchecked():
            yield
    finally:
        changed = [(one, state) for one, state in zip(_GLOBALS, states, strict=True) if one.read() != state]
        for one, state in changed:
            one.write(state)
    for one, _ in changed:
        raise LawBroken(f"{what} changed {one.name}")
    for (name, leaf), (old, described) in zip(named, before, strict=True):
        if not torch.equal(bits(leaf), old):
            raise LawBroken(f"{what} changed the numbers of {name}")
        for aspect, value in _as_it_is(leaf).items():
            if value != described[aspect]:
                raise LawBroken(f"{what} changed {name}: {aspect}")


def _changes_nothing(layer: AnyLayer, example: Example) -> str | None:
    params, x, grad = example.normal(layer)
    try:
        with unchanged("forward()", params=params, x=x):
            y, cache = layer.forward(params, x)
        with unchanged("apply()", params=params, x=x):
            layer.apply(params, x)
        given = {"params": params, "x": x, "y": y, "cache": cache, "grad": grad}
        with unchanged("backward()", **given):
            layer.backward(params, cache, grad)
        with unchanged("gradients()", **given):
            layer.gradients(params, cache, grad)
        with unchanged("init()", params=params):
            layer.init(seeded(example.seed))
    except LawBroken as broken:
        return str(broken)
    return None


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


PURITY = (
    Law("changes nothing", "no call changes an argument, a cache, or a global.", _changes_nothing),
    Law("no graph", "no result hangs on a graph of autograd.", _hangs_on_no_graph),
)
