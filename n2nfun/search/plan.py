"""A whole search as one value: space, rungs, data and seed; from a preset or a TOML file."""

import hashlib
import json
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, ClassVar, cast

from pydantic import TypeAdapter, ValidationError

from n2nfun.config import ConfigError, TrainConfig
from n2nfun.search.records import Record
from n2nfun.search.rungs import PAPER_RUNGS, Rung, entrants
from n2nfun.search.space import SearchSpace, Setting

__all__ = ["PRESETS", "SearchData", "SearchPlan", "plan_from_json", "plan_to_json", "read_plan"]


@dataclass(frozen=True, slots=True)
class SearchData:
    """What is learned from and judged by, as options of ``n2nfun train``."""

    __pydantic_config__: ClassVar[Mapping[str, Any]] = {"extra": "forbid"}

    data: Path | None = None
    """Photographs; None for scikit-image's."""
    pairs: tuple[Path, ...] = ()
    """A file of pairs, or two folders, in place of photographs."""
    validation: Path | None = None
    """What is judged by: noisy and clean images in a file, or a folder of photographs; None for a part held out."""
    noise: str = "subsample:8-14"
    count: int = 50_000
    """Pairs made of the photographs."""
    size: int = 32
    """Their height and width."""
    seed: int = 0
    """Of pairs, weights and order."""

    def config(self) -> TrainConfig:
        """Return these settings as those of a training run.

        Raises:
            ConfigError: if they contradict each other, or are out of range.
        """
        chosen = {field.name: getattr(self, field.name) for field in fields(self)}
        return TrainConfig(model="paper", **chosen).resolved()


@dataclass(frozen=True, slots=True)
class SearchPlan:
    """All that decides a search's results.

    Raises:
        ConfigError: if there is no rung, a rung after the first would let in more than the one below, or the data's
            settings are out of range.
    """

    __pydantic_config__: ClassVar[Mapping[str, Any]] = {"extra": "forbid"}

    space: SearchSpace
    rungs: tuple[Rung, ...]
    data: SearchData

    def __post_init__(self) -> None:
        if not self.rungs:
            raise ConfigError("rungs is empty, expected at least one rung")
        if self.rungs[0].entrants is not None:
            raise ConfigError(
                f"rungs: the first one's entrants is {self.rungs[0].entrants}, expected none: all enter it"
            )
        self.data.config()

    def sizes(self) -> tuple[int, ...]:
        """Return how many settings enter each rung."""
        found = [len(self.space.settings())]
        for rung in self.rungs[1:]:
            found.append(found[-1] if rung.entrants is None else min(found[-1], rung.entrants))
        return tuple(found)

    def entrants(self, number: int, records: Iterable[Record]) -> tuple[Setting, ...]:
        """Return the settings of a rung, given all records; those of the rung below must be complete."""
        if number == 0:
            return self.space.settings()
        return entrants(self.rungs[number], (record for record in records if record.rung == number - 1))

    def identity(self, data_digest: str) -> str:
        """Return the name of the search: plans with the same name, on the same data, have the same results."""
        values = cast("dict[str, Any]", json.loads(plan_to_json(self)))
        decisive = {"space": values["space"], "rungs": values["rungs"], "seed": self.data.seed, "data": data_digest}
        return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()[:16]


_PLANS = TypeAdapter(SearchPlan)

PRESETS: Mapping[str, SearchPlan] = {
    "paper": SearchPlan(SearchSpace(), PAPER_RUNGS, SearchData()),
    "smoke": SearchPlan(
        SearchSpace(lr=(0.01, 0.05), hidden=((8, 32),), up_kernel=(3,), down_kernel=(2,), batch_size=(16,)),
        (Rung(None, 64, epochs=2), Rung(3, 128, epochs=2), Rung(1, None, epochs=3)),
        SearchData(count=256, size=16, noise="subsample:8-9"),
    ),
}
"""``paper`` is the course report's search; ``smoke`` takes seconds, and shows that all is there."""


def read_plan(name: str) -> SearchPlan:
    """Return a preset, or what a TOML file says.

    The file's tables are ``[space]``, ``[[rungs]]`` and ``[data]``, with the fields of :class:`SearchSpace`,
    :class:`~n2nfun.search.rungs.Rung` and :class:`SearchData`; what is left out is as in the preset ``paper``.

    Raises:
        ConfigError: if there is no such preset or file, or the file does not say a plan; the message names the place.
        OSError: if the file cannot be read.

    Example:
        >>> len(read_plan("smoke").space.settings())
        8
    """
    if name in PRESETS:
        return PRESETS[name]
    if not name.endswith(".toml"):
        raise ConfigError(f"--plan is {name}, expected {', '.join(PRESETS)}, or a file ending in .toml")
    try:
        values = tomllib.loads(Path(name).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"--plan is {name}: there is no such file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{name}: not a TOML file: {error}") from None
    whole: dict[str, Any] = {
        "space": {},
        "rungs": json.loads(plan_to_json(PRESETS["paper"]))["rungs"],
        "data": {},
        **values,
    }
    return plan_from_json(json.dumps(whole, default=str), name)  # a date is no value of a plan, as a text is none


def plan_to_json(plan: SearchPlan) -> str:
    """Write a plan as JSON.

    Example:
        >>> plan_from_json(plan_to_json(PRESETS["smoke"]), "here") == PRESETS["smoke"]
        True
    """
    return _PLANS.dump_json(plan).decode()


def plan_from_json(text: str, source: str) -> SearchPlan:
    """Read a plan.

    Args:
        text: JSON.
        source: Where it was read, for messages.

    Raises:
        ConfigError: if it is no plan; the message names the place.
    """
    try:
        return _PLANS.validate_json(text, strict=True)
    except ValidationError as error:
        raise ConfigError(f"{source}: {_reason(error)}") from None


def _reason(error: ValidationError) -> str:
    """Say what is wrong first, and where."""
    first = error.errors()[0]
    if first["type"] == "value_error":  # of a __post_init__, which names the place
        return str(first.get("ctx", {}).get("error", first["msg"]))
    place = ".".join(str(part) for part in first["loc"]) or "the whole"
    if first["type"] == "unexpected_keyword_argument":
        return f"{place}: there is no such setting"
    return f"{place} is {first['input']!r}: {first['msg']}"
