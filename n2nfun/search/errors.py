"""What ends a search before its end."""

__all__ = ["SearchError"]


class SearchError(ValueError):
    """A search that cannot go on; what was committed stays, and the next start goes on from there."""
