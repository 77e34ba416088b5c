"""n2nfun's training step and restoring."""

from typing import Any

import torch
from torch import Tensor

from examples.benchmark.cases import LR, MOMENTUM, Restoring, Training
from examples.benchmark.work import Work
from n2nfun.capture import captured
from n2nfun.losses import MSE
from n2nfun.models import denoiser
from n2nfun.optim import SGD
from n2nfun.restore import restore
from n2nfun.train import Batch, TrainState, TrainStep, train_step
from n2nfun.tree import leaves


def training(case: Training, *, compiled: bool) -> Work:
    """Train with ``train_step``, as it is or compiled whole."""
    params, batch = case.start()
    layer, loss, optimizer = case.layer(), MSE(), SGD(LR, momentum=MOMENTUM, nesterov=True)
    state = optimizer.init(params)

    # The count of steps stays outside: a number that changes would be compiled anew.
    def once(params: Any, state: Any, batch: Batch) -> tuple[Any, Any, Tensor]:
        after, metrics = train_step(layer, loss, optimizer, TrainState(params, state, 0), batch)
        return after.params, after.optimizer, metrics.loss

    # The first step, which has no velocity yet, would be a graph of its own.
    step = once

    def run() -> Tensor:
        nonlocal params, state, step
        params, state, value = step(params, state, batch)
        if compiled and step is once:
            step = torch.compile(once, fullgraph=True, dynamic=False)  # pyright: ignore[reportUnknownMemberType]  # partially typed in torch
        return value

    return Work(run, lambda value: [value.numpy(), *(leaf.numpy() for leaf in leaves(params))])


def captured_training(case: Training) -> Work:
    """Train with a captured step."""
    params, batch = case.start()
    plain = TrainStep(case.layer(), MSE(), SGD(LR, momentum=MOMENTUM, nesterov=True))
    step = captured(plain)
    state = plain.start(params)

    def run() -> Tensor:
        nonlocal state
        state, metrics = step(state, batch)
        return metrics.loss

    return Work(
        run, lambda value: [value.numpy(), *(leaf.numpy() for leaf in leaves(state.params))], keeps=lambda: step.memory
    )


def restoring(case: Restoring) -> Work:
    """Restore tile by tile."""
    params, image = case.start()
    model = denoiser()
    return Work(lambda: restore(model, params, image), lambda restored: [restored.numpy()])
