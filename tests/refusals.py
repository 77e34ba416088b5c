"""Refusals as data: a call, and the error it must raise, word by word."""

from collections.abc import Callable
from typing import NamedTuple

import pytest


class Refusal(NamedTuple):
    """A call that must be refused."""

    call: Callable[[], object]
    error: type[Exception]
    message: str

    def check(self) -> None:
        """Make the call, and compare the error's type and whole text."""
        with pytest.raises(self.error) as caught:
            self.call()
        assert type(caught.value) is self.error
        assert str(caught.value) == self.message


def each(refusals: list[Refusal]) -> pytest.MarkDecorator:
    """Parametrize a test with ``refusal``, each of these, named by its message."""
    return pytest.mark.parametrize("refusal", refusals, ids=[refusal.message[:60] for refusal in refusals])
