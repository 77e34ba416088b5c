"""Convolution against autograd, over geometries that leave input uncovered, and its refusals."""

from dataclasses import FrozenInstanceError
from typing import Any

import pytest
import torch
from hypothesis import Phase, given, settings

from n2nfun.init import xavier_normal, xavier_uniform
from n2nfun.layer import NoParams, ShapeError
from n2nfun.layers import Conv2d, ConvCache, ConvParams, ReLU, ReLUCache
from n2nfun.testing.bits import assert_same_bits
from n2nfun.testing.comparing import compute
from n2nfun.testing.geometries import Axis, ConvGeometry, conv_geometries
from n2nfun.testing.numbers import normal_numbers, normal_params, seeded, seeds, whole_numbers, whole_params
from n2nfun.tree import tree_map
from tests.layers.linear_laws import assert_exact, assert_rounded_within_bound
from tests.layers.report import (
    REPORT,
    also_on_the_reports_convolutions,
    also_on_the_shapes_of_the_reports_convolutions,
)
from tests.refusals import Refusal, each
from tests.rounding import DTYPES
from tests.shape_checking import unchecked


def drawn_geometries() -> list[ConvGeometry]:
    """Draw the same 300 geometries in every run."""
    found: list[ConvGeometry] = []

    @settings(max_examples=300, derandomize=True, database=None, phases=[Phase.generate])
    @given(conv_geometries())
    def collect(case: ConvGeometry) -> None:
        found.append(case)

    collect()
    return found


def test_the_drawn_geometries_hold_every_kind() -> None:
    cases = drawn_geometries()
    axes = [axis for case in cases for axis in (case.vertical, case.horizontal)]
    counts = {
        "border": sum(case.vertical.leaves_border() or case.horizontal.leaves_border() for case in cases),
        "gap": sum(case.vertical.leaves_gap() or case.horizontal.leaves_gap() for case in cases),
        "nothing uncovered": sum(not bool(case.uncovered().any()) for case in cases),
        "padding >= kernel": sum(axis.padding >= axis.kernel for axis in axes),
        "1x1": sum(case.layer.kernel_size == (1, 1) for case in cases),
        "unequal": sum(case.vertical != case.horizontal for case in cases),
        "long and thin": sum(max(case.shape[2:]) >= 10 * min(case.shape[2:]) for case in cases),
        "empty batch": sum(case.shape[0] == 0 for case in cases),
        "stride 1, many channels": sum(
            case.layer.stride == (1, 1) and max(case.layer.in_channels, case.layer.out_channels) >= 16 for case in cases
        ),
    }
    assert min(counts.values()) >= 3, counts
    assert min(counts["border"], counts["gap"]) >= 60, counts


@pytest.mark.parametrize(
    ("size", "border", "gap"), [(6, True, True), (5, False, True), (2, False, False), (3, True, False)]
)
def test_what_is_called_uncovered(size: int, border: bool, gap: bool) -> None:
    axis = Axis(size, kernel=2, stride=3, padding=0)  # windows at 0, 1 and 3, 4
    assert (axis.leaves_border(), axis.leaves_gap()) == (border, gap)


@given(case=conv_geometries(), generator=seeds())
@also_on_the_reports_convolutions
def test_equals_autograd_exactly_in_float64(case: ConvGeometry, generator: torch.Generator) -> None:
    assert_exact(case.layer, case.shape, generator, torch.float64)


@given(case=conv_geometries(), generator=seeds())
@also_on_the_reports_convolutions
def test_equals_autograd_exactly_in_float32(case: ConvGeometry, generator: torch.Generator) -> None:
    assert_exact(case.layer, case.shape, generator, torch.float32)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (Conv2d(8, 4, 3), (5, 8, 66, 66)),
        (Conv2d(8, 4, 3), (5, 8, 42, 42)),
        (Conv2d(8, 4, 3, stride=2, padding=1), (5, 8, 85, 85)),
    ],
    ids=["one image a piece", "two, and one left", "strided"],
)
def test_batches_computed_in_pieces_are_exact(layer: Conv2d, shape: tuple[int, ...]) -> None:
    assert_exact(layer, shape, seeded(0), torch.float32)


