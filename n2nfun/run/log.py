"""What is measured on the way of a run, a line each time."""

import csv
import io
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields

__all__ = ["Entry", "to_csv"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One measurement; None is what cannot be known."""

    step: int
    seconds: float
    """Of training so far, measuring not counted."""
    loss: float | None
    """Mean of the training loss since the last entry; None before the first step."""
    lr: float
    blind_psnr: float | None
    """Of the held-out pairs, from the pairs alone, in dB; None where its conditions do not hold."""
    psnr_mean: float | None
    """Mean over held-out images of each one's PSNR, in dB; None where no clean images are known."""
    psnr_pooled: float | None
    """PSNR of their pooled error, likewise."""


def to_csv(entries: Sequence[Entry]) -> bytes:
    """Write entries as a table with a head; what is not known is empty.

    Example:
        >>> print(to_csv([Entry(0, 0.0, None, 0.1, 20.5, None, None)]).decode())
        step,seconds,loss,lr,blind_psnr,psnr_mean,psnr_pooled
        0,0.0,,0.1,20.5,,
        <BLANKLINE>
    """
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow([field.name for field in fields(Entry)])
    table.writerows(["" if value is None else value for value in astuple(entry)] for entry in entries)
    return text.getvalue().encode()
