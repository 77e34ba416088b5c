"""What layers and optimizers should compute: torch.nn.functional, differentiated by autograd, and torch.optim."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from n2nfun.compose import Residual, Sequential
from n2nfun.layer import Layer
from n2nfun.layers import Conv2d, Identity, NearestUpsampling, Normalize, ReLU, Sigmoid, Upsampling
from n2nfun.optim import SGD
from n2nfun.testing.comparing import Results
from n2nfun.tree import leaves, rebuild, tree_map


def reference(layer: Layer[Any, Any], params: Any, x: Tensor) -> Tensor:
    """Compute a layer's forward as PyTorch would."""
    match layer:
        case Conv2d():
            y = functional.conv2d(x, params.weight, params.bias, layer.stride, layer.padding)
        case NearestUpsampling():
            y = x.repeat_interleave(layer.scale_factor[0], 2).repeat_interleave(layer.scale_factor[1], 3)
        case Upsampling():
            enlarged = reference(NearestUpsampling(layer.scale_factor), None, x)
            y = functional.conv2d(enlarged, params.weight, params.bias, 1, layer.padding)
            y = y[:, :, : y.shape[2] - layer.trim[0], : y.shape[3] - layer.trim[1]]
        case Sequential():
            y = x
            for part, own in zip(layer.layers, params, strict=True):
                y = reference(part, own, y)
        case Residual():
            y = x + reference(layer.layer, params, x)
        case _:
            y = elementwise(layer, x)
    return y


def elementwise(layer: Layer[Any, Any], x: Tensor) -> Tensor:
    """Compute the forward of a layer without parameters as PyTorch would."""
    match layer:
        case ReLU():
            return functional.relu(x)
        case Sigmoid():
            return functional.sigmoid(x)
        case Normalize():
            return (x - layer.mean) / layer.std
        case Identity():
            return x.clone()
        case _:
            raise NotImplementedError(layer)


def differentiate(layer: Layer[Any, Any], params: Any, x: Tensor, grad: Tensor) -> Results:
    """Compute a layer's forward and backward with autograd."""
    variable = x.detach().clone().requires_grad_()
    own: Any = tree_map(lambda leaf: leaf.detach().clone().requires_grad_(), params)
    y = reference(layer, own, variable)
    dx, *dparams = torch.autograd.grad(y, [variable, *leaves(own)], grad)
    return Results(y.detach(), dx, rebuild(params, list(dparams)))


def sgds_twin(sgd: SGD, params: list[Tensor]) -> torch.optim.Optimizer:
    """Return PyTorch's own SGD, which moves these parameters; of numbers, as it takes no tensors for most."""
    return torch.optim.SGD(
        params,
        sgd.lr,
        momentum=float(sgd.momentum),
        dampening=float(sgd.dampening),
        weight_decay=float(sgd.weight_decay),
        nesterov=bool(sgd.nesterov),
        foreach=False,
    )
