"""The same training step in JAX: ``jit`` of ``value_and_grad`` and Nesterov's SGD."""

from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Literal

import numpy as np

from examples.benchmark.cases import LR, MOMENTUM, Training
from examples.benchmark.work import Work
from n2nfun.compose import Residual, Sequential
from n2nfun.layer import Layer
from n2nfun.layers import Conv2d, Normalize, ReLU, Sigmoid, Upsampling
from n2nfun.tree import leaves

THREADS = "PJRT_NPROC"
"""The variable from which JAX's CPU client takes how many threads its pool has; OMP_NUM_THREADS does not count there."""


def installed() -> bool:
    """Tell whether JAX, an optional extra, is there."""
    return find_spec("jax") is not None


def training(case: Training, *, layout: Literal["NCHW", "NHWC"]) -> Work:
    """Train with JAX, on images of this layout."""
    jax: Any = import_module("jax")  # by name and untyped, as type checkers run where it is not installed
    kernels = "HWIO" if layout == "NHWC" else "OIHW"
    start, batch = case.start()
    layer = case.layer()
    x, target = (_laid_out(jax, tensor.numpy(), "NCHW", layout) for tensor in (batch.x, batch.target))
    params = [_laid_out(jax, leaf.numpy(), "OIHW", kernels) for leaf in leaves(start)]
    velocity = [jax.numpy.zeros_like(leaf) for leaf in params]

    def loss(params: Any, x: Any, target: Any) -> Any:
        return jax.numpy.mean((_forward(jax, layer, iter(params), x, layout) - target) ** 2)

    def once(params: Any, velocity: Any, x: Any, target: Any) -> Any:
        value, grads = jax.value_and_grad(loss)(params, x, target)
        velocity = [MOMENTUM * v + g for v, g in zip(velocity, grads, strict=True)]
        params = [p - LR * (g + MOMENTUM * v) for p, g, v in zip(params, grads, velocity, strict=True)]
        return params, velocity, value

    step = jax.jit(once, donate_argnums=(0, 1))  # it may write over the old parameters

    def run() -> Any:
        nonlocal params, velocity
        params, velocity, value = step(params, velocity, x, target)
        return value

    def made(value: Any) -> Any:
        return [np.asarray(value), *(np.asarray(_laid_out(jax, leaf, kernels, "OIHW")) for leaf in params)]

    return Work(run, made, wait=lambda: jax.block_until_ready(params), torchs=False)


def _laid_out(jax: Any, array: Any, old: str, new: str) -> Any:
    """Put the axes of images and kernels in another order; leave biases."""
    return jax.numpy.asarray(array if array.ndim != 4 else array.transpose([old.index(axis) for axis in new]))


def _forward(jax: Any, layer: Layer[Any, Any], params: Iterator[Any], x: Any, layout: Literal["NCHW", "NHWC"]) -> Any:
    """Compute what n2nfun's layer does, in JAX's way; take from params what it needs."""
    match layer:
        case Sequential():
            y = x
            for one in layer.layers:
                y = _forward(jax, one, params, y, layout)
        case Residual():
            y = x + _forward(jax, layer.layer, params, x, layout)
        case Normalize():
            y = (x - layer.mean) / layer.std
        case ReLU():
            y = jax.nn.relu(x)
        case Sigmoid():
            y = jax.nn.sigmoid(x)
        case Conv2d():
            margins = [(padding, padding) for padding in layer.padding]
            y = _convolution(jax, next(params), next(params), x, layer.stride, margins, layout)
        case Upsampling():
            for axis, factor in zip((layout.index("H"), layout.index("W")), layer.scale_factor, strict=True):
                x = jax.numpy.repeat(x, factor, axis)
            margins = [(padding, padding - trim) for padding, trim in zip(layer.padding, layer.trim, strict=True)]
            y = _convolution(jax, next(params), next(params), x, (1, 1), margins, layout)
        case _:
            raise ValueError(f"{type(layer).__name__} is not among the layers of the benchmark's networks")
    return y


def _convolution(
    jax: Any, weight: Any, bias: Any, x: Any, stride: tuple[int, int], margins: list[tuple[int, int]], layout: str
) -> Any:
    kernels = "HWIO" if layout == "NHWC" else "OIHW"
    y = jax.lax.conv_general_dilated(x, weight, stride, margins, dimension_numbers=(layout, kernels, layout))
    return y + (bias if layout == "NHWC" else bias[:, None, None])
