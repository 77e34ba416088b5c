"""How the kernels are computed under torch.compile and torch.func.vmap, in pieces, and in no pieces: always the same sums."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from n2nfun.layers import precision
from n2nfun.layers.correlation import correlate, kernel_gradient
from n2nfun.layers.lowering import images_of, lines_of, lowered
from n2nfun.layers.spread import spread_gradients
from n2nfun.testing.bits import assert_same_bits
from n2nfun.testing.numbers import seeded, whole_numbers
from tests.layers.pieces import set_pieces
from tests.operations import Operations

Computation = Callable[..., tuple[Tensor, ...]]


def correlated(x: Tensor, kernel: Tensor) -> tuple[Tensor, ...]:
    return (correlate(x, kernel),)


def biased(x: Tensor, kernel: Tensor, bias: Tensor) -> tuple[Tensor, ...]:
    return (correlate(x, kernel, bias),)


def derived(x: Tensor, grad: Tensor) -> tuple[Tensor, ...]:
    return (kernel_gradient(x, grad, (2, 3)),)


def upsampled(x: Tensor, weight: Tensor, grad: Tensor) -> tuple[Tensor, ...]:
    return spread_gradients(x, weight, grad, (2, 2), (1, 1))


def numbers(*shapes: tuple[int, ...]) -> list[Tensor]:
    generator = seeded(0)
    return [whole_numbers(shape, generator, torch.float32) for shape in shapes]


def of_planes(lines: Tensor) -> Tensor:
    """Lay lines out plane by plane, as images mostly are."""
    return lines_of(images_of(lines).contiguous())


def correlations(in_channels: int, out_channels: int, sizes: str) -> list[Any]:
    x, kernel, bias, grad = numbers(
        (12, 3, 23, in_channels), (out_channels, 2, 3, in_channels), (out_channels,), (11, 3, 21, out_channels)
    )
    return [
        pytest.param(correlated, [x, kernel], id=f"{sizes}, without a bias"),
        pytest.param(biased, [x, kernel, bias], id=f"{sizes}, with a bias"),
        pytest.param(derived, [x, grad], id=f"{sizes}, kernel gradient"),
    ]


WORK = [
    *correlations(3, 17, "few to many"),
    *correlations(3, 2, "few to few"),
    *correlations(17, 17, "many to many"),
    *correlations(17, 3, "many to few"),
    *(
        pytest.param(what, [of_planes(x), other], id=f"planes, {sizes}")
        for what, (x, other), sizes in [
            (correlated, numbers((12, 3, 23, 3), (17, 2, 3, 3)), "few to many"),
            (correlated, numbers((12, 3, 23, 1), (17, 2, 3, 1)), "one to many"),
            (derived, numbers((12, 3, 23, 3), (11, 3, 21, 17)), "kernel gradient"),
        ]
    ),
    pytest.param(upsampled, numbers((5, 3, 6, 4), (2, 4, 3, 3), (10, 3, 12, 2)), id="spread to few"),
    pytest.param(
        upsampled, numbers((5, 3, 6, 9), (16, 9, 3, 3), (10, 3, 12, 16)), id="spread to as many as are filled up"
    ),
    pytest.param(upsampled, numbers((5, 3, 6, 17), (16, 17, 3, 3), (10, 3, 12, 16)), id="spread to many"),
    pytest.param(upsampled, numbers((5, 3, 6, 4), (2, 4, 5, 5), (8, 3, 10, 2)), id="spread to few, with a rest"),
    pytest.param(upsampled, numbers((5, 3, 6, 17), (16, 17, 5, 5), (8, 3, 10, 16)), id="spread to many, with a rest"),
]
each_work = pytest.mark.parametrize(("compute", "arguments"), WORK)


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a piece hold no more lines than it must."""
    set_pieces(1, monkeypatch)


WRITING = {
    "aten.add_.Tensor",
    "aten.copy_.default",
    "aten.addbmm.out",
    "aten.baddbmm_.default",
    "aten.index_select.out",
}


@each_work
@pytest.mark.usefixtures("small_pieces")
def test_in_pieces(compute: Computation, arguments: list[Tensor], monkeypatch: pytest.MonkeyPatch) -> None:
    with Operations() as operations:
        in_pieces = compute(*arguments)
    assert WRITING & operations.names
    monkeypatch.undo()
    assert_same_bits(compute(*arguments), in_pieces)


@each_work
@pytest.mark.usefixtures("small_pieces")
def test_a_compiler_is_given_no_pieces_and_nothing_written_in_place(
    compute: Computation, arguments: list[Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    with Operations() as operations:
        compiled = compute(*arguments)
    assert not WRITING & operations.names
    monkeypatch.undo()
    assert_same_bits(compute(*arguments), compiled)


def test_a_compiler_is_given_the_windows_of_planes_turned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    x, x_of_planes = numbers((6, 2, 7, 3))[0], of_planes(numbers((6, 2, 7, 3))[0])
    for rows, stride in ((2, (1, 1)), (2, (2, 1)), (4, (2, 2))):
        [(_, (by_windows,))] = lowered(x, (rows, 2), stride)
        [(_, (by_numbers,))] = lowered(x_of_planes, (rows, 2), stride)
        assert_same_bits(by_numbers, by_windows)
        assert by_windows.stride(2) == by_numbers.stride(1) == 1


@pytest.mark.usefixtures("small_pieces")
def test_planes_are_added_up_in_place() -> None:
    x, kernel = numbers((12, 3, 23, 17), (3, 2, 3, 17))
    with Operations() as operations:
        correlate(x, kernel)
    assert "aten.add_.Tensor" in operations.names
    assert "aten.add.Tensor" not in operations.names


@each_work
@pytest.mark.usefixtures("small_pieces")
def test_under_vmap_each_is_what_it_is_alone(compute: Computation, arguments: list[Tensor]) -> None:
    several = [torch.stack([argument, 2 - argument, -argument]) for argument in arguments]
    for mapped in [(i,) for i in range(len(arguments))] + [tuple(range(len(arguments)))]:
        given = [several[i] if i in mapped else argument for i, argument in enumerate(arguments)]
        dims = tuple(0 if i in mapped else None for i in range(len(arguments)))
        with Operations() as operations:
            found = torch.func.vmap(compute, in_dims=dims)(*given)
        assert "aten.mul.Scalar" not in operations.names  # addmm multiplies by 1 there, twice
        of_one = compute is upsampled and mapped == (0,)  # dx, which is a product of the other two
        if mapped != (2,) and not of_one:  # with many of the bias alone, products are made as ever
            assert not {"aten.addmm.default", "aten.addmm_.default", "aten.baddbmm.default"} & operations.names
        for index in range(3):
            own = [every[index] if i in mapped else every for i, every in enumerate(given)]
            assert_same_bits(tuple(every[index] for every in found), compute(*own))


def test_what_needs_no_call_of_torch_is_the_tensor_itself() -> None:
    tensor = torch.ones(3)
    assert precision.detached(tensor) is tensor
    assert precision.working(tensor) is tensor
    assert precision.rounded(tensor, torch.float32) is tensor
