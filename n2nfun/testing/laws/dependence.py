"""Which number depends on which: a linear layer reads what it reads, and nothing else."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from n2nfun.testing.comparing import equal
from n2nfun.testing.law import AnyLayer, Example, Law, Traits
from n2nfun.testing.numbers import seeded
from n2nfun.tree import tree_map

__all__ = ["DEPENDENCE"]

_MOST = 24
"""Places that are tried of each tensor; others get their turn in other examples."""


def _positive(example: Example, like: Tensor) -> Tensor:
    """Make whole numbers of which hardly any sum or difference of a few is 0."""
    return torch.randint(1, 2**16, like.shape, generator=seeded(example.seed)).to(like.dtype)


def _one_sample(layer: AnyLayer, example: Example) -> tuple[Any, Tensor, Tensor]:
    """Return positive params, and x and grad of a batch of 1."""
    params, x, grad = Example((1, *example.shape[1:]), example.seed).whole(layer)
    return tree_map(lambda leaf: _positive(example, leaf), params), x, grad


def _some_places(tensor: Tensor, example: Example) -> Tensor:
    return torch.randperm(tensor.numel(), generator=seeded(example.seed))[:_MOST]


def _with_each(sample: Tensor, places: Tensor, value: float) -> Tensor:
    """Repeat a sample, each time with another number in another place, and once as it is."""
    copies = sample.repeat(len(places) + 1, *[1] * (sample.dim() - 1))
    copies.view(len(places) + 1, -1)[torch.arange(len(places)), places] = value
    return copies


def _reached(f: Callable[[Tensor], Tensor], sample: Tensor, places: Tensor) -> Tensor:
    """Tell of each place, and of each number that f makes of the sample, whether it depends on what stands in that place."""
    made = f(_with_each(sample, places, 1024.0)).flatten(1)
    return ~equal(made[:-1], made[-1:])


def _maps(
    layer: AnyLayer, params: Any, x: Tensor, grad: Tensor
) -> list[tuple[str, Tensor, Callable[[Tensor], Tensor]]]:
    """Return forward and backward as functions of a batch."""

    def backward(incoming: Tensor) -> Tensor:
        _, cache = layer.forward(params, x.repeat(len(incoming), *[1] * (x.dim() - 1)))
        return layer.backward(params, cache, incoming)[0]

    return [("x", x, lambda batch: layer.apply(params, batch)), ("grad", grad, backward)]


def _lets_nan_reach_what_depends_on_it(layer: AnyLayer, example: Example) -> str | None:
    params, x, grad = _one_sample(layer, example)
    for (name, sample, f), result in zip(_maps(layer, params, x, grad), ("y", "dx"), strict=True):
        places = _some_places(sample, example)
        depends = _reached(f, sample, places)
        wrong = f(_with_each(sample, places, torch.nan)).flatten(1)[:-1].isnan() != depends
        if bool(wrong.any()):
            place, reached = (int(index) for index in wrong.nonzero()[0])
            where = [int(i) for i in torch.unravel_index(places[place], sample.shape)]
            says = (
                "a number, though it depends on it"
                if depends[place, reached]
                else "NaN, though it does not depend on it"
            )
            return f"with NaN in {name}{where}, number {reached} of {result} is {says}"
    return None


def _ignores_what_no_output_depends_on(layer: AnyLayer, example: Example) -> str | None:
    params, x, grad = _one_sample(layer, example)
    places = _some_places(x, example)
    (_, _, forward), (_, _, backward) = _maps(layer, params, x, grad)
    unread = places[~_reached(forward, x, places).any(1)]
    for what, incoming in (("", grad), (" of NaN", torch.full_like(grad, torch.nan))):
        wrong = unread[backward(incoming).flatten()[unread] != 0]
        if len(wrong):
            where = [int(i) for i in torch.unravel_index(wrong[0], x.shape)]
            return f"no number of y depends on x{where}, but with a grad{what} dx{where} is not 0"
    return None


def _linear_and_exact(traits: Traits) -> bool:
    return traits.linear and traits.exact


DEPENDENCE = (
    Law(
        "NaN reaches",
        "NaN in one number of x (of grad) reaches the numbers of y (of dx) that depend on it, and no others.",
        _lets_nan_reach_what_depends_on_it,
        _linear_and_exact,
    ),
    Law(
        "unread",
        "a number of x that no output depends on gets a gradient of exactly 0, even where grad is NaN.",
        _ignores_what_no_output_depends_on,
        _linear_and_exact,
    ),
)
