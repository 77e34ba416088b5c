"""The estimate is the sum of what each step was timed to take."""

from dataclasses import replace

import pytest

from n2nfun.search.estimate import RungEstimate, estimate
from n2nfun.search.plan import SearchData, SearchPlan
from n2nfun.search.rungs import Rung
from n2nfun.search.space import SearchSpace, Setting

PLAN = SearchPlan(
    SearchSpace(lr=(0.01, 0.1), hidden=((2, 2),), up_kernel=(3,), down_kernel=(2,), batch_size=(4, 8)),
    (Rung(None, 16, epochs=2), Rung(3, 20, epochs=3), Rung(1, epochs=1)),
    SearchData(noise="gaussian:25", count=40, size=8),
)
"""16 settings, 12 different trainings."""


@pytest.fixture
def timed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Let a step of a batch of b pairs take b seconds, and judging half of one; give the batches that were timed."""
    found: list[int] = []

    def time_of(setting: Setting, _: object) -> tuple[float, float]:
        found.append(setting.batch_size)
        return float(setting.batch_size), 0.5

    monkeypatch.setattr("n2nfun.search.estimate._time", time_of)
    return found


def test_each_shape_is_timed_once_and_all_is_added_up(timed: list[int]) -> None:
    first, second, third = estimate(PLAN, 2)
    assert timed == [4, 8, 4, 8]  # without momentum and with it
    # A batch of b takes b seconds: 2 epochs of 16 pairs take 32 seconds for all, and 3 of 20 take 60, or 72 in batches of 8.
    assert first == RungEstimate(16, 12, 16, 2, 12 * 33 / 2, 12 * 33 / 2)
    assert second == RungEstimate(3, 3, 20, 3, 3 * (61.5 + 73.5) / 2 / 2, 3 * 73.5 / 2)
    assert third == RungEstimate(1, 1, 40, 1, 40.5, 40.5)


@pytest.mark.usefixtures("timed")
def test_more_workers_than_trainings_wait_for_the_slowest() -> None:
    first, second, _ = estimate(PLAN, 100)
    assert (first.seconds, second.seconds, second.most_seconds) == (33, 67.5, 73.5)


@pytest.mark.usefixtures("timed")
def test_the_best_of_few_may_be_the_slowest() -> None:
    plan = replace(PLAN, rungs=(Rung(None, 20, epochs=3), Rung(7, 20, epochs=3)))
    (_, found) = estimate(plan, 1)
    assert found.seconds == 7 * 67.5
    assert found.most_seconds == 6 * 73.5 + 61.5


def test_steps_are_timed() -> None:
    assert all(rung.seconds > 0 for rung in estimate(PLAN, 1))
