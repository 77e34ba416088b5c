"""The course's files of pairs: ``torch.save`` of two tensors of bytes."""

from pathlib import Path

import torch
from torch import Tensor

from n2nfun.data.pairs import Pairs, PairsError


def read_course_file(path: str | Path) -> Pairs:
    """Read ``train_data.pkl`` or ``val_data.pkl``: a pair of uint8 tensors of shape (pairs, 3, 32, 32), say.

    The file is a pickle, but nothing in it is run: `torch.load` with ``weights_only``.

    Args:
        path: The file.

    Raises:
        PairsError: If the file cannot be read, holds code, or holds anything else than such a pair.
    """
    path = Path(path)
    expected = "expected torch.save of a pair of uint8 tensors of one shape (pairs, channels, height, width)"
    try:
        file = path.open("rb")
    except OSError as error:
        raise PairsError(f"{path}: cannot be read: {error.strerror}") from error
    try:
        with file:
            content: object = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:
        # The unpickler meets whatever a file holds: to the caller every failure is this one.
        raise PairsError(
            f"{path}: damaged, or not a file of plain tensors (nothing in it was run); {expected}"
        ) from error
    match content:
        case (Tensor() as first, Tensor() as second):
            pass
        case _:
            raise PairsError(f"{path}: holds a {type(content).__name__} of other things than two tensors; {expected}")
    for tensor in (first, second):
        if tensor.dtype != torch.uint8 or tensor.layout != torch.strided or not tensor.is_contiguous():
            raise PairsError(f"{path}: holds a tensor of {tensor.dtype}, shape {tuple(tensor.shape)}; {expected}")
    try:
        return Pairs(first, second)
    except PairsError as error:
        raise PairsError(f"{path}: {error}") from error
