"""How weights start: Xavier's two distributions and constants, drawn from an explicit generator.

Xavier initialisation keeps the variance of a signal the same through a linear layer. Forward, ``y = sum of fan_in
products`` has ``Var y = fan_in * Var w * Var x``, which asks for ``Var w = 1 / fan_in``; backward, by the same sum over
the outputs, the gradient asks for ``Var w = 1 / fan_out``. Both cannot hold unless the fans agree, so the harmonic mean
is taken: ``Var w = 2 / (fan_in + fan_out)``.

Source: Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks", AISTATS 2010,
section 4.2.1.
"""

import math
from collections.abc import Callable
from typing import TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from n2nfun.arguments import check_int, items_of, shown

__all__ = ["Initializer", "check_generator", "fans", "xavier_normal", "xavier_uniform", "zeros"]

WeightShape: TypeAlias = tuple[int, int, int, int]
Initializer: TypeAlias = Callable[[WeightShape, torch.Generator], Tensor]
"""Makes a weight ``(out_channels, in_channels, kernel_height, kernel_width)`` from a generator."""

_MOST = 1 << 40
"""Weights an initializer may be asked for: far above what memory holds, far below where their bytes overflow."""


def check_generator(generator: object) -> None:
    """Require a generator.

    Raises:
        TypeError: if it is anything else.
    """
    if not isinstance(generator, torch.Generator):
        raise TypeError(
            f"generator is {shown(generator)}, expected a torch.Generator, as torch.Generator().manual_seed(0)"
        )


def _check_shape(shape: object) -> None:
    items = items_of(shape)
    if items is None or len(items) != 4:
        raise TypeError(f"shape is {shown(shape)}, expected four ints (out_channels, in_channels, height, width)")
    sizes = [check_int(f"shape[{index}]", size) for index, size in enumerate(items)]
    if math.prod(sizes) > _MOST:
        raise ValueError(f"shape is {shape!r}, expected at most {_MOST} numbers in all")


def fans(shape: WeightShape) -> tuple[int, int]:
    """Count the inputs that one output sums over, and the outputs that one input reaches: ``(fan_in, fan_out)``.

    Raises:
        TypeError: if shape is not a tuple of four ints.
        ValueError: if one of them is not positive.

    Example:
        >>> fans((16, 3, 5, 5))
        (75, 400)
    """
    _check_shape(shape)
    out_channels, in_channels, height, width = shape
    return in_channels * height * width, out_channels * height * width


def xavier_normal(
    shape: WeightShape, generator: torch.Generator
) -> Float[Tensor, "out_channels in_channels height width"]:
    """Draw ``w ~ N(0, 2 / (fan_in + fan_out))``: float32, on the generator's device.

    Example:
        >>> import torch
        >>> weight = xavier_normal((16, 3, 5, 5), torch.Generator().manual_seed(0))
        >>> weight.shape, weight.dtype
        (torch.Size([16, 3, 5, 5]), torch.float32)
    """
    check_generator(generator)
    deviation = math.sqrt(2 / sum(fans(shape)))
    return torch.randn(shape, generator=generator, device=generator.device, dtype=torch.float32) * deviation


def xavier_uniform(
    shape: WeightShape, generator: torch.Generator
) -> Float[Tensor, "out_channels in_channels height width"]:
    """Draw ``w ~ U(-a, a)`` with ``a = sqrt(6 / (fan_in + fan_out))``: float32, on the generator's device.

    A uniform distribution on (-a, a) has variance a²/3, which makes it Xavier's 2 / (fan_in + fan_out).

    Example:
        >>> import torch
        >>> weight = xavier_uniform((16, 3, 5, 5), torch.Generator().manual_seed(0))
        >>> bool(weight.abs().max() <= (6 / 475) ** 0.5)
        True
    """
    check_generator(generator)
    bound = math.sqrt(6 / sum(fans(shape)))
    uniform = torch.rand(shape, generator=generator, device=generator.device, dtype=torch.float32)
    return uniform * (2 * bound) - bound


def zeros(shape: WeightShape, generator: torch.Generator) -> Float[Tensor, "out_channels in_channels height width"]:
    """Return zeros: the start of a residual branch's last layer, so that the whole begins as the identity.

    Example:
        >>> import torch
        >>> zeros((1, 1, 1, 2), torch.Generator())
        tensor([[[[0., 0.]]]])
    """
    _check_shape(shape)
    check_generator(generator)
    return torch.zeros(shape, device=generator.device, dtype=torch.float32)