@pytest.mark.parametrize("dtype", DTYPES)
@given(case=conv_geometries(), generator=seeds())
@also_on_the_reports_convolutions
def test_rounding_is_within_its_bound(dtype: torch.dtype, case: ConvGeometry, generator: torch.Generator) -> None:
    assert_rounded_within_bound(case.layer, case.shape, generator, dtype)


@given(case=conv_geometries(), generator=seeds())
@also_on_the_reports_convolutions
def test_uncovered_input_has_no_part_in_anything(case: ConvGeometry, generator: torch.Generator) -> None:
    layer, uncovered = case.layer, case.uncovered()
    params, x = normal_params(layer, generator, torch.float64), normal_numbers(case.shape, generator, torch.float64)
    grad = normal_numbers(layer.output_shape(case.shape), generator, torch.float64)
    clean = compute(layer, params, x, grad)
    assert not bool(clean.dx[:, :, uncovered].any())
    assert_same_bits(compute(layer, params, x.masked_fill(uncovered, torch.nan), grad), clean)


def test_the_reports_geometry_by_hand() -> None:
    x = torch.arange(25.0).view(1, 1, 5, 5)
    weight = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]], [[[0.0, 1.0], [0.0, 0.0]]]])
    params = ConvParams(weight, torch.tensor([0.5, -1.0]))
    grad = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]], [[10.0, 20.0], [30.0, 40.0]]]])
    y, dx, dparams = compute(REPORT.layer, params, x, grad)
    # The window at (0, 0) reads 0, 1, 5, 6; at (0, 2) 2, 3, 7, 8; at (2, 0) 10, 11, 15, 16; at (2, 2) 12, 13, 17, 18.
    assert torch.equal(y, torch.tensor([[[[41.5, 61.5], [141.5, 161.5]], [[0.0, 2.0], [10.0, 12.0]]]]))
    expected = [
        [1.0, 12.0, 2.0, 24.0, 0.0],
        [3.0, 4.0, 6.0, 8.0, 0.0],
        [3.0, 36.0, 4.0, 48.0, 0.0],
        [9.0, 12.0, 12.0, 16.0, 0.0],
        [0.0, 0.0, 0.0, 0.0, 0.0],
    ]
    assert torch.equal(dx, torch.tensor([[expected]]))
    dweight = torch.tensor([[[[82.0, 92.0], [132.0, 142.0]]], [[[820.0, 920.0], [1320.0, 1420.0]]]])
    assert_same_bits(dparams, ConvParams(dweight, torch.tensor([10.0, 100.0])))


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_gradients_of_the_parameters_alone_are_the_same_and_laid_out_in_order(dtype: torch.dtype) -> None:
    layer, generator, shape = Conv2d(3, 4, 3, padding=1), seeded(0), (2, 3, 5, 6)
    params, x = normal_params(layer, generator, dtype), normal_numbers(shape, generator, dtype)
    grad = normal_numbers(layer.output_shape(shape), generator, dtype)
    alone = layer.gradients(params, layer.forward(params, x)[1], grad)
    assert_same_bits(alone, compute(layer, params, x, grad).dparams)
    assert alone.weight.is_contiguous()


@given(case=conv_geometries(), generator=seeds())
@also_on_the_reports_convolutions
def test_images_of_a_batch_do_not_mix(case: ConvGeometry, generator: torch.Generator) -> None:
    shape = (3, *case.shape[1:])
    params, x = normal_params(case.layer, generator, torch.float32), normal_numbers(shape, generator, torch.float32)
    y, _ = case.layer.forward(params, x)
    x[1] = torch.nan
    spoilt, _ = case.layer.forward(params, x)
    assert_same_bits(spoilt[::2], y[::2])


@given(case=conv_geometries())
@also_on_the_shapes_of_the_reports_convolutions
def test_counts(case: ConvGeometry) -> None:
    layer = case.layer
    batch, _, height, width = layer.output_shape(case.shape)
    taps = layer.in_channels * layer.kernel_size[0] * layer.kernel_size[1]
    assert layer.multiply_adds(case.shape) == sum(taps for _ in range(batch * layer.out_channels * height * width))
    params = layer.init(seeded(0))
    biases = 0 if params.bias is None else params.bias.numel()
    assert layer.count_parameters() == params.weight.numel() + biases


