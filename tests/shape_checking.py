"""What checks the package's annotations, shapes included, in every test: the checker behind jaxtyping's import hook."""

import inspect
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, TypeVar

from beartype import BeartypeConf, beartype
from beartype.door import is_bearable
from beartype.roar import BeartypeDecorHintPep3119Exception
from jaxtyping import config

F = TypeVar("F", bound=Callable[..., object])

_CHECKER = beartype(conf=BeartypeConf(is_pep484_tower=True))  # an int is a float, as for mypy and pyright


def checked_after_the_call(function: F) -> F:
    """Check a function's arguments together with its result, once it has returned.

    For each function jaxtyping asks for two checks: of the arguments before the call (made to return Any), and of
    arguments and result after it. The first is left out, so that a function refuses bad arguments in its own words, as
    it does outside the tests; what it lets through is found by the second.
    """
    if inspect.signature(function).return_annotation is Any:
        return function
    # beartype lets __eq__ return NotImplemented, but not where mutmut has renamed it.
    if "__eq__" in function.__name__ and function.__name__ != "__eq__":
        return function
    try:
        return _CHECKER(function)
    except BeartypeDecorHintPep3119Exception:  # a protocol, of which only a type checker can tell who fulfils it
        function.__annotations__ = {
            name: hint if _can_be_checked(hint) else object for name, hint in function.__annotations__.items()
        }
        return _CHECKER(function)


def _can_be_checked(hint: Any) -> bool:
    try:
        is_bearable(None, hint)
    except BeartypeDecorHintPep3119Exception:
        return False
    return True


@contextmanager
def unchecked() -> Generator[None]:
    """Run as outside the tests, where annotations are not checked."""
    config.jaxtyping_disable = True
    try:
        yield
    finally:
        config.jaxtyping_disable = False
