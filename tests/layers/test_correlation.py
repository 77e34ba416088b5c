"""Correlation, and its derivative in the kernel, in each of their forms: which is chosen, and that all are the same sum."""

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from n2nfun.geometry import Pair
from n2nfun.layers import correlation, lowering
from n2nfun.layers.correlation import correlate, kernel_gradient
from n2nfun.layers.lowering import blocks_of
from n2nfun.layers.spread import spread_gradients
from n2nfun.testing.bits import assert_same_bits
from n2nfun.testing.layouts import LAYOUTS
from n2nfun.testing.numbers import normal_numbers, seeded, whole_numbers
from tests.layers.pieces import set_pieces


class Products(TorchDispatchMode):  # type: ignore[no-untyped-call]  # PyTorch does not type it
    """Records the sizes of the matrices that are multiplied, and not added to others."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # nor this  # pyright: ignore[reportUnknownMemberType]
        self.sizes: list[tuple[int, ...]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        if str(func) in {"aten.mm.default", "aten.bmm.default", "aten.bmm.out", "aten.addbmm.default"}:
            self.sizes.append(tuple(made.shape))
        return made


ALL_LINES, SOME_LINES, FEWEST_LINES = range(3)
"""How many windows are gathered at a time."""


class Correlation(NamedTuple):
    """Sizes, and whether there are planes to add up."""

    x: tuple[int, int, int, int]
    """(height, batch, width, channels)."""
    out_channels: int
    kernel: Pair
    stride: Pair
    planes: bool = False

    @property
    def out(self) -> Pair:
        """Height and width of the output."""
        return (
            (self.x[0] - self.kernel[0]) // self.stride[0] + 1,
            (self.x[2] - self.kernel[1]) // self.stride[1] + 1,
        )

    def arguments(
        self, numbers: Callable[[tuple[int, ...], torch.Generator, torch.dtype], Tensor]
    ) -> tuple[Tensor, ...]:
        """Return x, kernel, bias, and the gradient of the output."""
        generator = seeded(0)
        shapes = (
            self.x,
            (self.out_channels, *self.kernel, self.x[3]),
            (self.out_channels,),
            (self.out[0], self.x[1], self.out[1], self.out_channels),
        )
        return tuple(numbers(shape, generator, torch.float32) for shape in shapes)


CORRELATIONS = [
    Correlation((16, 3, 17, 16), 16, (2, 3), (1, 1)),
    Correlation((16, 3, 15, 17), 7, (3, 2), (1, 1), planes=True),
    Correlation((16, 3, 15, 17), 8, (3, 2), (1, 1)),
    Correlation((17, 2, 12, 16), 1, (3, 2), (1, 1), planes=True),
    Correlation((12, 2, 3, 16), 4, (1, 2), (1, 1), planes=True),
    Correlation((12, 2, 3, 16), 4, (1, 1), (1, 1)),
    Correlation((12, 2, 3, 15), 4, (1, 2), (1, 1)),
    Correlation((13, 2, 3, 15), 4, (5, 2), (2, 1)),
    Correlation((11, 2, 3, 15), 15, (1, 2), (1, 1)),
    Correlation((16, 3, 5, 15), 16, (3, 2), (1, 1)),
    Correlation((16, 3, 5, 15), 14, (3, 2), (1, 1)),
    Correlation((17, 2, 6, 16), 16, (2, 3), (1, 2)),
    Correlation((27, 2, 6, 16), 12, (2, 3), (2, 1)),
    Correlation((39, 2, 8, 3), 2, (2, 3), (3, 2)),
    Correlation((13, 5, 3, 2), 9, (4, 2), (1, 1)),
    Correlation((3, 1, 4, 16), 16, (1, 1), (1, 1)),
    Correlation((1, 1, 1, 3), 2, (1, 1), (1, 1)),
    Correlation((9, 2, 4, 3), 5, (1, 1), (2, 1)),
    Correlation((2, 2, 4, 3), 5, (2, 2), (1, 1)),
    Correlation((14, 3, 10, 8), 16, (4, 4), (2, 2)),
    Correlation((13, 2, 5, 16), 17, (5, 2), (2, 1)),
    Correlation((13, 2, 5, 32), 16, (5, 2), (2, 1)),
]
each_correlation = pytest.mark.parametrize("case", CORRELATIONS, ids=repr)


def channels_first(x: Tensor) -> Tensor:
    """Lay each channel out as a plane, as images come to a layer."""
    return x if x.dim() < 4 else x.permute(1, 3, 0, 2).contiguous().permute(2, 0, 3, 1)


each_layout = pytest.mark.parametrize(
    "layout",
    [channels_first, *LAYOUTS],
    ids=lambda layout: layout.__name__,
)
each_amount = pytest.mark.parametrize("amount", [ALL_LINES, SOME_LINES, FEWEST_LINES])


def gather(amount: int, case: Correlation, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let so many of a correlation's windows be gathered at a time, where there are as many."""
    each = blocks_of(torch.empty(case.x), case.kernel[0], case.stride[0]).each
    line = each * case.kernel[1] * case.x[3] * case.x[1] * case.out[1]
    set_pieces([lowering.PIECE, 6 * line, 1][amount], monkeypatch)


