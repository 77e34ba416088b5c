"""``sequential(a, b, c)``: the layers one after the other, typed exactly for up to sixteen of them."""

# The overloads spell out what the type system cannot say of any number at once: that each layer takes the channels
# which the one before makes, and that params and caches are flat tuples. They differ only in their length. Of more
# layers than are spelled out only `>>` and the plugin for mypy tell the types.

from typing import Any, TypeVar, overload

from n2nfun.compose.chain import Sequential
from n2nfun.layer import Layer

__all__ = ["sequential"]

First = TypeVar("First")
Last = TypeVar("Last")
P1 = TypeVar("P1")
C1 = TypeVar("C1")
N1 = TypeVar("N1")
P2 = TypeVar("P2")
C2 = TypeVar("C2")
N2 = TypeVar("N2")
P3 = TypeVar("P3")
C3 = TypeVar("C3")
N3 = TypeVar("N3")
P4 = TypeVar("P4")
C4 = TypeVar("C4")
N4 = TypeVar("N4")
P5 = TypeVar("P5")
C5 = TypeVar("C5")
N5 = TypeVar("N5")
P6 = TypeVar("P6")
C6 = TypeVar("C6")
N6 = TypeVar("N6")
P7 = TypeVar("P7")
C7 = TypeVar("C7")
N7 = TypeVar("N7")
P8 = TypeVar("P8")
C8 = TypeVar("C8")
N8 = TypeVar("N8")
P9 = TypeVar("P9")
C9 = TypeVar("C9")
N9 = TypeVar("N9")
P10 = TypeVar("P10")
C10 = TypeVar("C10")
N10 = TypeVar("N10")
P11 = TypeVar("P11")
C11 = TypeVar("C11")
N11 = TypeVar("N11")
P12 = TypeVar("P12")
C12 = TypeVar("C12")
N12 = TypeVar("N12")
P13 = TypeVar("P13")
C13 = TypeVar("C13")
N13 = TypeVar("N13")
P14 = TypeVar("P14")
C14 = TypeVar("C14")
N14 = TypeVar("N14")
P15 = TypeVar("P15")
C15 = TypeVar("C15")
N15 = TypeVar("N15")
P16 = TypeVar("P16")
C16 = TypeVar("C16")


