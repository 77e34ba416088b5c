"""The page for users says what is so."""

import re
import shlex
from pathlib import Path

import pytest

from n2nfun import search
from n2nfun.cli import main as command_line
from n2nfun.search.folder import SearchFolder
from n2nfun.search.plan import read_plan
from n2nfun.search.space import SearchSpace

PAGE = Path(search.__file__).with_name("README.md").read_text(encoding="utf-8")
COMMANDS = [
    line.split("#")[0]
    for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    for line in block.splitlines()
    if line.startswith("n2nfun ")
]


def test_the_plan_is_one(tmp_path: Path) -> None:
    (text,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    file = tmp_path / "mine.toml"
    file.write_text(text)
    plan = read_plan(str(file))
    assert plan.space == SearchSpace((False, True), (0.0, 0.9), (0.003, 0.01, 0.03), ((16, 32),), (3, 5), (2,), (4, 16))
    assert [(rung.entrants, rung.samples, rung.epochs) for rung in plan.rungs] == [(None, 64, 1), (4, 128, 2)]
    assert (plan.data.noise, plan.data.count, plan.data.size) == ("gaussian:25", 256, 16)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_commands_are_understood(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[object] = []

    def understood(parsed: object) -> int:
        seen.append(parsed)
        return 0

    monkeypatch.setattr(command_line, "_run", understood)
    assert command_line.main(shlex.split(command)[1:]) == 0
    assert len(seen) == 1


def test_there_are_commands() -> None:
    assert len(COMMANDS) == 11


def test_the_files_are_those_of_the_folder() -> None:
    (table,) = re.findall(r"\| file \| what it is \|\n\|---\|---\|\n(.*?)\n\n", PAGE, re.DOTALL)
    named = set(re.findall(r"`([a-z./]+)`", " ".join(row.split("|")[1] for row in table.splitlines())))
    folder = SearchFolder(Path())
    assert {folder.plan.name, folder.data.name, folder.ledger.name, f"{folder.winner.name}/"} < named
    assert named - {"report.md", "report.csv", "settings.png", "winner.png", "trials/"} == {
        folder.plan.name,
        folder.data.name,
        folder.ledger.name,
        f"{folder.winner.name}/",
    }
