"""mypy and pyright, with the project's settings, find ``accepts.py`` and ``rejects.py`` to be as they say."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.typing.users import ROOT

FOLDER = Path(__file__).parent
CHECKERS = pytest.mark.parametrize("checker", ["mypy", "pyright"])


def check(checker: str, *files: Path) -> subprocess.CompletedProcess[str]:
    where = ["--pythonpath", sys.executable] if checker == "pyright" else []
    command = [sys.executable, "-m", checker, *where, *map(str, files)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@CHECKERS
def test_each_line_is_accepted_or_rejected_as_it_says(checker: str) -> None:
    done = check(checker, FOLDER / "accepts.py", FOLDER / "rejects.py")
    assert done.returncode == 0, done.stdout + done.stderr


@CHECKERS
def test_an_error_that_is_missing_or_not_named_is_found(checker: str, tmp_path: Path) -> None:
    lines = (FOLDER / "rejects.py").read_text().splitlines()
    rejected = [i for i, line in enumerate(lines) if "Conv2d(32, 64, 2)" in line and "pyright: ignore" in line]
    first, right = rejected[:2]
    lines[first] = lines[first].split("  # type: ignore")[0]
    lines[right] = lines[right].replace("Conv2d(32, 64, 2)", "Conv2d(16, 64, 2)")
    (tmp_path / "planted.py").write_text("\n".join(lines) + "\n")
    done = check(checker, tmp_path / "planted.py")
    assert done.returncode == 1
    found = {int(number) for number in re.findall(r"planted\.py:(\d+)[:\d]*(?: -|) error: ", done.stdout)}
    assert found == {first + 1, right + 1}


@CHECKERS
def test_a_wrong_type_is_found(checker: str, tmp_path: Path) -> None:
    text = (FOLDER / "accepts.py").read_text()
    assert text.count("assert_type(params, Three)") == 1
    (tmp_path / "planted.py").write_text(
        text.replace("assert_type(params, Three)", "assert_type(params, tuple[CP, NP])")
    )
    done = check(checker, tmp_path / "planted.py")
    assert done.returncode == 1
    assert "tuple[ConvParams, NoParams, ConvParams]" in done.stdout
