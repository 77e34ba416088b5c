"""Correlation, and its derivative in the kernel, in each of their forms: which is chosen, and that all are the same sum."""

from collections.abc import Callable
from math import prod
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from n2nfun.geometry import Pair
from n2nfun.layers import correlation
from n2nfun.layers.correlation import (
    aligned,
    all_gathered,
    correlate,
    gathered,
    in_order,
    kernel_gradient,
    pad,
    windows,
)
from n2nfun.testing.bits import assert_same_bits
from n2nfun.testing.layouts import LAYOUTS
from n2nfun.testing.numbers import normal_numbers, seeded, whole_numbers


class Products(TorchDispatchMode):  # type: ignore[no-untyped-call]  # PyTorch does not type it
    """Records the sizes of the matrices that are multiplied into new memory."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # nor this  # pyright: ignore[reportUnknownMemberType]
        self.sizes: list[tuple[int, ...]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        if str(func) == "aten.mm.default":
            self.sizes.append(tuple(made.shape))
        return made


ALL_AT_ONCE, ONE_WINDOW_TOO_MANY, SOME_LINES, ONE_LINE = range(4)
"""How many numbers a piece holds, of all that the windows hold."""


class Correlation(NamedTuple):
    """Sizes, and the forms that fit them when the windows are too many for one piece."""

    x: tuple[int, int, int, int]
    """(batch, height, width, channels)."""
    out_channels: int
    kernel: Pair
    stride: Pair
    forward: str
    backward: str

    def arguments(
        self, numbers: Callable[[tuple[int, ...], torch.Generator, torch.dtype], Tensor]
    ) -> tuple[Tensor, ...]:
        """Return x, kernel, bias, and the gradient of the output."""
        generator = seeded(0)
        out = [(size - k) // s + 1 for size, k, s in zip(self.x[1:3], self.kernel, self.stride, strict=True)]
        shapes = (
            self.x,
            (self.out_channels, *self.kernel, self.x[3]),
            (self.out_channels,),
            (self.x[0], *out, self.out_channels),
        )
        return tuple(numbers(shape, generator, torch.float32) for shape in shapes)


WINDOWS, TAPS, PLANES = "_correlate_by_windows", "_correlate_by_taps", "_correlate_by_planes"
DK_WINDOWS, DK_TURNED, DK_TAPS = "_kernel_gradient_by_windows", "turned", "_kernel_gradient_by_taps"

CORRELATIONS = [
    Correlation((3, 16, 16, 16), 16, (2, 3), (1, 1), TAPS, DK_TAPS),
    Correlation((3, 16, 15, 17), 15, (3, 2), (1, 1), PLANES, DK_TURNED),
    Correlation((2, 17, 12, 16), 1, (3, 2), (1, 1), PLANES, DK_TURNED),
    # Of five windows one wraps around, and of four.
    Correlation((2, 2, 5, 16), 16, (1, 2), (1, 1), TAPS, DK_TAPS),
    Correlation((2, 2, 4, 16), 16, (1, 2), (1, 1), WINDOWS, DK_WINDOWS),
    Correlation((2, 5, 3, 16), 15, (2, 1), (1, 1), PLANES, DK_TURNED),
    Correlation((2, 4, 3, 16), 15, (2, 1), (1, 1), WINDOWS, DK_TURNED),
    Correlation((3, 6, 5, 15), 16, (3, 2), (1, 1), WINDOWS, DK_WINDOWS),
    Correlation((3, 6, 5, 15), 15, (3, 2), (1, 1), WINDOWS, DK_WINDOWS),
    Correlation((3, 6, 5, 15), 14, (3, 2), (1, 1), WINDOWS, DK_TURNED),
    Correlation((2, 7, 6, 16), 16, (2, 3), (1, 2), WINDOWS, DK_WINDOWS),
    Correlation((2, 7, 6, 16), 16, (2, 3), (2, 1), WINDOWS, DK_WINDOWS),
    Correlation((2, 9, 8, 3), 2, (2, 3), (3, 2), WINDOWS, DK_WINDOWS),
    Correlation((5, 4, 3, 2), 3, (2, 2), (1, 1), WINDOWS, DK_WINDOWS),
    Correlation((5, 3, 3, 2), 9, (2, 2), (1, 1), WINDOWS, DK_WINDOWS),
    Correlation((1, 3, 4, 16), 16, (1, 1), (1, 1), TAPS, DK_TAPS),
    Correlation((1, 1, 1, 3), 2, (1, 1), (1, 1), WINDOWS, DK_TURNED),
    Correlation((1, 3, 4, 16), 3, (1, 1), (1, 1), PLANES, DK_TURNED),
    Correlation((1, 3, 4, 3), 16, (1, 1), (1, 1), WINDOWS, DK_WINDOWS),
]
each_correlation = pytest.mark.parametrize("case", CORRELATIONS, ids=repr)


def channels_first(x: Tensor) -> Tensor:
    """Lay each channel out as a plane, as images come to a layer."""
    return x if x.dim() < 4 else x.movedim(-1, 1).contiguous().movedim(1, -1)


each_layout = pytest.mark.parametrize(
    "layout",
    [channels_first, *LAYOUTS],
    ids=lambda layout: layout.__name__,
)
each_piece = pytest.mark.parametrize("pieces", [ALL_AT_ONCE, ONE_WINDOW_TOO_MANY, SOME_LINES, ONE_LINE])


def gather_in(pieces: int, case: Correlation, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a piece hold that many of a correlation's windows."""
    found = windows(torch.empty(case.x), case.kernel, case.stride)
    line = found[0, 0].numel()
    monkeypatch.setattr(correlation, "_PIECE", [found.numel(), found.numel() - 1, 2 * line, 1][pieces])


