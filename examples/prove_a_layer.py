"""Write a layer, prove it, break it, and read what the kit says: ``python examples/prove_a_layer.py``.

It needs hypothesis, which ``pip install n2nfun[testing]`` brings.
"""

from dataclasses import dataclass

import torch
from hypothesis import settings
from jaxtyping import Float
from torch import Tensor

from n2nfun import ChannelPreserving, NoParams, Shape, ShapeError
from n2nfun.testing import LawBroken, check_layer


@dataclass(frozen=True, slots=True)
class AveragePoolingCache:
    """What the backward of average pooling needs of its forward: no numbers."""

    shape: Shape
    """Of the input."""
    dtype: torch.dtype


@dataclass(frozen=True, slots=True)
class AveragePooling(ChannelPreserving[NoParams, AveragePoolingCache]):
    """Halve an image: ``y[b, c, i, j]`` is the mean of ``x[b, c, 2i:2i+2, 2j:2j+2]``.

    A last row or column without a partner is not read, and its gradient is 0.

    Example:
        >>> y, _ = AveragePooling().forward(NoParams(), torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]]))
        >>> y
        tensor([[[[2.5000]]]])
    """

    def init(self, generator: torch.Generator) -> NoParams:
        """Return no parameters."""
        return NoParams()

    def output_shape(self, shape: Shape) -> Shape:
        """Return (batch, channels, height // 2, width // 2)."""
        if len(shape) != 4 or min(shape[2:]) < 2:
            raise ShapeError(f"AveragePooling takes images of 2x2 pixels or more, got shape {shape}")
        batch, channels, height, width = shape
        return batch, channels, height // 2, width // 2

    def forward(
        self, params: NoParams, x: Float[Tensor, "batch channels height width"]
    ) -> tuple[Float[Tensor, "batch channels half_height half_width"], AveragePoolingCache]:
        """Add the four pixels of each block, and divide by 4."""
        _require(params, NoParams)
        _require_floats(x)
        _, _, height, width = self.output_shape(tuple(x.shape))
        even = x.detach()[:, :, : 2 * height, : 2 * width]
        rows = even[:, :, ::2] + even[:, :, 1::2]
        return (rows[..., ::2] + rows[..., 1::2]) / 4, AveragePoolingCache(tuple(x.shape), x.dtype)

    def backward(
        self, params: NoParams, cache: AveragePoolingCache, grad: Float[Tensor, "batch channels half_height half_width"]
    ) -> tuple[Float[Tensor, "batch channels height width"], NoParams]:
        """Give a quarter of the gradient to each of the four pixels."""
        _require(params, NoParams)
        _require(cache, AveragePoolingCache)
        _require_floats(grad)
        shape = self.output_shape(cache.shape)
        if grad.shape != shape or grad.dtype != cache.dtype:
            raise ShapeError(
                f"grad is {grad.dtype} of shape {tuple(grad.shape)}, expected that of forward's output, "
                f"{cache.dtype} of shape {shape}"
            )
        dx = grad.new_zeros(cache.shape)
        quarter = self._share(grad.detach())
        for row in range(2):
            for column in range(2):
                dx[:, :, row : 2 * shape[2] : 2, column : 2 * shape[3] : 2] = quarter
        return dx, NoParams()

    def _share(self, grad: Tensor) -> Tensor:
        """Return each pixel's share of the gradient of their mean."""
        return grad / 4


def _require(value: object, kind: type) -> None:
    """Raise a TypeError unless a value is of a type."""
    if not isinstance(value, kind):
        raise TypeError(f"got a {type(value).__name__}, expected {kind.__name__}")


def _require_floats(value: object) -> None:
    """Raise a TypeError unless a value is a tensor of floats."""
    _require(value, Tensor)
    if isinstance(value, Tensor) and not value.is_floating_point():
        raise TypeError(f"got a tensor of {value.dtype}, expected one of floats")


class ForgottenFour(AveragePooling):
    """The same, with a mistake: each pixel gets the whole gradient."""

    def _share(self, grad: Tensor) -> Tensor:
        """Return the gradient, and forget that the mean divides by 4."""
        return grad


def main(max_examples: int = 100) -> None:
    """Prove the layer, and print what the kit says of the broken one."""
    check_layer(AveragePooling(), linear=True, refuses=True, max_examples=max_examples)
    print("AveragePooling keeps every law.\n")
    try:
        check_layer(ForgottenFour(), linear=True, refuses=True, max_examples=max_examples)
    except LawBroken as broken:
        print(broken)


if __name__ == "__main__":
    settings.register_profile("example", deadline=None, database=None, derandomize=True)
    settings.load_profile("example")
    main()
