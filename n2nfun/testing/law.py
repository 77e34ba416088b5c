"""What a law is: a name, a sentence, and a check of one layer on one example, which hypothesis draws."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

import torch
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Flaky
from torch import Tensor

from n2nfun.layer import Layer, Shape
from n2nfun.testing.numbers import normal_numbers, normal_params, seeded, whole_numbers, whole_params

__all__ = [
    "DTYPES",
    "SAME_BITS",
    "AnyLayer",
    "Example",
    "Law",
    "LawBroken",
    "Traits",
    "always",
    "exact",
    "for_all",
    "linear",
]

DTYPES = (torch.float64, torch.float32, torch.float16, torch.bfloat16)
"""All that layers compute in."""

SAME_BITS = ("same bits", "the same call gives the same bits, whatever is called before or in between.")
"""Name and sentence of the law that a layer breaks which does another thing the second time."""

T = TypeVar("T")

AnyLayer: TypeAlias = Layer[Any, Any]


class LawBroken(AssertionError):  # noqa: N818 - it reads as what it says, and is an assertion
    """A layer does not keep a law; the message says which, on what, and how to see it again."""


@dataclass(frozen=True, slots=True)
class Traits:
    """What is claimed of a layer, and so which laws apply to it.

    Args:
        linear: ``forward(params, x) - forward(params, 0)`` is linear in x, as of convolutions and pooling by the mean.
        linear_in_params: ``forward(params, x) - forward(0, x)`` is linear in params, as of convolutions.
        exact: On small whole numbers all arithmetic is exact, as of linear layers and of ReLU.
        rounds_once: Of 16-bit floats it computes in float32 or finer, and rounds each number of a result once. Networks
            do not: they round after each layer.
        refuses: Illegal arguments raise TypeError or ValueError.
    """

    linear: bool = False
    linear_in_params: bool = False
    exact: bool = True
    rounds_once: bool = False
    refuses: bool = False


def always(_: Traits) -> bool:
    """Apply to every layer."""
    return True


def exact(traits: Traits) -> bool:
    """Apply to layers that compute exactly on small whole numbers."""
    return traits.exact


def linear(traits: Traits) -> bool:
    """Apply to layers that are linear in x."""
    return traits.linear


@dataclass(frozen=True, slots=True)
class Example:
    """One input, as small as its shape; its numbers follow from the seed."""

    shape: Shape
    seed: int
    dtype: torch.dtype = torch.float64

    def whole(self, layer: AnyLayer) -> tuple[Any, Tensor, Tensor]:
        """Return params, x and grad of whole numbers from -8 to 8, for which sums are exact."""
        generator = seeded(self.seed)
        params, x = whole_params(layer, generator, self.dtype), whole_numbers(self.shape, generator, self.dtype)
        return params, x, whole_numbers(layer.output_shape(self.shape), generator, self.dtype)

    def normal(self, layer: AnyLayer) -> tuple[Any, Tensor, Tensor]:
        """Return params, x and grad that are normally distributed."""
        generator = seeded(self.seed)
        params, x = normal_params(layer, generator, self.dtype), normal_numbers(self.shape, generator, self.dtype)
        return params, x, normal_numbers(layer.output_shape(self.shape), generator, self.dtype)


@dataclass(frozen=True, slots=True)
class Law:
    """Something that holds of every layer with the traits that it needs."""

    name: str
    sentence: str
    holds: Callable[[AnyLayer, Example], str | None]
    """Return what is wrong on an example, or None."""
    applies: Callable[[Traits], bool] = always
    dtypes: tuple[torch.dtype, ...] = (torch.float64,)
    written: str = ""
    """How to write it in Python, where that is not ``LAWS[name]``."""

    def __str__(self) -> str:
        return self.name

    def examples(self, shapes: st.SearchStrategy[Shape]) -> st.SearchStrategy[Example]:
        """Draw examples for this law, of these shapes."""
        return st.builds(Example, shapes, st.integers(0, 2**32 - 1), st.sampled_from(self.dtypes))

    def once(self, layer: AnyLayer, example: Example) -> None:
        """Check one example.

        Raises:
            LawBroken: if the law does not hold of it.
        """
        try:
            fault = self.holds(layer, example)
        except Exception as error:
            fault = f"{type(error).__name__}: {error}"
            raise LawBroken(self._report(layer, example, fault)) from error
        if fault is not None:
            raise LawBroken(self._report(layer, example, fault))

    def check(self, layer: AnyLayer, shapes: st.SearchStrategy[Shape], *, max_examples: int | None = None) -> None:
        """Check the examples that hypothesis draws, as many as given or its settings say; report the smallest that fails.

        Raises:
            LawBroken: if there is one.
        """
        seen: list[LawBroken] = []

        def once(example: Example) -> None:
            try:
                self.once(layer, example)
            except LawBroken as broken:
                seen.append(broken)
                raise

        try:
            for_all(self.examples(shapes), once, max_examples)
        except Flaky:
            if not seen:
                raise
            name, sentence = SAME_BITS
            raise LawBroken(
                f'{type(layer).__name__} breaks the law "{name}": {sentence}\n'
                f"  fault: tried twice on one example, it broke another law the first time and kept it the second:\n"
                f"{_indented(str(seen[-1]))}"
            ) from seen[-1]

    def _report(self, layer: AnyLayer, example: Example, fault: str) -> str:
        return (
            f'{type(layer).__name__} breaks the law "{self.name}": {self.sentence}\n'
            f"  layer: {layer!r}\n"
            f"  fault: {_indented(fault).lstrip()}\n"
            f"  again: {self.written or f'LAWS[{self.name!r}]'}.once(layer, {example!r})"
        )


def _indented(text: str) -> str:
    """Move lines to the right of where a report's own begin."""
    return "\n".join(f"    {line}" for line in text.splitlines())


def for_all(strategy: st.SearchStrategy[T], check: Callable[[T], None], max_examples: int | None = None) -> None:
    """Check what a strategy draws, without a deadline, and without the phase in which hypothesis explains.

    A first call may take long; and the explanation, of which arguments matter, takes seconds to say what a report says.
    """
    current = settings()

    @settings(
        deadline=None,
        max_examples=max_examples or current.max_examples,
        phases=[phase for phase in current.phases if phase is not Phase.explain],
    )
    @given(strategy)
    def run(drawn: T) -> None:
        check(drawn)

    run()
