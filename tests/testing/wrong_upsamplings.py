"""Upsamplings with one fault each, which the class's docstring names."""

from typing import Any

from torch import Tensor

from n2nfun.layer import NoParams
from n2nfun.layers import ConvParams, NearestCache, NearestUpsampling, Upsampling, UpsamplingCache

__all__ = ["WRONG_NEAREST_UPSAMPLINGS", "WRONG_UPSAMPLINGS"]


class WrongPhase(NearestUpsampling):
    """dx sums blocks that begin one row too late."""

    def backward(self, params: NoParams, cache: NearestCache, grad: Tensor) -> tuple[Tensor, NoParams]:
        return super().backward(params, cache, grad.roll(-1, 2))


class FirstCopyOnly(NearestUpsampling):
    """dx is the gradient of each pixel's first copy, not the sum over all."""

    def backward(self, params: NoParams, cache: NearestCache, grad: Tensor) -> tuple[Tensor, NoParams]:
        super().backward(params, cache, grad)
        return grad[:, :, :: self.scale_factor[0], :: self.scale_factor[1]].clone(), params


WRONG_NEAREST_UPSAMPLINGS: dict[type[NearestUpsampling], str] = {WrongPhase: "adjoint", FirstCopyOnly: "adjoint"}
"""Each kind of NearestUpsampling with the law that it breaks above all."""


class WrongPhaseBeforeTheKernel(Upsampling[Any, Any]):
    """dx takes the gradient of the next column."""

    def backward(self, params: ConvParams, cache: UpsamplingCache, grad: Tensor) -> tuple[Tensor, ConvParams]:
        _, dparams = super().backward(params, cache, grad)
        return super().backward(params, cache, grad.roll(-1, 3))[0], dparams


class KernelGradientTurned(Upsampling[Any, Any]):
    """dweight is turned by 180 degrees."""

    def backward(self, params: ConvParams, cache: UpsamplingCache, grad: Tensor) -> tuple[Tensor, ConvParams]:
        dx, dparams = super().backward(params, cache, grad)
        return dx, ConvParams(dparams.weight.flip(2, 3), dparams.bias)


WRONG_UPSAMPLINGS: dict[type[Upsampling[Any, Any]], str] = {
    WrongPhaseBeforeTheKernel: "adjoint",
    KernelGradientTurned: "adjoint in params",
}
"""Each kind of Upsampling with the law that it breaks above all."""
