"""Whether two opponents have made the same."""

from collections.abc import Iterable

import numpy as np
import torch

from examples.benchmark.cases import Case, Training
from examples.benchmark.work import Made
from n2nfun.tree import leaves

DIGITS = torch.finfo(torch.float32).eps
QUARTER_OF_THE_DIGITS = DIGITS**0.25
"""Two ways to compute the same differ by less, even where another rounding switches a ReLU at one of a small image's
positions; two different steps by more."""


def check_all(case: Case, found: Iterable[tuple[str, Made]]) -> None:
    """Compare what each opponent, who is named, has made with what the first one has.

    Raises:
        RuntimeError: if they differ by more than roundings; a note says who.
    """
    expected: Made | None = None
    for name, made in found:
        expected = expected or made
        try:
            check_agreement(case, made, expected)
        except RuntimeError as error:
            error.add_note(f"opponent: {name}")
            raise


def check_agreement(case: Case, found: Made, expected: Made) -> None:
    """Compare each number, or tensor, by its norm; of parameters by how far they went from where they started.

    Raises:
        RuntimeError: if they differ by more than roundings.
    """
    start = [torch.zeros(()), *leaves(case.start()[0])] if isinstance(case, Training) else [torch.zeros(())]
    for index, (one, other, origin) in enumerate(zip(found, expected, start, strict=True)):
        if one.shape != other.shape:
            raise RuntimeError(f"{case}: result {index} has shape {one.shape}, the first opponent's {other.shape}")
        difference, moved, size = (float(np.linalg.norm(part)) for part in (one - other, other - origin.numpy(), other))
        if not difference <= QUARTER_OF_THE_DIGITS * moved + DIGITS * size:
            raise RuntimeError(
                f"{case}: result {index} differs by {difference} from the first opponent's, of norm {moved}"
            )