def by_definition(x: Tensor, kernel: Tensor, stride: Pair, grad: Tensor) -> tuple[Tensor, Tensor]:
    """Return the correlation without its bias, and the derivative in the kernel."""
    (rows, columns), (height, width) = kernel.shape[1:3], grad.shape[1:3]
    y, dk = torch.zeros_like(grad), kernel.new_zeros(grad.shape[3], rows, columns, x.shape[3])
    for t in range(rows):
        for u in range(columns):
            read = x[:, t :: stride[0], u :: stride[1]][:, :height, :width]
            y += read @ kernel[:, t, u].t()
            dk[:, t, u] = torch.einsum("bijo,bijc->oc", grad, read)
    return y, dk


@each_piece
@each_correlation
def test_all_forms_are_the_same_sum(case: Correlation, pieces: int, monkeypatch: pytest.MonkeyPatch) -> None:
    x, kernel, bias, grad = case.arguments(whole_numbers)
    expected, dk = by_definition(x, kernel, case.stride, grad)
    gather_in(pieces, case, monkeypatch)
    assert torch.equal(correlate(x, kernel, stride=case.stride), expected)
    assert torch.equal(correlate(x, kernel, bias, case.stride), expected + bias)
    assert torch.equal(kernel_gradient(x, grad, case.kernel, case.stride), dk)


def recorded(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, tuple[Tensor, ...]]]:
    """Note which forms are called, and of what."""
    calls: list[tuple[str, tuple[Tensor, ...]]] = []

    def noted(name: str) -> Callable[..., Tensor]:
        form: Callable[..., Tensor] = getattr(correlation, name)

        def call(*arguments: Tensor) -> Tensor:
            calls.append((name, arguments))
            return form(*arguments)

        return call

    for name in (WINDOWS, TAPS, PLANES, DK_WINDOWS, DK_TAPS):
        monkeypatch.setattr(correlation, name, noted(name))
    return calls


