"""Upsamplings by planes are upsamplings: exactly, of whole numbers; and they are chosen where they fit and save products."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from n2nfun.geometry import Pair
from n2nfun.layer import Shape
from n2nfun.layers import ConvParams, Upsampling, planes
from n2nfun.layers.lowering import images_of, lines_of
from n2nfun.layers.planes import correlate_planes, planes_fit
from n2nfun.testing.bits import assert_same_bits
from n2nfun.testing.numbers import normal_numbers, normal_params, seeded, whole_numbers, whole_params


@dataclass(frozen=True)
class Enlarging:
    """Sizes of an upsampling of one dimension, in which tap p reads a pixel for each output."""

    pixels: int
    taps: int
    scale: int
    padding: int
    size: int


@st.composite
def enlargings(draw: st.DrawFn) -> Enlarging:
    taps = draw(st.integers(1, 5))
    padding = draw(st.integers(0, taps - 1))
    scale = draw(st.integers(1, 4))
    pixels = draw(st.integers(1, 4).filter(lambda count: scale * count + 2 * padding >= taps))
    most = min(scale * pixels, scale * pixels + 2 * padding - taps + 1)
    return Enlarging(pixels, taps, scale, padding, draw(st.integers(1, most)))


def by_the_formula(x: Tensor, weight: Tensor, bias: Tensor | None, rows: Enlarging, columns: Enlarging) -> Tensor:
    """Enlarge and convolve, with torch's own convolution."""
    enlarged = x.repeat_interleave(rows.scale, 2).repeat_interleave(columns.scale, 3)
    y = torch.nn.functional.conv2d(enlarged, weight, bias, padding=(rows.padding, columns.padding))
    return y[:, :, : rows.size, : columns.size]


@given(
    rows=enlargings(),
    columns=enlargings(),
    counts=st.tuples(st.integers(0, 3), st.integers(1, 3), st.integers(1, 3)),
    biased=st.booleans(),
    most=st.sampled_from((1, 60, 1 << 20)),
)
def test_planes_are_the_formula(
    rows: Enlarging, columns: Enlarging, counts: tuple[int, int, int], biased: bool, most: int
) -> None:
    batch, channels, out_channels = counts
    generator = seeded(0)
    x = whole_numbers((batch, channels, rows.pixels, columns.pixels), generator)
    weight = whole_numbers((out_channels, channels, rows.taps, columns.taps), generator)
    bias = whole_numbers((out_channels,), generator) if biased else None
    scale, padding, size = (
        (rows.scale, columns.scale),
        (rows.padding, columns.padding),
        (rows.size, columns.size),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(planes, "_MOST", most)
        y = correlate_planes(lines_of(x), weight, bias, scale, padding, size)
    assert_same_bits(images_of(y) + 0.0, by_the_formula(x, weight, bias, rows, columns) + 0.0)  # zeros of either sign


def fit(
    pixels: Pair = (8, 8),
    size: Pair = (16, 16),
    padding: Pair = (1, 1),
    out_channels: int = 16,
    products: int = 16,
) -> bool:
    """Ask for kernels of three that enlarge twice."""
    return planes_fit(pixels, size, (3, 3), (2, 2), padding, out_channels, products)


def test_planes_are_chosen_for_the_papers_small_kernels() -> None:
    assert fit()


@pytest.mark.parametrize(
    "fits",
    {
        "saves little": lambda: fit(products=13),
        "short runs": lambda: fit(out_channels=7),
        "large images": lambda: fit((1024, 1024), (2048, 2048)),
        "tap p is none, down": lambda: fit(padding=(3, 1)),
        "tap p is none, right": lambda: fit(padding=(1, 3)),
        "more rows than pixels": lambda: fit(size=(17, 16)),
        "more columns than pixels": lambda: fit(size=(16, 17)),
    }.items(),
    ids=lambda case: case[0],
)
def test_planes_are_not_chosen_where_they_do_not_fit(fits: tuple[str, Callable[[], bool]]) -> None:
    assert not fits[1]()


LAYER, SHAPE = Upsampling(4, 8, 3, scale_factor=2, padding=1), (3, 4, 5, 6)


def test_a_layer_of_small_kernels_has_a_product_for_each_tap() -> None:
    assert LAYER.multiply_adds(SHAPE) == 3 * 5 * 6 * 9 * 4 * 8
    assert Upsampling(4, 7, 3, scale_factor=2, padding=1).multiply_adds(SHAPE) == 3 * 5 * 6 * 16 * 4 * 7


def called_with(monkeypatch: pytest.MonkeyPatch, function: Callable[[], object]) -> list[Shape]:
    """Return of which shapes planes are computed."""
    shapes: list[Shape] = []

    def observed(x: Tensor, weight: Tensor, bias: Tensor | None, scale: Pair, padding: Pair, size: Pair) -> Tensor:
        shapes.append(tuple(x.shape))
        return correlate_planes(x, weight, bias, scale, padding, size)

    monkeypatch.setattr("n2nfun.layers.upsampling.correlate_planes", observed)
    function()
    return shapes


def test_planes_are_computed_but_under_vmap(monkeypatch: pytest.MonkeyPatch) -> None:
    params, x = whole_params(LAYER, seeded(0)), whole_numbers((2, *SHAPE), seeded(1))

    def forward(x: Tensor) -> Tensor:
        return LAYER.forward(params, x)[0]

    assert called_with(monkeypatch, lambda: forward(x[0])) == [(5, 3, 6, 4)]
    assert called_with(monkeypatch, lambda: torch.func.vmap(forward)(x)) == []
    assert_same_bits(torch.func.vmap(forward)(x), torch.stack([forward(x[0]), forward(x[1])]))


def test_images_of_one_piece_and_of_several_do_not_meet(monkeypatch: pytest.MonkeyPatch) -> None:
    params, x = normal_params(LAYER, seeded(0), torch.float32), normal_numbers(SHAPE, seeded(1), torch.float32)
    monkeypatch.setattr(planes, "_MOST", 2 * 5 * 6 * 9 * 8)  # pieces of two images, and of one
    y, _ = LAYER.forward(params, x)
    for image in range(3):
        spoilt = x.clone()
        spoilt[image] = torch.nan
        others = [other for other in range(3) if other != image]
        found, _ = LAYER.forward(params, spoilt)
        assert_same_bits(found[others], y[others])
        assert found[image].isnan().all()


def test_a_bias_is_added_once_to_each_output() -> None:
    params = LAYER.init(seeded(0))
    bias = torch.arange(8.0)
    y, _ = LAYER.forward(ConvParams(torch.zeros_like(params.weight), bias), torch.ones(SHAPE))
    assert_same_bits(y, bias[None, :, None, None].expand(3, 8, 10, 12))
