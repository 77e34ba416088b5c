"""Compile whole steps without a break, and compare them with the steps themselves; run by ``test_compiled_steps.py``.

In a process of its own, since PyTorch's tracer does not see through the checks of annotations that the tests install.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from n2nfun.ensemble import EnsembleStep
from n2nfun.layers import Conv2d, ReLU, Upsampling
from n2nfun.losses import MSE
from n2nfun.optim import SGD, SGDState
from n2nfun.testing.bits import assert_same_bits
from n2nfun.testing.numbers import seeded
from n2nfun.train import Batch, TrainStep

NETWORK = Conv2d(1, 4, 3, stride=2, padding=1) >> ReLU() >> Upsampling(4, 1, 3, padding=1)


def compiled(function: Callable[..., Any], graphs: list[Any]) -> Any:
    """Trace a function whole, and run the graphs that it makes operation by operation: to the bit as they are written."""

    def backend(graph: Any, _inputs: list[Tensor]) -> Any:
        graphs.append(graph)
        return graph.forward

    return torch.compile(function, fullgraph=True, backend=backend)  # pyright: ignore[reportUnknownMemberType]  # partially typed in torch


def one_graph_for_all_rates() -> None:
    """A tensor as learning rate is an input of the graph, where a number is a part of it."""

    def moved(params: tuple[Tensor, ...], lr: Tensor) -> Any:
        return SGD(lr, momentum=0.5 * lr, nesterov=lr > 0).step(params, params, SGDState(params))

    graphs, params = list[Any](), (torch.rand(3, generator=seeded(0)),)
    assert_same_bits(*[moved(params, torch.tensor(1.0))] * 2)  # goes through all types that there are
    run = compiled(moved, graphs)
    for rate in (0.5, 0.25, 1.0):
        expected = moved(params, torch.tensor(rate))
        assert_same_bits(run(params, torch.tensor(rate)), expected)
    assert len(graphs) == 1


def whole_steps() -> None:
    """Steps of one network, in its own dtype and in another, and of an ensemble."""
    generator = seeded(1)
    data = [Batch(*(torch.rand(2, 1, 8, 8, generator=generator) for _ in range(2))) for _ in range(4)]
    own = SGD(0.1, momentum=0.9, nesterov=True)
    ensemble = EnsembleStep(NETWORK, MSE(), [own, SGD(0.2), SGD(0.3, momentum=0.5)])
    for step, start in (
        (TrainStep(NETWORK, MSE(), own), seeded(0)),
        (TrainStep(Conv2d(1, 1, 3, padding=1), MSE(), own, compute=torch.bfloat16), seeded(0)),
        (ensemble, [seeded(0), seeded(1), seeded(2)]),
    ):
        graphs = list[Any]()
        step_of_any: Any = step
        run, state = compiled(step_of_any.__call__, graphs), step_of_any.init(start)
        state, metrics = step_of_any(state, data[0])  # the first has no velocity yet
        assert_same_bits(*[(state, metrics)] * 2)  # goes through all types that there are
        for batch in data[1:]:
            expected = step_of_any(state, batch)
            assert_same_bits(run(state, batch), expected)
            state, _ = expected
        # Of one number of steps made, and of any; of any at once, where torch has seen one change in a step before.
        assert len(graphs) in {1, 2}


if __name__ == "__main__":
    one_graph_for_all_rates()
    whole_steps()
