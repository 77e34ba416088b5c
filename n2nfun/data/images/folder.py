"""The images in a folder, in an order that people expect."""

import re
from pathlib import Path

from n2nfun.data.images.picture import FORMATS, ImageError


def list_images(folder: str | Path) -> tuple[Path, ...]:
    """List the files of a folder that have the suffix of a supported image format.

    Sorted by name, numbers by value (``shot2`` before ``shot10``). Hidden files and folders inside are passed over.
    Links that lead nowhere are not: reading them says so.

    Args:
        folder: The folder.

    Raises:
        ImageError: If it is not a folder, cannot be read, or has no such file.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     for name in ("shot10.png", "shot2.PNG", "notes.txt"):
        ...         Path(folder, name).touch()
        ...     [path.name for path in list_images(folder)]
        ['shot2.PNG', 'shot10.png']
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ImageError(
            f"{folder}: {'not a folder' if folder.exists() else 'no such folder'}; expected a folder of images"
        )
    try:
        entries = [*folder.iterdir()]
    except OSError as error:
        raise ImageError(f"{folder}: cannot be read: {error.strerror}") from error
    named = [path for path in entries if path.suffix.lower() in FORMATS and path.name[0] != "."]
    paths = [path for path in named if path.is_file() or (path.is_symlink() and not path.exists())]
    if not paths:
        raise ImageError(f"{folder}: no images; expected files ending in {', '.join(FORMATS)}")
    return tuple(sorted(paths, key=_natural))


def _natural(path: Path) -> tuple[list[tuple[str, int]], str]:
    """A key that sorts numbers by their value, and names that differ in case alone by their bytes."""
    pieces = re.findall(r"([^0-9]*)([0-9]*)", path.name.casefold())
    return [(letters, int(digits or -1)) for letters, digits in pieces], path.name