def by_definition(x: Tensor, kernel: Tensor, stride: Pair, grad: Tensor) -> tuple[Tensor, Tensor]:
    """Return the correlation without its bias, and the derivative in the kernel."""
    (rows, columns), (height, width) = kernel.shape[1:3], grad.shape[::2]
    y, dk = torch.zeros_like(grad), kernel.new_zeros(grad.shape[3], x.shape[3], rows, columns)
    for t in range(rows):
        for u in range(columns):
            read = x[t :: stride[0], :, u :: stride[1]][:height, :, :width]
            y += read @ kernel[:, t, u].t()
            dk[:, :, t, u] = torch.einsum("ibjo,ibjc->oc", grad, read)
    return y, dk


@each_amount
@each_correlation
def test_all_forms_are_the_same_sum(case: Correlation, amount: int, monkeypatch: pytest.MonkeyPatch) -> None:
    x, kernel, bias, grad = case.arguments(whole_numbers)
    expected, dk = by_definition(x, kernel, case.stride, grad)
    gather(amount, case, monkeypatch)
    assert torch.equal(correlate(x, kernel, stride=case.stride), expected)
    assert torch.equal(correlate(x, kernel, bias, case.stride), expected + bias)
    assert torch.equal(kernel_gradient(x, grad, case.kernel, case.stride), dk)


