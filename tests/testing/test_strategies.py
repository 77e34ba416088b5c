"""The strategies draw what they say, and as often as they say."""

import math
from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from typing import Any, TypeVar, cast

import pytest
import torch
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from n2nfun.compose import Residual, Sequential
from n2nfun.layer import Shape
from n2nfun.layers import Conv2d, Identity, NearestUpsampling, Normalize, ReLU, Sigmoid, Upsampling
from n2nfun.optim import SGD, Adam
from n2nfun.testing import conv_geometries, images, laid_out, layers, networks, optimizers, params_for, upsamplings
from n2nfun.testing.geometries import ConvGeometry
from n2nfun.testing.numbers import listed, seeded, whole_numbers
from n2nfun.tree import leaves
from tests.rounding import DTYPES
from tests.shape_checking import unchecked

T = TypeVar("T")

ODDS = Fraction(1, 10**9)
"""A strategy that keeps its word fails with at most this probability; as the draws are the same in every run, it never does."""


def drawn(strategy: st.SearchStrategy[T], count: int) -> list[T]:
    """Draw the same examples in every run."""
    found: list[T] = []

    @settings(max_examples=count, derandomize=True, database=None, phases=[Phase.generate])
    @given(strategy)
    def collect(value: T) -> None:
        found.append(value)

    with unchecked():  # for speed
        collect()
    return found


def fewest(count: int, share: Fraction) -> int:
    """Return the least k with P(X <= k) > 1e-9, where X is how many of so many draws are of a kind of this share."""
    below, k = Fraction(0), 0
    while True:
        below += math.comb(count, k) * share**k * (1 - share) ** (count - k)
        if below > ODDS:
            return k
        k += 1


def test_the_fewest_by_hand() -> None:
    assert fewest(29, Fraction(1, 2)) == 0  # 2^-29 is more than 1e-9
    assert fewest(30, Fraction(1, 2)) == 1  # 2^-30 is less, 31 * 2^-30 more
    assert fewest(5, Fraction(1)) == 5
    assert fewest(5, Fraction(0)) == 0


def assert_as_often(cases: list[T], kinds: dict[Callable[[T], bool], int]) -> None:
    """Require at least one in so many of each kind."""
    for kind, one_in in kinds.items():
        found, least = sum(map(kind, cases)), fewest(len(cases), Fraction(1, one_in))
        assert least > 0, f"too few draws to tell of one in {one_in}"
        assert found >= least, f"{kind.__doc__} {found} of {len(cases)}, expected 1 in {one_in}, so at least {least}"


def border(case: ConvGeometry) -> bool:
    """No window reads the last row or column:"""
    return case.vertical.leaves_border() or case.horizontal.leaves_border()


def gap(case: ConvGeometry) -> bool:
    """No window reads a row or column between two that are read:"""
    return case.vertical.leaves_gap() or case.horizontal.leaves_gap()


def covered(case: ConvGeometry) -> bool:
    """Windows read all:"""
    return not bool(case.uncovered().any())


def padded(case: ConvGeometry) -> bool:
    """Padded by the kernel or more:"""
    return any(axis.padding >= axis.kernel for axis in (case.vertical, case.horizontal))


def pointwise(case: ConvGeometry) -> bool:
    """A kernel of 1x1:"""
    return case.layer.kernel_size == (1, 1)


def single(case: ConvGeometry) -> bool:
    """A single window:"""
    return case.layer.output_shape(case.shape)[2:] == (1, 1)


def thin(case: ConvGeometry) -> bool:
    """Ten times as long as wide:"""
    return max(case.shape[2:]) >= 10 * min(case.shape[2:])


def long(case: ConvGeometry) -> bool:
    """30 columns or more:"""
    return case.shape[3] >= 30


def empty(case: ConvGeometry) -> bool:
    """An empty batch:"""
    return case.shape[0] == 0


def wide(case: ConvGeometry) -> bool:
    """A stride of 1 and many channels:"""
    return case.layer.stride == (1, 1) and max(case.layer.in_channels, case.layer.out_channels) >= 16


def test_convolutions_are_of_each_kind_as_often_as_documented() -> None:
    shares: dict[Callable[[ConvGeometry], bool], int] = {
        border: 3,
        gap: 3,
        covered: 3,
        padded: 3,
        pointwise: 7,
        single: 7,
        thin: 20,
        long: 20,
        empty: 5,
        wide: 40,
    }
    assert_as_often(drawn(conv_geometries(), 900), shares)


def test_upsamplings_are_of_each_kind_as_often_as_documented() -> None:
    def cut(case: tuple[Upsampling, Shape]) -> bool:
        """No multiple of the scale:"""
        layer, shape = case
        sizes = layer.output_shape(shape)[2:]
        return any(size % scale for size, scale in zip(sizes, layer.scale_factor, strict=True))

    def trimmed(case: tuple[Upsampling, Shape]) -> bool:
        """Trimmed:"""
        return case[0].trim != (0, 0)

    def padded(case: tuple[Upsampling, Shape]) -> bool:
        """Padded by the kernel or more:"""
        return any(p >= k for p, k in zip(case[0].padding, case[0].kernel_size, strict=True))

    def scaled_by_one(case: tuple[Upsampling, Shape]) -> bool:
        """A scale of 1:"""
        return 1 in case[0].scale_factor

    def smaller(case: tuple[Upsampling, Shape]) -> bool:
        """A kernel smaller than the scale:"""
        return any(k < s for k, s in zip(case[0].kernel_size, case[0].scale_factor, strict=True))

    def empty(case: tuple[Upsampling, Shape]) -> bool:
        """An empty batch:"""
        return case[1][0] == 0

    shares: dict[Callable[[tuple[Upsampling, Shape]], bool], int] = {
        cut: 3,
        trimmed: 3,
        padded: 3,
        scaled_by_one: 3,
        smaller: 5,
        empty: 5,
    }
    assert_as_often(drawn(upsamplings(), 300), shares)


