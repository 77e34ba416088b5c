"""The folder of a search: begun, found again, and refused where it is another one's."""

import json
import re
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest

from n2nfun.config import ConfigError
from n2nfun.search.data import digest_of
from n2nfun.search.database import LedgerError
from n2nfun.search.folder import begin_search, open_search
from n2nfun.search.plan import PRESETS, SearchData, SearchPlan
from n2nfun.search.rungs import Rung


@pytest.fixture
def plan(tmp_path: Path) -> SearchPlan:
    """A plan on given pairs."""
    first, second = (np.random.default_rng(seed).random((40, 3, 8, 8)).astype("float32") for seed in range(2))
    np.savez(tmp_path / "pairs.npz", first=first, second=second)
    return replace(PRESETS["smoke"], rungs=(Rung(epochs=1),), data=SearchData(pairs=(tmp_path / "pairs.npz",)))


def test_what_is_opened_is_what_was_begun(plan: SearchPlan, tmp_path: Path) -> None:
    begun = begin_search(tmp_path / "deep" / "run", plan, None)
    assert sorted(path.name for path in begun.folder.path.iterdir()) == ["data.safetensors", "search.json"]
    assert begun.plan.data.count == 36  # as many as there are to learn from
    assert begun.digest == digest_of(begun.folder.data)
    assert begun.ledger.url == f"sqlite:///{(tmp_path / 'deep' / 'run' / 'ledger.db').as_posix()}"
    assert open_search(tmp_path / "deep" / "run") == begun
    assert begin_search(tmp_path / "other", plan, None).ledger.search == begun.ledger.search


def test_another_ledger_is_remembered_without_its_password(plan: SearchPlan, tmp_path: Path) -> None:
    url = "postgresql://me:secret@127.0.0.1:1/name"
    begun = begin_search(tmp_path / "run", plan, url)
    assert begun.ledger.url == url
    assert b"secret" not in begun.folder.plan.read_bytes()
    assert open_search(tmp_path / "run").ledger.url == "postgresql://me@127.0.0.1:1/name"
    assert open_search(tmp_path / "run", url) == begun
    with pytest.raises(ConfigError, match=r"--ledger is sqlite:///a\.db, but .* has its records in postgresql://me@"):
        open_search(tmp_path / "run", "sqlite:///a.db")


def test_nothing_is_written_where_the_ledger_is_none(plan: SearchPlan, tmp_path: Path) -> None:
    with pytest.raises(LedgerError):
        begin_search(tmp_path / "run", plan, "nowhere")
    assert not (tmp_path / "run").exists()


def test_a_folder_without_a_search_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no search has begun there, expected a folder with a search"):
        open_search(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"search": "a"}', "\\ud800"])
def test_a_damaged_plan_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "search.json").write_text(text)
    with pytest.raises(ConfigError, match="is damaged, expected what n2nfun search wrote"):
        open_search(tmp_path)


def test_a_plan_of_another_hand_is_refused(plan: SearchPlan, tmp_path: Path) -> None:
    begun = begin_search(tmp_path / "run", plan, None)
    values = json.loads(begun.folder.plan.read_text())
    values["plan"]["space"]["lr"] = []
    begun.folder.plan.write_text(json.dumps(values))
    with pytest.raises(ConfigError, match=r"search\.json: space: lr is empty"):
        open_search(tmp_path / "run")


def test_a_search_does_not_go_on_with_another_version(plan: SearchPlan, tmp_path: Path) -> None:
    begun = begin_search(tmp_path / "run", plan, None)
    begun.check_versions()
    values = json.loads(begun.folder.plan.read_text())
    values["versions"]["torch"] = "1.0"
    begun.folder.plan.write_text(json.dumps(values))
    with pytest.raises(ConfigError, match=rf"was begun with torch 1\.0, this is {re.escape(version('torch'))}, and"):
        open_search(tmp_path / "run").check_versions()
