"""What a trial found, as a value that is written and read without the loss of a bit."""

import json
import math
from dataclasses import asdict, dataclass, field, replace
from typing import Literal, TypeAlias

from pydantic import TypeAdapter, ValidationError

from n2nfun.search.space import Setting

__all__ = ["Record", "RecordError", "Status", "record_from_json", "record_to_json"]

Status: TypeAlias = Literal["finished", "diverged", "failed"]


class RecordError(ValueError):
    """A text that is no record."""


@dataclass(frozen=True, slots=True)
class Record:
    """The outcome of one setting in one rung. Records are equal if all but the time they took is.

    Raises:
        ValueError: if a number is NaN, which equals nothing.
    """

    search: str
    """The search's identity."""
    rung: int
    """Counted from 0."""
    setting: Setting
    status: Status
    psnr_mean: float | None = None
    """Of held-out images, in dB, the mean of each one's PSNR; None where no clean images are known."""
    psnr_pooled: float | None = None
    """PSNR of their pooled error, likewise."""
    psnr_blind: float | None = None
    """Estimated from the noisy pairs alone; None where its conditions do not hold."""
    curve: tuple[float, ...] = ()
    """The PSNR that decides, after each epoch."""
    loss: float | None = None
    """The mean training loss of the last epoch."""
    reason: str = ""
    """Why there is no result, in a sentence."""
    seconds: float = field(default=0.0, compare=False)
    """What the training took, which no machine repeats."""

    def __post_init__(self) -> None:
        numbers = (self.psnr_mean, self.psnr_pooled, self.psnr_blind, self.loss, self.seconds, *self.curve)
        if any(number is not None and math.isnan(number) for number in numbers):
            raise ValueError(f"a number of {self} is NaN, expected None where there is no number")

    @property
    def score(self) -> float | None:
        """The PSNR that decides: the mean over images, or the blind one where no clean images are known."""
        return self.psnr_blind if self.psnr_mean is None else self.psnr_mean


_RECORDS = TypeAdapter(Record)


def record_to_json(record: Record) -> str:
    """Write a record without its seconds: equal records are equal texts, and Python's floats are written exactly.

    Example:
        >>> record = Record("a", 0, Setting(False, 0.9, 0.1, (8, 32), 3, 2, 4), "finished", psnr_mean=1 / 3)
        >>> record_from_json(record_to_json(record)) == record
        True
    """
    values = asdict(record)
    del values["seconds"]
    return json.dumps(values, sort_keys=True, separators=(",", ":"))


def record_from_json(text: str, *, seconds: float = 0.0) -> Record:
    """Read a record.

    Raises:
        RecordError: if the text is none.
    """
    try:
        read = _RECORDS.validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the text"
        raise RecordError(f"a record is damaged: {place}: {first['msg']}") from None
    return replace(read, seconds=seconds)
