"""The kit's page tells of all laws, in their own words, and of the layers that they apply to."""

import re
from pathlib import Path

import pytest

from n2nfun import testing
from n2nfun.testing import LAWS, Law, Traits, equals

PAGE = Path(testing.__file__).with_name("README.md").read_text(encoding="utf-8")
NOTHING = Traits(exact=False)
NEEDED = {
    "exact": Traits(),
    "linear": Traits(exact=False, linear=True),
    "linear_in_params": Traits(exact=False, linear_in_params=True),
    "linear, exact": Traits(linear=True),
    "rounds_once, exact": Traits(rounds_once=True),
    "refuses": Traits(exact=False, refuses=True),
}
"""The least that must be claimed."""

EVERY_CLAIM = Traits(linear=True, linear_in_params=True, rounds_once=True, refuses=True)


def rows() -> list[list[str]]:
    """Return the cells of the table of laws."""
    (table,) = re.findall(r"^\| law \|.*?\n\|---.*?\n(.*?)\n\n", PAGE, re.DOTALL | re.MULTILINE)
    return [row.strip("| ").split(" | ") for row in table.splitlines()]


def test_each_law_has_its_row() -> None:
    laws: list[Law] = [*LAWS.values(), equals(lambda params, x, grad: (x, grad, params))]
    assert [row[:2] for row in rows()] == [[law.name, law.sentence] for law in laws]


@pytest.mark.parametrize("row", rows()[:-1], ids=lambda row: row[0])
def test_a_row_says_which_layers_a_law_applies_to(row: list[str]) -> None:
    law, needed = LAWS[row[0]], row[2]
    if needed == "all":
        assert law.applies(NOTHING)
        assert law.applies(EVERY_CLAIM)
    elif needed == "not exact":
        assert law.applies(NOTHING)
        assert not law.applies(EVERY_CLAIM)
    else:
        assert law.applies(NEEDED[needed])
        assert not law.applies(NOTHING)
        parts = needed.split(", ")
        assert len(parts) == 1 or not any(law.applies(NEEDED[part]) for part in parts if part in NEEDED)


def test_all_that_is_public_is_told_of() -> None:
    told = {"Law", "LawBroken", "ConvGeometry", "Traits", "Reference"}  # seen in what is told of
    assert [name for name in testing.__all__ if name not in told and name not in PAGE] == []
