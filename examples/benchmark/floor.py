"""The floor under a training step: its matrix products alone, at the rates that the machine reaches for them.

Which products these are follows from the geometry, whoever computes them, in the phase form: output ``s*q + r`` of an
upsampling by s reads as many low-resolution pixels as the taps of phase r fall on, and input ``s*q + r`` of a convolution of
stride s gets its gradient from every s-th tap. Nothing else of a step is counted: no gathering of windows, no activation,
no loss, no update.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import product
from math import prod
from typing import Any, NamedTuple

import torch
from torch import Tensor

from examples.benchmark.cases import Training
from examples.benchmark.work import Work
from n2nfun.compose import Residual, Sequential
from n2nfun.layer import Layer, Shape
from n2nfun.layers import Conv2d, Upsampling

PIECE = 1 << 17
"""Numbers of a matrix's part that stays in cache."""

TRIALS = 3
"""How often each way to compute a product is timed to find the best."""


class Product(NamedTuple):
    """``(m, k) @ (k, n)``, so many times: once for each phase of this size."""

    m: int
    k: int
    n: int
    phases: int = 1

    @property
    def multiply_adds(self) -> int:
        """How many numbers are multiplied and added."""
        return prod(self)


class Phase(NamedTuple):
    """Every s-th pixel, in one dimension."""

    positions: int
    taps: int
    """How many numbers each of them is the sum of."""


def training(case: Training) -> Work:
    """Make the products, one after the other, each in the best way, in memory that is there."""
    needed = list(products(case.layer(), case.shape(), wants_dx=False))
    memory = _Memory(needed)
    best = [min(memory.ways(one), key=_least_time) for one in needed]

    def run() -> None:
        for compute in best:
            compute()

    return Work(run, lambda _: [], torchs=False)


def products(layer: Layer[Any, Any], shape: Shape, *, wants_dx: bool = True) -> Iterator[Product]:
    """List the products of a layer's forward, its dweight and, unless it is what training begins with, its dx."""
    match layer:
        case Sequential():
            for index, one, before in layer.stages(shape):
                yield from products(one, before, wants_dx=wants_dx or _any_trained(layer.layers[:index]))
        case Residual():
            yield from products(layer.layer, shape, wants_dx=wants_dx)
        case Conv2d():
            yield from _of_convolution(layer, shape, wants_dx=wants_dx)
        case Upsampling():
            yield from _of_upsampling(layer, shape, wants_dx=wants_dx)
        case _:
            pass


def _any_trained(layers: tuple[Layer[Any, Any], ...]) -> bool:
    """Tell whether layers have parameters, so that the one behind them must say what the gradient of its input is."""
    return any(layer.count_parameters() for layer in layers)


def _of_convolution(layer: Conv2d, shape: Shape, *, wants_dx: bool) -> Iterator[Product]:
    batch, _, height, width = layer.output_shape(shape)
    positions, window = batch * height * width, prod(layer.kernel_size) * layer.in_channels
    yield Product(positions, window, layer.out_channels)
    yield Product(window, positions, layer.out_channels)
    if wants_dx:
        rows, columns = (_adjoint(layer, shape, axis) for axis in (0, 1))
        for (places, taps), phases in _both(rows, columns):
            yield Product(batch * places, taps * layer.out_channels, layer.in_channels, phases)


def _of_upsampling(layer: Upsampling, shape: Shape, *, wants_dx: bool) -> Iterator[Product]:
    batch = shape[0]
    rows, columns = (_upsampled(layer, shape, axis) for axis in (0, 1))
    phases = _both(rows, columns)
    for (places, taps), count in phases:
        yield Product(batch * places, taps * layer.in_channels, layer.out_channels, count)
        yield Product(taps * layer.in_channels, batch * places, layer.out_channels, count)
    if wants_dx:  # all phases bring something to each pixel
        taps = sum(phase.taps * count for phase, count in phases)
        yield Product(batch * shape[2] * shape[3], taps * layer.out_channels, layer.in_channels)


def _adjoint(layer: Conv2d, shape: Shape, axis: int) -> list[Phase]:
    kernel, stride, padding, size = layer.kernel_size[axis], layer.stride[axis], layer.padding[axis], shape[2 + axis]
    return [
        Phase(len(range(r, size, stride)), len(range((r + padding) % stride, kernel, stride))) for r in range(stride)
    ]


def _upsampled(layer: Upsampling, shape: Shape, axis: int) -> list[Phase]:
    kernel, scale, padding = layer.kernel_size[axis], layer.scale_factor[axis], layer.padding[axis]
    size = layer.output_shape(shape)[2 + axis]
    return [
        Phase(len(range(r, size, scale)), len({(r - padding + tap) // scale for tap in range(kernel)}))
        for r in range(scale)
    ]


def _both(rows: list[Phase], columns: list[Phase]) -> list[tuple[Phase, int]]:
    """Return the phases in two dimensions, each with how many are of its size."""
    return list(
        Counter(
            Phase(row.positions * column.positions, row.taps * column.taps)
            for row, column in product(rows, columns)
            if row.taps * column.taps
        ).items()
    )


class _Memory:
    """Where operands and results lie: the same place for all products, as a step's own would be in cache at best."""

    def __init__(self, needed: list[Product]) -> None:
        self._left = torch.rand(max(one.m * one.k for one in needed))
        self._right = torch.rand(max(one.k * one.n * one.phases for one in needed))
        self._out = torch.empty(max(one.m * one.n * one.phases for one in needed))

    def ways(self, one: Product) -> Iterator[Callable[[], None]]:
        """List the ways to compute it: of each form each matrix as it is or transposed."""
        for m, k, n, times in dict.fromkeys(_forms(one)):  # each once
            left, right, out = _orders(self._left, m, k), _orders(self._right, k, n), _orders(self._out, m, n)
            for a, b, result in product(left, right, out):
                yield _times(times, a, b, result)


def _forms(one: Product) -> Iterator[Product]:
    """Return equal work: phases side by side or apart, each at once or in pieces that stay in cache."""
    for m, k, n, times in ((one.m, one.k, one.n * one.phases, 1), one):
        yield Product(m, k, n, times)
        pieces = -(-m * k // PIECE)
        if m >= k:
            yield Product(-(-m // pieces), k, n, times * pieces)
        else:
            yield Product(m, -(-k // pieces), n, times * pieces)


def _orders(memory: Tensor, rows: int, columns: int) -> tuple[Tensor, Tensor]:
    numbers = memory[: rows * columns]
    return numbers.view(rows, columns), numbers.view(columns, rows).t()


def _times(times: int, left: Tensor, right: Tensor, out: Tensor) -> Callable[[], None]:
    def compute() -> None:
        for _ in range(times):
            torch.mm(left, right, out=out)

    return compute


def _least_time(compute: Callable[[], None]) -> float:
    def timed() -> float:
        start = time.perf_counter()
        compute()
        return time.perf_counter() - start

    return min(timed() for _ in range(TRIALS))