def test_layouts_are_of_every_kind_and_of_equal_numbers() -> None:
    x = whole_numbers((2, 3, 4, 5), seeded(0))
    found = drawn(laid_out(x), 200)
    assert all(torch.equal(y, x) and y.dtype == x.dtype for y in found)
    memories = [torch.empty(0, dtype=x.dtype).set_(y.untyped_storage()) for y in found]
    kinds = {
        "channels last": [y.is_contiguous(memory_format=torch.channels_last) for y in found],
        "columns next to each other": [y.stride(2) == 1 for y in found],
        "reversed": [y.stride() == (1, 2, 6, 24) for y in found],
        "holes of NaN": [bool(memory.isnan().any()) for memory in memories],
        "an offset": [y.storage_offset() > 0 for y in found],
        "gaps": [min(y.stride()) > 1 for y in found],
    }
    assert all(map(any, kinds.values())), {kind: sum(seen) for kind, seen in kinds.items()}


def test_layouts_of_single_rows_have_strides_that_mean_nothing() -> None:
    x = whole_numbers((1, 3, 1, 5), seeded(0))
    found = drawn(laid_out(x), 200)
    assert all(torch.equal(y, x) for y in found)
    assert len({y.stride() for y in found}) > 3


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_images_and_params_are_of_small_whole_numbers(dtype: torch.dtype) -> None:
    for tensor in drawn(images((2, 3, 4, 5), dtype), 20):
        assert tensor.shape == (2, 3, 4, 5)
        assert_small_and_whole(tensor, dtype)
    layer = Conv2d(2, 3, (1, 2)) >> ReLU()
    for params in drawn(params_for(layer, dtype), 20):
        assert [tuple(leaf.shape) for leaf in leaves(params)] == [(3, 2, 1, 2), (3,)]
        assert type(params) is tuple
        for leaf in leaves(params):
            assert_small_and_whole(leaf, dtype)


def assert_small_and_whole(tensor: torch.Tensor, dtype: torch.dtype) -> None:
    assert tensor.dtype == dtype
    assert torch.equal(tensor, tensor.round())
    assert bool((tensor.abs() <= 8).all())


def test_images_take_every_value() -> None:
    taken = {number for image in drawn(images((2, 3, 4, 5)), 50) for number in listed(image)}
    assert taken == set(range(-8, 9))


def parts(layer: Any) -> list[type]:
    """List the types of the layers of a network, those inside of others included."""
    match layer:
        case Sequential():
            return [Sequential, *(kind for part in layer.layers for kind in parts(part))]
        case Residual():
            return [Residual, *parts(cast("Any", layer).layer)]
        case _:
            return [type(layer)]


def test_layers_are_of_every_kind_and_fit_their_shapes() -> None:
    found = drawn(layers(), 200)
    kinds = {kind for layer, _ in found for kind in parts(layer)[:1]}
    assert kinds >= {Conv2d, Upsampling, NearestUpsampling, ReLU, Sigmoid, Identity, Normalize}
    for layer, shape in found:
        assert layer.output_shape(shape)[0] == shape[0]


def test_networks_fit_their_shapes_and_hold_every_kind() -> None:
    found = drawn(networks(), 120)
    inside = Counter(kind for network, _ in found for kind in parts(network))
    assert set(inside) >= {Sequential, Residual, Conv2d, ReLU, NearestUpsampling}
    assert {len(network.layers) for network, _ in found} == {1, 2, 3, 4}
    assert {shape[0] for _, shape in found} == {0, 1, 2}
    for network, shape in found:
        params, x = network.init(seeded(0)), torch.ones(shape)
        y, cache = network.forward(params, x)
        assert tuple(y.shape) == network.output_shape(shape)
        dx, dparams = network.backward(params, cache, y)
        assert dx.shape == x.shape
        assert [leaf.shape for leaf in leaves(dparams)] == [leaf.shape for leaf in leaves(params)]


def test_optimizers_are_every_legal_combination() -> None:
    found = drawn(optimizers(), 1500)
    sgds = {
        (sgd.lr > 0, sgd.momentum > 0, sgd.dampening > 0, sgd.weight_decay > 0, sgd.nesterov)
        for sgd in found
        if isinstance(sgd, SGD)
    }
    both = (False, True)
    plain = {
        (lr, momentum, damped, decay, False) for lr in both for momentum in both for damped in both for decay in both
    }
    assert sgds == plain | {(lr, True, False, decay, True) for lr in both for decay in both}
    adams = {(adam.lr > 0, adam.weight_decay > 0, adam.decoupled) for adam in found if isinstance(adam, Adam)}
    assert adams == {(lr, decay, decoupled) for lr in both for decay in both for decoupled in both}
