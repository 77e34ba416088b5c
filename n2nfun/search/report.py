"""What a search found, from its ledger and its files: tables, pictures, and the best network."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from n2nfun.checkpoint import CheckpointError, load_checkpoint
from n2nfun.config import config_to_json
from n2nfun.files import write_atomically
from n2nfun.run.folder import RunFolder
from n2nfun.run.pictures import save_figure
from n2nfun.search.drawing import draw_curve, draw_influences
from n2nfun.search.folder import Search
from n2nfun.search.influence import influences
from n2nfun.search.plan import SearchPlan
from n2nfun.search.records import Record
from n2nfun.search.space import Setting, training_of, trainings_of
from n2nfun.search.standing import best_of, leaders
from n2nfun.search.trials import trial_file

__all__ = ["Report", "Row", "report_rows", "rows_to_csv", "rows_to_markdown", "write_report"]

COLUMNS = ("", "Nesterov", "momentum", "learning rate", "hidden", "up kernel", "down kernel", "batch size")
"""Of a table of settings, before those of the rungs."""


@dataclass(frozen=True, slots=True)
class Row:
    """A setting in the table: its place, and its PSNR in each rung."""

    place: int
    setting: Setting
    psnr: tuple[float | None, ...]
    """That decides, in each rung; None where it was not in that rung, or has no PSNR there."""
    note: str

    def cells(self) -> tuple[str, ...]:
        """Write the row."""
        setting = self.setting
        numbers = ("" if psnr is None else f"{psnr:.2f}" for psnr in self.psnr)
        return (
            str(self.place),
            "yes" if setting.nesterov else "no",
            f"{setting.momentum:g}",
            f"{setting.lr:g}",
            f"{setting.hidden[0]}, {setting.hidden[1]}",
            str(setting.up_kernel),
            str(setting.down_kernel),
            str(setting.batch_size),
            *numbers,
            self.note,
        )

    def short_cells(self) -> tuple[str, ...]:
        """Write the row for a terminal of eighty columns: place, setting, and the PSNR of each rung, or what became of it."""
        numbers = ["" if psnr is None else f"{psnr:.2f}" for psnr in self.psnr]
        if not any(numbers):
            numbers[0] = self.note
        return str(self.place), self.setting.key, *numbers


@dataclass(frozen=True, slots=True)
class Report:
    """What was written, and what it says."""

    rows: tuple[Row, ...]
    best: Record | None
    files: tuple[Path, ...]
    winner: Path | None
    """The folder of the best network; None where the last rung has not trained it yet."""


def report_rows(plan: SearchPlan, records: Sequence[Record], most: int | None = 20) -> tuple[Row, ...]:
    """Return the best settings, each with its PSNR in every rung.

    Args:
        plan: The search.
        records: All of them.
        most: How many settings; None for all.
    """
    found = {(record.setting, record.rung): record for record in records}
    seen: dict[Setting, int] = {}
    rows: list[Row] = []
    for place, record in enumerate(leaders(records)[:most], start=1):
        # Where the one that is the same training stands above, the row says so.
        twin = seen.setdefault(training_of(record.setting), place)
        remark = (
            record.status if record.status != "finished" else f"the same training as {twin}" if twin != place else ""
        )
        psnr = tuple(
            None if (other := found.get((record.setting, number))) is None else other.score
            for number in range(len(plan.rungs))
        )
        rows.append(Row(place, record.setting, psnr, remark))
    return tuple(rows)


def columns_of(plan: SearchPlan) -> tuple[str, ...]:
    """Name the columns of a plan's table."""
    rungs = (f"{'all' if rung.samples is None else f'{rung.samples:,}'} x {rung.epochs}" for rung in plan.rungs)
    return (*COLUMNS, *rungs, "note")


