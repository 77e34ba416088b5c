"""The questions that constructors ask of plain arguments: one clear error each, with the name and the value."""

import math
from typing import cast

__all__ = ["check_flag", "check_int", "check_number", "items_of", "shown"]

_BEYOND = 1 << 63
"""The first integer that torch and the file formats do not hold."""


def shown(value: object) -> str:
    """Write a value for a message; Python refuses to write integers of more than 4,300 digits."""
    try:
        return repr(value)
    except ValueError:
        return f"a {type(value).__name__} too long to write"


def items_of(value: object) -> tuple[object, ...] | None:
    """Return a tuple as one of whatever it holds, and None for anything else."""
    return cast("tuple[object, ...]", value) if isinstance(value, tuple) else None


def check_int(name: str, value: object, *, least: int = 1, most: int | None = None) -> int:
    """Return the value if it is an int within its bounds.

    Raises:
        TypeError: if it is not an int.
        ValueError: if it is out of range.
    """
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{name} is {shown(value)}, expected an int")
    bound = _BEYOND - 1 if most is None else most
    if not least <= value <= bound:
        wanted = f"of at least {least}" if most is None and value < least else f"from {least} to {bound}"
        raise ValueError(f"{name} is {shown(value)}, expected an int {wanted}")
    return value


def check_number(
    name: str, value: object, *, below: float = math.inf, positive: bool = False, signed: bool = False
) -> float:
    """Return the value if it is a finite number of at least 0, or more where it must be positive, or any where signed.

    Raises:
        TypeError: if it is not a number.
        ValueError: if it is out of range.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} is {shown(value)}, expected a number")
    if isinstance(value, int) and not -_BEYOND < value < _BEYOND:
        raise ValueError(f"{name} is {shown(value)}, expected an int of at most 63 bits, or a float")
    if math.isfinite(value) and (signed or value >= 0) and value < below and not (positive and value == 0):
        return value
    if below != math.inf:
        raise ValueError(f"{name} is {value!r}, expected a number from 0 to below {below}")
    kind = "a positive finite number" if positive else "a finite number" + ("" if signed else " of at least 0")
    raise ValueError(f"{name} is {value!r}, expected {kind}")


def check_flag(name: str, value: object) -> bool:
    """Return the value if it is True or False.

    Raises:
        TypeError: if it is anything else.
    """
    if not isinstance(value, bool):
        raise TypeError(f"{name} is {shown(value)}, expected True or False")
    return value
