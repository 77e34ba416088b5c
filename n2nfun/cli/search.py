"""`n2nfun search`: the whole search in one command, which goes on when it is given again."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from tyro.conf import FlagCreatePairsOff, Positional, arg, subcommand

from n2nfun.config import LARGEST_SEED, ConfigError, check_range

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from n2nfun.search.engine import Workers
    from n2nfun.search.folder import Search
    from n2nfun.search.ledger import Ledger
    from n2nfun.search.plan import SearchPlan
    from n2nfun.search.standing import RungStanding, Standing

__all__ = ["ReportConfig", "SearchConfig", "StartConfig", "StatusConfig", "run"]

_GLANCE = 1.0
"""Seconds between two looks at the ledger."""


@dataclass(frozen=True)
class StartConfig:
    """Train what the ledger lacks (this is the default)."""


@dataclass(frozen=True)
class StatusConfig:
    """Show where a search stands, from its ledger alone; it may be running."""

    run: Annotated[Positional[Path], arg(metavar="RUN")]
    """folder of a search"""
    ledger: Annotated[str | None, arg(metavar="URL", help_behavior_hint="(default: the run's)")] = None
    """the run's ledger, where it needs a password"""


@dataclass(frozen=True)
class ReportConfig:
    """Write what a search has found so far: report.md, report.csv, two pictures, and the best network.

    The table of the best 20 settings is printed.
    """

    run: Annotated[Positional[Path], arg(metavar="RUN")]
    """folder of a search"""
    ledger: Annotated[str | None, arg(metavar="URL", help_behavior_hint="(default: the run's)")] = None
    """the run's ledger, where it needs a password"""


def _of_plan(metavar: str) -> object:
    return arg(metavar=metavar, help_behavior_hint="(default: the plan's)")


@dataclass(frozen=True)
class SearchConfig:
    """Search for the best hyper-parameters of the report's network, rung by rung.

    The same command goes on with a search that was stopped or killed.

    For --cluster tcp://127.0.0.1:8786, start a scheduler: dask scheduler --host 127.0.0.1

    and workers: dask worker tcp://127.0.0.1:8786 --nthreads 1 --nworkers 2
    """

    view: (
        Annotated[StartConfig, subcommand("start")]
        | Annotated[StatusConfig, subcommand("status")]
        | Annotated[ReportConfig, subcommand("report")]
    ) = StartConfig()
    plan: Annotated[str | None, arg(metavar="NAME|FILE", help_behavior_hint="(default: paper, or the run's)")] = None
    """paper, smoke, or a .toml file"""
    data: Annotated[Path | None, _of_plan("DIR")] = None
    """photographs to make pairs of"""
    pairs: Annotated[tuple[Path, ...] | None, _of_plan("PATH")] = None
    """a .pkl or .npz file, or two folders"""
    validation: Annotated[Path | None, _of_plan("PATH")] = None
    """to judge by: a file, or photographs"""
    noise: Annotated[str | None, _of_plan("NOISE")] = None
    """as subsample:8-14, gaussian:25"""
    count: Annotated[int | None, _of_plan("N")] = None
    """pairs made of the photographs"""
    size: Annotated[int | None, _of_plan("N")] = None
    """height and width of a pair"""
    seed: Annotated[int | None, _of_plan("N")] = None
    """of pairs, weights and order"""
    workers: Annotated[int | None, arg(metavar="N", help_behavior_hint="(default: one a core)")] = None
    """processes on this machine"""
    cluster: Annotated[str | None, arg(metavar="ADDRESS", help_behavior_hint="(default: none)")] = None
    """a Dask scheduler, as tcp://127.0.0.1:8786"""
    ledger: Annotated[str | None, arg(metavar="URL", help_behavior_hint="(default: a file in the run)")] = None
    """sqlite:///FILE or postgresql://…"""
    dry_run: FlagCreatePairsOff[bool] = False
    """say what would be trained, and how long"""
    out: Annotated[Path, arg(aliases=("-o",), metavar="RUN")] = Path("runs/search")
    """the search's folder"""


def run(config: SearchConfig) -> int:
    """Start or go on, or show. Returns 1 if Ctrl-C came before the end."""
    match config.view:
        case StatusConfig():
            return _show_status(config.view)
        case ReportConfig():
            return _show_report(config.view)
        case StartConfig():
            return _start(config)


