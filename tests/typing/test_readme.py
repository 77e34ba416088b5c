"""What the README says that type checkers print is what they print."""

import re
from collections.abc import Callable

import pytest

from tests.typing.users import ROOT, Project

README = (ROOT / "README.md").read_text()
CHECKERS: dict[str, Callable[[Project], str]] = {
    "mypy --strict network.py": lambda project: project.mypy("network.py"),
    "mypy network.py": lambda project: project.mypy_with("pyproject.toml", "network.py"),
    "pyright network.py": lambda project: project.pyright("network.py"),
}


def example(text: str) -> str:
    """Return the one block of Python that begins with its file's name."""
    (found,) = re.findall(r"^```python\n(# network\.py\n.*?)^```$", text, re.DOTALL | re.MULTILINE)
    return str(found)


def settings(text: str) -> str:
    """Return the one block of TOML."""
    (found,) = re.findall(r"^```toml\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    return str(found)


def shown(text: str, command: str) -> str:
    """Return what follows a command in a block of a console, up to the next command or the block's end."""
    (found,) = re.findall(rf"^\$ {re.escape(command)}\n(.*?)^(?:\$ |```$)", text, re.DOTALL | re.MULTILINE)
    return str(found)


@pytest.mark.xdist_group("mypy")  # with the others that fill its cache
@pytest.mark.parametrize("command", CHECKERS)
def test_the_output_shown_is_printed(command: str, project: Project) -> None:
    (project.folder / "network.py").write_text(example(README))
    (project.folder / "pyproject.toml").write_text(settings(README))
    assert CHECKERS[command](project) == shown(README, command)
