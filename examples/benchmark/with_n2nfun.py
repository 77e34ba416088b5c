"""n2nfun's training step and restoring."""

from torch import Tensor

from examples.benchmark.cases import LR, MOMENTUM, Restoring, Training
from examples.benchmark.work import Work
from n2nfun.capture import captured
from n2nfun.losses import MSE
from n2nfun.models import denoiser
from n2nfun.optim import SGD
from n2nfun.restore import restore
from n2nfun.train import TrainState, TrainStep, train_step
from n2nfun.tree import leaves


def training(case: Training) -> Work:
    """Train with ``train_step`` as it is."""
    params, batch = case.start()
    layer, loss, optimizer = case.layer(), MSE(), SGD(LR, momentum=MOMENTUM, nesterov=True)
    state = TrainState(params, optimizer.init(params), 0)

    def run() -> Tensor:
        nonlocal state
        state, metrics = train_step(layer, loss, optimizer, state, batch)
        return metrics.loss

    return Work(run, lambda value: [value.numpy(), *(leaf.numpy() for leaf in leaves(state.params))])


def captured_training(case: Training, *, compiled: bool) -> Work:
    """Train with a captured step, recorded or compiled."""
    params, batch = case.start()
    plain = TrainStep(case.layer(), MSE(), SGD(LR, momentum=MOMENTUM, nesterov=True))
    step = captured(plain, compile=compiled)
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
