"""n2nfun's training step and restoring."""

from collections.abc import Callable
from typing import Any, TypeAlias

from torch import Tensor

from examples.benchmark.cases import LR, MOMENTUM, Restoring, Training
from examples.benchmark.work import Made, Work
from n2nfun.capture import CapturedStep
from n2nfun.losses import MSE
from n2nfun.models import denoiser
from n2nfun.optim import SGD
from n2nfun.restore import restore
from n2nfun.train import Metrics, TrainStep
from n2nfun.tree import leaves

Step: TypeAlias = TrainStep[Any, Any, Any, Any]
Captured: TypeAlias = CapturedStep[Any, Any, Metrics]


def training(case: Training, wrap: Callable[[Step], Step | Captured] = lambda step: step) -> Work:
    """Train with a step as it is, or captured."""
    params, batch = case.start()
    plain: Step = TrainStep(case.layer(), MSE(), SGD(LR, momentum=MOMENTUM, nesterov=True))
    step, state = wrap(plain), plain.start(params)

    def run() -> Tensor:
        nonlocal state
        state, metrics = step(state, batch)
        return metrics.loss

    def made(value: Tensor) -> Made:
        return [value.numpy(), *(leaf.numpy() for leaf in leaves(state.params))]

    return Work(run, made, keeps=lambda: step.memory if isinstance(step, CapturedStep) else 0)


def restoring(case: Restoring) -> Work:
    """Restore tile by tile."""
    params, image = case.start()
    model = denoiser()
    return Work(lambda: restore(model, params, image), lambda restored: [restored.numpy()])
