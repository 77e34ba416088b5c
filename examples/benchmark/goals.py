"""The project's goals of speed and memory, and how far a run reached them."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from statistics import geometric_mean
from typing import Literal, TypeAlias

from examples.benchmark.cases import Case, Part, Restoring, Training
from examples.benchmark.measuring import Timed
from examples.benchmark.opponents import COMPILED, EAGER, JAX, Opponent

Field: TypeAlias = Literal["seconds", "peak", "resident"]


@dataclass(frozen=True)
class Goal:
    """How many times as fast as the best rival, or how many times its time or bytes at most."""

    against: str
    own: tuple[Opponent, ...]
    """the better of them counts, of the rivals likewise"""
    rivals: tuple[Opponent, ...]
    goal: float | None
    """of the geometric mean over the cases; None where a figure is only shown"""
    worst: float | None = None
    """of the worst case"""
    field: Field = "seconds"
    at_most: bool = False
    """whether the ratio is our own over the rival's, and the less the better"""

    def ratios(self, timed: list[Timed]) -> dict[Case, float]:
        """Return the ratio of each case in which both were measured."""
        found: dict[Case, float] = {}
        for case in dict.fromkeys(one.case for one in timed):
            own = best(timed, case, self.own, self.field)
            rival = best(timed, case, self.rivals, self.field)
            if own is not None and rival is not None:
                found[case] = own / rival if self.at_most else rival / own
        return found

    def row(self, timed: list[Timed]) -> str:
        """Return a row of the table."""
        ratios = self.ratios(timed)
        if not ratios:
            return f"| {self.bounds} | not measured | |"
        case = (max if self.at_most else min)(ratios, key=lambda one: ratios[one])
        reached = geometric_mean(ratios.values())
        return f"| {self.bounds} | {reached:.2f} | {ratios[case]:.2f}: {case} |"

    @property
    def bounds(self) -> str:
        """The first cells of its row."""
        return f"{self.against} | {self._bound(self.goal)} | {self._bound(self.worst)}"

    def _bound(self, bound: float | None) -> str:
        if bound is None:
            return ""
        return f"{'at most' if self.at_most else 'at least'} {bound}"


STEPS = (
    Goal("speed of torch.nn eager, n2nfun eager", ("n2nfun",), EAGER, 2.0, 1.0),
    Goal("speed of torch.nn eager, n2nfun captured", ("n2nfun captured",), EAGER, None),
    Goal("speed of torch.nn eager, n2nfun compiled", ("n2nfun compiled",), EAGER, None),
    Goal("speed of torch.compile of torch.nn, n2nfun compiled", ("n2nfun compiled",), COMPILED, 2.5, 1.2),
    Goal("speed of JAX jit, n2nfun compiled", ("n2nfun compiled",), JAX, 4.0, 1.5),
    Goal("time of the matrix products, n2nfun compiled", ("n2nfun compiled",), ("floor",), 2.5, at_most=True),
    Goal("time of the matrix products, n2nfun eager", ("n2nfun",), ("floor",), None, at_most=True),
    Goal("time of the matrix products, n2nfun captured", ("n2nfun captured",), ("floor",), None, at_most=True),
    Goal("time of the matrix products, torch.nn eager", EAGER, ("floor",), None, at_most=True),
    Goal("peak memory of torch.nn eager, n2nfun eager", ("n2nfun",), EAGER, 1.0, 1.1, "peak", at_most=True),
    Goal(
        "peak memory of torch.nn eager, n2nfun captured", ("n2nfun captured",), EAGER, None, None, "peak", at_most=True
    ),
)
IMAGES = (
    Goal("speed of torch.nn in inference mode", ("n2nfun",), EAGER, 1.5),
    Goal("its peak memory, of tensors", ("n2nfun",), EAGER, 1.0, field="peak", at_most=True),
    Goal("its peak memory, of the process", ("n2nfun",), EAGER, 1.0, field="resident", at_most=True),
)


def best(timed: list[Timed], case: Case, opponents: tuple[Opponent, ...], field: Field) -> float | None:
    """Return the least time, or memory, on a case of any of some opponents, with any allocator; None if there is none."""
    found = [getattr(one, field) for one in timed if one.case == case and one.opponent in opponents]
    return min((float(value) for value in found if value is not None), default=None)


def tables(part: Part, timed: list[Timed]) -> Iterator[str]:
    """Write a table of a part's training steps, one of each size of their batches, and one of each of its images."""
    steps = {one.case for one in timed if one.part == part and isinstance(one.case, Training)}
    if steps:
        yield f"{part}: training steps of {len(steps)} shapes\n" + _table(STEPS, _of(steps, timed))
    sizes = sorted({case.batch for case in steps})
    for size in sizes if 1 < len(sizes) < len(steps) else ():
        chosen = {case for case in steps if case.batch == size}
        yield f"{part}: batch {size}, {len(chosen)} shapes\n" + _table(STEPS, _of(chosen, timed))
    for case in dict.fromkeys(one.case for one in timed if one.part == part and isinstance(one.case, Restoring)):
        yield f"{part}: restoring {case}\n" + _table(IMAGES, [one for one in timed if one.case == case])


def _of(cases: Collection[Case], timed: list[Timed]) -> list[Timed]:
    return [one for one in timed if one.case in cases]


def _table(goals: tuple[Goal, ...], timed: list[Timed]) -> str:
    head = "| against | goal | of the worst | reached, geometric mean | worst |\n|---|---|---|---|---|"
    return "\n".join([head, *(goal.row(timed) for goal in goals)])
