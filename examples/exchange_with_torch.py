"""Exchange parameters with torch.nn: the same network there and here, by the names of its state_dict.

Run it to see both train side by side from the same bits: ``python examples/exchange_with_torch.py``
"""

from typing import Any, TypeVar, cast

import torch
from torch import Tensor, nn

from n2nfun.compose import Sequential
from n2nfun.layer import NoParams
from n2nfun.layers import Conv2d, ConvParams, ReLU, Sigmoid, Upsampling
from n2nfun.losses import MSE
from n2nfun.models import PaperParams, paper
from n2nfun.optim import SGD
from n2nfun.train import Batch, TrainStep
from n2nfun.tree import leaves

P = TypeVar("P")


def to_state_dict(params: tuple[Any, ...]) -> dict[str, Tensor]:
    """Name a flat network's parameters as ``nn.Sequential`` does: ``0.weight``, ``0.bias``, ``2.weight`` and so on."""
    return {
        f"{index}.{name}": getattr(own, name).clone()
        for index, own in enumerate(params)
        if isinstance(own, ConvParams)
        for name in ("weight", "bias")
        if getattr(own, name) is not None
    }


def from_state_dict(like: P, state: dict[str, Tensor]) -> P:
    """Take a flat network's parameters from such names; ``like`` gives their type."""
    parts: list[ConvParams | NoParams] = []
    for index, own in enumerate(cast("tuple[ConvParams | NoParams, ...]", like)):
        if isinstance(own, ConvParams):
            bias = None if own.bias is None else state[f"{index}.bias"].clone()
            parts.append(ConvParams(state[f"{index}.weight"].clone(), bias))
        else:
            parts.append(own)
    return cast("P", tuple(parts))


class NearestThenConv(nn.Conv2d):
    """torch.nn's way to say ``Upsampling``: enlarge, then convolve."""

    def __init__(self, layer: Upsampling[Any, Any]) -> None:
        sizes = (layer.in_channels, layer.out_channels, layer.kernel_size)
        super().__init__(*sizes, padding=layer.padding, bias=layer.bias)  # pyright: ignore[reportUnknownMemberType]  # untyped in torch
        self.enlarge = nn.Upsample(scale_factor=(float(layer.scale_factor[0]), float(layer.scale_factor[1])))

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - torch's name
        """Enlarge, then convolve."""
        return super().forward(self.enlarge(input))


def twin(network: Sequential[Any, Any, Any, Any]) -> nn.Sequential:
    """Build the same flat network in torch.nn."""
    modules: list[nn.Module] = []
    for layer in network.layers:
        match layer:
            case Conv2d():
                sizes = (layer.kernel_size, layer.stride, layer.padding)
                modules.append(nn.Conv2d(layer.in_channels, layer.out_channels, *sizes, bias=layer.bias))
            case Upsampling():
                modules.append(NearestThenConv(layer))
            case ReLU():
                modules.append(nn.ReLU())
            case Sigmoid():
                modules.append(nn.Sigmoid())
            case _:
                raise ValueError(f"{type(layer).__name__} has no twin here")
    return nn.Sequential(*modules)


def train_twins(steps: int) -> tuple[PaperParams, PaperParams]:
    """Train the paper's network and its twin from the same bits on the same batches, and return both's parameters."""
    model, sgd = paper(), SGD(0.01, momentum=0.9, nesterov=True)
    step = TrainStep(model.layer, MSE(), sgd)
    state = step.init(torch.Generator().manual_seed(0))
    assert isinstance(model.layer, Sequential)
    theirs = twin(model.layer)
    theirs.load_state_dict(to_state_dict(state.params))
    optimizer = torch.optim.SGD(theirs.parameters(), lr=0.01, momentum=0.9, nesterov=True, foreach=False)
    generator = torch.Generator().manual_seed(1)
    for _ in range(steps):
        clean = torch.rand(4, 3, 8, 8, generator=generator).repeat_interleave(4, 2).repeat_interleave(4, 3)
        x, target = (clean + 0.1 * torch.randn(clean.shape, generator=generator) for _ in range(2))
        state, _ = step(state, Batch(x, target))
        optimizer.zero_grad()
        nn.functional.mse_loss(theirs(x), target).backward()  # type: ignore[no-untyped-call]  # pyright: ignore[reportUnknownMemberType]  # untyped in torch
        optimizer.step()  # pyright: ignore[reportUnknownMemberType]  # likewise
    return state.params, from_state_dict(state.params, dict(theirs.state_dict()))


if __name__ == "__main__":
    for count in (1, 10, 100):
        ours, others = train_twins(count)
        difference = max(float((a - b).abs().max()) for a, b in zip(leaves(ours), leaves(others), strict=True))
        print(f"after {count:3} steps the parameters differ by at most {difference:.1e}")
