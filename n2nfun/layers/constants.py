"""What follows from a geometry alone is computed once."""

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import ParamSpec, TypeVar

import torch

P = ParamSpec("P")
T = TypeVar("T")


def once_for_each(function: Callable[P, T], *, most: int = 256) -> Callable[P, T]:
    """Keep the latest results of a pure function; torch.compile, which sees through no cache, computes them when it compiles."""
    kept = lru_cache(maxsize=most)(function)

    @wraps(function)
    def known(*args: P.args, **kwargs: P.kwargs) -> T:
        if torch.compiler.is_compiling():
            return function(*args, **kwargs)
        return kept(*args, **kwargs)  # type: ignore[arg-type]  # the arguments are hashable: sizes, dtypes, devices

    return known
