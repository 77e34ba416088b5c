"""The questions that every layer asks of its arguments before it computes: one clear error each, nothing allocated."""

import torch
from torch import Tensor

from n2nfun.layer import Shape, ShapeError

__all__ = [
    "FLOATS",
    "check_cache",
    "check_cached_device",
    "check_float",
    "check_gradient",
    "check_input",
    "check_parameter",
    "check_params",
]

FLOATS = (torch.float32, torch.float64, torch.float16, torch.bfloat16)
"""What layers compute in."""


def check_float(owner: str, name: str, value: object) -> None:
    """Require a tensor of one of the four floating-point dtypes that layers compute in.

    Raises:
        TypeError: if it is anything else.
    """
    if not isinstance(value, Tensor):
        raise TypeError(f"{owner}: {name} is a {type(value).__name__}, expected a tensor")
    if value.dtype in FLOATS and value.layout == torch.strided:
        return
    if value.layout != torch.strided:
        raise TypeError(f"{owner}: {name} has layout {value.layout}, expected a dense tensor: {name}.to_dense()")
    whole = not (value.is_floating_point() or value.is_complex() or value.dtype == torch.bool)
    hint = f": convert it first, images of 8 bits with {name}.float() / 255" if whole else ""
    raise TypeError(f"{owner}: {name} is {value.dtype}, expected float32, float64, float16 or bfloat16{hint}")


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
    if not isinstance(value, Tensor) or value.dtype != like.dtype or value.layout != torch.strided:
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


def check_gradient(
    owner: str, grad: object, shape: Shape, dtype: torch.dtype | None = None, device: torch.device | None = None
) -> None:
    """Require a gradient of the output's shape, and of its dtype and device where the cache knows them.

    Raises:
        TypeError: if it is not a tensor of floats, or of another dtype or device.
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
    if device is not None:
        check_cached_device(owner, grad, device)


def check_cached_device(owner: str, grad: Tensor, device: torch.device) -> None:
    """Require a gradient on the device of what forward kept.

    Raises:
        TypeError: if it is on another.
    """
    if grad.device != device:
        raise TypeError(f"{owner}: grad is on {grad.device}, cache on {device}: move one to the other's device")
