"""`n2nfun denoise`: restore image files."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

__all__ = ["DenoiseConfig", "run"]


@dataclass(frozen=True)
class DenoiseConfig:
    """Restore images with a trained network.

    Results keep their file's name, size, bits per value, alpha and colour profile. Files that cannot be read are named,
    and the others are done; the exit status is then 1.
    """

    run: Annotated[Positional[Path], arg(metavar="RUN")]
    """folder of a run, or its checkpoint file"""
    files: Annotated[Positional[tuple[Path, ...]], arg(metavar="FILE|DIR ...", help_behavior_hint="(required)")]
    """images, and folders of them"""
    out: Annotated[Path, arg(aliases=("-o",), metavar="DIR")]
    """folder of the results"""
    tile: Annotated[int, arg(metavar="N")] = 512
    """height and width computed at a time"""


def run(config: DenoiseConfig) -> int:
    """Restore the files, showing progress. Returns 1 if one could not be restored."""
    from n2nfun.cli.console import progress_bar, say  # noqa: PLC0415 - --help can do without
    from n2nfun.run.denoising import Failed, denoise_files, plan_files  # noqa: PLC0415 - likewise, torch above all
    from n2nfun.run.folder import load_run  # noqa: PLC0415 - likewise

    files = plan_files(config.files, config.out)
    trained = load_run(config.run)
    failed = 0
    with progress_bar() as bar:
        task = bar.add_task("restoring", total=len(files))
        for result in denoise_files(trained, files, config.out, tile=config.tile):
            bar.advance(task)
            if isinstance(result, Failed):
                failed += 1
                bar.console.print(f"n2nfun: error: {result.reason}", markup=False, highlight=False, soft_wrap=True)
    say(f"restored {len(files) - failed} of {len(files)} images into {config.out}")
    return 1 if failed else 0
