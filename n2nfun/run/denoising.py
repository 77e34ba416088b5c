"""A run's network at work: image files in, restored image files out."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from n2nfun.config import ConfigError
from n2nfun.data import ImageError, format_of, list_images, read_image, write_image
from n2nfun.restore import restore
from n2nfun.run.folder import LoadedRun, check_out

__all__ = ["Denoised", "Failed", "denoise_files", "plan_files"]


@dataclass(frozen=True, slots=True)
class Denoised:
    """A file that was restored."""

    path: Path
    """Of the restored image."""
    seconds: float
    """To read, restore and write it."""


@dataclass(frozen=True, slots=True)
class Failed:
    """A file that could not be restored."""

    path: Path
    """Of the noisy image."""
    reason: str
    """What is wrong, in a sentence that names the file."""


def plan_files(sources: Sequence[Path], out: Path) -> tuple[Path, ...]:
    """List the files to restore, after a look at where the results go; nothing is written.

    Args:
        sources: Image files, and folders of them.
        out: The folder of the results, each under the name of its source.

    Raises:
        ConfigError: if there is no source, two have the same name, a result would replace its own source, or ``out`` is
            no folder.
        ImageError: if a folder has no images.
    """
    check_out(out)
    files = tuple(path for source in sources for path in (list_images(source) if source.is_dir() else (source,)))
    if not files:
        raise ConfigError("no images are given, expected image files, or folders of them")
    named: dict[str, Path] = {}
    for path in files:
        result = out / path.name
        if path.name in named:
            raise ConfigError(f"{named[path.name]} and {path} would both be written to {result}: restore them apart")
        if result.exists() and path.exists() and result.samefile(path):
            raise ConfigError(f"{path}: its result would replace it, expected another folder than {out}")
        named[path.name] = path
    return files


def denoise_files(run: LoadedRun, files: Sequence[Path], out: Path, *, tile: int = 512) -> Iterator[Denoised | Failed]:
    """Restore image files one after the other, each under its own name in another folder.

    Height and width, grey or colour, bits per value, alpha and colour profile stay as they are (``read_image`` and
    ``write_image`` say what of them which format keeps). A file that cannot be read or written is reported, and the
    others are done.

    Args:
        run: The network.
        files: Of :func:`plan_files`.
        out: The folder of the results; made where it is missing.
        tile: See :func:`n2nfun.restore.restore`.

    Raises:
        OSError: if the folder cannot be made.
        ValueError: if tile is not positive.
    """
    out.mkdir(parents=True, exist_ok=True)
    for path in files:
        start = time.perf_counter()
        try:
            _denoise_file(run, path, out / path.name, tile)
        except ImageError as error:
            yield Failed(path, str(error))
        else:
            yield Denoised(out / path.name, time.perf_counter() - start)


def _denoise_file(run: LoadedRun, source: Path, result: Path, tile: int) -> None:
    format_of(source)  # a name that nothing can be written under is refused before the work
    picture = read_image(source)
    restored = restore(run.model, run.params, picture.pixels[None], tile=tile)
    write_image(result, replace(picture, pixels=restored[0]))
