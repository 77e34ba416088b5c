"""The reference: what a layer should compute, written down a second time, in the slowest and plainest way."""

from collections.abc import Callable
from typing import Any, TypeAlias

import torch
from torch import Tensor

from n2nfun.testing.comparing import Results, compute, differing_results, equal, nearly
from n2nfun.testing.law import AnyLayer, Example, Law

__all__ = ["Reference", "equals"]

Reference: TypeAlias = Callable[[Any, Tensor, Tensor], tuple[Tensor, Tensor, Any]]
"""``(params, x, grad) -> (y, dx, dparams)``, as by autograd, or by loops over single numbers."""

_MOST = 24
"""Numbers of y up to which the whole Jacobian is compared."""


def equals(reference: Reference, *, exact: bool = True) -> Law:
    """Make the law that a layer computes what a reference does.

    Args:
        reference: What y, dx and dparams should be.
        exact: Whether the numbers of the layer and the reference are exact where params, x and grad are small whole
            numbers; then they must be equal. Otherwise they must agree as far as float32 could tell, being computed in
            float64: an error of rounding may grow 2^29-fold on the way.

    Example:
        >>> from n2nfun import ReLU
        >>> law = equals(lambda params, x, grad: (x.clamp(min=0), grad * (x > 0), params))
        >>> law.once(ReLU(), Example((1, 2, 3, 4), seed=0))
    """

    def holds(layer: AnyLayer, example: Example) -> str | None:
        params, x, grad = example.whole(layer)
        fault = _fault(layer, params, x, grad)
        if fault is None and grad.numel() <= _MOST:
            for unit in torch.eye(grad.numel(), dtype=grad.dtype):
                fault = fault or _fault(layer, params, x, unit.view(grad.shape))
        return fault

    def _fault(layer: AnyLayer, params: Any, x: Tensor, grad: Tensor) -> str | None:
        expected = Results(*reference(params, x, grad))
        return differing_results("", compute(layer, params, x, grad), expected, alike=equal if exact else nearly)

    return Law("reference", "y, dx and dparams are the reference's.", holds, written="equals(reference)")
