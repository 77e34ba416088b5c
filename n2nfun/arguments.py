"""The questions that constructors ask of plain arguments: one clear error each, with the name and the value."""

import math

__all__ = ["check_flag", "check_int", "check_number"]


def check_int(name: str, value: object, *, least: int = 1, most: int | None = None) -> int:
    """Return the value if it is an int within its bounds.

    Raises:
        TypeError: if it is not an int.
        ValueError: if it is out of range.
    """
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{name} is {value!r}, expected an int")
    if value < least or (most is not None and value > most):
        raise ValueError(
            f"{name} is {value}, expected an int "
            + (f"of at least {least}" if most is None else f"from {least} to {most}")
        )
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
        raise TypeError(f"{name} is {value!r}, expected a number")
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
        raise TypeError(f"{name} is {value!r}, expected True or False")
    return value
