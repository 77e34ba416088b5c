"""Compare the search's settings that differ in one hyper-parameter alone, in the first rung.

    python -m examples.paper_search
    python -m examples.paper_search runs/paper/report.csv

The table tells of each change how many of the pairs of trainings it made better, and by how much on average: of the search
whose records lie beside this file, or of the ``report.csv`` that is named. It reads a grid of the report's seven
hyper-parameters. Settings that are the same training count once.
"""

import csv
import sys
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from statistics import fmean
from typing import TypeAlias

from n2nfun.search.report import COLUMNS

_, *NAMES = COLUMNS
OWN = Path(__file__).with_name("report.csv")

Grid: TypeAlias = Mapping[tuple[str, ...], float]
"""For each training, by its choices in the order of the names, the PSNR in the first rung."""


def read(file: Path) -> Grid:
    """Read the trainings that finished in the first rung."""
    with file.open(newline="", encoding="utf-8") as lines:
        table = csv.DictReader(lines)
        rows, header = list(table), list(table.fieldnames or ())
    first = header[len(COLUMNS)]
    return {
        tuple(row[name] for name in NAMES): float(row[first])
        for row in rows
        if row[first] and not row["note"].startswith("the same training")
    }


def gains(grid: Grid, place: int, before: str, after: str) -> list[float]:
    """Return what a change of one hyper-parameter gave, in dB, of all trainings that have its counterpart."""
    changed = {key: (*key[:place], after, *key[place + 1 :]) for key in grid if key[place] == before}
    return [grid[other] - grid[key] for key, other in changed.items() if other in grid]


def table(grid: Grid) -> str:
    """Compare each choice with the next one."""
    lines = ["| hyper-parameter | change | better in | gain, mean |", "|---|---|---|---|"]
    for place, name in enumerate(NAMES):
        choices = sorted({key[place] for key in grid}, key=_number)
        for before, after in pairwise(choices):
            gain = gains(grid, place, before, after)
            better = f"{sum(one > 0 for one in gain)} of {len(gain)}"
            lines.append(f"| {name} | {before} to {after} | {better} | {fmean(gain):+.2f} dB |")
    return "\n".join(lines)


def _number(choice: str) -> tuple[float, ...]:
    """Order choices as the numbers that they are; no comes before yes."""
    return (float(choice == "yes"),) if choice in {"no", "yes"} else tuple(float(part) for part in choice.split(","))


if __name__ == "__main__":
    print(table(read(Path(sys.argv[1]) if len(sys.argv) > 1 else OWN)))
