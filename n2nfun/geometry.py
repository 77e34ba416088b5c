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
    if sizes is None or not all(isinstance(size, int) and not isinstance(size, bool) for size in sizes):
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
    problems: list[str] = []
    if channels != in_channels:
        problems.append(f"x has {channels} channels (shape {show_shape(shape)}), expected in_channels={in_channels}")
    sizes: list[int] = []
    for axis, (name, size) in enumerate((("height", height), ("width", width))):
        if size >= UNKNOWN:
            sizes.append(size)
            continue
        padded = scale[axis] * size + 2 * padding[axis]
        windows = (padded - kernel_size[axis]) // stride[axis] + 1
        factors = f"{scale[axis]} * {size}" if scale[axis] > 1 else f"{size}"
        inside = f"x's padded {name} {factors} + 2 * {padding[axis]} = {padded} (shape {show_shape(shape)})"
        if windows < 1:
            problems.append(f"kernel {name} {kernel_size[axis]} does not fit {inside}")
        elif windows <= trim[axis]:
            problems.append(f"trim {trim[axis]} leaves nothing of {windows} windows in {inside}")
        sizes.append(windows - trim[axis] if windows > trim[axis] else UNKNOWN)
    out = (batch, out_channels, sizes[0], sizes[1])
    if problems:
        raise ShapeError(*problems, resume=out)
    return out
