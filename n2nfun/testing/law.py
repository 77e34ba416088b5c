"""What a law is: a name, a sentence, and a check of one layer on one example, which hypothesis draws."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from n2nfun.layer import Layer, Shape
from n2nfun.testing.numbers import normal_numbers, normal_params, seeded, whole_numbers, whole_params

__all__ = ["DTYPES", "AnyLayer", "Example", "Law", "LawBroken", "Traits", "always", "differing", "exact"]

DTYPES = (torch.float64, torch.float32, torch.float16, torch.bfloat16)
"""All that layers compute in."""

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
        refuses: Illegal arguments raise TypeError or ValueError.
    """

    linear: bool = False
    linear_in_params: bool = False
    exact: bool = True
    refuses: bool = False


def always(_: Traits) -> bool:
    """Apply to every layer."""
    return True


def exact(traits: Traits) -> bool:
    """Apply to layers that compute exactly on small whole numbers."""
    return traits.exact


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

    def __str__(self) -> str:
        return self.name

    def once(self, layer: AnyLayer, example: Example) -> None:
        """Check one example.

        Raises:
            LawBroken: if the law does not hold of it.
        """
        try:
            fault = self.holds(layer, example)
        except LawBroken:
            raise
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
        examples = st.builds(Example, shapes, st.integers(0, 2**32 - 1), st.sampled_from(self.dtypes))

        @settings(deadline=None, max_examples=max_examples or settings().max_examples)  # a first call may take long
        @given(examples)
        def run(example: Example) -> None:
            self.once(layer, example)

        run()

    def _report(self, layer: AnyLayer, example: Example, fault: str) -> str:
        return (
            f'{type(layer).__name__} breaks the law "{self.name}": {self.sentence}\n'
            f"  layer: {layer!r}\n"
            f"  fault: {fault}\n"
            f"  again: LAWS[{self.name!r}].once(layer, {example!r})"
        )


def differing(name: str, got: Tensor, expected: Tensor) -> str | None:
    """Say at which index two tensors first differ; NaN equals NaN, and -0 equals 0."""
    if got.shape != expected.shape:
        return f"{name} has shape {tuple(got.shape)}, expected {tuple(expected.shape)}"
    if got.dtype != expected.dtype:
        return f"{name} is {got.dtype}, expected {expected.dtype}"
    apart = ~((got == expected) | (got.isnan() & expected.isnan()))
    if not bool(apart.any()):
        return None
    index = tuple(int(place) for place in apart.nonzero()[0])
    return (
        f"{name}{list(index)} is {got[index].item()!r}, expected {expected[index].item()!r} "
        f"({int(apart.sum())} of {got.numel()} numbers differ)"
    )
