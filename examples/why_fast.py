"""Time each fast form of n2nfun against the slow formula that it stands for.

    python -m examples.why_fast

prints a row for each: what the slow one takes, what the fast one takes, and their ratio, medians of interleaved runs.
Both must first have made the same numbers, to rounding. ``why_fast.md`` explains them, with the table of one machine.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from statistics import median
from typing import Any
from unittest.mock import patch

import torch
import tyro
from torch import Tensor

from examples.benchmark.machine import machine, told
from n2nfun.capture import captured
from n2nfun.layer import NoParams
from n2nfun.layers import Conv2d, ConvParams, NearestUpsampling, Upsampling, correlation, lowering
from n2nfun.layers.correlation import correlate, kernel_gradient
from n2nfun.layers.phases import correlate_phases, upsampled_phases
from n2nfun.layers.planes import correlate_planes
from n2nfun.layers.spread import spread_gradients
from n2nfun.losses import MSE
from n2nfun.models import denoiser, paper
from n2nfun.optim import SGD, SGDState
from n2nfun.train import Batch, TrainState, TrainStep, fit
from n2nfun.tree import leaves, zeros_like

HALF_THE_DIGITS = torch.finfo(torch.float32).eps ** 0.5
"""Two ways to compute the same differ by far less, two different things by more."""

Numbers = list[Tensor]


@dataclass(frozen=True)
class Config:
    """How to measure."""

    batch: int = 16
    """images at a time"""
    rounds: int = 15
    """how often each form is timed, in turn with the other"""
    seconds: float = 0.02
    """how long it runs each time, at least"""
    threads: int = 1
    """of torch"""
    compiled: bool = True
    """also compile a step, which takes a minute"""


@dataclass(frozen=True)
class Change:
    """Two ways to compute the same."""

    name: str
    slow: Callable[[], Numbers]
    fast: Callable[[], Numbers]


def random(*shape: int) -> Tensor:
    """Return numbers from 0 to 1, the same for the same shape."""
    return torch.rand(shape, generator=torch.Generator().manual_seed(prod(shape)))


def both_ways(layer: Any, params: Any, x: Tensor) -> Numbers:
    """Return output and gradients of a layer."""
    y, cache = layer.forward(params, x)
    dx, dparams = layer.backward(params, cache, torch.ones_like(y))
    return [y, dx, *leaves(dparams)]


def phases(batch: int, kernel: int) -> Change:
    """Convolve an enlarged image, or the image with kernels folded for each phase."""
    padding = kernel // 2
    whole = Upsampling(32, 16, kernel, padding=padding)
    params, x = whole.init(torch.Generator().manual_seed(0)), random(batch, 32, 8, 8)
    parts = NearestUpsampling(2) >> Conv2d(32, 16, kernel, padding=padding)
    return Change(
        f"upsampling with a kernel of {kernel}: never make the enlarged image",
        lambda: both_ways(parts, (NoParams(), params), x),
        lambda: both_ways(whole, params, x),
    )


def planes(batch: int) -> Change:
    """Correlate with a kernel for each phase, or multiply by each tap and add up."""
    layer = Upsampling(32, 16, 3, padding=1)
    params, x = layer.init(torch.Generator().manual_seed(0)), lowering.lines_of(random(batch, 32, 8, 8))
    runs = (upsampled_phases(3, 2, 1), upsampled_phases(3, 2, 1))
    return Change(
        "upsampling with a kernel of 3, forward: a product for each tap, not for each pixel of each phase",
        lambda: [correlate_phases(x, params.weight, params.bias, runs, (2, 2), (16, 16))],
        lambda: [correlate_planes(x, params.weight, params.bias, (2, 2), (1, 1), (16, 16))],
    )


def sums_of_gradients(batch: int, kernel: int) -> Change:
    """Multiply what a pixel reaches with sums of taps, or sums of what it reaches with the taps."""
    padding = kernel // 2
    weight = Upsampling(32, 16, kernel, padding=padding).init(torch.Generator().manual_seed(0)).weight
    x, grad = lowering.lines_of(random(batch, 32, 8, 8)), lowering.lines_of(random(batch, 16, 16, 16))
    shifts = [(0, 0), (0, 1), (1, 0), (1, 1)]

    def sums_of_taps() -> Numbers:
        framed, turned = lowering.pad(grad, padding, padding, padding, padding), weight.flip(2, 3)
        sums = torch.stack([torch.constant_pad_nd(turned, (u, 1 - u, t, 1 - t)) for t, u in shifts]).sum(0)
        dsums = kernel_gradient(framed, x, (kernel + 1, kernel + 1), (2, 2)).transpose(0, 1)
        dweight = torch.stack([dsums[:, :, t : t + kernel, u : u + kernel] for t, u in shifts]).sum(0)
        return [correlate(framed, sums.permute(1, 2, 3, 0), stride=(2, 2)), dweight.flip(2, 3)]

    return Change(
        f"gradient of an upsampling with a kernel of {kernel}: sums of gradients, not of taps",
        sums_of_taps,
        lambda: list(spread_gradients(x, weight, grad, (2, 2), (padding, padding))),
    )


def residues(batch: int) -> Change:
    """Convolve a gradient with zeros between its values, or each residue of the stride by itself."""
    layer = Conv2d(16, 32, 4, stride=2, padding=1)
    params = layer.init(torch.Generator().manual_seed(0))
    _, cache = layer.forward(params, random(batch, 16, 16, 16))
    grad = random(batch, 32, 8, 8)
    turned = ConvParams(params.weight.transpose(0, 1).flip(2, 3), None)
    over_zeros = Conv2d(32, 16, 4, padding=2, bias=False)

    def slow() -> Numbers:
        stuffed = grad.new_zeros(batch, 32, 15, 15)
        stuffed[:, :, ::2, ::2] = grad
        return [over_zeros.apply(turned, stuffed)]

    own = layer.gradients(params, cache, grad)
    return Change(
        "gradient of a strided convolution's input: no zeros between",
        lambda: [*slow(), *leaves(layer.gradients(params, cache, grad))],
        lambda: [layer.backward(params, cache, grad)[0], *leaves(own)],
    )


def first_layer(batch: int) -> Change:
    """Compute the gradient of the image that a network sees, or leave it out."""
    layer = Conv2d(3, 32, 3, padding=1)
    params = layer.init(torch.Generator().manual_seed(0))
    y, cache = layer.forward(params, random(batch, 3, 32, 32))
    grad = torch.ones_like(y)
    return Change(
        "first layer: no gradient that nobody asks for",
        lambda: leaves(layer.backward(params, cache, grad)[1]),
        lambda: leaves(layer.gradients(params, cache, grad)),
    )


def filled_products(batch: int) -> Change:
    """Multiply into twelve columns, or into sixteen, of which four stand twice."""
    rows, matrix = random(256 * batch, 144), random(144, 12)

    def filled() -> Numbers:
        return [(rows @ torch.cat((matrix, matrix[:, :4]), 1))[:, :12]]

    return Change("products of few columns: some of them twice", lambda: [rows @ matrix], filled)


def turned_products(batch: int) -> Change:
    """Multiply windows of 128 numbers, and what was made of them, with the windows turned, or with the other side."""
    windows, grad = random(64 * batch, 128), random(64 * batch, 32)
    return Change(
        "gradient of a kernel, windows of a multiple of 64 numbers: as its transpose",
        lambda: [windows.t() @ grad],
        lambda: [(grad.t() @ windows).t()],
    )


def indexed_copies(batch: int) -> Change:
    """Gather windows of images with three channels in runs along the channels, or by an index of all their places."""
    x = random(batch, 3, 32, 32).permute(2, 0, 3, 1)
    found = x.unfold(0, 2, 2).unfold(2, 2, 2).permute(0, 1, 2, 4, 5, 3)
    return Change(
        "windows of few channels: by an index",
        lambda: [found.clone(memory_format=torch.contiguous_format)],
        lambda: [lowering.copied(found)],
    )


def overlapping_windows(batch: int) -> Change:
    """Copy each number for every tap that reads it, or for every column of the kernel."""
    x, kernel = random(18, 4 * batch, 18, 8), random(32, 3, 3, 8)

    def all_copied() -> Numbers:
        found = x.unfold(0, 3, 1).unfold(2, 3, 1).permute(0, 1, 2, 4, 5, 3).reshape(-1, 72)
        return [(found @ kernel.view(32, 72).t()).view(16, 4 * batch, 16, 32)]

    return Change("windows: copied by columns, as matrices that overlap", all_copied, lambda: [correlate(x, kernel)])


def pieces(batch: int) -> Change:
    """Gather the windows of all lines at once, or of as many as stay in the cache."""
    x, kernel = random(66, batch, 66, 32), random(32, 3, 3, 32)

    def at_once() -> Numbers:
        with patch.object(lowering, "PIECE", 1 << 40):
            return [correlate(x, kernel)]

    return Change("windows of large images: a piece at a time", at_once, lambda: [correlate(x, kernel)])


def few_outputs(batch: int) -> Change:
    """Gather windows for three output channels, or add up the shifted planes of one product."""
    x, kernel = random(34, batch, 34, 32), random(3, 3, 3, 32)

    def by_windows() -> Numbers:
        with patch.object(correlation, "_FEWEST", 0):
            return [correlate(x, kernel)]

    return Change("many channels into few: shifted planes of one product", by_windows, lambda: [correlate(x, kernel)])


def nothing_kept(batch: int) -> Change:
    """Restore with what a backward would need, or with nothing kept."""
    layer = denoiser().layer
    params, x = layer.init(torch.Generator().manual_seed(0)), random(batch, 3, 64, 64)
    return Change(
        "restoring: nothing kept for a backward",
        lambda: [layer.forward(params, x)[0]],
        lambda: [layer.apply(params, x)],
    )


def optimizer_in_lists() -> Change:
    """Move each parameter by itself, or all of them in lists."""
    layer = paper(hidden=(8, 32)).layer
    params = layer.init(torch.Generator().manual_seed(0))
    sgd, plain = SGD(0.01, momentum=0.9, nesterov=True), zeros_like(params)
    state = sgd.step(params, params, sgd.init(params))[1]

    def by_itself() -> Numbers:
        moved = [
            sgd.step((one,), (still,), SGDState((old,)))[0][0]
            for one, still, old in zip(leaves(params), leaves(plain), leaves(state), strict=True)
        ]
        return list(moved)

    return Change(
        "optimizer: the parameters in lists, not one by one",
        by_itself,
        lambda: leaves(sgd.step(params, plain, state)[0]),
    )


def recorded(batch: int) -> Change:
    """Run the whole step of the paper's network as it is written, or repeat its operations from a recording."""
    step = TrainStep(paper().layer, MSE(), SGD(0.01, momentum=0.9, nesterov=True))
    pair, repeated = Batch(random(batch, 3, 32, 32), random(batch, 3, 32, 32)), captured(step)
    *_, (state, _) = fit(repeated, step.init(torch.Generator().manual_seed(0)), [pair] * 5)
    return Change(
        "the whole training step: recorded and repeated",
        lambda: leaves(step(state, pair)[0]),
        lambda: leaves(repeated(state, pair)[0]),
    )


