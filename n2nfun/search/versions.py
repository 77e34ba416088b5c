"""The versions that a trial's bits depend on."""

from collections.abc import Mapping
from importlib.metadata import version
from typing import NamedTuple

__all__ = ["Difference", "difference", "versions"]


class Difference(NamedTuple):
    """A package that is of two versions."""

    name: str
    theirs: str
    own: str


def versions() -> dict[str, str]:
    """Return those of this process."""
    return {name: version(name) for name in ("n2nfun", "torch", "numpy")}


def difference(theirs: Mapping[str, str]) -> Difference | None:
    """Return the first package that has another version here than there; None where all are the same.

    Example:
        >>> difference(versions()) is None
        True
        >>> difference({**versions(), "torch": "1.0"}).theirs
        '1.0'
    """
    both = (Difference(name, theirs.get(name, "unknown"), own) for name, own in versions().items())
    return next((found for found in both if found.theirs != found.own), None)