def test_parameters_start_as_the_initializer_says_and_biases_at_zero() -> None:
    shape = (4, 3, 2, 5)
    for initializer in (xavier_uniform, xavier_normal):
        params = Conv2d(3, 4, (2, 5), initializer=initializer).init(seeded(1))
        assert_same_bits(params, ConvParams(initializer(shape, seeded(1)), torch.zeros(4)))
    assert_same_bits(Conv2d(3, 4, (2, 5)).init(seeded(1)), ConvParams(xavier_uniform(shape, seeded(1)), torch.zeros(4)))
    assert Conv2d(3, 4, (2, 5), bias=False).init(seeded(1)).bias is None


def test_the_layer_is_a_value() -> None:
    assert Conv2d(3, 4, 5, stride=2) == Conv2d(3, 4, (5, 5), stride=(2, 2), padding=0)
    assert hash(Conv2d(3, 4, 5)) == hash(Conv2d(3, 4, (5, 5)))
    assert Conv2d(3, 4, 5) != Conv2d(3, 4, 5, bias=False)
    assert repr(Conv2d(3, 4, 5)) == (
        "Conv2d(in_channels=3, out_channels=4, kernel_size=(5, 5), padding=(0, 0), bias=True, stride=(1, 1))"
    )
    with pytest.raises(FrozenInstanceError):
        Conv2d(3, 4, 5).stride = (2, 2)  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]  # the point


# For callers without a type checker.
conv: Any = Conv2d
layer: Any = Conv2d(3, 4, 3)
without_bias: Any = Conv2d(3, 4, 3, bias=False)
params = layer.init(seeded(0))
double_params = ConvParams(params.weight.double(), params.bias.double())
with unchecked():  # elsewhere in the tests such params cannot be made
    five_biases = ConvParams(params.weight, torch.zeros(5))
x = torch.ones(2, 3, 6, 6)
y, cache = layer.forward(params, x)
padded_cache = ConvCache(torch.ones(8, 2, 8, 3), cache.output_shape)
thin_cache = ConvCache(torch.ones(6, 2, 6, 2), cache.output_shape)


def flat(_shape: object, _generator: object) -> torch.Tensor:
    """Initialize with the wrong shape."""
    return torch.zeros(2, 1)


def nothing(_shape: object, _generator: object) -> None:
    """Initialize with no tensor."""


