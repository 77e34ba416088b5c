"""The page of the report's search says what its records say."""

import csv
import re

from examples.paper_search.__main__ import NAMES, OWN, gains, read, table

PAGE = OWN.with_name("README.md").read_text()


def test_the_page_has_the_table_of_changes() -> None:
    assert table(read(OWN)) in PAGE


def test_the_page_has_the_best_twenty() -> None:
    with OWN.open(newline="", encoding="utf-8") as lines:
        rows = list(csv.reader(lines))
    assert len(rows) == 1 + 576
    place = NAMES.index("batch size") + 2
    best = [
        [*row[:place], *(f"{float(cell):.2f}" if cell else "" for cell in row[place:-1]), row[-1]] for row in rows[1:21]
    ]
    shown = [line.strip("|").split("|") for line in PAGE.splitlines() if re.match(r"\| \d+ \| (yes|no) \|", line)]
    assert [[cell.strip() for cell in row] for row in shown] == best


def test_equal_trainings_count_once_and_are_compared_with_their_counterparts() -> None:
    grid = read(OWN)
    assert len(grid) == 432
    momentum = NAMES.index("momentum")
    assert len(gains(grid, momentum, "0", "0.9")) == 144  # Nesterov's form has no counterpart without momentum
    for key, before in grid.items():
        if key[momentum] == "0":
            assert grid[(*key[:momentum], "0.9", *key[momentum + 1 :])] > before
