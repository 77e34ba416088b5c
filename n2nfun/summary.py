"""A network as a table: its layers, the shapes between them, their parameters and multiply-adds."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from n2nfun.compose import Residual, Sequential
from n2nfun.compose.checks import require_layer
from n2nfun.layer import Layer, Shape

__all__ = ["Row", "Summary", "summary"]


@dataclass(frozen=True, slots=True)
class Row:
    """One layer of a network."""

    index: str
    """Where it stands: ``2``, or ``1.2`` for layer 2 of the composition at 1."""
    layer: str
    output_shape: Shape
    parameters: int
    multiply_adds: int


@dataclass(frozen=True, slots=True)
class Summary:
    """The rows of a network's table, and their sums; ``str`` draws it."""

    rows: tuple[Row, ...]
    parameters: int
    multiply_adds: int

    def __str__(self) -> str:
        """Draw the table, in columns."""
        head = ("", "layer", "output shape", "parameters", "multiply-adds")
        body = [
            (row.index, row.layer, str(row.output_shape), f"{row.parameters:,}", f"{row.multiply_adds:,}")
            for row in self.rows
        ]
        total = ("", "total", "", f"{self.parameters:,}", f"{self.multiply_adds:,}")
        widths = [max(len(line[column]) for line in (head, *body, total)) for column in range(5)]
        lines = [
            "  ".join(
                cell.ljust(width) if column < 3 else cell.rjust(width)
                for column, (cell, width) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
            for line in (head, *body, total)
        ]
        rule = "-" * max(len(line) for line in lines)
        return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1]])


def _rows(layer: Layer[Any, Any], shape: Shape, index: str) -> Iterator[Row]:
    if isinstance(layer, Residual):
        yield from _rows(layer.layer, shape, index)
    elif isinstance(layer, Sequential):
        for number, part, before in layer.stages(shape):
            yield from _rows(part, before, f"{index}.{number}" if index else str(number))
    else:
        out = layer.output_shape(shape)
        name = type(layer).__name__
        yield Row(index or "0", name, out, layer.count_parameters(), layer.multiply_adds(shape))


def summary(layer: Layer[Any, Any], input_shape: Shape) -> Summary:
    """List the layers of a network with what each makes of an input of this shape; nothing is computed or allocated.

    Multiply-adds are those of ``forward`` as it is computed: an ``Upsampling`` counts its folded kernels.

    Raises:
        TypeError: if the first argument is not a layer.
        ShapeError: if the network cannot take the shape, with every mismatch.

    Example:
        >>> from n2nfun.layers import Conv2d, ReLU
        >>> print(summary(Conv2d(3, 16, 2, stride=2) >> ReLU() >> Conv2d(16, 8, 1), (1, 3, 32, 32)))
           layer   output shape     parameters  multiply-adds
        -----------------------------------------------------
        0  Conv2d  (1, 16, 16, 16)         208         49,152
        1  ReLU    (1, 16, 16, 16)           0              0
        2  Conv2d  (1, 8, 16, 16)          136         32,768
        -----------------------------------------------------
           total                           344         81,920
    """
    require_layer("summary(): layer", layer)
    rows = tuple(_rows(layer, input_shape, ""))
    return Summary(rows, sum(row.parameters for row in rows), sum(row.multiply_adds for row in rows))
