"""The plugin in mypy as its users run it: exact messages and types, silence where it cannot know, caches and daemons.

``MYPYS`` in the environment names the Python interpreters whose mypy is tried, one for each minor version; by default it
is the one that runs the tests.
"""

import os
import re
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PYTHONS = os.environ.get("MYPYS", sys.executable).split(os.pathsep)

SETTINGS = """
[mypy]
strict = true
plugins = n2nfun.mypy_plugin
"""

# For the real one, of which the plugin says nothing, mypy takes half a minute. The README's example is checked with it.
TORCH = """
from typing import Any
class Tensor: ...
def __getattr__(name: str) -> Any: ...
"""

# All that n2nfun imports of it: what is missing here would be sought, and with it everything, in the installed one.
STAND_INS = (
    "__init__.pyi",
    "_C/__init__.pyi",
    "_C/_functorch.pyi",
    "_inductor/__init__.pyi",
    "_inductor/custom_graph_pass.pyi",
    "fx.pyi",
    "utils/__init__.pyi",
    "utils/_python_dispatch.pyi",
)

FILES = Path(__file__).parent / "project"
SOURCE = (FILES / "user.txt").read_text()
OTHER = (FILES / "other.txt").read_text()

# The message for a line stands behind it. Types are told by assert_type, which is silent where it is right.
EXPECTED = {number: text.partition("#! ")[2] for number, text in enumerate(SOURCE.splitlines(), 1) if "#! " in text}
LINE = re.compile(r"user\.py:(\d+): error: (.*)  \[n2nfun-shape\]$")


@dataclass(frozen=True)
class Project:
    """A user's folder, and a mypy to check it with."""

    folder: Path
    python: str

    def run(self, *arguments: str) -> str:
        """Run a module, and return what it prints."""
        done = subprocess.run(
            [self.python, "-m", *arguments],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout + done.stderr

    def check(self, *options: str) -> str:
        """Check the user's file."""
        return self.run("mypy", "--python-executable", sys.executable, *options, "user.py")

    @contextmanager
    def daemon(self) -> Generator[None]:
        """Stop mypy's daemon at the end."""
        try:
            yield
        finally:
            self.run("mypy.dmypy", "stop")

    def check_by_daemon(self) -> str:
        """Check the user's file by a daemon, which is started where none runs."""
        return self.run("mypy.dmypy", "run", "--", "--python-executable", sys.executable, "user.py")


def errors(output: str) -> dict[int, str]:
    """Return the plugin's messages by line; anything else that is said fails the test."""
    lines = [line for line in output.splitlines() if not line.startswith(("Found ", "Success: ", "Daemon started"))]
    found = [LINE.match(line) for line in lines]
    assert None not in found, output
    return {int(match[1]): match[2] for match in found if match}


@pytest.fixture
def project(tmp_path: Path, python: str) -> Project:
    (tmp_path / "mypy.ini").write_text(SETTINGS)
    for module in STAND_INS:
        stub = tmp_path / "torch" / module
        stub.parent.mkdir(parents=True, exist_ok=True)
        stub.write_text(TORCH)
    (tmp_path / "user.py").write_text(SOURCE)
    (tmp_path / "other.py").write_text(OTHER)
    return Project(tmp_path, python)


@pytest.mark.parametrize("python", PYTHONS)
def test_messages_types_and_silence(project: Project) -> None:
    assert len(EXPECTED) == len(set(EXPECTED.values())) > 10
    assert errors(project.check()) == EXPECTED, "from nothing"

    # Another module's layers now come out of the cache.
    user = project.folder / "user.py"
    user.write_text(f"{SOURCE}\n\nLAST >> Conv2d(4, 3, 1)\n")
    line = len(SOURCE.splitlines()) + 3
    more = {**EXPECTED, line: '>>: layer 0 "Conv2d" makes 8 channels, layer 1 "Conv2d" takes 4'}
    assert errors(project.check()) == more, "with a cache"
    assert errors(project.check("--num-workers", "2")) == more, "in parallel workers"

    with project.daemon():
        assert errors(project.check_by_daemon()) == more, "by the daemon"
        user.write_text(SOURCE)
        assert errors(project.check_by_daemon()) == EXPECTED, "by the daemon, after a change"
        other = project.folder / "other.py"
        other.write_text(OTHER.replace("LAST: Final = Conv2d(3, 8, 1)", "LAST: Final = Conv2d(3, 4, 1)"))
        narrower = {
            number: text.replace("makes 8 channels, layer 2", "makes 4 channels, layer 2")
            for number, text in EXPECTED.items()
        }
        assert errors(project.check_by_daemon()) == narrower, "by the daemon, after a change elsewhere"


def test_torch_is_not_loaded() -> None:
    code = "import sys, n2nfun.mypy_plugin.hooks; print('torch' in sys.modules, 'mypy.plugin' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]


def test_the_configured_name_is_a_plugin() -> None:
    from mypy.plugin import Plugin  # noqa: PLC0415 - it loads mypy, which the other tests run elsewhere

    from n2nfun.mypy_plugin import plugin  # noqa: PLC0415 - likewise

    assert issubclass(plugin("2.4.1"), Plugin)


def test_nothing_of_the_installed_torch_is_read() -> None:
    texts = [path.read_text("utf-8") for path in (ROOT / "n2nfun").rglob("*.py")]
    imported = {name for text in texts for name in re.findall(r"^\s*(?:from|import) torch\.(\S+)", text, re.MULTILINE)}
    assert imported
    assert {f"{name.replace('.', '/')}.pyi" for name in imported} <= set(STAND_INS)
