"""Pairs in NumPy's ``.npz`` files."""

import zipfile
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from n2nfun.data.pairs import Pairs, PairsError

_NAMES = ("first", "second", "clean")


def read_archive(path: str | Path) -> Pairs:
    """Read the arrays ``first``, ``second`` and, if there is one, ``clean`` from an ``.npz`` file.

    Each is uint8, or float32 in [0, 1] (noisy ones may leave that), of shape (pairs, channels, height, width).

    Args:
        path: The file, as ``numpy.savez`` writes it.

    Raises:
        PairsError: If the file cannot be read, an array is missing, of another dtype or shape, or not finite.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     noisy = np.zeros((2, 1, 4, 4), np.uint8)
        ...     np.savez(Path(folder, "pairs.npz"), first=noisy, second=noisy)
        ...     len(read_archive(Path(folder, "pairs.npz")))
        2
    """
    path = Path(path)
    try:
        with zipfile.ZipFile(path) as archive:
            found = {name.removesuffix(".npy") for name in archive.namelist()}
    except OSError as error:
        raise PairsError(f"{path}: cannot be read: {error.strerror}") from error
    except zipfile.BadZipFile as error:
        raise PairsError(f"{path}: damaged, or not an .npz file") from error
    if missing := {"first", "second"} - found:
        raise PairsError(
            f"{path}: has no array {' and '.join(sorted(missing))}; expected first, second and maybe clean"
        )
    tensors = {name: _tensor(path, name) for name in _NAMES if name in found}
    try:
        return Pairs(tensors["first"], tensors["second"], tensors.get("clean"))
    except PairsError as error:
        raise PairsError(f"{path}: {error}") from error


def _tensor(path: Path, name: str) -> Tensor:
    """One array of the file, checked."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            array = np.asarray(arrays[name])
    except Exception as error:
        # Damaged arrays and arrays of objects fail in many ways; to the caller it is one.
        raise PairsError(f"{path}: the array {name} is damaged or holds objects; expected numbers") from error
    if array.dtype not in {np.dtype(np.uint8), np.dtype(np.float32)}:
        raise PairsError(
            f"{path}: {name} is {array.dtype}; expected uint8, or float32 in [0, 1]: use {name}.astype(numpy.float32)"
        )
    if not np.isfinite(array).all():
        raise PairsError(f"{path}: {name} has values that are not finite; expected numbers in [0, 1]")
    return torch.as_tensor(np.ascontiguousarray(array))
