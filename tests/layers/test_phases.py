"""Which phases are computed together, from which pixels and with which taps, and how their results are laid out."""

from collections.abc import Callable
from itertools import product

import pytest
import torch
from torch import Tensor

from n2nfun.layers import phases
from n2nfun.layers.correlation import correlate
from n2nfun.layers.phases import (
    Run,
    adjoint_phases,
    correlate_phases,
    upsampled_phases,
)
from n2nfun.testing.bits import assert_same_bits
from n2nfun.testing.layouts import LAYOUTS
from n2nfun.testing.numbers import normal_numbers, seeded
from tests.operations import Operations
from tests.rounding import DTYPES

Reads = dict[int, tuple[int, ...]]
"""For each pixel that a phase reads, counted from the phase's position: the taps that fall on it."""

EVERY_AXIS = list(product(range(1, 6), range(1, 5), range(6)))
"""Kernels, scales or strides, and paddings."""


def read(runs: tuple[Run, ...], scale: int) -> list[Reads]:
    """Spell runs out."""
    found: list[Reads] = [{} for _ in range(scale)]
    for run in runs:
        for place, taps in enumerate(run.taps):
            low = run.low + run.step * place
            found[run.first + place] = {low + pixel: fallen for pixel, fallen in enumerate(taps)}
    return found


@pytest.mark.parametrize(("kernel", "scale", "padding"), EVERY_AXIS)
def test_the_phases_of_an_upsampling_read_what_their_taps_fall_on(kernel: int, scale: int, padding: int) -> None:
    expected: list[Reads] = [{} for _ in range(scale)]
    for r, t in product(range(scale), range(kernel)):
        pixel = (r - padding + t) // scale
        expected[r][pixel] = (*expected[r].get(pixel, ()), t)
    assert read(upsampled_phases(kernel, scale, padding), scale) == expected


@pytest.mark.parametrize(("kernel", "stride", "padding"), EVERY_AXIS)
def test_the_phases_of_an_input_read_the_windows_that_read_it(kernel: int, stride: int, padding: int) -> None:
    expected: list[Reads] = [{} for _ in range(stride)]
    for r, t in product(range(stride), reversed(range(kernel))):
        window, between = divmod(r + padding - t, stride)
        if between == 0:
            expected[r][window] = (t,)
    assert read(adjoint_phases(kernel, stride, padding), stride) == expected


@pytest.mark.parametrize(
    ("function", "axis", "parts"),
    [
        (upsampled_phases, (5, 2, 2), [(0, -1, 0, 2, 3)]),
        (upsampled_phases, (5, 2, 1), [(0, -1, 1, 2, 3)]),
        (upsampled_phases, (2, 2, 1), [(0, -1, 0, 1, 2), (1, 0, 0, 1, 1)]),
        (upsampled_phases, (3, 3, 0), [(0, 0, 0, 1, 1), (1, 0, 0, 2, 2)]),
        (upsampled_phases, (4, 5, 1), [(0, -1, 0, 1, 2), (1, 0, 0, 2, 1), (3, 0, 0, 2, 2)]),
        (upsampled_phases, (1, 4, 2), [(0, -1, 0, 2, 1), (2, 0, 0, 2, 1)]),
        (upsampled_phases, (1, 3, 1), [(0, -1, 1, 2, 1), (2, 0, 0, 1, 1)]),
        (upsampled_phases, (2, 4, 4), [(0, -1, 0, 3, 1), (3, -1, 0, 1, 2)]),
        (adjoint_phases, (3, 1, 1), [(0, -1, 0, 1, 3)]),
        (adjoint_phases, (3, 3, 0), [(0, 0, 0, 3, 1)]),
        (adjoint_phases, (4, 2, 1), [(0, -1, 1, 2, 2)]),
        (adjoint_phases, (5, 2, 2), [(0, -1, 0, 1, 3), (1, 0, 0, 1, 2)]),
        (adjoint_phases, (2, 3, 0), [(0, 0, 0, 2, 1)]),
        (adjoint_phases, (2, 4, 3), [(1, 1, 0, 2, 1)]),
        (adjoint_phases, (4, 5, 1), [(0, 0, 0, 3, 1), (4, 1, 0, 1, 1)]),
        (adjoint_phases, (1, 4, 2), [(2, 1, 0, 1, 1)]),
    ],
)
def test_phases_that_read_equally_many_pixels_are_computed_together(
    function: Callable[[int, int, int], tuple[Run, ...]],
    axis: tuple[int, int, int],
    parts: list[tuple[int, int, int, int, int]],
) -> None:
    assert [(run.first, run.low, run.step, run.size, run.reach) for run in function(*axis)] == parts


