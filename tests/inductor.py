"""Compile layers, loss and optimizer to machine code, and compare what they make; run by ``test_compiled_steps.py``.

In a process of its own, as ``compiling.py``. Of whole numbers every sum is exact, in whichever order a compiler adds up: so
compiled code that computes the same formulas makes equal numbers. Sigmoid makes no whole numbers, and is left out.
"""

import os
import sys
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor
from torch.fx import Graph

from n2nfun.capture import captured, compiling, known
from n2nfun.capture.once_each import OnceEach
from n2nfun.compose import Sequential
from n2nfun.layer import Layer
from n2nfun.layers import Conv2d, Sigmoid, Upsampling
from n2nfun.losses import MSE
from n2nfun.optim import SGD, Adam, AdamState, SGDState
from n2nfun.testing.bits import assert_same_bits
from n2nfun.testing.numbers import seeded, whole_numbers, whole_params
from n2nfun.train import Batch, TrainState, TrainStep, train_step
from n2nfun.tree import leaves, tree_map
from tests.layer_cases import CASES
from tests.purity import nothing_changed

FEW = (
    "convolution",
    "convolution that tiles",
    "convolution to one channel",
    "upsampling in groups of phases",
    "a residual network",
)
"""One of each form of the kernels: to compile all layers takes more than a minute."""

STEPPED = Conv2d(2, 4, 2, stride=2) >> Upsampling(4, 2, 3, padding=1)


def whole(layer: Layer[Any, Any]) -> bool:
    """Say whether a layer makes whole numbers, or halves and quarters, of whole numbers."""
    return all(map(whole, layer.layers)) if isinstance(layer, Sequential) else not isinstance(layer, Sigmoid)


def layers_and_step(*, every: bool) -> None:
    """One graph of layers' forwards and backwards, and of a training step."""
    generator, chosen = seeded(0), [case for case in CASES if whole(case.layer) and (every or case.name in FEW)]
    given: list[Any] = []
    for case in chosen:
        # Behind several layers the numbers are too large for float32.
        dtype = torch.float64 if isinstance(case.layer, Sequential) else torch.float32
        shapes = (case.shape, case.layer.output_shape(case.shape))
        given.append(
            (whole_params(case.layer, generator, dtype), *(whole_numbers(s, generator, dtype) for s in shapes))
        )
    params, velocity = (whole_params(STEPPED, generator) for _ in range(2))
    begun, sgd = TrainState(params, SGDState(velocity), 1), SGD(0.5, momentum=0.5, nesterov=True)
    batch = Batch(*(whole_numbers((2, 2, 8, 8), generator) for _ in range(2)))  # a mean of a power of two is exact

    def everything(given: list[Any], begun: TrainState[Any, Any], batch: Batch) -> list[list[Tensor]]:
        found: list[list[Tensor]] = []
        for case, (params, x, grad) in zip(chosen, given, strict=True):
            y, cache = case.layer.forward(params, x)
            dx, dparams = case.layer.backward(params, cache, grad)
            found.append([y, dx, *leaves(dparams)])
        state, metrics = train_step(STEPPED, MSE(), sgd, begun, batch)
        return [*found, [metrics.loss, *leaves(state)]]

    names = [*(case.name for case in chosen), "a training step"]
    expected = everything(given, begun, batch)
    run = torch.compile(everything, fullgraph=True, dynamic=False)  # pyright: ignore[reportUnknownMemberType]  # partially typed in torch
    found = run(given, begun, batch)
    for name, one, other in zip(names, found, expected, strict=True):
        for index, (a, b) in enumerate(zip(one, other, strict=True)):
            assert a.dtype == b.dtype, f"{name}, result {index}: {a.dtype} instead of {b.dtype}"
            assert torch.equal(a, b), f"{name}, result {index}: {int((a != b).sum())} of {a.numel()} numbers differ"


def captured_steps() -> None:
    """Steps that are compiled without guards: a whole one, and one up to its gradient, on two numbers of threads."""
    generator, threads = seeded(1), torch.get_num_threads()
    made, make = list[object](), compiling.compiled
    left_out, leave_out = list[int](), OnceEach.__call__

    def counted(self: OnceEach, graph: Graph) -> None:
        before = len(graph.nodes)
        leave_out(self, graph)
        left_out.append(before - len(graph.nodes))

    OnceEach.__call__ = counted  # type: ignore[method-assign]  # which is the way to see what it does

    def noted(function: compiling.Function) -> compiling.Function:
        made.append(function)
        return make(function)

    known.compiled = noted  # type: ignore[attr-defined]  # it is imported there
    for optimizer, calls in ((SGD(0.5, momentum=0.5, nesterov=True), 5), (Adam(0.25), 3)):
        step: TrainStep[Any, Any, Any, Any] = TrainStep(STEPPED, MSE(), optimizer)
        run = captured(step, compile=True)
        for count in range(1, calls + 1):
            params, velocity = (whole_params(STEPPED, generator) for _ in range(2))
            moments = AdamState(count, velocity, tree_map(torch.abs, velocity))
            state = TrainState(params, moments if isinstance(optimizer, Adam) else SGDState(velocity), count)
            batch = Batch(*(whole_numbers((2, 2, 8, 8), generator) for _ in range(2)))
            if count == 2:  # when it is compiled one tensor is both, and later two are
                batch = Batch(batch.x, batch.x)
            torch.set_num_threads(1 if count == 5 else threads)
            with nothing_changed(state, batch):
                found = run(state, batch)
            assert_same_bits(found, step(state, batch))
        assert run.memory == 0
    assert len(made) == 2
    assert left_out
    assert min(left_out) > 0


if __name__ == "__main__":
    # Machine code that an earlier run left on disk would be run, instead of compiled by what is there now.
    with TemporaryDirectory() as fresh:
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = fresh
        layers_and_step(every="every" in sys.argv)
        captured_steps()
