"""Hold a layer to its laws."""

from itertools import product

from hypothesis import strategies as st

from n2nfun.layer import Shape, ShapeError
from n2nfun.testing.law import AnyLayer, Law, LawBroken, Traits
from n2nfun.testing.laws import LAWS
from n2nfun.testing.laws.reference import Reference, equals

__all__ = ["check_layer", "laws_of", "shapes_for"]


def laws_of(
    *,
    linear: bool = False,
    linear_in_params: bool = False,
    exact: bool = True,
    rounds_once: bool = False,
    refuses: bool = False,
    reference: Reference | None = None,
) -> tuple[Law, ...]:
    """List the laws that apply to a layer of which this is claimed, for pytest to make each a test of its own.

    Args:
        linear: ``forward(params, x) - forward(params, 0)`` is linear in x, as of convolutions and pooling by the mean.
        linear_in_params: ``forward(params, x) - forward(0, x)`` is linear in params, as of convolutions.
        exact: On small whole numbers all arithmetic is exact, as of linear layers and of ReLU.
        rounds_once: Of 16-bit floats it computes in float32 or finer, and rounds each number of a result once. Networks
            do not: they round after each layer.
        refuses: Illegal arguments raise TypeError or ValueError.
        reference: What the layer computes, written in another way: ``(params, x, grad) -> (y, dx, dparams)``.

    Example:
        >>> import pytest
        >>> from n2nfun import ReLU
        >>> @pytest.mark.parametrize("law", laws_of(), ids=str)
        ... def test_relu(law):
        ...     law.check(ReLU(), shapes_for(ReLU()))
    """
    traits = Traits(linear, linear_in_params, exact, rounds_once, refuses)
    laws = tuple(law for law in LAWS.values() if law.applies(traits))
    return laws if reference is None else (*laws, equals(reference, exact=exact))


def check_layer(
    layer: AnyLayer,
    shapes: st.SearchStrategy[Shape] | None = None,
    *,
    linear: bool = False,
    linear_in_params: bool = False,
    exact: bool = True,
    rounds_once: bool = False,
    refuses: bool = False,
    reference: Reference | None = None,
    max_examples: int | None = None,
) -> None:
    """Hold a layer to every law that applies, on inputs that hypothesis draws.

    Args:
        layer: The layer.
        shapes: Of its input; by default :func:`shapes_for` the layer.
        linear: See :func:`laws_of`.
        linear_in_params: See :func:`laws_of`.
        exact: See :func:`laws_of`.
        rounds_once: See :func:`laws_of`.
        refuses: See :func:`laws_of`.
        reference: See :func:`laws_of`.
        max_examples: As many are drawn for each law; by default as many as hypothesis's settings say.

    Raises:
        LawBroken: for the laws that do not hold: of each its name, its smallest counterexample, the number that is
            wrong, what it should be, and the call that shows it again.

    Example:
        >>> from n2nfun import Conv2d
        >>> check_layer(Conv2d(2, 3, 2, stride=2), linear=True, linear_in_params=True, refuses=True, max_examples=10)
    """
    drawn = shapes_for(layer) if shapes is None else shapes
    broken: list[LawBroken] = []
    for law in laws_of(
        linear=linear,
        linear_in_params=linear_in_params,
        exact=exact,
        rounds_once=rounds_once,
        refuses=refuses,
        reference=reference,
    ):
        try:
            law.check(layer, drawn, max_examples=max_examples)
        except LawBroken as error:
            broken.append(error)
    if broken:
        raise LawBroken("\n\n".join(map(str, broken))) from broken[0]


def shapes_for(layer: AnyLayer, *, longest: int = 7) -> st.SearchStrategy[Shape]:
    """Draw shapes of images that a layer takes, the smallest first, long and thin ones and empty batches among them.

    Args:
        layer: The layer; its ``output_shape`` says what it takes.
        longest: The largest height and width.

    Raises:
        ValueError: if it takes no such image; pass a strategy for the shapes that it takes.

    Example:
        >>> from n2nfun import Conv2d
        >>> from hypothesis import find
        >>> find(shapes_for(Conv2d(2, 3, 5)), lambda shape: True)
        (1, 2, 5, 5)
    """
    sizes = range(1, longest + 1)
    taken = [
        (channels, height, width)
        for channels, height, width in product(_channels(layer), sizes, sizes)
        if _takes(layer, (1, channels, height, width))
    ]
    if not taken:
        raise ValueError(
            f"{layer!r} takes no image of up to {longest}x{longest} pixels: pass shapes=, a strategy of those it takes"
        )
    taken.sort(key=lambda shape: shape[0] * shape[1] * shape[2])
    return st.tuples(st.sampled_from([1, 2, 3, 0]), st.sampled_from(taken)).map(lambda drawn: (drawn[0], *drawn[1]))


def _channels(layer: AnyLayer) -> list[int]:
    """Guess the numbers of channels to try: what the layer names, or up to 4."""
    named: object = getattr(layer, "in_channels", None)
    return [named] if isinstance(named, int) else [1, 2, 3, 4]


def _takes(layer: AnyLayer, shape: Shape) -> bool:
    try:
        layer.output_shape(shape)
    except ShapeError:
        return False
    return True
