"""How far a prediction is from its target, and the gradient of that distance."""

from dataclasses import dataclass
from typing import Protocol, TypeVar

from jaxtyping import Float
from torch import Tensor

from n2nfun.arguments import check_number
from n2nfun.layer import ShapeError
from n2nfun.layers.checks import check_cache, check_float
from n2nfun.layers.precision import detached, rounded, working

__all__ = ["L0", "L1", "MSE", "Loss", "LossCache"]

C = TypeVar("C")


class Loss(Protocol[C]):
    """A loss: ``forward(prediction, target) -> (loss, cache)`` and ``backward(cache) -> dprediction``."""

    def forward(self, prediction: Tensor, target: Tensor, /) -> tuple[Tensor, C]:
        """Return the loss, a tensor of no dimensions, and what ``backward`` needs."""
        ...

    def backward(self, cache: C, /) -> Tensor:
        """Return the gradient of the loss with respect to the prediction."""
        ...


@dataclass(frozen=True, slots=True)
class LossCache:
    """What the backward of a loss needs of its forward."""

    difference: Float[Tensor, "*shape"]
    """prediction - target"""


def _difference(owner: str, prediction: Tensor, target: Tensor) -> Tensor:
    for name, value in (("prediction", prediction), ("target", target)):
        check_float(owner, name, value)
    if prediction.shape != target.shape:
        raise ShapeError(
            f"{owner}: prediction has shape {tuple(prediction.shape)}, target {tuple(target.shape)}, expected the same"
        )
    if prediction.dtype != target.dtype:
        raise TypeError(
            f"{owner}: prediction is {prediction.dtype}, target {target.dtype}: convert one, target.to({prediction.dtype})"
        )
    if prediction.device != target.device:
        raise TypeError(
            f"{owner}: prediction is on {prediction.device}, target on {target.device}: move one to the other's device"
        )
    # Contiguous: sums are made in the order of memory, and the result is not to depend on it.
    return (detached(prediction) - detached(target)).contiguous()


@dataclass(frozen=True, slots=True)
class MSE:
    """The mean squared error over all N numbers: ``L = sum (prediction - target)² / N``, ``dL = 2 (prediction - target) / N``.

    The course report prints the gradient without 1/N, which is the gradient of the sum. Of no numbers at all (an empty
    batch) the mean is NaN, and the gradient is empty.

    Its minimum is the mean of the targets, so it recovers clean images from noise of zero mean: Lehtinen et al.,
    "Noise2Noise: Learning Image Restoration without Clean Data", ICML 2018, section 2.

    Example:
        >>> import torch
        >>> loss, cache = MSE().forward(torch.tensor([1.0, 4.0]), torch.tensor([1.0, 2.0]))
        >>> loss, MSE().backward(cache)
        (tensor(2.), tensor([0., 2.]))
    """

    def forward(
        self, prediction: Float[Tensor, "*shape"], target: Float[Tensor, "*shape"]
    ) -> tuple[Float[Tensor, ""], LossCache]:
        """Return the mean of the squared differences.

        Raises:
            TypeError: unless both are tensors of one floating-point dtype, on one device.
            ShapeError: if their shapes differ.
        """
        difference = _difference("MSE.forward()", prediction, target)
        wide = working(difference)
        return rounded((wide * wide).mean(), difference.dtype), LossCache(difference)

    def backward(self, cache: LossCache) -> Float[Tensor, "*shape"]:
        """Return ``2 (prediction - target) / N``."""
        check_cache("MSE.backward()", cache, LossCache)
        return cache.difference * (2 / max(cache.difference.numel(), 1))


@dataclass(frozen=True, slots=True)
class L1:
    """The mean absolute error over all N numbers: ``L = sum |prediction - target| / N``, ``dL = sign(prediction - target) / N``.

    Its minimum is the median of the targets, so it recovers clean images from noise that keeps the median, such as text
    over less than half of the pixels: Lehtinen et al., ICML 2018, section 3.2. The derivative at 0 is 0.

    Example:
        >>> import torch
        >>> loss, cache = L1().forward(torch.tensor([1.0, 4.0]), torch.tensor([1.0, 2.0]))
        >>> loss, L1().backward(cache)
        (tensor(1.), tensor([0.0000, 0.5000]))
    """

    def forward(
        self, prediction: Float[Tensor, "*shape"], target: Float[Tensor, "*shape"]
    ) -> tuple[Float[Tensor, ""], LossCache]:
        """Return the mean of the absolute differences.

        Raises:
            TypeError: unless both are tensors of one floating-point dtype, on one device.
            ShapeError: if their shapes differ.
        """
        difference = _difference("L1.forward()", prediction, target)
        wide = working(difference)
        return rounded(wide.abs().mean(), difference.dtype), LossCache(difference)

    def backward(self, cache: LossCache) -> Float[Tensor, "*shape"]:
        """Return ``sign(prediction - target) / N``."""
        check_cache("L1.backward()", cache, LossCache)
        return cache.difference.sign() * (1 / max(cache.difference.numel(), 1))


@dataclass(frozen=True, slots=True)
class L0:
    """A power of the absolute error: ``L = sum (|prediction - target| + eps)^gamma / N`` over all N numbers.

    ``dL = gamma (|d| + eps)^(gamma - 1) sign(d) / N`` with ``d = prediction - target``; the derivative at 0 is 0. For
    gamma towards 0 its minimum is the mode of the targets, so annealing gamma from 2 to 0 during training recovers clean
    images from noise that replaces whole pixels at random: Lehtinen et al., ICML 2018, section 3.2.

    Args:
        gamma: The power.
        eps: Keeps the derivative finite.

    Raises:
        TypeError: if an argument is not a number.
        ValueError: if gamma is negative, eps not positive, or either not finite.

    Example:
        >>> import torch
        >>> loss, cache = L0(2.0).forward(torch.tensor([1.0, 4.0]), torch.tensor([1.0, 2.0]))
        >>> loss, L0(2.0).backward(cache)
        (tensor(2.), tensor([0., 2.]))
    """

    gamma: float
    eps: float = 1e-8

    def __post_init__(self) -> None:
        check_number("gamma", self.gamma)
        check_number("eps", self.eps, positive=True)

    def forward(
        self, prediction: Float[Tensor, "*shape"], target: Float[Tensor, "*shape"]
    ) -> tuple[Float[Tensor, ""], LossCache]:
        """Return the mean of the powers.

        Raises:
            TypeError: unless both are tensors of one floating-point dtype, on one device.
            ShapeError: if their shapes differ.
        """
        difference = _difference("L0.forward()", prediction, target)
        powers = (working(difference).abs() + self.eps) ** self.gamma
        return rounded(powers.mean(), difference.dtype), LossCache(difference)

    def backward(self, cache: LossCache) -> Float[Tensor, "*shape"]:
        """Return ``gamma (|d| + eps)^(gamma - 1) sign(d) / N``."""
        check_cache("L0.backward()", cache, LossCache)
        wide = working(cache.difference)
        slope = self.gamma * (wide.abs() + self.eps) ** (self.gamma - 1) * wide.sign()
        return rounded(slope / max(wide.numel(), 1), cache.difference.dtype)
