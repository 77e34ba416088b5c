"""Lines, their order in memory, and their windows as matrices."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from n2nfun.geometry import Pair
from n2nfun.layers import lowering
from n2nfun.layers.lowering import aligned, images_of, in_order, lines_of, lowered, matrices, pad
from n2nfun.testing.bits import assert_same_bits
from n2nfun.testing.layouts import LAYOUTS
from n2nfun.testing.numbers import normal_numbers, seeded
from tests.layers.pieces import set_pieces

each_layout = pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.__name__)


def numbers(*shape: int) -> Tensor:
    return normal_numbers(shape, seeded(0), torch.float32)


def by_definition(x: Tensor, kernel_size: Pair, stride: Pair) -> Tensor:
    """Return all windows (lines, batch * out_width, taps * channels)."""
    found = x.unfold(0, kernel_size[0], stride[0]).unfold(2, kernel_size[1], stride[1])
    return found.permute(0, 1, 2, 4, 5, 3).flatten(3).flatten(1, 2)


GEOMETRIES: list[tuple[Pair, Pair]] = [
    ((1, 1), (1, 1)),
    ((1, 1), (2, 1)),
    ((1, 1), (1, 2)),
    ((2, 3), (1, 1)),
    ((3, 1), (1, 1)),
    ((4, 2), (2, 2)),
    ((2, 2), (2, 2)),
    ((1, 2), (3, 3)),
    ((11, 7), (1, 1)),
]


@each_layout
@pytest.mark.parametrize("piece", [1, 100, 1 << 18])
@pytest.mark.parametrize(("kernel_size", "stride"), GEOMETRIES)
@pytest.mark.parametrize("channels", [1, 3])
def test_windows_are_rows_of_a_matrix_for_each_line(
    channels: int,
    kernel_size: Pair,
    stride: Pair,
    piece: int,
    layout: Callable[[Tensor], Tensor],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    set_pieces(piece, monkeypatch)
    x = numbers(11, 2, 7, channels)
    expected, after = by_definition(x, kernel_size, stride), 0
    for lines, windows in lowered(layout(x), kernel_size, stride):
        assert lines.start == after
        assert_same_bits(windows, expected[lines])
        assert windows.data_ptr() % 64 == 0
        after = lines.stop
    assert after == len(expected)


def lines_at_a_time(piece: int, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Say of how many lines each piece is, of 20 with windows of 2 lines, with 24 numbers gathered for each line."""
    monkeypatch.setattr(lowering, "COPIED", 1)
    monkeypatch.setattr(lowering, "PIECE", piece)
    x = numbers(21, 2, 4, 2)
    return [len(windows) for _, windows in lowered(x, (2, 2), (1, 1))]


@pytest.mark.parametrize(
    ("piece", "lines"),
    [
        (20 * 48, [20]),
        (20 * 48 - 1, [20]),
        (20 * 24, [20]),
        (20 * 24 - 1, [19, 1]),
        (7 * 24, [7, 7, 6]),
        (5 * 24 - 1, [4, 4, 4, 4, 4]),
        (1, [4, 4, 4, 4, 4]),
    ],
)
def test_pieces_hold_as_many_lines_as_stay_in_cache(
    piece: int, lines: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert lines_at_a_time(piece, monkeypatch) == lines


def test_a_line_of_a_stride_counts_for_all_that_it_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    set_pieces(10 * 24, monkeypatch)
    assert [len(windows) for _, windows in lowered(numbers(31, 2, 4, 2), (3, 2), (2, 1))] == [5, 5, 5]


def test_pieces_share_their_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    set_pieces(1, monkeypatch)
    addresses = {windows.data_ptr() for _, windows in lowered(numbers(11, 2, 5, 3), (3, 2), (1, 1))}
    assert len(addresses) == 1


@pytest.mark.parametrize(("copied", "flat"), [(10 * 8 * 12, True), (10 * 8 * 12 - 1, False)])
def test_few_windows_are_one_matrix_and_many_a_stack(copied: int, flat: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lowering, "COPIED", copied)
    ((_, windows),) = lowered(numbers(11, 2, 5, 3), (2, 2), (1, 1))
    assert windows.is_contiguous() is flat
    # Each line's windows overlap those of the next.
    assert windows.untyped_storage().nbytes() == 4 * (10 * 8 * 12 if flat else 11 * 8 * 6)


def test_windows_of_a_pixel_are_not_copied() -> None:
    x = numbers(3, 2, 5, 16)
    ((lines, windows),) = lowered(x, (1, 1), (1, 1))
    assert lines == slice(0, 3)
    assert windows.data_ptr() == x.data_ptr()
    assert windows.shape == (3, 10, 16)


def test_images_are_lines_in_another_order() -> None:
    images = numbers(2, 3, 4, 5)
    lines = lines_of(images)
    assert lines.shape == (4, 2, 5, 3)
    assert lines[3, 1, 4, 2] == images[1, 2, 3, 4]
    assert_same_bits(images_of(lines), images)


def test_lines_are_matrices() -> None:
    x = numbers(4, 2, 5, 3)
    assert_same_bits(matrices(x), x.reshape(4, 10, 3))


@each_layout
@pytest.mark.parametrize("channels", [1, 4, 5])
def test_lines_of_few_channels_are_summed_up_as_planes(channels: int, layout: Callable[[Tensor], Tensor]) -> None:
    x = numbers(33, 2, 35, channels)
    ordered = in_order(layout(x))
    assert_same_bits(ordered, x)
    assert (images_of(ordered) if channels < 5 else ordered).is_contiguous()
    assert_same_bits(ordered.sum((0, 1, 2)), in_order(x).sum((0, 1, 2)))


def test_no_margin_is_no_copy() -> None:
    x = numbers(3, 2, 4, 1)
    assert pad(x, 0, 0, 0, 0) is x


def test_padded_lines_are_in_order() -> None:
    x = numbers(3, 2, 4, 5).transpose(0, 3).contiguous().transpose(0, 3)
    assert pad(x, 0, 0, 0, 0).is_contiguous()
    assert pad(x, 1, 0, 0, 0).is_contiguous()


@pytest.mark.parametrize(
    "margins", [(1, 0, 0, 0), (0, 2, 0, 0), (0, 0, 3, 0), (0, 0, 0, 4), (1, 1, 1, 1), (2, 3, 4, 5)]
)
def test_zeros_lie_around(margins: tuple[int, int, int, int]) -> None:
    x = numbers(3, 2, 4, 2)
    top, bottom, left, right = margins
    framed = torch.zeros(3 + top + bottom, 2, 4 + left + right, 2)
    framed[top : top + 3, :, left : left + 4] = x
    assert_same_bits(pad(x, *margins), framed)
    assert_same_bits(pad(framed, -top, -bottom, -left, -right), x)


@pytest.mark.parametrize(("first", "stays"), [(0, True), (16, True), (32, True), (1, False), (8, False), (24, False)])
def test_numbers_at_an_address_of_no_register_are_copied(first: int, stays: bool) -> None:
    x = torch.arange(64.0)[first : first + 6].view(2, 3)
    assert torch.equal(aligned(x), x)
    assert (aligned(x).data_ptr() == x.data_ptr()) is stays
    assert aligned(x).data_ptr() % 64 == 0


def test_numbers_in_another_order_are_copied() -> None:
    x = torch.arange(6.0).view(2, 3).t()
    assert aligned(x).is_contiguous()
    assert torch.equal(aligned(x), x)