def chosen(case: Correlation, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """Return the names of the forms that are called."""
    x, kernel, bias, grad = case.arguments(whole_numbers)
    calls = recorded(monkeypatch)
    correlate(x, kernel, bias, case.stride)
    kernel_gradient(x, grad, case.kernel, case.stride)
    (forward, _), (backward, arguments) = calls
    turned = backward == DK_WINDOWS and arguments[1].shape == x.shape != grad.shape
    return forward, DK_TURNED if turned or arguments[1] is x else backward


@pytest.mark.parametrize("pieces", [ONE_WINDOW_TOO_MANY, SOME_LINES, ONE_LINE])
@each_correlation
def test_the_form_fits_the_channels(case: Correlation, pieces: int, monkeypatch: pytest.MonkeyPatch) -> None:
    gather_in(pieces, case, monkeypatch)
    assert chosen(case, monkeypatch) == (case.forward, case.backward)


@each_correlation
def test_windows_that_fit_into_a_piece_are_gathered(case: Correlation, monkeypatch: pytest.MonkeyPatch) -> None:
    gather_in(ALL_AT_ONCE, case, monkeypatch)
    turned = case.stride == (1, 1) and case.out_channels < case.x[3]
    assert chosen(case, monkeypatch) == (WINDOWS, DK_TURNED if turned else DK_WINDOWS)


@each_piece
@each_layout
@each_correlation
def test_memory_layouts_do_not_matter(
    case: Correlation, layout: Callable[[Tensor], Tensor], pieces: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, kernel, bias, grad = case.arguments(normal_numbers)
    gather_in(pieces, case, monkeypatch)
    y, dk = correlate(x, kernel, bias, case.stride), kernel_gradient(x, grad, case.kernel, case.stride)
    for image, taps, added, incoming in [
        (layout(x), kernel, bias, grad),
        (x, layout(kernel), bias, grad),
        (x, kernel, layout(bias), grad),
        (x, kernel, bias, layout(grad)),
    ]:
        assert_same_bits(correlate(image, taps, added, case.stride), y)
        assert_same_bits(kernel_gradient(image, incoming, case.kernel, case.stride), dk)


@pytest.mark.parametrize("channels", [4, 5])
@pytest.mark.parametrize(
    ("piece", "sizes"),
    [
        (5 * 3 * 4 - 1, [4 * 12, 12]),
        (2 * 3 * 4, [2 * 12, 2 * 12, 12]),
        (2 * 3 * 4 - 1, [12, 12, 12, 12, 12]),
        (3 * 4, [12, 12, 12, 12, 12]),
        (3 * 4 - 1, 5 * [2 * 4, 4]),
        (2 * 4, 5 * [2 * 4, 4]),
        (2 * 4 - 1, 15 * [4]),
        (0, 15 * [4]),
    ],
)
def test_pieces_are_whole_images_or_lines_of_one(
    piece: int, sizes: list[int], channels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(correlation, "_PIECE", piece * 2 * channels)
    found = windows(normal_numbers((5, 3, 5, channels), seeded(0), torch.float32), (1, 2))
    matrix, place, addresses = found.reshape(-1, 2 * channels), 0, set[int]()
    for (which, rows), size in zip(gathered(found), sizes, strict=True):
        assert (rows.t() if channels < 5 else rows).is_contiguous()
        assert_same_bits(rows, matrix[place : place + size])
        assert_same_bits(matrix[which], rows)
        addresses.add(rows.data_ptr())
        place += size
    assert place == len(matrix)
    assert len(addresses) == 1
    assert prod(found.shape[3:]) == matrix.shape[1]


@each_layout
@pytest.mark.parametrize("channels", [1, 4, 5])
def test_all_windows_lie_in_one_order(channels: int, layout: Callable[[Tensor], Tensor]) -> None:
    x = normal_numbers((2, 3, 5, channels), seeded(0), torch.float32)
    rows = all_gathered(windows(layout(x), (2, 1)))
    assert_same_bits(rows, windows(x, (2, 1)).reshape(-1, 2 * channels))
    matrix = rows.t() if channels < 5 else rows
    assert matrix.is_contiguous()
    assert matrix.data_ptr() % 64 == 0


@each_layout
@pytest.mark.parametrize("channels", [1, 4, 5])
def test_images_of_few_channels_lie_in_planes(channels: int, layout: Callable[[Tensor], Tensor]) -> None:
    x = normal_numbers((2, 3, 5, channels), seeded(0), torch.float32)
    ordered = in_order(layout(x))
    assert_same_bits(ordered, x)
    assert (ordered.permute(0, 3, 1, 2) if channels < 5 else ordered).is_contiguous()


@pytest.mark.parametrize("out_channels", [1, 15, 16, 17])
def test_windows_of_a_wide_kernel_are_rows_and_of_a_narrow_one_columns(out_channels: int) -> None:
    y = correlate(torch.ones(2, 5, 6, 3), torch.ones(out_channels, 2, 2, 3))
    assert y.stride() == (
        (20 * out_channels, 5 * out_channels, out_channels, 1) if out_channels > 15 else (20, 5, 1, 40)
    )


@pytest.mark.parametrize(("out_channels", "size"), [(7, (7, 8)), (8, (8, 8)), (9, (8, 9))])
def test_the_gradient_of_a_kernel_is_a_product_of_few_rows(out_channels: int, size: tuple[int, int]) -> None:
    with Products() as products:
        kernel_gradient(torch.ones(2, 5, 6, 2), torch.ones(2, 4, 5, out_channels), (2, 2))
    assert products.sizes == [size]


def test_no_margin_is_no_copy() -> None:
    x = normal_numbers((2, 3, 4, 1), seeded(0), torch.float32)
    assert pad(x, 0, 0, 0, 0) is x


@pytest.mark.parametrize(
    "margins", [(1, 0, 0, 0), (0, 2, 0, 0), (0, 0, 3, 0), (0, 0, 0, 4), (1, 1, 1, 1), (2, 3, 4, 5)]
)
def test_zeros_lie_around(margins: tuple[int, int, int, int]) -> None:
    x = normal_numbers((2, 3, 4, 2), seeded(0), torch.float32)
    top, bottom, left, right = margins
    framed = torch.zeros(2, 3 + top + bottom, 4 + left + right, 2)
    framed[:, top : top + 3, left : left + 4] = x
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
