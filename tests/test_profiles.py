"""How many examples Hypothesis tries, and which: by hand, in every change's tests, at night."""

from pathlib import Path

from hypothesis import settings
from hypothesis.database import DirectoryBasedExampleDatabase

ROOT = Path(__file__).parent.parent


def test_by_hand_few_examples_are_tried() -> None:
    assert settings.get_profile("dev").max_examples == 50


def test_a_change_is_tried_on_the_same_examples_every_time() -> None:
    profile = settings.get_profile("ci")
    assert (profile.max_examples, profile.derandomize, profile.print_blob) == (200, True, True)


def test_at_night_many_examples_are_tried_and_the_failing_ones_kept() -> None:
    profile = settings.get_profile("nightly")
    assert (profile.max_examples, profile.derandomize) == (5000, False)
    assert isinstance(profile.database, DirectoryBasedExampleDatabase)
    assert profile.database.path == ROOT / ".hypothesis" / "examples"


def test_no_profile_has_a_deadline() -> None:
    assert [settings.get_profile(name).deadline for name in ("dev", "ci", "nightly")] == [None] * 3
