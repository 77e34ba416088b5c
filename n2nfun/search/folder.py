"""The folder of a search: what it holds, how it begins, and how it is found again."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from n2nfun.config import ConfigError
from n2nfun.files import write_atomically
from n2nfun.run.folder import check_out
from n2nfun.search.data import digest_of, prepare_data, write_trial_data
from n2nfun.search.database import parse_url, without_password
from n2nfun.search.ledger import Ledger
from n2nfun.search.plan import SearchPlan, plan_from_json, plan_to_json
from n2nfun.search.trials import Trials
from n2nfun.search.versions import difference, versions

__all__ = ["Search", "SearchFolder", "begin_search", "open_search"]


@dataclass(frozen=True, slots=True)
class SearchFolder:
    """The names of a search's files."""

    path: Path

    @property
    def plan(self) -> Path:
        """The plan, the search's identity, and where its ledger is."""
        return self.path / "search.json"

    @property
    def data(self) -> Path:
        """The pairs, which every worker reads."""
        return self.path / "data.safetensors"

    @property
    def ledger(self) -> Path:
        """The records, unless another ledger was asked for."""
        return self.path / "ledger.db"

    @property
    def winner(self) -> Path:
        """The best network: a folder that ``n2nfun denoise`` takes."""
        return self.path / "winner"


@dataclass(frozen=True, slots=True)
class Search:
    """A search that has begun."""

    folder: SearchFolder
    plan: SearchPlan
    digest: str
    """Of the data."""
    ledger: Ledger
    versions: dict[str, str]
    """That it was begun with."""

    def check_versions(self) -> None:
        """Refuse to go on with other versions than the search was begun with: its results would not be of one kind.

        Raises:
            ConfigError: if they differ.
        """
        other = difference(self.versions)
        if other is not None:
            raise ConfigError(
                f"{self.folder.path} was begun with {other.name} {other.theirs}, this is {other.own}, and results would "
                "differ: go on with that one, or choose another --out"
            )

    def trials(self) -> Trials:
        """Return what its workers compute."""
        folder = self.folder.path.resolve()
        data = SearchFolder(folder).data
        return Trials(folder, data, self.digest, self.ledger.search, self.plan.rungs, self.plan.data.seed)


def begin_search(path: Path, plan: SearchPlan, ledger: str | None) -> Search:
    """Make a search's folder: its data, and then its plan.

    Args:
        path: The folder; what is in it of a search that was killed before it had begun is written over.
        plan: The search.
        ledger: Where its records go; None for a SQLite database in the folder.

    Raises:
        ConfigError: if the plan does not fit its data, or the folder cannot be one.
        LedgerError: if the ledger's URL is none.
        OSError: if a file cannot be written.
        ValueError: if the data cannot be read.
    """
    check_out(path)
    folder = SearchFolder(path)
    url = _default_ledger(folder) if ledger is None else ledger
    shown = without_password(parse_url(url))
    data = prepare_data(plan)
    if plan.data.pairs:  # of which only reading tells how many there are
        plan = replace(plan, data=replace(plan.data, count=len(data.training)))
    path.mkdir(parents=True, exist_ok=True)
    write_trial_data(data, folder.data)
    digest = digest_of(folder.data)
    search = plan.identity(digest)
    begun_with = versions()
    values = {
        "search": search,
        "data": digest,
        "ledger": None if ledger is None else shown,
        "versions": begun_with,
        "plan": json.loads(plan_to_json(plan)),
    }
    write_atomically(folder.plan, (json.dumps(values, indent=2) + "\n").encode())
    return Search(folder, plan, digest, Ledger(url, search), begun_with)


def open_search(path: Path, ledger: str | None = None) -> Search:
    """Find a search that has begun.

    Args:
        path: Its folder.
        ledger: The URL of its ledger again, where that needs a password; which is not stored.

    Raises:
        ConfigError: if no search has begun there, or its ledger is another one.
    """
    folder = SearchFolder(path)
    try:
        values = cast("dict[str, Any]", json.loads(folder.plan.read_text(encoding="utf-8")))
        search, digest, stored, plan = (values[name] for name in ("search", "data", "ledger", "plan"))
        begun_with = {str(name): str(number) for name, number in values["versions"].items()}
    except FileNotFoundError:
        raise ConfigError(f"{path}: no search has begun there, expected a folder with a {folder.plan.name}") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ConfigError(f"{folder.plan}: is damaged, expected what n2nfun search wrote") from None
    kept = _default_ledger(folder) if stored is None else str(stored)
    if ledger is not None and without_password(parse_url(ledger)) != without_password(parse_url(kept)):
        raise ConfigError(f"--ledger is {without_password(parse_url(ledger))}, but {path} has its records in {kept}")
    url = kept if ledger is None else ledger
    found = plan_from_json(json.dumps(plan), str(folder.plan))
    return Search(folder, found, str(digest), Ledger(url, str(search)), begun_with)


def _default_ledger(folder: SearchFolder) -> str:
    return f"sqlite:///{folder.ledger.resolve().as_posix()}"