ARGUMENTS = [
    Refusal(lambda: conv(0, 1, 1), ValueError, "in_channels is 0, expected an int from 1 to 65535"),
    Refusal(lambda: conv(-1, 1, 1), ValueError, "in_channels is -1, expected an int from 1 to 65535"),
    Refusal(lambda: conv(2**31, 1, 1), ValueError, "in_channels is 2147483648, expected an int from 1 to 65535"),
    Refusal(lambda: conv(1.5, 1, 1), TypeError, "in_channels is 1.5, expected an int"),
    Refusal(lambda: conv(True, 1, 1), TypeError, "in_channels is True, expected an int"),
    Refusal(lambda: conv("3", 1, 1), TypeError, "in_channels is '3', expected an int"),
    Refusal(lambda: conv((1, 1), 1, 1), TypeError, "in_channels is (1, 1), expected an int"),
    Refusal(lambda: conv(1, 0, 1), ValueError, "out_channels is 0, expected an int from 1 to 65535"),
    Refusal(lambda: conv(1, None, 1), TypeError, "out_channels is None, expected an int"),
    Refusal(lambda: conv(1, 1, 0), ValueError, "kernel_size is 0, expected an int from 1 to 65535"),
    Refusal(lambda: conv(1, 1, -1), ValueError, "kernel_size is -1, expected an int from 1 to 65535"),
    Refusal(lambda: conv(1, 1, 2**31), ValueError, "kernel_size is 2147483648, expected an int from 1 to 65535"),
    Refusal(lambda: conv(1, 1, 65_536), ValueError, "kernel_size is 65536, expected an int from 1 to 65535"),
    Refusal(
        lambda: conv(1, 1, 1.5), TypeError, "kernel_size is 1.5, expected an int or a pair (height, width) of ints"
    ),
    Refusal(
        lambda: conv(1, 1, True), TypeError, "kernel_size is True, expected an int or a pair (height, width) of ints"
    ),
    Refusal(
        lambda: conv(1, 1, (1, 2, 3)),
        TypeError,
        "kernel_size is (1, 2, 3), expected an int or a pair (height, width) of ints",
    ),
    Refusal(
        lambda: conv(1, 1, [1, 2]),
        TypeError,
        "kernel_size is [1, 2], expected an int or a pair (height, width) of ints",
    ),
    Refusal(lambda: conv(1, 1, (0, 1)), ValueError, "kernel_size[0] is 0, expected an int from 1 to 65535"),
    Refusal(lambda: conv(1, 1, (1, 1.0)), TypeError, "kernel_size[1] is 1.0, expected an int"),
    Refusal(lambda: conv(1, 1, (1, True)), TypeError, "kernel_size[1] is True, expected an int"),
    Refusal(lambda: conv(1, 1, 1, stride=0), ValueError, "stride is 0, expected an int from 1 to 65535"),
    Refusal(lambda: conv(1, 1, 1, stride=(1, -2)), ValueError, "stride[1] is -2, expected an int from 1 to 65535"),
    Refusal(
        lambda: conv(1, 1, 1, stride="2"), TypeError, "stride is '2', expected an int or a pair (height, width) of ints"
    ),
    Refusal(lambda: conv(1, 1, 1, padding=-1), ValueError, "padding is -1, expected an int from 0 to 65535"),
    Refusal(
        lambda: conv(1, 1, 1, padding=(0, 65_536)), ValueError, "padding[1] is 65536, expected an int from 0 to 65535"
    ),
    Refusal(
        lambda: conv(1, 1, 1, padding="same"),
        TypeError,
        "padding is 'same', expected an int or a pair (height, width) of ints",
    ),
    Refusal(lambda: conv(1, 1, 1, bias=1), TypeError, "bias is 1, expected True or False"),
    Refusal(lambda: conv(1, 1, 1, bias=None), TypeError, "bias is None, expected True or False"),
    Refusal(
        lambda: conv(1, 1, 1, initializer=3), TypeError, "initializer is 3, expected a function, such as xavier_uniform"
    ),
    Refusal(
        lambda: conv(1, 2, 3, initializer=flat).init(seeded(0)),
        ShapeError,
        "Conv2d.init(): initializer returned shape (2, 1), expected (2, 1, 3, 3)",
    ),
    Refusal(
        lambda: conv(1, 1, 1, initializer=nothing).init(seeded(0)),
        TypeError,
        "Conv2d.init(): what initializer returned is a NoneType, expected a tensor",
    ),
]