def _start(config: SearchConfig) -> int:
    from n2nfun.cli.console import progress_bar, say  # noqa: PLC0415 - --help can do without
    from n2nfun.search.folder import SearchFolder, begin_search, open_search  # noqa: PLC0415 - likewise
    from n2nfun.search.plan import plan_to_json  # noqa: PLC0415 - likewise

    workers = _cores() if config.workers is None else config.workers
    check_range("workers", workers, 1, 4096)
    if config.cluster is not None and config.workers is not None:
        raise ConfigError("--cluster and --workers are both given, expected one of them: a cluster has its own workers")
    search = open_search(config.out, config.ledger) if SearchFolder(config.out).plan.exists() else None
    plan = _plan(config, None if search is None else search.plan)
    if search is not None:
        _check_same(config.out, plan, search.plan)
        search.check_versions()
    if config.dry_run:
        return _show_estimate(plan, workers)
    if search is None:
        with progress_bar() as bar:
            bar.add_task("preparing the data", total=None)
            search = begin_search(config.out, plan, config.ledger)
    search.ledger.create(plan_to_json(search.plan), alone=config.ledger is None)
    try:
        with search.ledger.driven():
            _drive(search, search.ledger.take(), config.cluster, workers)
    except KeyboardInterrupt:
        say(f"stopped: {_progress(search)}; the same command goes on from here")
        return 1
    return _show_report(ReportConfig(search.folder.path), search)


def _drive(search: Search, ledger: Ledger, cluster: str | None, workers: int) -> None:
    """Run the search with a line of progress for each rung."""
    from n2nfun.search.engine import run_search  # noqa: PLC0415 - --help can do without

    with _watching(search) as observe, _workers(cluster, workers) as found:
        run_search(search.plan, ledger, search.trials(), found, observe)


@contextmanager
def _workers(cluster: str | None, count: int) -> Generator[Workers]:
    from n2nfun.search.cluster import dask_cluster  # noqa: PLC0415 - --help can do without
    from n2nfun.search.pool import process_pool  # noqa: PLC0415 - likewise

    with process_pool(count) if cluster is None else dask_cluster(cluster) as found:
        yield found


@contextmanager
def _watching(search: Search) -> Generator[Callable[[], None]]:
    """Show a line of progress for each rung, on a terminal; give the function that brings them up to date."""
    from n2nfun.cli.console import progress_bar  # noqa: PLC0415 - --help can do without
    from n2nfun.search.standing import standing  # noqa: PLC0415 - likewise

    with progress_bar() as bar:
        tasks = [
            bar.add_task(f"rung {number}", total=size, start=False)
            for number, size in enumerate(search.plan.sizes(), start=1)
        ]
        last = 0.0

        def observe() -> None:
            nonlocal last
            if bar.disable or time.monotonic() - last < _GLANCE:
                return
            last = time.monotonic()
            found = standing(search.plan, search.ledger.entries())
            for number, (task, rung) in enumerate(zip(tasks, found.rungs, strict=True), start=1):
                best = _psnr(rung)
                words = f"rung {number}{best and f', best {best}'}{_pace(found, number)}"
                bar.update(task, completed=rung.done, description=words)
                if rung.done:
                    bar.start_task(task)

        yield observe


def _psnr(rung: RungStanding) -> str:
    """Write the best PSNR of a rung; nothing where there is none."""
    return "" if rung.best is None or rung.best.score is None else f"{rung.best.score:.2f} dB"


def _pace(found: Standing, number: int) -> str:
    """Say how fast it goes, behind the rung that is on its way."""
    current = next((place for place, rung in enumerate(found.rungs, start=1) if rung.done < rung.of), None)
    if number != current or found.per_minute is None or found.seconds_left is None:
        return ""
    return f", {found.per_minute:.0f} a minute, {_duration(found.seconds_left)} left"


def _plan(config: SearchConfig, stored: SearchPlan | None) -> SearchPlan:
    """Return the plan with the options in place of what it says."""
    from n2nfun.search.plan import PRESETS, SearchData, read_plan  # noqa: PLC0415 - --help can do without

    if config.seed is not None:
        check_range("seed", config.seed, 0, LARGEST_SEED)
    plan = read_plan(config.plan) if config.plan is not None else stored or PRESETS["paper"]
    given = {field.name: getattr(config, field.name) for field in fields(SearchData)}
    chosen = {name: value for name, value in given.items() if value is not None}
    return replace(plan, data=replace(plan.data, **chosen)) if chosen else plan


