"""The laws see what they are there to see: each wrong layer breaks the one that names its fault, the right ones none."""

import re

import pytest
from hypothesis import settings

from n2nfun.testing import LAWS, Law, LawBroken, shapes_for
from tests.testing.matrix import first_broken
from tests.testing.wrong_layers import RIGHT_LAYERS, WRONG_LAYERS, RightLayer, WrongLayer

HELD = [
    pytest.param(right, law, id=f"{type(right.layer).__name__} {law}") for right in RIGHT_LAYERS for law in right.laws()
]


@pytest.mark.parametrize(("right", "law"), HELD)
def test_a_right_layer_keeps_every_law(right: RightLayer, law: Law) -> None:
    shapes, most = shapes_for(right.layer), settings().max_examples // 10
    assert first_broken(law, right.layer, shapes, number=0, most=most) is None


@pytest.mark.parametrize("wrong", WRONG_LAYERS, ids=str)
def test_a_wrong_layer_is_found_out(wrong: WrongLayer) -> None:
    law = LAWS[wrong.killed_by]
    assert law in wrong.right.laws()
    broken = first_broken(law, wrong.layer, shapes_for(wrong.layer), number=0)
    assert broken is not None
    headline, *details = str(broken[1]).splitlines()
    assert headline == f'{wrong} breaks the law "{law.name}": {law.sentence}'
    assert details[0] == f"  layer: {wrong.layer!r}"
    assert details[1].startswith("  fault: ")
    assert details[-1].startswith(f"  again: LAWS['{law.name}'].once(layer, Example(shape=(")


def test_the_smallest_counterexample_is_reported() -> None:
    wrong = next(wrong for wrong in WRONG_LAYERS if str(wrong) == "KernelNotTurned")
    with pytest.raises(LawBroken) as raised:
        LAWS["adjoint"].check(wrong.layer, shapes_for(wrong.layer))
    assert re.search(r"Example\(shape=\(1, 2, 2, \d\), seed=\d+, ", str(raised.value))


def test_every_wrong_layer_names_a_fault_of_its_own() -> None:
    faults = {wrong.fault for wrong in WRONG_LAYERS}
    assert len(faults) == len(WRONG_LAYERS) >= 34
    assert all(fault.endswith(".") for fault in faults)
