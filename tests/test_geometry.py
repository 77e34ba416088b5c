"""Sizes and shapes, against counting the windows one by one, and all mismatches at once."""

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from n2nfun.geometry import as_pair, check_count, check_image_shape, windowed_shape
from n2nfun.layer import ShapeError
from n2nfun.layers import Conv2d, NearestUpsampling, ReLU, Upsampling
from n2nfun.testing.geometries import ConvGeometry, conv_geometries, upsamplings
from tests.layers.report import (
    also_on_the_shapes_of_the_reports_convolutions,
    also_on_the_shapes_of_the_reports_upsamplings,
)
from tests.refusals import Refusal, each


@given(case=conv_geometries())
@also_on_the_shapes_of_the_reports_convolutions
def test_windows_are_as_many_as_fit(case: ConvGeometry) -> None:
    batch, channels, height, width = case.layer.output_shape(case.shape)
    counted = [
        sum(
            1
            for start in range(0, axis.size + 2 * axis.padding, axis.stride)
            if start + axis.kernel <= axis.size + 2 * axis.padding
        )
        for axis in (case.vertical, case.horizontal)
    ]
    assert (batch, channels) == (case.shape[0], case.layer.out_channels)
    assert [height, width] == counted


@given(case=upsamplings())
@also_on_the_shapes_of_the_reports_upsamplings
def test_an_upsampling_has_the_shape_of_its_two_layers_less_the_trim(case: tuple[Upsampling, tuple[int, ...]]) -> None:
    layer, shape = case
    conv = Conv2d(layer.in_channels, layer.out_channels, layer.kernel_size, padding=layer.padding)
    batch, channels, height, width = (NearestUpsampling(layer.scale_factor) >> conv).output_shape(shape)
    assert layer.output_shape(shape) == (batch, channels, height - layer.trim[0], width - layer.trim[1])


@given(st.integers(1, 65_535), st.integers(1, 65_535))
def test_a_size_is_one_number_or_a_pair(height: int, width: int) -> None:
    assert as_pair("size", height) == (height, height)
    assert as_pair("size", (height, width)) == (height, width)
    assert as_pair("size", torch.Size([height, width])) == (height, width)
    assert check_count("size", height) == height


@given(conv_geometries(), st.integers(1, 3))
def test_a_mismatch_says_with_which_shape_the_check_goes_on(case: ConvGeometry, extra: int) -> None:
    shape = (case.shape[0], case.shape[1] + extra, *case.shape[2:])
    with pytest.raises(ShapeError) as caught:
        case.layer.output_shape(shape)
    assert caught.value.resume == case.layer.output_shape(case.shape)
    assert caught.value.problems == (str(caught.value),)


def test_every_mismatch_is_told() -> None:
    with pytest.raises(ShapeError) as caught:
        windowed_shape((1, 3, 2, 2), in_channels=4, out_channels=5, kernel_size=(3, 4), padding=(0, 0))
    assert caught.value.problems == (
        "x has 3 channels (shape (1, 3, 2, 2)), expected in_channels=4",
        "kernel height 3 does not fit x's padded height 2 + 2 * 0 = 2 (shape (1, 3, 2, 2))",
        "kernel width 4 does not fit x's padded width 2 + 2 * 0 = 2 (shape (1, 3, 2, 2))",
    )
    assert str(caught.value) == "\n".join(caught.value.problems)


@pytest.mark.parametrize(
    "between",
    [Conv2d(2, 2, 3), Conv2d(2, 2, 1, stride=2), NearestUpsampling(2), Upsampling(2, 2, 3), ReLU()],
    ids=lambda layer: type(layer).__name__,
)
def test_an_unknown_size_stays_unknown(between: Any) -> None:
    network = Conv2d(1, 2, (3, 1)) >> between >> Conv2d(7, 1, 1)
    with pytest.raises(ShapeError) as caught:
        network.output_shape((1, 1, 2, 1 << 5))
    assert caught.value.problems[0].startswith('layer 0 "Conv2d": kernel height 3 does not fit')
    assert caught.value.problems[-1].startswith('layer 2 "Conv2d": x has 2 channels (shape (1, 2, ?, ')


image: Any = check_image_shape

REFUSALS = [
    Refusal(lambda: image((1, 2, 3)), ShapeError, "x has shape (1, 2, 3), expected (batch, channels, height, width)"),
    Refusal(lambda: image(()), ShapeError, "x has shape (), expected (batch, channels, height, width)"),
    Refusal(
        lambda: image(torch.Size([1, 2, 3, 4, 5])),
        ShapeError,
        "x has shape (1, 2, 3, 4, 5), expected (batch, channels, height, width)",
    ),
    Refusal(lambda: image(5), TypeError, "shape is 5, expected a tuple of ints (batch, channels, height, width)"),
    Refusal(
        lambda: image((1, 2, 3.0, 4)),
        TypeError,
        "shape is (1, 2, 3.0, 4), expected a tuple of ints (batch, channels, height, width)",
    ),
    Refusal(
        lambda: image((1, 2, 3, 0)),
        ShapeError,
        "x has shape (1, 2, 3, 0), expected at least one channel, row and column",
    ),
    Refusal(
        lambda: image((-1, 2, 3, 1)),
        ShapeError,
        "x has shape (-1, 2, 3, 1), expected at least one channel, row and column",
    ),
    Refusal(lambda: check_count("n", 0), ValueError, "n is 0, expected an int from 1 to 65535"),
    Refusal(lambda: check_count("n", -1, least=0), ValueError, "n is -1, expected an int from 0 to 65535"),
    Refusal(lambda: check_count("n", 1.0), TypeError, "n is 1.0, expected an int"),
    Refusal(lambda: check_count("n", True), TypeError, "n is True, expected an int"),
    Refusal(lambda: as_pair("n", None), TypeError, "n is None, expected an int or a pair (height, width) of ints"),
    Refusal(lambda: as_pair("n", ()), TypeError, "n is (), expected an int or a pair (height, width) of ints"),
    Refusal(lambda: as_pair("n", (1, -1)), ValueError, "n[1] is -1, expected an int from 1 to 65535"),
]


@each(REFUSALS)
def test_refuses(refusal: Refusal) -> None:
    refusal.check()