def rows_to_markdown(columns: Sequence[str], rows: Sequence[Row]) -> str:
    """Write a table in Markdown.

    Example:
        >>> row = Row(1, Setting(False, 0.9, 0.01, (8, 32), 3, 2, 4), (23.456,), "")
        >>> print(rows_to_markdown((*COLUMNS, "all x 2", "note"), [row]))
        |  | Nesterov | momentum | learning rate | hidden | up kernel | down kernel | batch size | all x 2 | note |
        |---|---|---|---|---|---|---|---|---|---|
        | 1 | no | 0.9 | 0.01 | 8, 32 | 3 | 2 | 4 | 23.46 |  |
    """
    lines = (columns, *(row.cells() for row in rows))
    head, *body = [f"| {' | '.join(line)} |" for line in lines]
    return "\n".join([head, f"|{'---|' * len(columns)}", *body])


def rows_to_csv(columns: Sequence[str], rows: Sequence[Row]) -> str:
    """Write a table as comma-separated values, PSNRs with all their digits.

    Example:
        >>> row = Row(1, Setting(False, 0.9, 0.01, (8, 32), 3, 2, 4), (23.456,), "")
        >>> print(rows_to_csv((*COLUMNS, "all x 2", "note"), [row]).splitlines()[1])
        1,no,0.9,0.01,"8, 32",3,2,4,23.456,
    """
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(("place", *columns[1:]))
    for row in rows:
        numbers = ("" if psnr is None else repr(psnr) for psnr in row.psnr)
        table.writerow((*row.cells()[: len(COLUMNS)], *numbers, row.note))
    return text.getvalue()


def write_report(search: Search) -> Report:
    """Write report.md, report.csv, settings.png, and of the best setting winner.png and the network, as far as there are any.

    Raises:
        LedgerError: if the ledger cannot be read.
        OSError: if a file cannot be written.
    """
    records = search.ledger.records()
    path, plan = search.folder.path, search.plan
    columns, best = columns_of(plan), best_of(records)
    everything = report_rows(plan, records, None)
    files = [path / "report.md", path / "report.csv"]
    write_atomically(files[0], _markdown(search, records, columns, everything[:20]).encode())
    write_atomically(files[1], rows_to_csv(columns, everything).encode())
    shares = influences(plan.space, [record for record in records if record.rung == 0])
    if shares:
        files.append(path / "settings.png")
        save_figure(draw_influences(shares), files[-1])
    if best is not None and best.curve:
        files.append(path / "winner.png")
        save_figure(draw_curve([record for record in records if record.setting == best.setting], plan.rungs), files[-1])
    winner = None if best is None else _write_winner(search, best)
    return Report(everything[:20], best, tuple(files), winner)


def _markdown(search: Search, records: Sequence[Record], columns: Sequence[str], rows: Sequence[Row]) -> str:
    plan = search.plan
    settings = plan.space.settings()
    size = (
        f"{len(settings)} settings, {len(trainings_of(settings))} different trainings (Nesterov's form without momentum is "
        f"plain SGD, to the bit); seed {plan.data.seed}."
    )
    blind = any(record.psnr_mean is None and record.score is not None for record in records)
    psnr = (
        "No clean images are known: the PSNR is estimated from the noisy pairs, in dB, after each rung."
        if blind
        else "The PSNR is the mean over held-out images, in dB, after each rung (samples x epochs)."
    )
    return "\n".join(["# What the search found", "", size, psnr, "", rows_to_markdown(columns, rows), ""])


def _write_winner(search: Search, best: Record) -> Path | None:
    """Make the folder of the best network from the file that its trial has left; None where there is none."""
    if best.rung != len(search.plan.rungs) - 1:
        return None
    file = trial_file(search.folder.path, best.rung, training_of(best.setting))
    try:
        load_checkpoint(file)
    except CheckpointError:
        return None
    folder = RunFolder(search.folder.winner)
    folder.path.mkdir(exist_ok=True)
    write_atomically(folder.checkpoint, file.read_bytes())
    folder.write_json(folder.config, config_to_json(best.setting.config()))
    return folder.path
