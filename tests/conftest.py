"""Settings of the whole test run. Nothing of n2nfun may be imported above the import hook."""

import os
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import Phase, settings
from hypothesis.database import DirectoryBasedExampleDatabase
from jaxtyping import install_import_hook

from tests.shape_checking import checked_after_the_call

install_import_hook("n2nfun", f"{checked_after_the_call.__module__}.{checked_after_the_call.__name__}")

pytest.register_assert_rewrite("tests.purity", "tests.refusals", "tests.rounding")

settings.register_profile("dev", max_examples=50, deadline=None)
settings.register_profile("ci", max_examples=200, deadline=None, derandomize=True, print_blob=True)
settings.register_profile(
    "nightly",
    max_examples=5000,
    deadline=None,
    derandomize=False,
    database=DirectoryBasedExampleDatabase(Path(__file__).parent.parent / ".hypothesis" / "examples"),
)
# One run for each mutant: the first failure is enough, and need not be small.
settings.register_profile(
    "mutants", max_examples=10, deadline=None, derandomize=True, database=None, phases=[Phase.explicit, Phase.generate]
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None]:
    """Check annotations on a few examples of each test, but not on hundreds: checking takes longer than most tests."""
    drawn = getattr(getattr(item, "obj", None), "is_hypothesis_test", False)
    if not drawn or settings.get_current_profile_name() == "dev":
        return (yield)
    from n2nfun.testing.annotations import annotations_unchecked  # noqa: PLC0415 - not above the import hook

    with annotations_unchecked():
        return (yield)
