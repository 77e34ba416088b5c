"""Pairs from wherever they are."""

from pathlib import Path

from n2nfun.data.archive import read_archive
from n2nfun.data.course import read_course_file
from n2nfun.data.folders import read_folder_pairs
from n2nfun.data.pairs import Pairs, PairsError


def read_pairs(
    source: str | Path | tuple[str | Path, str | Path],
    *,
    size: int | tuple[int, int] | None = None,
    second_is_clean: bool = False,
) -> Pairs:
    """Read pairs from a file, or from two folders.

    Args:
        source: A ``.pkl`` or ``.pt`` file (`read_course_file`), an ``.npz`` file (`read_archive`), or two folders
            (`read_folder_pairs`).
        size: The size of tiles; for folders only.
        second_is_clean: Whether the second images are clean, as in the course's ``val_data.pkl``: then they are also
            the pairs' ``clean``.

    Raises:
        PairsError: If the source is of another kind, or cannot be read.
        ImageError: If an image of a folder cannot be read.

    Example:
        >>> read_pairs("pairs.txt")
        Traceback (most recent call last):
        n2nfun.data.pairs.PairsError: pairs.txt: suffix '.txt' is not known; expected a .pkl, .pt or .npz file, or ...
    """
    if isinstance(source, tuple):
        pairs = read_folder_pairs(*source, size=size)
    else:
        path = Path(source)
        if size is not None:
            raise PairsError(f"{path}: size is {size}, but only the images of two folders are cut into tiles")
        match path.suffix.lower():
            case ".pkl" | ".pt":
                pairs = read_course_file(path)
            case ".npz":
                pairs = read_archive(path)
            case suffix:
                raise PairsError(
                    f"{path}: suffix {suffix!r} is not known; expected a .pkl, .pt or .npz file, or two folders"
                )
    if not second_is_clean:
        return pairs
    if pairs.clean is not None:
        raise PairsError(f"{source}: has clean images of its own; expected none where second_is_clean is set")
    return Pairs(pairs.first, pairs.second, pairs.second)
