"""`n2nfun train`: train, and watch."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from n2nfun.config import TrainConfig
    from n2nfun.run.training import Finished

__all__ = ["run", "train_and_watch"]


def run(config: TrainConfig) -> int:
    """Train as the settings say, showing progress; Ctrl-C ends it with everything written."""
    from rich.console import Console  # noqa: PLC0415 - --help can do without

    finished = train_and_watch(config)
    console, last, folder = Console(), finished.entries[-1], finished.folder
    console.print(
        f"{'interrupted' if finished.interrupted else 'done'} after {last.step:,} steps, {last.seconds:.0f} s"
    )
    for name, value in (
        ("blind PSNR, from noisy pairs alone", last.blind_psnr),
        ("PSNR, mean over images", last.psnr_mean),
        ("PSNR, pooled", last.psnr_pooled),
    ):
        if value is not None:
            console.print(f"{name}: {value:.2f} dB")
    console.print(f"{folder.path}: {', '.join(sorted(path.name for path in folder.path.iterdir()))}", highlight=False)
    console.print(f"next: n2nfun denoise {folder.path} FILES -o OUT", highlight=False)
    return 0


def train_and_watch(config: TrainConfig) -> Finished:
    """Train with a line of progress: loss, blind PSNR, images a second, time left."""
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn  # noqa: PLC0415 - likewise
    from rich.progress import Progress as Bar  # noqa: PLC0415 - likewise

    from n2nfun.run.training import Progress, run_training  # noqa: PLC0415 - likewise, torch above all

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[shown]}"),
        TimeRemainingColumn(),
    )
    with Bar(*columns) as bar:
        task = bar.add_task(f"training {config.model}", total=None, shown="preparing the data")

        def show(progress: Progress) -> None:
            blind = progress.entry.blind_psnr
            shown = [
                f"loss {progress.loss:.4f}",
                *([] if blind is None else [f"blind PSNR {blind:.2f} dB"]),
                f"{progress.images / progress.seconds:,.0f} images/s",
            ]
            bar.update(task, completed=progress.steps, total=progress.of, shown=", ".join(shown))

        return run_training(config, show)