INPUTS = [
    Refusal(lambda: layer.forward(params, "x"), TypeError, "Conv2d.forward(): x is a str, expected a tensor"),
    Refusal(lambda: layer.forward(params, x.numpy()), TypeError, "Conv2d.forward(): x is a ndarray, expected a tensor"),
    Refusal(
        lambda: layer.forward(params, x.byte()),
        TypeError,
        "Conv2d.forward(): x is torch.uint8, expected float32, float64, float16 or bfloat16: convert it first, "
        "images of 8 bits with x.float() / 255",
    ),
    Refusal(
        lambda: layer.forward(params, x.bool()),
        TypeError,
        "Conv2d.forward(): x is torch.bool, expected float32, float64, float16 or bfloat16",
    ),
    Refusal(
        lambda: layer.forward(params, x.to(torch.complex64)),
        TypeError,
        "Conv2d.forward(): x is torch.complex64, expected float32, float64, float16 or bfloat16",
    ),
    Refusal(
        lambda: layer.forward(params, x.to(torch.float8_e5m2)),
        TypeError,
        "Conv2d.forward(): x is torch.float8_e5m2, expected float32, float64, float16 or bfloat16",
    ),
    Refusal(
        lambda: layer.forward(params, x.to_sparse()),
        TypeError,
        "Conv2d.forward(): x has layout torch.sparse_coo, expected a dense tensor: x.to_dense()",
    ),
    Refusal(
        lambda: layer.forward(params, x[0]),
        ShapeError,
        "x has shape (3, 6, 6), expected (batch, channels, height, width)",
    ),
    Refusal(
        lambda: layer.forward(params, x[:, :0]),
        ShapeError,
        "x has shape (2, 0, 6, 6), expected at least one channel, row and column",
    ),
    Refusal(
        lambda: layer.forward(params, x[:, :, :0]),
        ShapeError,
        "x has shape (2, 3, 0, 6), expected at least one channel, row and column",
    ),
    Refusal(
        lambda: layer.forward(params, x[:, :2]),
        ShapeError,
        "x has 2 channels (shape (2, 2, 6, 6)), expected in_channels=3",
    ),
    Refusal(
        lambda: layer.forward(params, x[:, :2, :1, :2]),
        ShapeError,
        "x has 2 channels (shape (2, 2, 1, 2)), expected in_channels=3\n"
        "kernel height 3 does not fit x's padded height 1 + 2 * 0 = 1 (shape (2, 2, 1, 2))\n"
        "kernel width 3 does not fit x's padded width 2 + 2 * 0 = 2 (shape (2, 2, 1, 2))",
    ),
    Refusal(
        lambda: Conv2d(3, 4, 6, padding=2).output_shape((1, 3, 2, 1)),
        ShapeError,
        "kernel width 6 does not fit x's padded width 1 + 2 * 2 = 5 (shape (1, 3, 2, 1))",
    ),
    Refusal(
        lambda: layer.forward(params, x.double()),
        TypeError,
        "Conv2d.forward(): x is torch.float64, params.weight is torch.float32: convert one to the other's dtype, "
        "x.to(torch.float32) or tree_map(lambda leaf: leaf.to(torch.float64), params)",
    ),
    Refusal(
        lambda: layer.forward(params, x.to("meta")),
        TypeError,
        "Conv2d.forward(): x is on meta, params.weight on cpu: move one to the other's device",
    ),
]

PARAMS = [
    Refusal(
        lambda: layer.forward(NoParams(), x),
        TypeError,
        "Conv2d.forward(): params is a NoParams, expected ConvParams, as init() makes",
    ),
    Refusal(
        lambda: layer.forward((params.weight, params.bias), x),
        TypeError,
        "Conv2d.forward(): params is a tuple, expected ConvParams, as init() makes",
    ),
    Refusal(
        lambda: layer.forward(Conv2d(3, 4, 2).init(seeded(0)), x),
        ShapeError,
        "Conv2d.forward(): params.weight has shape (4, 3, 2, 2), expected (4, 3, 3, 3)",
    ),
    Refusal(
        lambda: layer.forward(five_biases, x),
        ShapeError,
        "Conv2d.forward(): params.bias has shape (5,), expected (4,)",
    ),
    Refusal(
        lambda: layer.forward(ConvParams(params.weight, params.bias.double()), x),
        TypeError,
        "Conv2d.forward(): x is torch.float32, params.bias is torch.float64: convert one to the other's dtype, "
        "x.to(torch.float64) or tree_map(lambda leaf: leaf.to(torch.float32), params)",
    ),
    Refusal(
        lambda: layer.forward(ConvParams(params.weight, None), x),
        TypeError,
        "Conv2d.forward(): params.bias is a NoneType, expected a tensor",
    ),
    Refusal(
        lambda: without_bias.forward(params, x),
        TypeError,
        "Conv2d.forward(): params.bias is a tensor, expected None from a layer with bias=False",
    ),
]

