"""Upsampling against autograd, and against the two layers that it stands for; nearest upsampling alone."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from n2nfun.geometry import Size
from n2nfun.init import xavier_normal, xavier_uniform
from n2nfun.layer import NoParams, Shape, ShapeError
from n2nfun.layers import Conv2d, ConvParams, NearestUpsampling, Upsampling
from n2nfun.layers.phases import upsampled_phases
from n2nfun.layers.planes import planes_fit
from n2nfun.testing.bits import assert_same_bits
from n2nfun.testing.comparing import compute
from n2nfun.testing.geometries import upsamplings
from n2nfun.testing.layouts import LAYOUTS
from n2nfun.testing.numbers import normal_numbers, normal_params, seeded, seeds, whole_numbers, whole_params
from n2nfun.tree import leaves, tree_map
from tests.layers.linear_laws import assert_exact, assert_rounded_within_bound
from tests.layers.report import also_on_the_reports_upsamplings, also_on_the_shapes_of_the_reports_upsamplings
from tests.refusals import Refusal, each
from tests.rounding import DTYPES

Drawn = tuple[Upsampling, Shape]
AN_EVEN_KERNEL = (Upsampling(2, 3, 2, scale_factor=2, padding=1, trim=1), (2, 2, 4, 5))
NO_MULTIPLE = (Upsampling(2, 1, (2, 3), scale_factor=(3, 4), padding=(2, 0)), (1, 2, 3, 2))
"""Its output has 3 * 3 + 2 * 2 - 2 + 1 = 12 rows and 4 * 2 - 3 + 1 = 6 columns, no multiple of 4."""


def drawn_geometries() -> list[Drawn]:
    """Draw the same 300 geometries in every run."""
    found: list[Drawn] = []

    @settings(max_examples=300, derandomize=True, database=None, phases=[Phase.generate])
    @given(upsamplings())
    def collect(case: Drawn) -> None:
        found.append(case)

    collect()
    return found


def test_the_drawn_geometries_hold_every_kind() -> None:
    cases = drawn_geometries()
    outputs = [layer.output_shape(shape) for layer, shape in cases]
    counts = {
        "no multiple of the scale": sum(
            out[2] % layer.scale_factor[0] > 0 or out[3] % layer.scale_factor[1] > 0
            for out, (layer, _) in zip(outputs, cases, strict=True)
        ),
        "trimmed": sum(layer.trim != (0, 0) for layer, _ in cases),
        "padding >= kernel": sum(layer.padding[0] >= layer.kernel_size[0] for layer, _ in cases),
        "scale 1": sum(1 in layer.scale_factor for layer, _ in cases),
        "kernel < scale": sum(layer.kernel_size[0] < layer.scale_factor[0] for layer, _ in cases),
        "several runs of phases": sum(
            len(upsampled_phases(layer.kernel_size[0], layer.scale_factor[0], layer.padding[0])) > 1
            for layer, _ in cases
        ),
        "empty batch": sum(shape[0] == 0 for _, shape in cases),
    }
    assert min(counts.values()) >= 20, counts


@given(case=upsamplings(), generator=seeds())
@also_on_the_reports_upsamplings
@example(case=AN_EVEN_KERNEL, generator=seeded(0))
@example(case=NO_MULTIPLE, generator=seeded(0))
def test_equals_autograd_exactly_in_float64(case: Drawn, generator: torch.Generator) -> None:
    assert_exact(*case, generator, torch.float64)


@given(case=upsamplings(), generator=seeds())
@also_on_the_reports_upsamplings
def test_equals_autograd_exactly_in_float32(case: Drawn, generator: torch.Generator) -> None:
    assert_exact(*case, generator, torch.float32)


@given(case=upsamplings(), generator=seeds())
@also_on_the_reports_upsamplings
@example(case=NO_MULTIPLE, generator=seeded(0))
def test_equals_its_two_layers_exactly(case: Drawn, generator: torch.Generator) -> None:
    layer, shape = case
    layer = replace(layer, trim=(0, 0))
    conv = Conv2d(layer.in_channels, layer.out_channels, layer.kernel_size, padding=layer.padding, bias=layer.bias)
    two = NearestUpsampling(layer.scale_factor) >> conv
    params, x = whole_params(layer, generator), whole_numbers(shape, generator)
    assert layer.output_shape(shape) == two.output_shape(shape)
    grad = whole_numbers(layer.output_shape(shape), generator)
    one, expected = compute(layer, params, x, grad), compute(two, (NoParams(), params), x, grad)
    for a, b in zip(leaves(one), leaves(expected), strict=True):
        assert torch.equal(a, b)


@given(case=upsamplings(), generator=seeds())
@also_on_the_reports_upsamplings
def test_trim_leaves_rows_and_columns_out(case: Drawn, generator: torch.Generator) -> None:
    layer, shape = case
    whole = replace(layer, trim=(0, 0))
    params, x = whole_params(layer, generator), whole_numbers(shape, generator)
    (y, _), (uncut, _) = layer.forward(params, x), whole.forward(params, x)
    assert torch.equal(y, uncut[:, :, : y.shape[2], : y.shape[3]])
    assert (uncut.shape[2] - y.shape[2], uncut.shape[3] - y.shape[3]) == layer.trim


@pytest.mark.parametrize("dtype", DTYPES)
@given(case=upsamplings(), generator=seeds())
@also_on_the_reports_upsamplings
def test_rounding_is_within_its_bound(dtype: torch.dtype, case: Drawn, generator: torch.Generator) -> None:
    assert_rounded_within_bound(*case, generator, dtype)


@given(case=upsamplings(), generator=seeds())
@also_on_the_reports_upsamplings
def test_images_of_a_batch_do_not_mix(case: Drawn, generator: torch.Generator) -> None:
    layer, shape = case[0], (3, *case[1][1:])
    params, x = normal_params(layer, generator, torch.float32), normal_numbers(shape, generator, torch.float32)
    y, _ = layer.forward(params, x)
    x[1] = torch.nan
    spoilt, _ = layer.forward(params, x)
    assert_same_bits(spoilt[::2], y[::2])


def low_resolution_taps(kernel: int, scale: int, padding: int) -> int:
    """Count, over the phases of one dimension, the different low-resolution pixels that each reads."""
    return sum(len({(r - padding + t) // scale for t in range(kernel)}) for r in range(scale))


@given(case=upsamplings())
@also_on_the_shapes_of_the_reports_upsamplings
def test_counts(case: Drawn) -> None:
    layer, shape = case
    batch, _, height, width = layer.output_shape(shape)
    rows, columns = (
        low_resolution_taps(layer.kernel_size[axis], layer.scale_factor[axis], layer.padding[axis]) for axis in (0, 1)
    )
    pixels, taps = (shape[2], shape[3]), layer.kernel_size
    if planes_fit(pixels, (height, width), taps, layer.scale_factor, layer.padding, layer.out_channels, rows * columns):
        places = pixels[0] * pixels[1] * taps[0] * taps[1]
    else:  # Every phase is computed of each low-resolution pixel that the output begins at, then what is too much is cut.
        places = -(-height // layer.scale_factor[0]) * -(-width // layer.scale_factor[1]) * rows * columns
    assert layer.multiply_adds(shape) == batch * places * layer.in_channels * layer.out_channels
    params = layer.init(seeded(0))
    assert layer.count_parameters() == params.weight.numel() + (0 if params.bias is None else params.bias.numel())


def test_the_papers_upsampling_needs_9_products_in_place_of_25() -> None:
    layer, shape = Upsampling(1, 1, 5, scale_factor=2, padding=2), (1, 1, 8, 8)
    assert layer.multiply_adds(shape) == 16 * 16 * 9
    assert Conv2d(1, 1, 5, padding=2).multiply_adds((1, 1, 16, 16)) == 16 * 16 * 25


nearest_cases = st.tuples(
    st.tuples(st.integers(1, 4), st.integers(1, 4)),
    st.tuples(st.integers(0, 3), st.integers(1, 3), st.integers(1, 5), st.integers(1, 5)),
)


@given(nearest_cases, seeds())
def test_nearest_equals_autograd_exactly(case: tuple[tuple[int, int], Shape], generator: torch.Generator) -> None:
    scale, shape = case
    assert_exact(NearestUpsampling(scale), shape, generator, torch.float32)


@pytest.mark.parametrize("dtype", DTYPES)
@given(case=nearest_cases, generator=seeds())
def test_nearest_rounding_is_within_its_bound(
    dtype: torch.dtype, case: tuple[tuple[int, int], Shape], generator: torch.Generator
) -> None:
    scale, shape = case
    assert_rounded_within_bound(NearestUpsampling(scale), shape, generator, dtype)


@given(nearest_cases, seeds())
def test_nearest_is_its_definition(case: tuple[tuple[int, int], Shape], generator: torch.Generator) -> None:
    (vertical, horizontal), shape = case
    x = normal_numbers(shape, generator, torch.float16)
    y, _ = NearestUpsampling((vertical, horizontal)).forward(NoParams(), x)
    rows, columns = torch.arange(y.shape[2]) // vertical, torch.arange(y.shape[3]) // horizontal
    assert_same_bits(y, x[:, :, rows][:, :, :, columns])


def test_the_layers_are_values() -> None:
    assert Upsampling(3, 4, 5) == Upsampling(3, 4, (5, 5), scale_factor=(2, 2), padding=0, trim=(0, 0))
    assert hash(Upsampling(3, 4, 5)) == hash(Upsampling(3, 4, (5, 5)))
    assert Upsampling(3, 4, 5) != Upsampling(3, 4, 5, trim=1)
    assert NearestUpsampling(2) == NearestUpsampling((2, 2))
    assert repr(NearestUpsampling(2)) == "NearestUpsampling(scale_factor=(2, 2))"


def test_weights_start_as_the_initializer_says() -> None:
    for initializer in (xavier_uniform, xavier_normal):
        weight = Upsampling(3, 4, (2, 5), initializer=initializer).init(seeded(1)).weight
        assert_same_bits(weight, initializer((4, 3, 2, 5), seeded(1)))


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.__name__)
@pytest.mark.parametrize("scale", [1, (1, 2), (2, 1), 2])
def test_what_is_repeated_is_laid_out_in_order(scale: Size, layout: Callable[[torch.Tensor], torch.Tensor]) -> None:
    y, _ = NearestUpsampling(scale).forward(NoParams(), layout(torch.ones(2, 3, 4, 5)))
    assert y.is_contiguous()


def test_biases_start_at_zero() -> None:
    bias = Upsampling(3, 4, 5).init(seeded(0)).bias
    assert bias is not None
    assert torch.equal(bias, torch.zeros(4))
    assert Upsampling(3, 4, 5, bias=False).init(seeded(0)).bias is None


# For callers without a type checker.
up: Any = Upsampling
nearest: Any = NearestUpsampling
layer: Any = Upsampling(3, 4, 3, padding=1)
repeat: Any = NearestUpsampling(2)
params = layer.init(seeded(0))
x = torch.ones(2, 3, 2, 2)
y, cache = layer.forward(params, x)
repeated, repeat_cache = repeat.forward(NoParams(), x)

REFUSALS = [
    Refusal(lambda: up(0, 1, 1), ValueError, "in_channels is 0, expected an int from 1 to 65535"),
    Refusal(lambda: up(1, 2.0, 1), TypeError, "out_channels is 2.0, expected an int"),
    Refusal(
        lambda: up(1, 1, (3,)), TypeError, "kernel_size is (3,), expected an int or a pair (height, width) of ints"
    ),
    Refusal(lambda: up(1, 1, 1, scale_factor=0), ValueError, "scale_factor is 0, expected an int from 1 to 65535"),
    Refusal(
        lambda: up(1, 1, 1, scale_factor=0.5),
        TypeError,
        "scale_factor is 0.5, expected an int or a pair (height, width) of ints",
    ),
    Refusal(
        lambda: up(1, 1, 1, scale_factor=(2, -1)), ValueError, "scale_factor[1] is -1, expected an int from 1 to 65535"
    ),
    Refusal(lambda: up(1, 1, 1, padding=-1), ValueError, "padding is -1, expected an int from 0 to 65535"),
    Refusal(lambda: up(1, 1, 1, trim=-1), ValueError, "trim is -1, expected an int from 0 to 65535"),
    Refusal(
        lambda: up(1, 1, 1, trim=True), TypeError, "trim is True, expected an int or a pair (height, width) of ints"
    ),
    Refusal(lambda: up(1, 1, 1, bias="no"), TypeError, "bias is 'no', expected True or False"),
    Refusal(lambda: nearest(0), ValueError, "scale_factor is 0, expected an int from 1 to 65535"),
    Refusal(lambda: nearest(2**31), ValueError, "scale_factor is 2147483648, expected an int from 1 to 65535"),
    Refusal(lambda: nearest(2.0), TypeError, "scale_factor is 2.0, expected an int or a pair (height, width) of ints"),
    Refusal(lambda: layer.forward(params, "x"), TypeError, "Upsampling.forward(): x is a str, expected a tensor"),
    Refusal(
        lambda: layer.forward(params, x[:, :2]),
        ShapeError,
        "x has 2 channels (shape (2, 2, 2, 2)), expected in_channels=3",
    ),
    Refusal(
        lambda: up(3, 4, 9, padding=2).output_shape((1, 3, 2, 3)),
        ShapeError,
        "kernel height 9 does not fit x's padded height 2 * 2 + 2 * 2 = 8 (shape (1, 3, 2, 3))",
    ),
    Refusal(
        lambda: up(3, 4, 3, trim=(2, 1)).output_shape((1, 3, 2, 2)),
        ShapeError,
        "trim 2 leaves nothing of 2 windows in x's padded height 2 * 2 + 2 * 0 = 4 (shape (1, 3, 2, 2))",
    ),
    Refusal(
        lambda: layer.forward(params, x.double()),
        TypeError,
        "Upsampling.forward(): x is torch.float64, params.weight is torch.float32: convert one to the other's dtype, "
        "x.to(torch.float32) or tree_map(lambda leaf: leaf.to(torch.float64), params)",
    ),
    Refusal(
        lambda: layer.forward(NoParams(), x),
        TypeError,
        "Upsampling.forward(): params is a NoParams, expected ConvParams, as init() makes",
    ),
    Refusal(
        lambda: layer.forward(Upsampling(3, 4, 5).init(seeded(0)), x),
        ShapeError,
        "Upsampling.forward(): params.weight has shape (4, 3, 5, 5), expected (4, 3, 3, 3)",
    ),
    Refusal(
        lambda: layer.forward(ConvParams(params.weight, None), x),
        TypeError,
        "Upsampling.forward(): params.bias is a NoneType, expected a tensor",
    ),
    Refusal(
        lambda: layer.backward(params, repeat_cache, y),
        TypeError,
        "Upsampling.backward(): cache is a NearestCache, expected the UpsamplingCache that forward() returned",
    ),
    Refusal(
        lambda: layer.backward(params, cache, "grad"),
        TypeError,
        "Upsampling.backward(): grad is a str, expected a tensor",
    ),
    Refusal(
        lambda: layer.backward(params, cache, y[..., 1:]),
        ShapeError,
        "Upsampling.backward(): grad has shape (2, 4, 4, 3), expected that of forward's output, (2, 4, 4, 4)",
    ),
    Refusal(
        lambda: layer.backward(params, cache, y.half()),
        TypeError,
        "Upsampling.backward(): grad is torch.float16, params.weight is torch.float32: convert one to the other's "
        "dtype, grad.to(torch.float32) or tree_map(lambda leaf: leaf.to(torch.float16), params)",
    ),
    Refusal(
        lambda: layer.backward(tree_map(lambda leaf: leaf.to("meta"), params), cache, y.to("meta")),
        TypeError,
        "Upsampling.backward(): grad is on meta, cache on cpu: move one to the other's device",
    ),
    Refusal(
        lambda: repeat.forward(NoParams(), x.int()),
        TypeError,
        "NearestUpsampling.forward(): x is torch.int32, expected float32, float64, float16 or bfloat16: convert it first, "
        "images of 8 bits with x.float() / 255",
    ),
    Refusal(
        lambda: repeat.forward(NoParams(), x[0]),
        ShapeError,
        "x has shape (3, 2, 2), expected (batch, channels, height, width)",
    ),
    Refusal(
        lambda: repeat.forward(params, x),
        TypeError,
        "NearestUpsampling.forward(): params is a ConvParams, expected NoParams, as init() makes",
    ),
    Refusal(
        lambda: repeat.backward(params, repeat_cache, repeated),
        TypeError,
        "NearestUpsampling.backward(): params is a ConvParams, expected NoParams, as init() makes",
    ),
    Refusal(
        lambda: repeat.backward(NoParams(), repeat_cache, repeated.double()),
        TypeError,
        "NearestUpsampling.backward(): grad is torch.float64, expected that of forward's output, torch.float32",
    ),
    Refusal(
        lambda: repeat.backward(NoParams(), cache, repeated),
        TypeError,
        "NearestUpsampling.backward(): cache is a UpsamplingCache, expected the NearestCache that forward() returned",
    ),
    Refusal(
        lambda: repeat.backward(NoParams(), repeat_cache, x),
        ShapeError,
        "NearestUpsampling.backward(): grad has shape (2, 3, 2, 2), expected that of forward's output, (2, 3, 4, 4)",
    ),
]


@each(REFUSALS)
def test_refuses(refusal: Refusal) -> None:
    refusal.check()


@pytest.mark.parametrize(
    "other",
    [Upsampling(2, 4, 3, padding=1), Upsampling(3, 4, 3, scale_factor=4)],
    ids=["channels", "scale"],
)
def test_refuses_the_cache_of_another_layer(other: Upsampling) -> None:
    shape = (2, other.in_channels, 4 * 2 // other.scale_factor[0], 4 * 2 // other.scale_factor[1])
    made, foreign = other.forward(other.init(seeded(0)), torch.ones(shape))
    with pytest.raises((TypeError, ValueError), match=r"^Upsampling\.backward\(\): cache"):
        layer.backward(params, foreign, torch.ones_like(made))


def test_nearest_refuses_the_cache_of_another_scale() -> None:
    with pytest.raises((TypeError, ValueError), match=r"^NearestUpsampling\.backward\(\): grad has shape"):
        nearest(3).backward(NoParams(), repeat_cache, repeated)
