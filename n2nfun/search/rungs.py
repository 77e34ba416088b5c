"""Rungs: few cheap trials of many settings, then longer ones of the best."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from n2nfun.config import ConfigError
from n2nfun.search.records import Record
from n2nfun.search.space import Setting

__all__ = ["PAPER_RUNGS", "Rung", "entrants", "ranked"]


@dataclass(frozen=True, slots=True)
class Rung:
    """How many of the best settings enter, and what each is trained with.

    Raises:
        ConfigError: if a number is below 1.
    """

    __pydantic_config__: ClassVar[Mapping[str, Any]] = {"extra": "forbid"}

    entrants: int | None = None
    """The best of the rung below; None for all."""
    samples: int | None = None
    """The first pairs of the data; None for all."""
    epochs: int = field(kw_only=True)
    """How often each pair is seen."""

    def __post_init__(self) -> None:
        for name, value in (("entrants", self.entrants), ("samples", self.samples), ("epochs", self.epochs)):
            if value is not None and value < 1:
                raise ConfigError(f"rungs: {name} is {value}, expected at least 1")

    def samples_of(self, count: int) -> int:
        """Return how many pairs each training sees in an epoch, where there are so many in all."""
        return count if self.samples is None else self.samples


PAPER_RUNGS = (
    Rung(None, 1_000, epochs=10),
    Rung(20, 5_000, epochs=20),
    Rung(1, None, epochs=10),
)
"""The course report's: all settings on 1,000 samples, the 20 best on 5,000, the best on all."""


def ranked(records: Iterable[Record]) -> tuple[Record, ...]:
    """Sort the records of one rung, the best first.

    Finished ones come first, by validation PSNR; then those whose PSNR could not be known; then the diverged ones; then
    the failed ones. Ties are decided by the settings' own order, so the order of the records does not matter.

    Example:
        >>> setting = Setting(False, 0.9, 0.1, (8, 32), 3, 2, 4)
        >>> diverged = Record("a", 0, setting, "diverged")
        >>> [record.status for record in ranked([diverged, Record("a", 0, setting, "finished", psnr_mean=20.0)])]
        ['finished', 'diverged']
    """

    def place(record: Record) -> tuple[int, float, Setting]:
        group = {"finished": 0, "diverged": 2, "failed": 3}[record.status]
        score = record.score if record.status == "finished" else None
        if score is None:
            return max(group, 1), math.inf, record.setting
        return group, -score, record.setting

    return tuple(sorted(records, key=place))


def entrants(rung: Rung, records: Iterable[Record]) -> tuple[Setting, ...]:
    """Return the settings that enter a rung, the best first, of the records of the rung below.

    Example:
        >>> setting = Setting(False, 0.9, 0.1, (8, 32), 3, 2, 4)
        >>> entrants(Rung(1, epochs=2), [Record("a", 0, setting, "finished", psnr_mean=20.0)]) == (setting,)
        True
    """
    return tuple(record.setting for record in ranked(records)[: rung.entrants])
