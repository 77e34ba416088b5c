"""The laws see what they are there to see: each wrong layer breaks the one that names its fault, the right ones none."""

import re

import pytest

from n2nfun.testing import LAWS, LawBroken, shapes_for
from n2nfun.testing.annotations import annotations_unchecked
from tests.testing.matrix import first_broken
from tests.testing.wrong_layers import WRONG_LAYERS, WrongLayer


def named(name: str) -> WrongLayer:
    return next(wrong for wrong in WRONG_LAYERS if str(wrong) == name)


@pytest.mark.parametrize("wrong", WRONG_LAYERS, ids=str)
def test_a_wrong_layer_is_found_out(wrong: WrongLayer) -> None:
    law = next(law for law in wrong.right.laws() if law.name == wrong.killed_by)
    with annotations_unchecked():  # for speed; where the right layers are tried they are checked
        broken = first_broken(law, wrong.layer, shapes_for(wrong.layer), number=0)
    assert broken is not None
    headline, *details = str(broken[1]).splitlines()
    assert headline == f'{wrong} breaks the law "{law.name}": {law.sentence}'
    assert details[0] == f"  layer: {wrong.layer!r}"
    assert details[1].startswith("  fault: ")
    call = "equals(reference)" if law.name == "reference" else f"LAWS['{law.name}']"
    assert details[-1].startswith(f"  again: {call}.once(layer, Example(shape=(")


def test_every_law_is_needed() -> None:
    """A law that no wrong layer is named for could be left out."""
    assert {wrong.killed_by for wrong in WRONG_LAYERS} == {*LAWS, "reference"}


def test_the_smallest_counterexample_is_reported() -> None:
    wrong = named("KernelNotTurned").layer
    with pytest.raises(LawBroken) as raised, annotations_unchecked():
        LAWS["adjoint"].check(wrong, shapes_for(wrong))
    assert re.search(r"Example\(shape=\(1, 2, 2, \d\), seed=\d+, ", str(raised.value))


def test_every_wrong_layer_names_a_fault_of_its_own() -> None:
    faults = {wrong.fault for wrong in WRONG_LAYERS}
    assert len(faults) == len(WRONG_LAYERS) >= 79
    assert all(fault.endswith(".") for fault in faults)
