"""ReLUs that keep, draw or change what a pure function does not, as the class's docstring says."""

import random

import numpy as np
import torch
from torch import Tensor

from n2nfun.layer import NoParams
from n2nfun.layers import ReLU, ReLUCache

__all__ = ["WRONG_STATES"]


class AsksForGrad(ReLU):
    """forward() asks autograd to follow x."""

    def forward(self, params: NoParams, x: Tensor) -> tuple[Tensor, ReLUCache]:
        results = super().forward(params, x)
        x.requires_grad_()
        return results


class LeavesItsGradient(ReLU):
    """forward() leaves a tensor in x.grad."""

    def forward(self, params: NoParams, x: Tensor) -> tuple[Tensor, ReLUCache]:
        y, cache = super().forward(params, x)
        x.grad = y.clone()
        return y, cache


class StopsRecording(ReLU):
    """forward() turns autograd off, and leaves it so."""

    def forward(self, params: NoParams, x: Tensor) -> tuple[Tensor, ReLUCache]:
        torch.set_grad_enabled(False)
        return super().forward(params, x)


class SetsTheDefaultDtype(ReLU):
    """forward() makes float64 the default, and leaves it so."""

    def forward(self, params: NoParams, x: Tensor) -> tuple[Tensor, ReLUCache]:
        torch.set_default_dtype(torch.float64)
        return super().forward(params, x)


class SetsTheThreads(ReLU):
    """forward() changes the number of torch's threads."""

    def forward(self, params: NoParams, x: Tensor) -> tuple[Tensor, ReLUCache]:
        torch.set_num_threads(2 if torch.get_num_threads() == 1 else 1)
        return super().forward(params, x)


class DrawsFromPython(ReLU):
    """forward() draws from Python's random state, to no effect."""

    def forward(self, params: NoParams, x: Tensor) -> tuple[Tensor, ReLUCache]:
        random.random()
        return super().forward(params, x)


class DrawsFromNumpy(ReLU):
    """backward() draws from numpy's random state, to no effect."""

    def backward(self, params: NoParams, cache: ReLUCache, grad: Tensor) -> tuple[Tensor, NoParams]:
        np.random.random()  # noqa: NPY002 - the fault
        return super().backward(params, cache, grad)


class DrawsForNothing(ReLU):
    """init() draws a number, and makes no parameters."""

    def init(self, generator: torch.Generator) -> NoParams:
        torch.rand(1, generator=generator)
        return NoParams()


class KeepsTheLastSigns(ReLU):
    """backward() goes by the signs of the last forward, whatever cache it is given."""

    def forward(self, params: NoParams, x: Tensor) -> tuple[Tensor, ReLUCache]:
        y, cache = super().forward(params, x)
        _LAST[:] = [y]
        return y, cache

    def backward(self, params: NoParams, cache: ReLUCache, grad: Tensor) -> tuple[Tensor, NoParams]:
        super().backward(params, cache, grad)
        return super().backward(params, ReLUCache(_LAST[0]), grad)


_LAST: list[Tensor] = []


class SharesScratchInBackward(ReLU):
    """All calls put dx together in one memory, and return a view of it."""

    def backward(self, params: NoParams, cache: ReLUCache, grad: Tensor) -> tuple[Tensor, NoParams]:
        dx, _ = super().backward(params, cache, grad)
        scratch = _SCRATCH.setdefault((tuple(dx.shape), dx.dtype), torch.empty_like(dx))
        return scratch.copy_(dx), params


_SCRATCH: dict[tuple[tuple[int, ...], torch.dtype], Tensor] = {}


class UsesUpItsCache(ReLU):
    """A second backward from the same cache gives 0."""

    def backward(self, params: NoParams, cache: ReLUCache, grad: Tensor) -> tuple[Tensor, NoParams]:
        dx, _ = super().backward(params, cache, grad)
        used = any(cache is other for other in _USED)
        _USED.append(cache)
        del _USED[:-2]
        return (torch.zeros_like(dx) if used else dx), params


_USED: list[ReLUCache] = []


WRONG_STATES: dict[type[ReLU], str] = {
    AsksForGrad: "changes nothing",
    LeavesItsGradient: "changes nothing",
    StopsRecording: "changes nothing",
    SetsTheDefaultDtype: "changes nothing",
    SetsTheThreads: "changes nothing",
    DrawsFromPython: "changes nothing",
    DrawsFromNumpy: "changes nothing",
    DrawsForNothing: "seeded",
    KeepsTheLastSigns: "same bits",
    SharesScratchInBackward: "same bits",
    UsesUpItsCache: "same bits",
}
"""Each kind of ReLU with the law that it breaks above all."""
