"""Print which law kills which wrong layer, and how soon: ``python -m tests.testing.matrix``.

Each law gets 50 random examples of each wrong layer; one that sees the fault gets four times 50 more, of other seeds. The
last column is the median number of examples up to the first that fails, of the law that is quickest.
"""

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from multiprocessing import get_context
from statistics import median

import torch
from hypothesis import Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import Flaky

from n2nfun.layer import Shape
from n2nfun.testing import Example, Law, LawBroken, shapes_for
from n2nfun.testing.law import AnyLayer
from tests.testing.wrong_layers import WRONG_LAYERS, WrongLayer

__all__ = ["first_broken", "matrix"]

_EXAMPLES, _SEEDS = 50, 5


def first_broken(
    law: Law, layer: AnyLayer, shapes: st.SearchStrategy[Shape], *, number: int, most: int = _EXAMPLES
) -> tuple[int, LawBroken] | None:
    """Return how many examples of one seed it takes to break the law, with the report; None if none does."""
    tried, broken = 0, list[tuple[int, LawBroken]]()

    @seed(number)
    @settings(
        max_examples=most,
        deadline=None,
        database=None,
        derandomize=False,
        phases=[Phase.generate],
        report_multiple_bugs=False,
    )
    @given(law.examples(shapes))
    def run(example: Example) -> None:
        nonlocal tried
        tried += 1
        try:
            law.once(layer, example)
        except LawBroken as fault:
            broken.append((tried, fault))
            raise

    threads = torch.get_num_threads()
    try:
        with suppress(LawBroken, Flaky):  # a layer with a hidden state may do well the second time
            run()
    finally:  # some wrong layers change these
        torch.set_grad_enabled(True)
        torch.set_default_dtype(torch.float32)
        torch.set_num_threads(threads)
    return broken[0] if broken else None


def _row(wrong: WrongLayer) -> str:
    """Hold a wrong layer to every law that applies, and say in a row of the table which it breaks."""
    shapes = shapes_for(wrong.layer)
    soonest: dict[str, float] = {}
    for law in wrong.right.laws():
        if first_broken(law, wrong.layer, shapes, number=0) is None:
            continue
        found = (first_broken(law, wrong.layer, shapes, number=number) for number in range(_SEEDS))
        soonest[law.name] = median(_EXAMPLES + 1 if broken is None else broken[0] for broken in found)
    quickest = f"{min(soonest.values()):g}" if soonest else "-"
    laws = ", ".join(sorted(soonest, key=lambda name: (soonest[name], name))) or "none"
    return f"| {wrong}: {wrong.fault} | {laws} | {quickest} |"


def matrix() -> Iterator[str]:
    """Make the lines of the table in order, with all cores."""
    yield "| wrong layer | laws that kill it, the quickest first | examples |"
    yield "|---|---|---|"
    with ProcessPoolExecutor(mp_context=get_context("forkserver")) as pool:
        yield from pool.map(_row, WRONG_LAYERS)


if __name__ == "__main__":
    for line in matrix():
        print(line, flush=True)  # noqa: T201 - what the command is for