@each_amount
@each_layout
@each_correlation
def test_memory_layouts_do_not_matter(
    case: Correlation, layout: Callable[[Tensor], Tensor], amount: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, kernel, bias, grad = case.arguments(normal_numbers)
    gather(amount, case, monkeypatch)
    y, dk = correlate(x, kernel, bias, case.stride), kernel_gradient(x, grad, case.kernel, case.stride)
    for image, taps, added, incoming in [
        (layout(x), kernel, bias, grad),
        (x, layout(kernel), bias, grad),
        (x, kernel, layout(bias), grad),
        (x, kernel, bias, layout(grad)),
    ]:
        assert_same_bits(correlate(image, taps, added, case.stride), y)
        assert_same_bits(kernel_gradient(image, incoming, case.kernel, case.stride), dk)


@each_amount
@each_correlation
def test_planes_are_added_up_for_few_outputs_of_many_channels(
    case: Correlation, amount: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    gather(amount, case, monkeypatch)
    x, kernel, bias, _ = case.arguments(whole_numbers)
    called: list[Tensor] = []
    form: Callable[[Tensor, Tensor], Tensor] = vars(correlation)["_correlate_by_planes"]

    def noted(x: Tensor, kernel: Tensor) -> Tensor:
        called.append(x)
        return form(x, kernel)

    monkeypatch.setattr(correlation, "_correlate_by_planes", noted)
    correlate(x, kernel, bias, case.stride)
    assert len(called) == case.planes


@pytest.mark.parametrize(
    ("piece", "lines"), [(8 * 16 - 1, [7, 7, 7, 7, 3]), (9 * 16, [9, 9, 9, 4]), (36, [4, 4, 4, 4, 4, 4, 4, 3])]
)
def test_planes_are_of_a_piece_of_lines(piece: int, lines: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    set_pieces(piece, monkeypatch)
    with Products() as products:
        correlate(torch.ones(32, 2, 2, 16), torch.ones(2, 2, 1, 16))
    assert products.sizes == [(4, 4 * (count + 1)) for count in lines]


@pytest.mark.parametrize(("out_channels", "made"), [(1, 1), (7, 7), (8, 16), (15, 16), (16, 16), (17, 17)])
@pytest.mark.parametrize("piece", [1, 1 << 18])
def test_a_narrow_kernel_is_filled_up_and_a_narrower_one_turned(
    out_channels: int, made: int, piece: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_pieces(piece, monkeypatch)
    y = correlate(torch.ones(9, 2, 6, 3), torch.ones(out_channels, 2, 2, 3))
    by_rows = (10 * made, 5 * made, made, 1)
    assert y.stride() == (by_rows if made > 7 else (10, 5, 1, 80))
    assert torch.equal(y, torch.full((8, 2, 5, out_channels), 12.0))


@pytest.mark.parametrize(("channels", "made"), [(7, 7), (8, 16), (15, 16), (16, 16), (17, 17)])
@pytest.mark.parametrize("piece", [1, 1 << 18])
def test_a_narrow_gradient_is_filled_up_and_laid_out_densely(
    channels: int, made: int, piece: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_pieces(piece, monkeypatch)
    with Products() as products:
        dx, _ = spread_gradients(
            torch.ones(3, 2, 4, channels), torch.ones(5, channels, 2, 2), torch.ones(6, 2, 8, 5), (2, 2), (0, 0)
        )
    assert {made, 5 * 4} <= {size for sizes in products.sizes for size in sizes}
    assert dx.is_contiguous() is (channels > 7)


@pytest.mark.parametrize("piece", [1, 1 << 18])
@pytest.mark.parametrize(
    ("channels", "out_channels", "size"),
    [(2, 15, (3, 15, 4)), (2, 16, (3, 4, 16)), (31, 33, (3, 62, 33)), (32, 33, (3, 33, 64)), (64, 65, (3, 65, 128))],
)
def test_the_gradient_of_a_kernel_is_turned_for_few_columns_and_where_numbers_compete(
    channels: int, out_channels: int, size: tuple[int, ...], piece: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_pieces(piece, monkeypatch)
    case = Correlation((5, 2, 6, channels), out_channels, (3, 2), (1, 1))
    x, _, _, grad = case.arguments(whole_numbers)
    with Products() as products:
        kernel_gradient(x, grad, case.kernel)
    assert products.sizes == [size]


@pytest.mark.parametrize(
    ("stride", "out_channels", "gathered"),
    [((1, 1), 1, 3), ((1, 1), 2, 3), ((1, 1), 3, 2), ((1, 2), 1, 2), ((2, 1), 1, 2)],
)
def test_the_windows_of_the_narrower_side_are_gathered(
    stride: Pair, out_channels: int, gathered: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = Correlation((5, 2, 6, 3), out_channels, (3, 2), stride)
    heights: list[int] = []

    def noted(x: Tensor, *arguments: Any) -> Any:
        heights.append(x.shape[0])
        return lowering.lowered(x, *arguments)

    monkeypatch.setattr(correlation, "lowered", noted)
    x, _, _, grad = case.arguments(whole_numbers)
    kernel_gradient(x, grad, case.kernel, stride)
    assert heights == [3 + 2 * 2 if gathered == 3 else 5]
