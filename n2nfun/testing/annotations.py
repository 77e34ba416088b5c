"""Turn the checking of annotations off where it would get in the way."""

from collections.abc import Generator
from contextlib import contextmanager

from jaxtyping import config

__all__ = ["annotations_unchecked"]


@contextmanager
def annotations_unchecked() -> Generator[None]:
    """Run without what jaxtyping's import hook checks.

    A checker such as beartype draws from Python's random state which items it looks at, and its own lines are many.
    """
    before, config.jaxtyping_disable = config.jaxtyping_disable, True
    try:
        yield
    finally:
        config.jaxtyping_disable = before
