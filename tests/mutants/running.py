"""Runs mutmut on modules in a scratch copy of the repository, and reads what became of each mutant.

Modules are run together where they have the same tests, and with these tests only; each run finds out afresh which of
the tests call which function, so nothing goes stale. The test files are imported once, before any mutant is switched
on: a mutant of a constructor is killed by a test that makes a layer while it runs, or survives.
"""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from difflib import ndiff
from enum import Enum, auto
from pathlib import Path
from typing import NamedTuple

from tests.mutants.scope import ROOT

__all__ = ["Mutant", "Outcome", "read", "run"]

SKIPPED = (
    # Of the geometries that are drawn, not of the layers, and slow.
    "tests/layers/test_conv.py::test_the_drawn_geometries_hold_every_kind",
    "tests/layers/test_upsampling.py::test_the_drawn_geometries_hold_every_kind",
)
UNUSED = ("cacheprovider", "xdist", "unraisableexception", "threadexception", "hypothesispytest")
"""Plugins of pytest that no test needs: together they take ten times as long as the first test that fails."""

_SPINNING = tuple("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏")
"""How the lines begin by which mutmut shows that it is at work."""

_CACHE = re.compile(r"^ *@(lru_cache\(.*\)|once_for_each)\n", re.MULTILINE)
"""mutmut leaves decorated functions as they are. A pure function is the same without its cache, and is mutated."""


class Outcome(Enum):
    """What became of a mutant."""

    KILLED = auto()
    """A test failed, or the process crashed."""
    ENDLESS = auto()
    """The tests ran far longer than without it, which kills it, too."""
    SURVIVED = auto()
    """No test failed, or no test called the function."""


SURVIVED, FAILED, ENDLESS = {0, 5, 33}, {1, 2, 3}, {-24, 24, 36, 152}
"""mutmut's exit codes. Other negative ones are signals by which a process died."""


class Mutant(NamedTuple):
    """One change of one function, and what became of it."""

    module: str
    function: str
    was: str
    """The lines that it changes."""
    now: str
    """What stands there instead."""
    outcome: Outcome


def run(modules: Sequence[str], tests: Sequence[str], scratch: Path) -> list[Mutant]:
    """Mutate modules in an empty directory, run the tests on each mutant, and return all mutants.

    Raises:
        RuntimeError: if mutmut could not run; its output is the message.
    """
    for folder in ("n2nfun", "tests"):
        shutil.copytree(ROOT / folder, scratch / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for module in modules:
        text = (scratch / module).read_text("utf-8")
        (scratch / module).write_text(_CACHE.sub("", text), "utf-8")
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    (scratch / "pyproject.toml").write_text(f"{project}\n{_settings(modules, tests)}\n", "utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "mutmut", "run"],
        cwd=scratch,
        # One thread for each of the processes that run side by side.
        env=os.environ | {"HYPOTHESIS_PROFILE": "mutants", "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        said = [line for line in done.stdout.splitlines() if not line.startswith(_SPINNING)]
        raise RuntimeError("\n".join((f"mutmut failed on {', '.join(modules)}:", *said)))
    return [mutant for module in modules for mutant in read(module, scratch / "mutants")]


def _settings(modules: Sequence[str], tests: Sequence[str]) -> str:
    """Write mutmut's settings."""
    arguments = [*(f"-pno:{plugin}" for plugin in UNUSED), *(f"--deselect={name}" for name in SKIPPED)]
    return "\n".join(
        (
            "[tool.mutmut]",
            'source_paths = ["n2nfun"]',
            f"only_mutate = {list(modules)!r}",
            'process_isolation = "forkserver"  # torch does not survive the fork of a process that has used it',
            "timeout_constant = 10.0  # on a machine that does other work, too",
            f"pytest_add_cli_args = {arguments!r}",
            f"pytest_add_cli_args_test_selection = {list(tests)!r}",
        )
    )


def read(module: str, mutants: Path) -> list[Mutant]:
    """Read the mutants of a module from the folder that mutmut leaves behind.

    Raises:
        RuntimeError: if there is a mutant of which mutmut does not know what became.
    """
    codes: dict[str, int | None] = json.loads((mutants / f"{module}.meta").read_text("utf-8"))["exit_code_by_key"]
    source = (mutants / module).read_text("utf-8")
    lines = source.split("\n")
    bodies = {
        node.name: lines[node.lineno - 1 : node.end_lineno]
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef)
    }
    found: list[Mutant] = []
    for key, code in codes.items():
        name = key.rpartition(".")[2]
        original = name.partition("__mutmut_")[0]
        function = original.removeprefix("x_") if "ǁ" not in original else ".".join(original.split("ǁ")[1:])
        was, now = _difference(bodies[f"{original}__mutmut_orig"], bodies[name])
        found.append(Mutant(module, function, was, now, _outcome(key, code)))
    return found


def _difference(before: list[str], after: list[str]) -> tuple[str, str]:
    """Return the lines that only one of two functions has, without the names that mutmut gives to both."""
    changes = list(ndiff(_plain(before), _plain(after)))
    removed, added = ("\n".join(line[2:] for line in changes if line.startswith(sign)) for sign in ("- ", "+ "))
    return removed, added


def _plain(lines: list[str]) -> list[str]:
    """Leave out a function's name and indentation."""
    name = lines[0].partition("def ")[2].partition("(")[0]
    return [line.replace(f"def {name}(", "def (", 1).strip() for line in lines]


def _outcome(key: str, code: int | None) -> Outcome:
    """Say what an exit code means.

    Raises:
        RuntimeError: if it means that mutmut did not try the mutant.
    """
    if code in SURVIVED:
        return Outcome.SURVIVED
    if code in ENDLESS:
        return Outcome.ENDLESS
    if code in FAILED or (code is not None and code < 0):
        return Outcome.KILLED
    raise RuntimeError(f"mutmut did not try {key}: exit code {code}")