def _check_same(path: Path, wanted: SearchPlan, stored: SearchPlan) -> None:
    """Refuse to go on with another search than the one that has begun.

    Raises:
        ConfigError: if they differ; the message says in what.
    """
    if wanted.data.pairs:  # how many there are was found by reading them
        wanted = replace(wanted, data=replace(wanted.data, count=stored.data.count))
    pairs: list[tuple[str, Any, Any]] = []
    for part in ("space", "data"):
        mine, theirs = getattr(wanted, part), getattr(stored, part)
        pairs += [
            (f"{part}.{each.name}", getattr(mine, each.name), getattr(theirs, each.name)) for each in fields(mine)
        ]
    for name, new, old in (*pairs, ("rungs", wanted.rungs, stored.rungs)):
        if new != old:
            raise ConfigError(
                f"{path} holds another search, with {name}: {old}, not {new}: "
                "choose another --out, or leave the options out to go on with that one"
            )


def _show_estimate(plan: SearchPlan, workers: int) -> int:
    from n2nfun.cli.console import progress_bar, say, show_table  # noqa: PLC0415 - --help can do without
    from n2nfun.search.estimate import estimate  # noqa: PLC0415 - likewise, torch above all

    with progress_bar() as bar:
        bar.add_task("timing a few steps of every network", total=None)
        rungs = estimate(plan, workers)
    columns = ("rung", "settings", "trainings", "samples", "epochs", "time", "at most")
    rows = (
        (
            str(number),
            f"{rung.settings:,}",
            f"{rung.trainings:,}",
            f"{rung.samples:,}",
            str(rung.epochs),
            _duration(rung.seconds),
            _duration(rung.most_seconds),
        )
        for number, rung in enumerate(rungs, start=1)
    )
    show_table(f"What would be trained, by {workers} at a time", columns, rows, numbers=columns)
    whole, most = (sum(getattr(rung, name) for rung in rungs) for name in ("seconds", "most_seconds"))
    say(f"about {_duration(whole)} in all, {_duration(most)} if the best settings are the slowest; nothing was written")
    return 0


def _show_status(config: StatusConfig) -> int:
    from n2nfun.cli.console import say, show_table  # noqa: PLC0415 - --help can do without
    from n2nfun.search.folder import open_search  # noqa: PLC0415 - likewise
    from n2nfun.search.plan import plan_from_json  # noqa: PLC0415 - likewise
    from n2nfun.search.standing import standing  # noqa: PLC0415 - likewise

    ledger = open_search(config.run, config.ledger).ledger
    plan = plan_from_json(ledger.plan(), ledger.name)
    found = standing(plan, ledger.entries())
    columns = ("rung", "done", "of", "diverged", "failed", "best PSNR")
    rows = (
        (
            str(number),
            str(rung.done),
            str(rung.of),
            str(rung.diverged),
            str(rung.failed),
            _psnr(rung),
        )
        for number, rung in enumerate(found.rungs, start=1)
    )
    show_table(str(config.run), columns, rows, numbers=columns)
    if found.best is not None:
        say(f"best so far: {found.best.setting.key}")
    if found.complete:
        say("complete")
    elif found.per_minute is not None and found.seconds_left is not None:
        say(f"{found.per_minute:.1f} trainings a minute while it runs; about {_duration(found.seconds_left)} left")
    return 0


def _show_report(config: ReportConfig, search: Search | None = None) -> int:
    from n2nfun.cli.console import say, show_table  # noqa: PLC0415 - --help can do without
    from n2nfun.search.folder import open_search  # noqa: PLC0415 - likewise
    from n2nfun.search.report import write_report  # noqa: PLC0415 - likewise

    search = open_search(config.run, config.ledger) if search is None else search
    search.ledger.plan()  # that the ledger is there, and knows the search
    report = write_report(search)
    rungs = tuple(f"rung {number}" for number in range(1, len(search.plan.rungs) + 1))
    rows = (row.short_cells() for row in report.rows)
    show_table("PSNR in dB of the best settings", ("", "setting", *rungs), rows, numbers=("", *rungs))
    say(f"written: {', '.join(str(file) for file in report.files)}")
    if report.winner is not None:
        say(f"next: n2nfun denoise {report.winner} FILES -o OUT")
    else:
        say("the best network is written once the last rung has trained it")
    return 0


def _progress(search: Search) -> str:
    """Say how much of a search is done."""
    done = len(search.ledger.records())
    return f"{done} of {sum(search.plan.sizes())} records are in the ledger"


def _duration(seconds: float) -> str:
    """Write a time as people say it."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def _cores() -> int:
    """Count the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
