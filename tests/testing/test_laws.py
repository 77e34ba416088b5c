"""The library's own layers, losses, optimizers and drawn networks keep the kit's laws."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings

from n2nfun.layer import ChannelPreserving, NoParams, ShapeError
from n2nfun.layers import Conv2d
from n2nfun.losses import L1, MSE
from n2nfun.optim import SGD, Adam
from n2nfun.testing import (
    LAWS,
    Example,
    Law,
    LawBroken,
    check_gradients,
    check_layer,
    check_loss,
    check_optimizer,
    laws_of,
    layers,
    networks,
    optimizers,
    shapes_for,
)
from n2nfun.testing.annotations import annotations_unchecked
from n2nfun.testing.comparing import differing
from n2nfun.testing.numbers import seeded, whole_numbers
from n2nfun.testing.optimizers import optimizer_fault
from tests.testing.right_layers import RIGHT_LAYERS, RightLayer

KEPT = [pytest.param(right, law, id=f"{right.name}: {law}") for right in RIGHT_LAYERS for law in right.laws()]


@pytest.mark.parametrize(("right", "law"), KEPT)
def test_keeps_the_law(right: RightLayer, law: Law) -> None:
    with annotations_unchecked():  # for speed; they are checked below
        law.check(right.layer, shapes_for(right.layer, longest=6), max_examples=max(5, settings().max_examples // 20))


EVERYWHERE = [law for law in laws_of(refuses=True, exact=False) if law.name != "derivative of a curve"]


@given(case=networks() | layers())
@settings(max_examples=10)
def test_whatever_is_drawn_keeps_the_laws_of_all(case: tuple[Any, tuple[int, ...]]) -> None:
    layer, shape = case
    for law in EVERYWHERE:
        law.once(layer, Example(shape, seed=0))


@pytest.mark.parametrize("loss", [MSE(), L1()], ids=repr)
def test_losses_keep_their_laws(loss: Any) -> None:
    check_loss(loss, max_examples=settings().max_examples // 2)


@given(optimizer=optimizers())
@settings(max_examples=20)
def test_drawn_optimizers_keep_their_laws(optimizer: SGD | Adam) -> None:
    assert optimizer_fault(optimizer, seed=0, dtype=torch.float64, steps=2) is None


@pytest.mark.parametrize(
    "optimizer",
    [SGD(0.1), SGD(0.1, momentum=0.9, nesterov=True), SGD(0.1, momentum=0.9, dampening=0.5, weight_decay=0.1), Adam()],
    ids=repr,
)
def test_optimizers_keep_their_laws(optimizer: Any) -> None:
    with annotations_unchecked():  # for speed; the test of drawn optimizers has them checked
        check_optimizer(optimizer, max_examples=settings().max_examples // 4)


def test_every_law_has_a_name_and_a_sentence() -> None:
    assert all(law.name == name and law.sentence.endswith(".") for name, law in LAWS.items())
    claimed = laws_of(linear=True, linear_in_params=True, rounds_once=True, refuses=True) + laws_of(exact=False)
    assert {law.name for law in claimed} == set(LAWS)


class Halved(ChannelPreserving[NoParams, NoParams]):
    """Wrong: x / 2, with the gradient of x."""

    def init(self, generator: torch.Generator) -> NoParams:
        return NoParams()

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return shape

    def forward(self, params: NoParams, x: torch.Tensor) -> tuple[torch.Tensor, NoParams]:
        return x / 2, NoParams()

    def backward(self, params: NoParams, cache: NoParams, grad: torch.Tensor) -> tuple[torch.Tensor, NoParams]:
        return grad.clone(), NoParams()

    def __repr__(self) -> str:
        return "Halved()"


def test_a_report_names_law_place_numbers_and_the_call_to_see_it_again() -> None:
    with pytest.raises(LawBroken) as caught:
        check_layer(Halved(), linear=True, max_examples=10)
    text = str(caught.value)
    assert 'Halved breaks the law "derivative": dx and dparams are the derivatives of <f, g>' in text
    assert "dx[0, 0, 0, 0] is " in text
    assert "by central differences" in text
    again = next(line for line in text.splitlines() if "again: LAWS['derivative']" in line).removeprefix("  again: ")
    with pytest.raises(LawBroken):
        eval(again, {"LAWS": LAWS, "Example": Example, "layer": Halved(), "torch": torch})
    assert "shape=(1, 1, 1, 1)" in again


def test_a_fault_of_many_lines_stands_to_the_right_of_the_report_and_what_is_seen_once_breaks_same_bits() -> None:
    seen = set[Example]()

    def holds_the_second_time(_: Any, example: Example) -> str | None:
        fault = None if example in seen else "seen once\nand never again"
        seen.add(example)
        return fault

    with pytest.raises(LawBroken) as caught:
        Law("twice", "it holds.", holds_the_second_time).check(Halved(), shapes_for(Halved()))
    lines = str(caught.value).splitlines()
    assert lines[0].startswith('Halved breaks the law "same bits": the same call gives the same bits')
    assert (
        lines[1] == "  fault: tried twice on one example, it broke another law the first time and kept it the second:"
    )
    assert lines[2] == '    Halved breaks the law "twice": it holds.'
    assert lines[4:6] == ["      fault: seen once", "        and never again"]


def test_a_number_alone_has_no_index() -> None:
    assert differing("the sum", torch.tensor(1.0), torch.tensor(2.0)) == "the sum is 1.0, expected 2.0"


def test_gradients_are_checked_at_a_point() -> None:
    layer = Conv2d(1, 2, 2)
    x, grad = whole_numbers((2, 1, 3, 3), seeded(1)), whole_numbers((2, 2, 2, 2), seeded(2))
    params = layer.init(seeded(0))
    whole = type(params)(whole_numbers((2, 1, 2, 2), seeded(3)), whole_numbers((2,), seeded(4)))
    check_gradients(layer, whole, x, grad, exact=True, generator=seeded(0))
    with pytest.raises(AssertionError, match=r"dx\[.*\] is .*, expected .*, by central differences"):
        check_gradients(Halved(), NoParams(), x, x, exact=True, generator=seeded(0))


def test_a_layer_that_takes_no_small_image_is_named() -> None:
    with pytest.raises(ValueError, match=r"Conv2d\(.*\) takes no image of up to 7x7 pixels: pass shapes="):
        shapes_for(Conv2d(1, 1, 9))
    with pytest.raises(ShapeError):
        Conv2d(1, 1, 9).output_shape((1, 1, 7, 7))
