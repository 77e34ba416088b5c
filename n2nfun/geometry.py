"""Sizes: reading the arguments of the windowed layers, and the shapes that follow from them."""

from typing import TypeAlias

from n2nfun.arguments import check_int, items_of, shown
from n2nfun.layer import Shape, ShapeError

__all__ = [
    "UNKNOWN",
    "Pair",
    "Size",
    "as_pair",
    "check_count",
    "check_image_shape",
    "check_ints",
    "enlarged",
    "show_shape",
    "windowed_shape",
]

Pair: TypeAlias = tuple[int, int]
"""(height, width)"""
Size: TypeAlias = int | tuple[int, int]
"""One number for both height and width, or a pair (height, width)."""

_MOST = 65_535
"""The largest size an argument may ask for: far above any use, far below where a product of sizes overflows."""

UNKNOWN = 1 << 40
"""Stands for a height or width that is not known behind a mismatch: it stays so, and causes no mismatch of its own."""


def check_count(name: str, value: object, *, least: int = 1) -> int:
    """Return the value if it is an int from ``least`` to 65,535.

    Raises:
        TypeError: if it is not an int.
        ValueError: if it is out of range.
    """
    return check_int(name, value, least=least, most=_MOST)


def as_pair(name: str, value: object, *, least: int = 1) -> Pair:
    """Return a size as (height, width).

    Raises:
        TypeError: if it is neither an int nor a pair of ints.
        ValueError: if a number is out of range.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        count = check_count(name, value, least=least)
        return count, count
    sizes = items_of(value)
    if sizes is not None and len(sizes) == 2:
        return check_count(f"{name}[0]", sizes[0], least=least), check_count(f"{name}[1]", sizes[1], least=least)
    raise TypeError(f"{name} is {shown(value)}, expected an int or a pair (height, width) of ints")


def check_ints(shape: object, expected: str) -> None:
    """Require a shape that is a tuple of ints.

    Raises:
        TypeError: if it is anything else.
    """
    sizes = items_of(shape)
    if sizes is None:
        raise TypeError(f"shape is {shown(shape)}, expected {expected}")
    for size in sizes:  # a loop, as layers ask at each step, where an all() of a generator takes four times as long
        if not isinstance(size, int) or isinstance(size, bool):
            raise TypeError(f"shape is {shown(shape)}, expected {expected}")


def check_image_shape(shape: Shape) -> tuple[int, int, int, int]:
    """Return the four numbers of an image shape.

    Raises:
        TypeError: if it is not a tuple of ints.
        ShapeError: unless there are four, (batch, channels, height, width), of which only batch may be 0.
    """
    check_ints(shape, "a tuple of ints (batch, channels, height, width)")
    if len(shape) != 4:
        raise ShapeError(f"x has shape {shown(tuple(shape))}, expected (batch, channels, height, width)")
    batch, channels, height, width = shape
    if batch < 0 or min(channels, height, width) < 1:
        raise ShapeError(f"x has shape {shown(tuple(shape))}, expected at least one channel, row and column")
    return batch, channels, height, width


def show_shape(shape: Shape) -> str:
    """Write a shape, with a question mark for what is not known."""
    return "(" + ", ".join("?" if size >= UNKNOWN else str(size) for size in shape) + ")"


def enlarged(size: int, scale: int) -> int:
    """Multiply a height or width; what is not known stays so."""
    return size if size >= UNKNOWN else size * scale


def windowed_shape(
    shape: Shape,
    *,
    in_channels: int,
    out_channels: int,
    kernel_size: Pair,
    padding: Pair,
    stride: Pair = (1, 1),
    scale: Pair = (1, 1),
    trim: Pair = (0, 0),
) -> tuple[int, int, int, int]:
    """Return the shape that windows of a kernel make of an enlarged, padded image.

    ``size_out = floor((scale * size + 2 * padding - kernel) / stride) + 1 - trim`` in each dimension.

    Raises:
        ShapeError: with every mismatch at once.
    """
    batch, channels, height, width = check_image_shape(shape)
    rows = _windows(height, scale[0], padding[0], kernel_size[0], stride[0], trim[0])
    columns = _windows(width, scale[1], padding[1], kernel_size[1], stride[1], trim[1])
    if channels == in_channels and rows > 0 and columns > 0:
        return batch, out_channels, rows, columns
    axes = tuple(zip((height, width), scale, padding, kernel_size, stride, trim, strict=True))
    problems: list[str] = []
    if channels != in_channels:
        problems.append(f"x has {channels} channels (shape {show_shape(shape)}), expected in_channels={in_channels}")
    for name, axis in zip(("height", "width"), axes, strict=True):
        if _windows(*axis) < 1:
            problems.append(_misfit(name, shape, *axis))
    out = (batch, out_channels, rows if rows > 0 else UNKNOWN, columns if columns > 0 else UNKNOWN)
    raise ShapeError(*problems, resume=out)


def _windows(size: int, scale: int, padding: int, kernel: int, stride: int, trim: int) -> int:
    """Count the windows in one dimension; what is not known stays so."""
    return size if size >= UNKNOWN else (scale * size + 2 * padding - kernel) // stride + 1 - trim


def _misfit(name: str, shape: Shape, size: int, scale: int, padding: int, kernel: int, stride: int, trim: int) -> str:
    """Say why there is no window."""
    padded = scale * size + 2 * padding
    factors = f"{scale} * {size}" if scale > 1 else f"{size}"
    inside = f"x's padded {name} {factors} + 2 * {padding} = {padded} (shape {show_shape(shape)})"
    windows = (padded - kernel) // stride + 1
    if windows < 1:
        return f"kernel {name} {kernel} does not fit {inside}"
    return f"trim {trim} leaves nothing of {windows} windows in {inside}"
