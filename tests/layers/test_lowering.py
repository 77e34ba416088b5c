"""Lines, their order in memory, and their windows as matrices."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from n2nfun.geometry import Pair
from n2nfun.layers import lowering
from n2nfun.layers.lowering import aligned, blocks_of, copied, images_of, in_order, lines_of, lowered, pad
from n2nfun.testing.bits import assert_same_bits
from n2nfun.testing.layouts import LAYOUTS
from n2nfun.testing.numbers import normal_numbers, seeded
from tests.layers.pieces import set_pieces

each_layout = pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.__name__)


def numbers(*shape: int) -> Tensor:
    return normal_numbers(shape, seeded(0), torch.float32)


def by_definition(x: Tensor, kernel_size: Pair, stride: Pair) -> tuple[Tensor, ...]:
    """Return all windows (blocks, lines * batch * out_width, numbers): of whole blocks, and what is left of the rows."""
    found = x.unfold(0, kernel_size[0], stride[0]).unfold(2, kernel_size[1], stride[1]).permute(0, 1, 2, 4, 5, 3)
    count, each, rest = blocks_of(x, kernel_size[0], stride[0])
    parts = [found[:, :, :, : count * each], found[:, :, :, count * each :]] if rest else [found]
    return tuple(
        part.reshape(*found.shape[:3], blocks, -1).permute(3, 0, 1, 2, 4).flatten(1, 3)
        for part, blocks in zip(parts, (count, 1), strict=False)
    )


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
    ((4, 1), (2, 1)),
    ((5, 2), (2, 1)),
    ((6, 2), (3, 2)),
    ((3, 2), (2, 1)),
    ((7, 2), (2, 2)),
    ((5, 1), (3, 1)),
]


@each_layout
@pytest.mark.parametrize("piece", [1, 100, 1 << 18])
@pytest.mark.parametrize(("kernel_size", "stride"), GEOMETRIES)
@pytest.mark.parametrize("channels", [1, 3, 5])
def test_windows_are_rows_of_matrices(
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
    for chosen, windows in lowered(layout(x), kernel_size, stride):
        assert chosen.start == after
        assert_same_bits(windows, tuple(part[:, chosen] for part in expected))
        assert windows[0].data_ptr() % 64 == 0
        after = chosen.stop
    assert after == expected[0].shape[1]


@pytest.mark.parametrize(("kernel_size", "stride"), GEOMETRIES)
def test_windows_of_many_images_are_those_of_each(kernel_size: Pair, stride: Pair) -> None:
    x = numbers(3, 11, 2, 7, 2)

    def windows_of(x: Tensor) -> tuple[Tensor, ...]:
        ((chosen, windows),) = lowered(x, kernel_size, stride)
        assert chosen == slice(0, windows[0].shape[1])
        return windows

    many: tuple[Tensor, ...] = torch.func.vmap(windows_of)(x)
    for index, each in enumerate(x):
        assert_same_bits(tuple(windows[index] for windows in many), by_definition(each, kernel_size, stride))


@pytest.mark.parametrize(
    ("rows", "down", "blocks"),
    [
        (3, 1, (3, 1, 0)),
        (4, 2, (2, 2, 0)),
        (2, 2, (1, 2, 0)),
        (5, 2, (2, 2, 1)),
        (3, 2, (1, 3, 0)),
        (5, 3, (1, 5, 0)),
        (7, 2, (3, 2, 1)),
        (8, 3, (2, 3, 2)),
        (1, 3, (1, 1, 0)),
        (6, 3, (2, 3, 0)),
    ],
)
@pytest.mark.parametrize("windows", [1, 4])
def test_rows_are_products_of_as_many_as_a_window_is_from_the_next(
    rows: int, down: int, blocks: tuple[int, int, int], windows: int
) -> None:
    height = (windows - 1) * down + rows  # of which the last window ends with the last line
    spare = down - rows % down if rows % down and rows > 2 * down else 0
    assert blocks_of(numbers(height + spare, 1, 9, 5), rows, down) == blocks
    if spare:
        assert blocks_of(numbers(height + spare - 1, 1, 9, 5), rows, down) == (1, rows, 0)


@pytest.mark.parametrize(("rows", "down", "height", "parts"), [(4, 2, 9, 1), (5, 2, 9, 1), (5, 2, 10, 2), (3, 1, 9, 1)])
@pytest.mark.parametrize("turned", [False, True])
def test_a_matrix_is_the_blocks_of_its_rows(rows: int, down: int, height: int, parts: int, turned: bool) -> None:
    blocks = blocks_of(numbers(height, 1, 9, 5), rows, down)
    matrix = numbers(rows * 6, 7)
    found = blocks.stacks(matrix.t().contiguous().t() if turned else matrix)
    assert len(found) == parts
    assert len(found[0]) == blocks.whole
    assert_same_bits(torch.cat([part.flatten(0, 1) for part in found]), matrix)


def lines_at_a_time(piece: int, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Say of how many lines each piece is, of 20 with windows of 2 lines, with 24 numbers gathered for each line."""
    set_pieces(piece, monkeypatch)
    return [windows[0].shape[1] // 6 for _, windows in lowered(numbers(21, 2, 4, 2), (2, 2), (1, 1))]


@pytest.mark.parametrize(
    ("piece", "lines"),
    [
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
    found = lowered(numbers(31, 2, 4, 2), (2, 2), (2, 1))
    assert [windows[0].shape[1] // 6 for _, windows in found] == [5, 5, 5]


def test_pieces_share_their_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    set_pieces(1, monkeypatch)
    addresses = {windows[0].data_ptr() for _, windows in lowered(numbers(11, 2, 5, 3), (3, 2), (1, 1))}
    assert len(addresses) == 1


def test_a_number_is_copied_once_for_each_column() -> None:
    ((_, (windows,)),) = lowered(numbers(11, 2, 5, 3), (2, 2), (1, 1))
    assert windows.shape == (2, 10 * 8, 6)
    assert windows.untyped_storage().nbytes() == 4 * 11 * 8 * 6


@pytest.mark.parametrize("rows", [1, 2])
def test_windows_of_a_column_are_not_copied(rows: int) -> None:
    x = numbers(3, 2, 5, 16)
    ((_, (windows,)),) = lowered(x, (rows, 1), (1, 1))
    assert windows.data_ptr() == x.data_ptr()
    assert windows.shape == (rows, (4 - rows) * 10, 16)


@each_layout
@pytest.mark.parametrize("last", [1, 4, 5])
@pytest.mark.parametrize("given", [True, False])
def test_copies_are_in_the_order_of_the_dimensions(last: int, layout: Callable[[Tensor], Tensor], given: bool) -> None:
    view = layout(numbers(3, 2, 4, last))
    out = torch.empty(24 * last) if given else None
    found = copied(view, out)
    assert_same_bits(found, view.contiguous())
    assert found.is_contiguous()
    assert found.data_ptr() == (found if out is None else out).data_ptr() != view.data_ptr()


def test_images_are_lines_in_another_order() -> None:
    images = numbers(2, 3, 4, 5)
    lines = lines_of(images)
    assert lines.shape == (4, 2, 5, 3)
    assert lines[3, 1, 4, 2] == images[1, 2, 3, 4]
    assert_same_bits(images_of(lines), images)


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


@pytest.mark.parametrize("channels", [1, 4, 5])
def test_padded_lines_are_in_order(channels: int) -> None:
    framed = pad(numbers(3, 2, 4, channels), 1, 0, 2, 0)
    assert (images_of(framed) if channels < 5 else framed).is_contiguous()


@pytest.mark.parametrize(
    "margins", [(1, 0, 0, 0), (0, 2, 0, 0), (0, 0, 3, 0), (0, 0, 0, 4), (1, 1, 1, 1), (2, 3, 4, 5)]
)
@pytest.mark.parametrize("channels", [2, 5])
@pytest.mark.parametrize("large", [1, 1 << 18])
@each_layout
def test_zeros_lie_around(
    layout: Callable[[Tensor], Tensor],
    large: int,
    channels: int,
    margins: tuple[int, int, int, int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    empty = Tensor.new_empty

    def of_no_numbers(x: Tensor, *size: Any) -> Tensor:
        return empty(x, *size).fill_(torch.nan)

    monkeypatch.setattr(lowering, "_LARGE", large)
    monkeypatch.setattr(Tensor, "new_empty", of_no_numbers)
    x = layout(numbers(3, 2, 4, channels))
    top, bottom, left, right = margins
    framed = torch.zeros(3 + top + bottom, 2, 4 + left + right, channels)
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
