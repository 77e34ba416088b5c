"""The same with ``torch.nn``: autograd and the fused SGD, or inference mode."""

from typing import Any, cast

import torch
from torch import Tensor, nn

from examples.benchmark.cases import LR, MOMENTUM, Restoring, Training
from examples.benchmark.work import Work
from examples.exchange_with_torch import twin
from n2nfun.compose import Sequential
from n2nfun.tree import leaves


class _Block(nn.Module):
    """``x + conv(relu(x))``."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return x + cast("Tensor", self.conv(torch.relu(x)))


class _Denoiser(nn.Module):
    """n2nfun's default model."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.inner = nn.Sequential(
            nn.Conv2d(3, width, 3, padding=1),
            *(_Block(width) for _ in range(3)),
            nn.ReLU(),
            nn.Conv2d(width, 3, 3, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + cast("Tensor", self.inner((x - 0.5) / 0.25))


def _network(case: Training | Restoring, params: Any, layout: torch.memory_format) -> Any:
    """Build the same network, of the same parameters."""
    layer = case.layer() if isinstance(case, Training) else None
    network: nn.Module = twin(layer) if isinstance(layer, Sequential) else _Denoiser()
    with torch.no_grad():
        for own, start in zip(network.parameters(), leaves(params), strict=True):
            own.copy_(start)
    return network.to(memory_format=layout)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportUnknownVariableType]  # torch's stub lacks it


def training(case: Training, *, compiled: bool, layout: torch.memory_format) -> Work:
    """Train with autograd."""
    params, batch = case.start()
    network = _network(case, params, layout)
    x, target = (tensor.contiguous(memory_format=layout) for tensor in (batch.x, batch.target))
    optimizer: Any = torch.optim.SGD(network.parameters(), LR, momentum=MOMENTUM, nesterov=True, fused=True)

    def once() -> Tensor:
        return nn.functional.mse_loss(network(x), target)

    # With a wrapper of C++ too, as n2nfun's compiled step: it is faster so.
    options: Any = {"cpp_wrapper": True}
    loss: Any = torch.compile(once, fullgraph=True, dynamic=False, options=options) if compiled else once  # pyright: ignore[reportUnknownMemberType]  # partially typed in torch

    def run() -> Tensor:
        optimizer.zero_grad()
        value = loss()
        value.backward()
        optimizer.step()
        return cast("Tensor", value)

    def made(value: Tensor) -> list[Any]:
        return [leaf.detach().contiguous().numpy() for leaf in (value, *network.parameters())]

    return Work(run, made)


def restoring(case: Restoring, *, layout: torch.memory_format) -> Work:
    """Restore the whole image at once."""
    params, image = case.start()
    network = _network(case, params, layout)
    x = image.contiguous(memory_format=layout)

    @torch.inference_mode()
    def run() -> Tensor:
        return cast("Tensor", network(x)).clamp(0, 1)

    return Work(run, lambda restored: [restored.contiguous().numpy()])
