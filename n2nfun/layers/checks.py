"""The questions that every layer asks of its arguments before it computes: one clear error each, nothing allocated."""

import torch
from torch import Tensor

from n2nfun.layer import Shape, ShapeError

__all__ = ["check_cache", "check_float", "check_gradient", "check_input", "check_parameter"]

_FLOATS = (torch.float32, torch.float64, torch.float16, torch.bfloat16)


def check_float(owner: str, name: str, value: object) -> None:
    """Require a tensor of one of the four floating-point dtypes that layers compute in.

    Raises:
        TypeError: if it is anything else.
    """
    if not isinstance(value, Tensor):
        raise TypeError(f"{owner}: {name} is a {type(value).__name__}, expected a tensor")
    if value.layout != torch.strided:
        raise TypeError(f"{owner}: {name} has layout {value.layout}, expected a dense tensor: {name}.to_dense()")
    if value.dtype not in _FLOATS:
        raise TypeError(
            f"{owner}: {name} is {value.dtype}, expected a floating-point tensor: convert it first, "
            f"images of 8 bits with {name}.float() / 255"
        )


def check_input(owner: str, x: object) -> None:
    """Require a tensor of floats.

    Raises:
        TypeError: if x is anything else.
    """
    check_float(owner, "x", x)


def check_parameter(owner: str, name: str, value: object, shape: Shape, what: str, like: Tensor) -> None:
    """Require a parameter of the layer's shape, and of the dtype and device of x or grad.

    Raises:
        TypeError: if it is not a tensor, or of another dtype or device.
        ShapeError: if it has another shape.
    """
    check_float(owner, f"params.{name}", value)
    assert isinstance(value, Tensor)
    if value.shape != shape:
        raise ShapeError(f"{owner}: params.{name} has shape {tuple(value.shape)}, expected {shape}")
    if value.dtype != like.dtype:
        raise TypeError(
            f"{owner}: {what} is {like.dtype}, params.{name} is {value.dtype}: convert one to the other's dtype, "
            f"{what}.to({value.dtype}) or tree_map(lambda leaf: leaf.to({like.dtype}), params)"
        )
    if value.device != like.device:
        raise TypeError(
            f"{owner}: {what} is on {like.device}, params.{name} on {value.device}: move one to the other's device"
        )


def check_params(owner: str, params: object, kind: type) -> None:
    """Require params of the layer's own type.

    Raises:
        TypeError: if they are of another.
    """
    if not isinstance(params, kind):
        raise TypeError(f"{owner}: params is a {type(params).__name__}, expected {kind.__name__}, as init() makes")


def check_cache(owner: str, cache: object, kind: type) -> None:
    """Require a cache of the layer's own type.

    Raises:
        TypeError: if it is of another.
    """
    if not isinstance(cache, kind):
        raise TypeError(
            f"{owner}: cache is a {type(cache).__name__}, expected the {kind.__name__} that forward() returned"
        )


def check_gradient(owner: str, grad: object, shape: Shape, dtype: torch.dtype | None = None) -> None:
    """Require a gradient of the output's shape, and of its dtype where the cache knows it.

    Raises:
        TypeError: if it is not a tensor of floats, or of another dtype.
        ShapeError: if it has another shape.
    """
    check_float(owner, "grad", grad)
    assert isinstance(grad, Tensor)
    if grad.shape != shape:
        raise ShapeError(
            f"{owner}: grad has shape {tuple(grad.shape)}, expected that of forward's output, {tuple(shape)}"
        )
    if dtype is not None and grad.dtype != dtype:
        raise TypeError(f"{owner}: grad is {grad.dtype}, expected that of forward's output, {dtype}")
