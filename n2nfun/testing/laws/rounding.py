"""Rounding: numbers of 16 bits are computed with as float32, and a result is rounded to 16 bits at its end, once."""

import torch
from torch import Tensor

from n2nfun.testing.comparing import compute, differing_results
from n2nfun.testing.law import AnyLayer, Example, Law, Traits
from n2nfun.testing.numbers import seeded, whole_numbers
from n2nfun.tree import tree_map

__all__ = ["ROUNDING"]


def _rounds_once(layer: AnyLayer, example: Example) -> str | None:
    params, x, grad = Example(example.shape, example.seed).whole(layer)
    generator = seeded(example.seed)

    def of_7_bits(leaf: Tensor) -> Tensor:
        """Their sums and products need more than 16 bits have room for, and less than float32 has."""
        coarse, fine = (whole_numbers(tuple(leaf.shape), generator) for _ in range(2))
        return 8 * coarse + fine

    fine = tree_map(of_7_bits, (params, x, grad))
    # 72 * 512 is almost the largest number of float16, and fits a float32 together with a bias of 1.
    large = tree_map(torch.sign, params), 512 * fine[1], fine[2]
    for exact in (fine, large):
        got = compute(layer, *tree_map(lambda leaf: leaf.to(example.dtype), exact))
        expected = tree_map(lambda leaf: leaf.to(example.dtype), compute(layer, *exact))
        fault = differing_results("", got, expected)
        if fault is not None:
            return f"{fault}, which is the exact number, rounded"
    return None


def _claimed(traits: Traits) -> bool:
    return traits.exact and traits.rounds_once


ROUNDING = (
    Law(
        "rounds once",
        "results of 16 bits are what float64 gives, rounded at the end.",
        _rounds_once,
        _claimed,
        (torch.float16, torch.bfloat16),
    ),
)
