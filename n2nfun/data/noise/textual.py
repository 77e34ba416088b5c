"""The numbers in the text form of a noise model: plain decimals, and ranges as ``8-14``."""

import re
from decimal import Decimal

_NUMBER = r"([0-9]+(?:\.[0-9]+)?)"


def number_text(value: float) -> str:
    """The shortest decimal that reads back as the same number, never with an exponent."""
    return format(Decimal(repr(float(abs(value)))).normalize(), "f")


def range_text(low: float, high: float) -> str:
    """``low-high``, or one number where they are equal."""
    return number_text(low) if low == high else f"{number_text(low)}-{number_text(high)}"


def read_number(text: str) -> float:
    """The number in a text such as ``0.25``.

    Raises:
        ValueError: If it is something else.
    """
    if re.fullmatch(_NUMBER, text) is None:
        raise ValueError(f"{text!r} is not a number such as 30 or 0.25")
    return float(text)


def read_range(text: str) -> tuple[float, float]:
    """Both ends of a text such as ``0-50`` or ``25``.

    Raises:
        ValueError: If it is something else.
    """
    found = re.fullmatch(f"{_NUMBER}(?:-{_NUMBER})?", text)
    if found is None:
        raise ValueError(f"{text!r} is not a number such as 25 or a range such as 0-50")
    return float(found[1]), float(found[2] or found[1])