@overload
def sequential(l1: Layer[P1, C1, First, Last], /) -> Sequential[tuple[P1], tuple[C1], First, Last]: ...
@overload
def sequential(
    l1: Layer[P1, C1, First, N1], l2: Layer[P2, C2, N1, Last], /
) -> Sequential[tuple[P1, P2], tuple[C1, C2], First, Last]: ...
@overload
def sequential(
    l1: Layer[P1, C1, First, N1], l2: Layer[P2, C2, N1, N2], l3: Layer[P3, C3, N2, Last], /
) -> Sequential[tuple[P1, P2, P3], tuple[C1, C2, C3], First, Last]: ...
@overload
def sequential(
    l1: Layer[P1, C1, First, N1], l2: Layer[P2, C2, N1, N2], l3: Layer[P3, C3, N2, N3], l4: Layer[P4, C4, N3, Last], /
) -> Sequential[tuple[P1, P2, P3, P4], tuple[C1, C2, C3, C4], First, Last]: ...
@overload
def sequential(
    l1: Layer[P1, C1, First, N1],
    l2: Layer[P2, C2, N1, N2],
    l3: Layer[P3, C3, N2, N3],
    l4: Layer[P4, C4, N3, N4],
    l5: Layer[P5, C5, N4, Last],
    /,
) -> Sequential[tuple[P1, P2, P3, P4, P5], tuple[C1, C2, C3, C4, C5], First, Last]: ...
@overload
def sequential(
    l1: Layer[P1, C1, First, N1],
    l2: Layer[P2, C2, N1, N2],
    l3: Layer[P3, C3, N2, N3],
    l4: Layer[P4, C4, N3, N4],
    l5: Layer[P5, C5, N4, N5],
    l6: Layer[P6, C6, N5, Last],
    /,
) -> Sequential[tuple[P1, P2, P3, P4, P5, P6], tuple[C1, C2, C3, C4, C5, C6], First, Last]: ...
@overload
def sequential(
    l1: Layer[P1, C1, First, N1],
    l2: Layer[P2, C2, N1, N2],
    l3: Layer[P3, C3, N2, N3],
    l4: Layer[P4, C4, N3, N4],
    l5: Layer[P5, C5, N4, N5],
    l6: Layer[P6, C6, N5, N6],
    l7: Layer[P7, C7, N6, Last],
    /,
) -> Sequential[tuple[P1, P2, P3, P4, P5, P6, P7], tuple[C1, C2, C3, C4, C5, C6, C7], First, Last]: ...
@overload
def sequential(
    l1: Layer[P1, C1, First, N1],
    l2: Layer[P2, C2, N1, N2],
    l3: Layer[P3, C3, N2, N3],
    l4: Layer[P4, C4, N3, N4],
    l5: Layer[P5, C5, N4, N5],
    l6: Layer[P6, C6, N5, N6],
    l7: Layer[P7, C7, N6, N7],
    l8: Layer[P8, C8, N7, Last],
    /,
) -> Sequential[tuple[P1, P2, P3, P4, P5, P6, P7, P8], tuple[C1, C2, C3, C4, C5, C6, C7, C8], First, Last]: ...
@overload
def sequential(
    l1: Layer[P1, C1, First, N1],
    l2: Layer[P2, C2, N1, N2],
    l3: Layer[P3, C3, N2, N3],
    l4: Layer[P4, C4, N3, N4],
    l5: Layer[P5, C5, N4, N5],
    l6: Layer[P6, C6, N5, N6],
    l7: Layer[P7, C7, N6, N7],
    l8: Layer[P8, C8, N7, N8],
    l9: Layer[P9, C9, N8, Last],
    /,
) -> Sequential[tuple[P1, P2, P3, P4, P5, P6, P7, P8, P9], tuple[C1, C2, C3, C4, C5, C6, C7, C8, C9], First, Last]: ...
@overload
def sequential(
    l1: Layer[P1, C1, First, N1],
    l2: Layer[P2, C2, N1, N2],
    l3: Layer[P3, C3, N2, N3],
    l4: Layer[P4, C4, N3, N4],
    l5: Layer[P5, C5, N4, N5],
    l6: Layer[P6, C6, N5, N6],
    l7: Layer[P7, C7, N6, N7],
    l8: Layer[P8, C8, N7, N8],
    l9: Layer[P9, C9, N8, N9],
    l10: Layer[P10, C10, N9, Last],
    /,
) -> Sequential[
    tuple[P1, P2, P3, P4, P5, P6, P7, P8, P9, P10], tuple[C1, C2, C3, C4, C5, C6, C7, C8, C9, C10], First, Last
]: ...
@overload
def sequential(
    l1: Layer[P1, C1, First, N1],
    l2: Layer[P2, C2, N1, N2],
    l3: Layer[P3, C3, N2, N3],
    l4: Layer[P4, C4, N3, N4],
    l5: Layer[P5, C5, N4, N5],
    l6: Layer[P6, C6, N5, N6],
    l7: Layer[P7, C7, N6, N7],
    l8: Layer[P8, C8, N7, N8],
    l9: Layer[P9, C9, N8, N9],
    l10: Layer[P10, C10, N9, N10],
    l11: Layer[P11, C11, N10, Last],
    /,
) -> Sequential[
    tuple[P1, P2, P3, P4, P5, P6, P7, P8, P9, P10, P11],
    tuple[C1, C2, C3, C4, C5, C6, C7, C8, C9, C10, C11],
    First,
    Last,
]: ...
@overload
def sequential(
    l1: Layer[P1, C1, First, N1],
    l2: Layer[P2, C2, N1, N2],
    l3: Layer[P3, C3, N2, N3],
    l4: Layer[P4, C4, N3, N4],
    l5: Layer[P5, C5, N4, N5],
    l6: Layer[P6, C6, N5, N6],
    l7: Layer[P7, C7, N6, N7],
    l8: Layer[P8, C8, N7, N8],
    l9: Layer[P9, C9, N8, N9],
    l10: Layer[P10, C10, N9, N10],
    l11: Layer[P11, C11, N10, N11],
    l12: Layer[P12, C12, N11, Last],
    /,
) -> Sequential[
    tuple[P1, P2, P3, P4, P5, P6, P7, P8, P9, P10, P11, P12],
    tuple[C1, C2, C3, C4, C5, C6, C7, C8, C9, C10, C11, C12],
    First,
    Last,
]: ...
@overload
def sequential(
    l1: Layer[P1, C1, First, N1],
    l2: Layer[P2, C2, N1, N2],
    l3: Layer[P3, C3, N2, N3],
    l4: Layer[P4, C4, N3, N4],
    l5: Layer[P5, C5, N4, N5],
    l6: Layer[P6, C6, N5, N6],
    l7: Layer[P7, C7, N6, N7],
    l8: Layer[P8, C8, N7, N8],
    l9: Layer[P9, C9, N8, N9],
    l10: Layer[P10, C10, N9, N10],
    l11: Layer[P11, C11, N10, N11],
    l12: Layer[P12, C12, N11, N12],
    l13: Layer[P13, C13, N12, Last],
    /,
) -> Sequential[
    tuple[P1, P2, P3, P4, P5, P6, P7, P8, P9, P10, P11, P12, P13],
    tuple[C1, C2, C3, C4, C5, C6, C7, C8, C9, C10, C11, C12, C13],
    First,
    Last,
]: ...
@overload
def sequential(
    l1: Layer[P1, C1, First, N1],
    l2: Layer[P2, C2, N1, N2],
    l3: Layer[P3, C3, N2, N3],
    l4: Layer[P4, C4, N3, N4],
    l5: Layer[P5, C5, N4, N5],
    l6: Layer[P6, C6, N5, N6],
    l7: Layer[P7, C7, N6, N7],
    l8: Layer[P8, C8, N7, N8],
    l9: Layer[P9, C9, N8, N9],
    l10: Layer[P10, C10, N9, N10],
    l11: Layer[P11, C11, N10, N11],
    l12: Layer[P12, C12, N11, N12],
    l13: Layer[P13, C13, N12, N13],
    l14: Layer[P14, C14, N13, Last],
    /,
) -> Sequential[
    tuple[P1, P2, P3, P4, P5, P6, P7, P8, P9, P10, P11, P12, P13, P14],
    tuple[C1, C2, C3, C4, C5, C6, C7, C8, C9, C10, C11, C12, C13, C14],
    First,
    Last,
]: ...
@overload
def sequential(
    l1: Layer[P1, C1, First, N1],
    l2: Layer[P2, C2, N1, N2],
    l3: Layer[P3, C3, N2, N3],
    l4: Layer[P4, C4, N3, N4],
    l5: Layer[P5, C5, N4, N5],
    l6: Layer[P6, C6, N5, N6],
    l7: Layer[P7, C7, N6, N7],
    l8: Layer[P8, C8, N7, N8],
    l9: Layer[P9, C9, N8, N9],
    l10: Layer[P10, C10, N9, N10],
    l11: Layer[P11, C11, N10, N11],
    l12: Layer[P12, C12, N11, N12],
    l13: Layer[P13, C13, N12, N13],
    l14: Layer[P14, C14, N13, N14],
    l15: Layer[P15, C15, N14, Last],
    /,
) -> Sequential[
    tuple[P1, P2, P3, P4, P5, P6, P7, P8, P9, P10, P11, P12, P13, P14, P15],
    tuple[C1, C2, C3, C4, C5, C6, C7, C8, C9, C10, C11, C12, C13, C14, C15],
    First,
    Last,
]: ...
@overload
def sequential(
    l1: Layer[P1, C1, First, N1],
    l2: Layer[P2, C2, N1, N2],
    l3: Layer[P3, C3, N2, N3],
    l4: Layer[P4, C4, N3, N4],
    l5: Layer[P5, C5, N4, N5],
    l6: Layer[P6, C6, N5, N6],
    l7: Layer[P7, C7, N6, N7],
    l8: Layer[P8, C8, N7, N8],
    l9: Layer[P9, C9, N8, N9],
    l10: Layer[P10, C10, N9, N10],
    l11: Layer[P11, C11, N10, N11],
    l12: Layer[P12, C12, N11, N12],
    l13: Layer[P13, C13, N12, N13],
    l14: Layer[P14, C14, N13, N14],
    l15: Layer[P15, C15, N14, N15],
    l16: Layer[P16, C16, N15, Last],
    /,
) -> Sequential[
    tuple[P1, P2, P3, P4, P5, P6, P7, P8, P9, P10, P11, P12, P13, P14, P15, P16],
    tuple[C1, C2, C3, C4, C5, C6, C7, C8, C9, C10, C11, C12, C13, C14, C15, C16],
    First,
    Last,
]: ...
@overload
def sequential(
    l1: Layer[Any, Any],
    l2: Layer[Any, Any],
    l3: Layer[Any, Any],
    l4: Layer[Any, Any],
    l5: Layer[Any, Any],
    l6: Layer[Any, Any],
    l7: Layer[Any, Any],
    l8: Layer[Any, Any],
    l9: Layer[Any, Any],
    l10: Layer[Any, Any],
    l11: Layer[Any, Any],
    l12: Layer[Any, Any],
    l13: Layer[Any, Any],
    l14: Layer[Any, Any],
    l15: Layer[Any, Any],
    l16: Layer[Any, Any],
    l17: Layer[Any, Any],
    /,
    *more: Layer[Any, Any],
) -> Sequential[tuple[Any, ...], tuple[Any, ...]]: ...
def sequential(*layers: Layer[Any, Any]) -> Layer[Any, Any]:
    """Compose layers: the first runs first. ``sequential(a, b, c)`` is ``a >> b >> c``, and for any number of layers.

    Raises:
        TypeError: if something among the layers is not a layer.
        ValueError: if there are none.

    Example:
        >>> from n2nfun.layers import Conv2d, ReLU
        >>> sequential(Conv2d(3, 8, 3), ReLU(), Conv2d(8, 3, 3)).output_shape((1, 3, 9, 9))
        (1, 3, 5, 5)
    """
    return Sequential(layers)