BACKWARD = [
    Refusal(
        lambda: layer.backward(params, cache, "grad"),
        TypeError,
        "Conv2d.backward(): grad is a str, expected a tensor",
    ),
    Refusal(
        lambda: layer.backward(params, cache, y[:, :, 1:]),
        ShapeError,
        "Conv2d.backward(): grad has shape (2, 4, 3, 4), expected that of forward's output, (2, 4, 4, 4)",
    ),
    Refusal(
        lambda: layer.backward(params, cache, y.double()),
        TypeError,
        "Conv2d.backward(): grad is torch.float64, params.weight is torch.float32: convert one to the other's dtype, "
        "grad.to(torch.float32) or tree_map(lambda leaf: leaf.to(torch.float64), params)",
    ),
    Refusal(
        lambda: layer.backward(NoParams(), cache, y),
        TypeError,
        "Conv2d.backward(): params is a NoParams, expected ConvParams, as init() makes",
    ),
    Refusal(
        lambda: layer.backward(params, ReLUCache(y), y),
        TypeError,
        "Conv2d.backward(): cache is a ReLUCache, expected the ConvCache that forward() returned",
    ),
    Refusal(
        lambda: layer.backward(params, None, y),
        TypeError,
        "Conv2d.backward(): cache is a NoneType, expected the ConvCache that forward() returned",
    ),
    Refusal(
        lambda: layer.backward(params, padded_cache, y),
        ShapeError,
        "Conv2d.backward(): cache is that of another layer: it has input (2, 3, 8, 8) and output (2, 4, 4, 4)",
    ),
    Refusal(
        lambda: layer.backward(params, thin_cache, y),
        ShapeError,
        "Conv2d.backward(): cache is that of another layer: it has input (2, 2, 6, 6) and output (2, 4, 4, 4)",
    ),
    Refusal(
        lambda: layer.backward(double_params, cache, y.double()),
        TypeError,
        "Conv2d.backward(): grad is torch.float64, cache was computed in torch.float32",
    ),
    Refusal(
        lambda: without_bias.backward(params, cache, y),
        TypeError,
        "Conv2d.backward(): params.bias is a tensor, expected None from a layer with bias=False",
    ),
    Refusal(
        lambda: layer.backward(params, cache, y.to("meta")),
        TypeError,
        "Conv2d.backward(): grad is on meta, params.weight on cpu: move one to the other's device",
    ),
    Refusal(
        lambda: layer.backward(tree_map(lambda leaf: leaf.to("meta"), params), cache, y.to("meta")),
        TypeError,
        "Conv2d.backward(): grad is on meta, cache on cpu: move one to the other's device",
    ),
    Refusal(
        lambda: layer.gradients(tree_map(lambda leaf: leaf.to("meta"), params), cache, y.to("meta")),
        TypeError,
        "Conv2d.backward(): grad is on meta, cache on cpu: move one to the other's device",
    ),
]


@each(ARGUMENTS + INPUTS + PARAMS + BACKWARD)
def test_refuses(refusal: Refusal) -> None:
    refusal.check()


def test_refuses_a_generator_that_is_none() -> None:
    with pytest.raises(TypeError, match=r"generator is 0, expected a torch\.Generator"):
        layer.init(0)


@pytest.mark.parametrize(
    ("other", "shape"),
    [
        (Conv2d(2, 4, 3), (2, 2, 6, 6)),
        (Conv2d(3, 4, 3, stride=2), (2, 3, 9, 9)),
        (Conv2d(3, 4, 2, padding=0), (2, 3, 5, 5)),
    ],
    ids=["channels", "stride", "kernel"],
)
def test_refuses_the_cache_of_another_layer(other: Conv2d, shape: tuple[int, ...]) -> None:
    foreign = other.forward(other.init(seeded(0)), torch.ones(shape))[1]
    with pytest.raises((TypeError, ValueError), match=r"^Conv2d\.backward\(\): cache"):
        layer.backward(params, foreign, torch.ones(2, 4, 4, 4))


def test_relu_refuses_the_cache_of_a_convolution() -> None:
    assert isinstance(cache, ConvCache)
    Refusal(
        lambda: ReLU().backward(NoParams(), cache, y),  # type: ignore[arg-type]
        TypeError,
        "ReLU.backward(): cache is a ConvCache, expected the ReLUCache that forward() returned",
    ).check()


def test_whole_numbers_are_exact_in_float32() -> None:
    # 2^18 products of 8 * 8 add up to 2^24, up to which float32 holds every integer.
    generator = seeded(0)
    assert float(whole_numbers((1000,), generator).abs().max()) == 8
    assert whole_params(Conv2d(1, 1, 1), generator).weight.dtype is torch.float64
