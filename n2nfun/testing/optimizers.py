"""Hold an optimizer to its laws: pure steps that keep the parameters' kind, and stand still at a learning rate of 0."""

from typing import Any

import torch
from hypothesis import strategies as st

from n2nfun.layer import NoParams
from n2nfun.layers import ConvParams
from n2nfun.optim import Optimizer
from n2nfun.testing.bits import all_as_before, bits
from n2nfun.testing.comparing import differing_trees
from n2nfun.testing.law import LawBroken, for_all
from n2nfun.testing.numbers import normal_numbers, seeded
from n2nfun.tree import leaves, tree_map

__all__ = ["check_optimizer", "optimizer_fault"]


def check_optimizer(optimizer: Optimizer[Any, Any], *, max_examples: int | None = None) -> None:
    """Hold an optimizer to its laws, over several steps on gradients that hypothesis draws.

    A step changes no argument; the same step gives the same bits; params keep their type, shapes and dtypes; with lr=0
    they keep their bits.

    Args:
        optimizer: What to check.
        max_examples: As many are drawn; by default as many as hypothesis's settings say.

    Raises:
        LawBroken: if a law does not hold; the message names the law and the place in the tree.

    Example:
        >>> from n2nfun import SGD
        >>> check_optimizer(SGD(0.1, momentum=0.9, nesterov=True), max_examples=20)
    """

    def check(drawn: tuple[int, torch.dtype, int]) -> None:
        seed, dtype, steps = drawn
        fault = optimizer_fault(optimizer, seed, dtype, steps)
        if fault is not None:
            raise LawBroken(f"{optimizer!r}, in {dtype} from seed {seed}: {fault}")

    dtypes = st.sampled_from([torch.float64, torch.float32])
    for_all(st.tuples(st.integers(0, 2**32 - 1), dtypes, st.integers(1, 4)), check, max_examples)


def optimizer_fault(optimizer: Optimizer[Any, Any], seed: int, dtype: torch.dtype, steps: int) -> str | None:
    """Say what is wrong with the first steps on the gradients of one seed."""
    generator = seeded(seed)
    kind = (
        ConvParams(torch.empty(2, 1, 2, 2), torch.empty(2)),
        NoParams(),
        (ConvParams(torch.empty(1, 2, 1, 1), None),),
    )

    def drawn() -> Any:
        return tree_map(lambda leaf: normal_numbers(tuple(leaf.shape), generator, dtype), kind)

    params = drawn()
    state = optimizer.init(params)
    for step in range(1, steps + 1):
        grads = drawn()
        held = leaves((params, grads, state))
        before = [bits(leaf) for leaf in held]
        after, next_state = optimizer.step(params, grads, state)
        again, _ = optimizer.step(params, grads, state)
        still, _ = optimizer.step(params, grads, state, lr=0.0)
        if not all_as_before(held, before):
            return f"step {step} changes an argument"
        fault = (
            differing_trees("the same step's second result", again, after)
            or differing_trees("with lr=0 the result", still, params)
            or _other_kind(after, params)
        )
        if fault is not None:
            return f"at step {step}, {fault}"
        params, state = after, next_state
    return None


def _other_kind(after: object, params: object) -> str | None:
    """Say where new parameters are not of the old ones' kind."""
    alike = differing_trees("a step's result", tree_map(torch.zeros_like, after), tree_map(torch.zeros_like, params))
    return (
        alike if type(after) is type(params) else f"a step makes a {type(after).__name__} of a {type(params).__name__}"
    )
