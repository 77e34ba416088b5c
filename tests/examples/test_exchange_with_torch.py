"""The paper's network here and in torch.nn: the same start, the same batches, the same parameters but for rounding."""

import torch

from examples.exchange_with_torch import from_state_dict, to_state_dict, train_twins
from n2nfun.models import paper
from n2nfun.testing.bits import assert_same_bits
from n2nfun.tree import leaves


def test_parameters_survive_the_exchange() -> None:
    params = paper().layer.init(torch.Generator().manual_seed(0))
    named = to_state_dict(params)
    assert sorted(named) == [f"{index}.{name}" for index in (0, 2, 4, 6) for name in ("bias", "weight")]
    assert_same_bits(from_state_dict(paper().layer.init(torch.Generator().manual_seed(1)), named), params)


def test_a_hundred_steps_stay_equal_but_for_rounding() -> None:
    """Both sum the same terms in other orders; float64 would agree to 1e-16, so float32's unit bounds what may differ.

    A step's gradient is a sum of n <= 4 * 32 * 32 rounded terms; the bound below takes the first-order error of such a
    sum, n u, for a unit gradient (every gradient here is far smaller), through a hundred steps of lr = 0.01 with a
    velocity of at most 1 / (1 - 0.9) gradients.
    """
    ours, theirs = train_twins(100)
    unit, terms, travel = 2.0**-24, 4 * 32 * 32, 100 * 0.01 / (1 - 0.9)
    for mine, other in zip(leaves(ours), leaves(theirs), strict=True):
        assert float((mine - other).abs().max()) <= terms * unit * travel