def compiled(batch: int) -> list[Change]:
    """Run the whole step of the paper's network as it is written, or compiled: by torch alone, and captured, without guards."""
    step = TrainStep(paper().layer, MSE(), SGD(0.01, momentum=0.9, nesterov=True))
    pair = Batch(random(batch, 3, 32, 32), random(batch, 3, 32, 32))
    *_, (state, _) = fit(step, step.init(torch.Generator().manual_seed(0)), [pair] * 2)
    guarded: Any = torch.compile(step, fullgraph=True)  # pyright: ignore[reportUnknownMemberType]  # partially typed in torch
    repeated = captured(step, compile=True)

    def made(run: Callable[[TrainState[Any, Any], Batch], Any]) -> Callable[[], Numbers]:
        return lambda: leaves(run(state, pair)[0])

    return [
        Change("the whole training step: compiled", made(step), made(guarded)),
        Change("the whole training step: compiled, captured", made(step), made(repeated)),
    ]


def changes(batch: int) -> list[Change]:
    """List what is compared, but for compiling, which takes long."""
    return [
        phases(batch, 3),
        phases(batch, 5),
        planes(batch),
        sums_of_gradients(batch, 3),
        sums_of_gradients(batch, 5),
        residues(batch),
        first_layer(batch),
        overlapping_windows(batch),
        filled_products(batch),
        turned_products(batch),
        indexed_copies(batch),
        pieces(batch),
        few_outputs(batch),
        nothing_kept(batch),
        optimizer_in_lists(),
        recorded(batch),
    ]


