"""mypy and pyright, with the project's settings, find ``accepts.py`` and ``rejects.py`` to be as they say."""

import re
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.typing.users import ROOT

FOLDER = Path(__file__).parent
ERROR = re.compile(r"(?P<name>\w+)\.py:(?P<line>\d+)[:\d]*(?: -|) error: ")
CHECKERS = [
    pytest.param(checker, marks=pytest.mark.xdist_group(f"{checker} in its own settings"))  # one run for all tests
    for checker in ("mypy", "pyright")
]


@dataclass(frozen=True)
class Checked:
    """What a checker prints of both files, and of a copy of each with errors planted in it."""

    printed: str
    planted: set[int]
    """The lines of ``rejects.py`` at which an error is missing or is not the one that is named."""

    def lines(self) -> dict[str, set[int]]:
        """Return the lines with errors by the file's name."""
        found: defaultdict[str, set[int]] = defaultdict(set)
        for error in ERROR.finditer(self.printed):
            found[error["name"]].add(int(error["line"]))
        return found


@pytest.fixture(scope="module", params=CHECKERS)
def checked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Checked:
    scratch = tmp_path_factory.mktemp("planted")
    lines = (FOLDER / "rejects.py").read_text().splitlines()
    rejected = [i for i, line in enumerate(lines) if "Conv2d(32, 64, 2)" in line and "pyright: ignore" in line]
    first, right = rejected[:2]
    lines[first] = lines[first].split("  # type: ignore")[0]
    lines[right] = lines[right].replace("Conv2d(32, 64, 2)", "Conv2d(16, 64, 2)")
    (scratch / "planted_in_rejects.py").write_text("\n".join(lines) + "\n")
    text = (FOLDER / "accepts.py").read_text()
    assert text.count("assert_type(params, Three)") == 1
    text = text.replace("assert_type(params, Three)", "assert_type(params, tuple[CP, NP])")
    (scratch / "planted_in_accepts.py").write_text(text)
    where = ["--pythonpath", sys.executable] if request.param == "pyright" else []
    files = [FOLDER / "accepts.py", FOLDER / "rejects.py", *sorted(scratch.iterdir())]
    command = [sys.executable, "-m", request.param, *where, *map(str, files)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    return Checked(done.stdout, {first + 1, right + 1})


def test_each_line_is_accepted_or_rejected_as_it_says(checked: Checked) -> None:
    assert checked.lines().keys() == {"planted_in_accepts", "planted_in_rejects"}, checked.printed


def test_an_error_that_is_missing_or_not_named_is_found(checked: Checked) -> None:
    assert checked.lines()["planted_in_rejects"] == checked.planted


def test_a_wrong_type_is_found(checked: Checked) -> None:
    (error,) = (line for line in checked.printed.splitlines() if "planted_in_accepts.py" in line and "error: " in line)
    assert "tuple[ConvParams, NoParams, ConvParams]" in error
