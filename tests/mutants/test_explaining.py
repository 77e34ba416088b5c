"""The list of equivalent mutants is held to what mutmut finds, and the other way round."""

from pathlib import Path

import pytest

from tests.mutants.equivalents import EQUIVALENTS, UNSEEN, Equivalent
from tests.mutants.explaining import judge
from tests.mutants.running import Mutant, Outcome, read
from tests.mutants.scope import ROOT, TESTS

MADE = """
def x_half__mutmut_orig(x):
    return x / 2
def x_half__mutmut_1(x):
    return x * 2
def x_half__mutmut_2(x):
    return x / 3
class Layer:
    def xǁLayerǁforward__mutmut_orig(self, x, *, scale=1):
        return x
    def xǁLayerǁforward__mutmut_1(self, x, *, scale=2):
        return x
"""


def left_behind(folder: Path, codes: str) -> list[Mutant]:
    (folder / "half.py").write_text(MADE, "utf-8")
    (folder / "half.py.meta").write_text(f'{{"exit_code_by_key": {codes}}}', "utf-8")
    return read("half.py", folder)


def test_mutants_are_told_by_what_they_change(tmp_path: Path) -> None:
    codes = '{"half.x_half__mutmut_1": 1, "half.x_half__mutmut_2": 0, "half.xǁLayerǁforward__mutmut_1": -24}'
    assert left_behind(tmp_path, codes) == [
        Mutant("half.py", "half", "return x / 2", "return x * 2", Outcome.KILLED),
        Mutant("half.py", "half", "return x / 2", "return x / 3", Outcome.SURVIVED),
        Mutant("half.py", "Layer.forward", "def (self, x, *, scale=1):", "def (self, x, *, scale=2):", Outcome.ENDLESS),
    ]


@pytest.mark.parametrize("code", ["null", "255", "34"])
def test_a_mutant_that_was_not_tried_is_no_survivor(tmp_path: Path, code: str) -> None:
    with pytest.raises(RuntimeError, match=r"mutmut did not try half\.x_half__mutmut_1: exit code"):
        left_behind(tmp_path, f'{{"half.x_half__mutmut_1": {code}}}')


KILLED = Mutant("half.py", "half", "return x / 2", "return x * 2", Outcome.KILLED)
SURVIVOR = Mutant("half.py", "half", "return x / 2", "return x / 3", Outcome.SURVIVED)
CAST = Mutant("half.py", "half", 'return cast("T", x)', "return cast(None, x)", Outcome.SURVIVED)


def listed(*now: str, was: str = "return x / 2") -> Equivalent:
    return Equivalent("half.py", "half", was, now, "for a reason")


def test_a_survivor_needs_a_reason() -> None:
    assert judge([KILLED, SURVIVOR, CAST], (), UNSEEN) == ([SURVIVOR], [])
    assert judge([KILLED, SURVIVOR, CAST], [listed("return x / 3")], ()) == ([CAST], [])
    assert judge([KILLED, SURVIVOR], [listed("return x / 3")], UNSEEN) == ([], [])


def test_a_reason_needs_a_survivor() -> None:
    entries = [listed("return x * 2", "return x / 3"), listed("return x / 3", was="return x / 4")]
    assert judge([KILLED, SURVIVOR], entries, ()) == (
        [],
        [
            "half.py, half: a test kills it: 'return x / 2' -> 'return x * 2'",
            "half.py, half: there is no such mutant: 'return x / 4' -> 'return x / 3'",
        ],
    )
    assert judge([KILLED._replace(module="other.py")], entries, ()) == ([], [])


def test_the_list_speaks_of_what_is_mutated() -> None:
    assert {item.module for item in EQUIVALENTS} <= set(TESTS)
    assert all((ROOT / path).is_file() for module, tests in TESTS.items() for path in (module, *tests))