def check_same(change: Change) -> None:
    """Require the same numbers of both ways.

    Raises:
        RuntimeError: if they differ by more than rounding.
    """
    for slow, fast in zip(change.slow(), change.fast(), strict=True):
        scale = float(slow.abs().max())
        if slow.shape != fast.shape or not float((slow - fast).abs().max()) <= HALF_THE_DIGITS * scale:
            raise RuntimeError(f"{change.name}: the two ways differ")


def milliseconds(run: Callable[[], Numbers], seconds: float) -> float:
    """Return the mean time of the runs that fill some seconds."""
    count, start = 0, time.perf_counter()
    while count == 0 or time.perf_counter() - start < seconds:
        run()
        count += 1
    return 1000 * (time.perf_counter() - start) / count


def row(change: Change, config: Config) -> str:
    """Measure one change, as a row of the table."""
    for _ in range(2):  # the third call of a captured step is the first that is
        change.fast()
    check_same(change)
    times = [
        (milliseconds(change.slow, config.seconds), milliseconds(change.fast, config.seconds))
        for _ in range(config.rounds)
    ]
    slow, fast = median(slow for slow, _ in times), median(fast for _, fast in times)
    return f"| {change.name} | {slow:.2f} | {fast:.2f} | {slow / fast:.1f} |"


def main(config: Config) -> None:
    """Measure and print."""
    torch.set_num_threads(config.threads)
    print("| change | before, ms | after, ms | ratio |\n|---|---|---|---|")
    for change in changes(config.batch) + (compiled(config.batch) if config.compiled else []):
        print(row(change, config))
    print("\n" + told(machine(config.threads) | {"batch": config.batch}))


if __name__ == "__main__":
    main(tyro.cli(Config, description=__doc__))
