"""Settings of the whole test run. Nothing of n2nfun may be imported above the import hook."""

import os

import pytest
from hypothesis import settings
from jaxtyping import install_import_hook

from tests.shape_checking import checked_after_the_call

install_import_hook("n2nfun", f"{checked_after_the_call.__module__}.{checked_after_the_call.__name__}")

pytest.register_assert_rewrite("tests.purity", "tests.refusals", "tests.rounding")

settings.register_profile("dev", max_examples=50, deadline=None)
settings.register_profile("ci", max_examples=200, deadline=None, derandomize=True, print_blob=True)
settings.register_profile("nightly", max_examples=5000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))