BY_FOLDING = (upsampled_phases(3, 2, 1), upsampled_phases(5, 2, 2))
BY_SELECTING = (adjoint_phases(3, 1, 1), adjoint_phases(5, 1, 2))
IN_PARTS = (adjoint_phases(3, 2, 1), adjoint_phases(5, 2, 2))
each_kind = pytest.mark.parametrize(
    ("runs", "scale"),
    [(BY_FOLDING, 2), (BY_SELECTING, 1), (IN_PARTS, 2)],
    ids=["folding", "selecting", "in parts"],
)
Runs = tuple[tuple[Run, ...], tuple[Run, ...]]


def correlated(runs: Runs, scale: int, image: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Lay out as many phases as the image has pixels."""
    height, _, width, _ = image.shape
    return correlate_phases(image, weight, bias, runs, (scale, scale), (scale * height, scale * width))


@each_kind
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_precision_has_its_own_maps(dtype: torch.dtype, runs: Runs, scale: int) -> None:
    generator = seeded(0)
    # Sums of 15 products of numbers up to 4: all below 256, up to which bfloat16 holds every integer.
    image, weight, bias = (
        torch.randint(-4, 5, shape, generator=generator).double() for shape in ((3, 2, 4, 1), (2, 1, 3, 5), (2,))
    )
    y = correlated(runs, scale, image.to(dtype), weight.to(dtype), bias.to(dtype))
    assert_same_bits(y, correlated(runs, scale, image, weight, bias).to(dtype))


@pytest.mark.parametrize("channels", [1, 4, 5, 6])
def test_few_channels_are_laid_out_plane_by_plane(channels: int) -> None:
    y = correlated(BY_FOLDING, 2, torch.ones(3, 2, 4, 2), torch.ones(channels, 2, 3, 5))
    assert (y.stride(3), y.stride(2)) == ((6 * 8, 1) if channels < 5 else (1, channels))


@each_kind
def test_phases_computed_together_are_not_copied(runs: Runs, scale: int) -> None:
    with Operations() as operations:
        correlated(runs, scale, torch.ones(3, 2, 4, 2), torch.ones(3, 2, 3, 5))
    assert (("aten.new_zeros.default", 6) in operations.made) == (runs is IN_PARTS)


@each_kind
def test_no_window_is_computed_that_no_phase_reads(runs: Runs, scale: int, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[tuple[int, int]] = []

    def noted(image: Tensor, kernel: Tensor, bias: Tensor | None) -> Tensor:
        sizes.append((image.shape[0] - kernel.shape[1] + 1, image.shape[2] - kernel.shape[2] + 1))
        return correlate(image, kernel, bias)

    monkeypatch.setattr(phases, "correlate", noted)
    correlated(runs, scale, torch.ones(3, 2, 4, 2), torch.ones(3, 2, 3, 5))
    # Where phases begin a step apart, the last one reads so many windows further.
    assert sizes == [
        (3 + rows.step * (rows.size - 1), 4 + columns.step * (columns.size - 1)) for rows, columns in product(*runs)
    ]


@each_kind
def test_where_one_tap_falls_on_each_pixel_none_are_added_up(runs: Runs, scale: int) -> None:
    with Operations() as operations:
        correlated(runs, scale, torch.ones(3, 2, 4, 5), torch.ones(5, 5, 3, 5))
    assert ("aten.index_select.default" in operations.names) == (runs is not BY_FOLDING)


@each_kind
@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.__name__)
def test_memory_layouts_do_not_matter(layout: Callable[[Tensor], Tensor], runs: Runs, scale: int) -> None:
    generator = seeded(0)
    for batch, in_channels, out_channels in product((1, 2), (1, 3, 20), (1, 2, 17)):
        image, weight, bias = (
            normal_numbers(shape, generator, torch.float32)
            for shape in ((batch, 3, 4, in_channels), (out_channels, in_channels, 3, 5), (out_channels,))
        )
        y = correlated(runs, scale, image, weight, bias)
        assert_same_bits(correlated(runs, scale, layout(image), weight, bias), y)
        assert_same_bits(correlated(runs, scale, image, layout(weight), bias), y)
        assert_same_bits(correlated(runs, scale, image, weight, layout(bias)), y)
