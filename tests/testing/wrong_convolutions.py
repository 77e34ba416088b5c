"""Convolutions with one fault each, which the class's docstring names."""

from typing import Any, cast

import torch
from torch import Tensor

from n2nfun.layer import Shape
from n2nfun.layers import Conv2d, ConvCache, ConvParams

__all__ = ["WRONG_CONVOLUTIONS"]


class KernelNotTurned(Conv2d[Any, Any]):
    """dx is correlated with the kernel as it is, not turned by 180 degrees."""

    def backward(self, params: ConvParams, cache: ConvCache, grad: Tensor) -> tuple[Tensor, ConvParams]:
        super().backward(params, cache, grad)
        return super().backward(ConvParams(params.weight.flip(2, 3), params.bias), cache, grad)


class KernelSidesSwapped(Conv2d[Any, Any]):
    """dx takes the kernel's height for its width."""

    def backward(self, params: ConvParams, cache: ConvCache, grad: Tensor) -> tuple[Tensor, ConvParams]:
        super().backward(params, cache, grad)
        return super().backward(ConvParams(params.weight.transpose(2, 3), params.bias), cache, grad)


class ChannelsSwappedInDx(Conv2d[Any, Any]):
    """dx takes input for output channels."""

    def backward(self, params: ConvParams, cache: ConvCache, grad: Tensor) -> tuple[Tensor, ConvParams]:
        super().backward(params, cache, grad)
        return super().backward(ConvParams(params.weight.transpose(0, 1), params.bias), cache, grad)


class _WrongInParams(Conv2d[Any, Any]):
    """Where ``gradients`` is wrong, ``backward`` is wrong alike."""

    def backward(self, params: ConvParams, cache: ConvCache, grad: Tensor) -> tuple[Tensor, ConvParams]:
        return super().backward(params, cache, grad)[0], self.gradients(params, cache, grad)


def _bias(params: ConvParams) -> Tensor:
    """All convolutions here have one."""
    assert params.bias is not None
    return params.bias


class ChannelsSwappedInDweight(_WrongInParams):
    """dweight has input and output channels swapped."""

    def gradients(self, params: ConvParams, cache: ConvCache, grad: Tensor) -> ConvParams:
        right = super().gradients(params, cache, grad)
        return ConvParams(right.weight.transpose(0, 1), right.bias)


class BorderWithGradient(Conv2d[Any, Any]):
    """Rows below the last window get the gradient of the last row that is read, not 0."""

    def backward(self, params: ConvParams, cache: ConvCache, grad: Tensor) -> tuple[Tensor, ConvParams]:
        dx, dparams = super().backward(params, cache, grad)
        read = _rows_read(self, grad)
        dx[:, :, read:] = dx[:, :, read - 1 : read]
        return dx, dparams


class CutToWhatIsRead(Conv2d[Any, Any]):
    """dx ends with the last row that a window reads."""

    def backward(self, params: ConvParams, cache: ConvCache, grad: Tensor) -> tuple[Tensor, ConvParams]:
        dx, dparams = super().backward(params, cache, grad)
        return dx[:, :, : _rows_read(self, grad)], dparams


def _rows_read(layer: Conv2d[Any, Any], grad: Tensor) -> int:
    """Count the rows from the first window's first to the last window's last, without padding."""
    return (grad.shape[2] - 1) * layer.stride[0] + layer.kernel_size[0]


class ZerosOnTheWrongSide(Conv2d[Any, Any]):
    """dx is cut out of the padded one as if all the zeros lay to the right."""

    def backward(self, params: ConvParams, cache: ConvCache, grad: Tensor) -> tuple[Tensor, ConvParams]:
        dx, dparams = super().backward(params, cache, grad)
        without = Conv2d(self.in_channels, self.out_channels, self.kernel_size, stride=self.stride)
        return without.backward(params, cache, grad)[0][..., : dx.shape[3]].clone(), dparams


class StrideIgnored(Conv2d[Any, Any]):
    """dx puts the windows next to each other, whatever the stride."""

    def backward(self, params: ConvParams, cache: ConvCache, grad: Tensor) -> tuple[Tensor, ConvParams]:
        dx, dparams = super().backward(params, cache, grad)
        dense = Conv2d(self.in_channels, self.out_channels, self.kernel_size, padding=self.padding)
        shape = dense.output_shape(tuple(dx.shape))
        filled = grad.new_zeros(shape)
        filled[:, :, : grad.shape[2], : grad.shape[3]] = grad
        return dense.backward(params, ConvCache(cache.padded, shape), filled)[0], dparams


class BiasByMean(_WrongInParams):
    """dbias is the mean of grad, not the sum."""

    def gradients(self, params: ConvParams, cache: ConvCache, grad: Tensor) -> ConvParams:
        right = super().gradients(params, cache, grad)
        return ConvParams(right.weight, _bias(right) / max(grad[:, 0].numel(), 1))


class BiasForgotten(_WrongInParams):
    """dbias is 0."""

    def gradients(self, params: ConvParams, cache: ConvCache, grad: Tensor) -> ConvParams:
        return ConvParams(super().gradients(params, cache, grad).weight, grad.new_zeros(self.out_channels))


class BiasOfTwoDimensions(_WrongInParams):
    """dbias has shape (1, out_channels), where the bias has (out_channels,)."""

    def gradients(self, params: ConvParams, cache: ConvCache, grad: Tensor) -> ConvParams:
        right = super().gradients(params, cache, grad)
        return ConvParams(right.weight, _bias(right)[None])


class PlainTuple(_WrongInParams):
    """The gradients come as a tuple, not as ConvParams."""

    def gradients(self, params: ConvParams, cache: ConvCache, grad: Tensor) -> ConvParams:
        right = super().gradients(params, cache, grad)
        return cast("ConvParams", (right.weight, right.bias))


class MeanOverTheBatch(_WrongInParams):
    """dparams is the mean over the samples, not the sum."""

    def gradients(self, params: ConvParams, cache: ConvCache, grad: Tensor) -> ConvParams:
        right = super().gradients(params, cache, grad)
        return ConvParams(right.weight / max(len(grad), 1), _bias(right) / max(len(grad), 1))


class ShortFormOfItsOwn(Conv2d[Any, Any]):
    """gradients() is the mean over the samples, backward() the sum."""

    def gradients(self, params: ConvParams, cache: ConvCache, grad: Tensor) -> ConvParams:
        return super().gradients(params, cache, grad / max(len(grad), 1))


class BatchInTheKernel(Conv2d[Any, Any]):
    """All samples get the gradient of the first."""

    def backward(self, params: ConvParams, cache: ConvCache, grad: Tensor) -> tuple[Tensor, ConvParams]:
        dx, dparams = super().backward(params, cache, grad)
        return dx[:1].repeat(len(grad), 1, 1, 1), dparams


class ContiguityAssumed(Conv2d[Any, Any]):
    """The input is flattened by view(), which fails unless its numbers lie in order."""

    def forward(self, params: ConvParams, x: Tensor) -> tuple[Tensor, ConvCache]:
        super().forward(params, x)  # refuses what is illegal
        return super().forward(params, x.view(x.numel()).view(x.shape))


class StridesAssumed(Conv2d[Any, Any]):
    """The input's memory is read in order, whatever its strides say."""

    def forward(self, params: ConvParams, x: Tensor) -> tuple[Tensor, ConvCache]:
        super().forward(params, x)  # refuses what is illegal
        return super().forward(params, x.as_strided(x.shape, x.new_empty(x.shape).stride()))


class EmptyBatchForgotten(Conv2d[Any, Any]):
    """The input is flattened by reshape(batch, -1), which fails for a batch of 0."""

    def forward(self, params: ConvParams, x: Tensor) -> tuple[Tensor, ConvCache]:
        super().forward(params, x)  # refuses what is illegal
        return super().forward(params, x.reshape(len(x), -1).reshape(x.shape))


class SinglePrecisionInside(Conv2d[Any, Any]):
    """Everything is computed in float32, and returned in the input's dtype."""

    def forward(self, params: ConvParams, x: Tensor) -> tuple[Tensor, ConvCache]:
        super().forward(params, x)  # refuses what is illegal
        return super().forward(params, x.float().to(x.dtype))

    def backward(self, params: ConvParams, cache: ConvCache, grad: Tensor) -> tuple[Tensor, ConvParams]:
        super().backward(params, cache, grad)
        return super().backward(params, cache, grad.float().to(grad.dtype))


class AlwaysFloat32(Conv2d[Any, Any]):
    """y is float32, whatever the input is."""

    def forward(self, params: ConvParams, x: Tensor) -> tuple[Tensor, ConvCache]:
        y, cache = super().forward(params, x)
        return y.float(), cache


class WeightsClippedInPlace(Conv2d[Any, Any]):
    """forward() clips the weights that it is given, where they lie."""

    def forward(self, params: ConvParams, x: Tensor) -> tuple[Tensor, ConvCache]:
        super().forward(params, x)  # refuses what is illegal
        params.weight.clamp_(-0.5, 0.5)
        return super().forward(params, x)


class OneRowTooMany(Conv2d[Any, Any]):
    """output_shape() names one row too many."""

    def output_shape(self, shape: Shape) -> Shape:
        batch, channels, height, width = super().output_shape(shape)
        return batch, channels, height + 1, width

    def forward(self, params: ConvParams, x: Tensor) -> tuple[Tensor, ConvCache]:
        return Conv2d(self.in_channels, self.out_channels, self.kernel_size, padding=self.padding).forward(params, x)


class BiasNotCounted(Conv2d[Any, Any]):
    """count_parameters() leaves out the bias."""

    def count_parameters(self) -> int:
        return super().count_parameters() - self.out_channels


class StartsFromTheGlobalGenerator(Conv2d[Any, Any]):
    """init() draws from torch's global generator."""

    def init(self, generator: torch.Generator) -> ConvParams:
        return super().init(torch.default_generator)


class SeedsItsGenerator(Conv2d[Any, Any]):
    """init() seeds the generator that it is given."""

    def init(self, generator: torch.Generator) -> ConvParams:
        return super().init(generator.manual_seed(0))


class StartsInFloat64(Conv2d[Any, Any]):
    """init() makes parameters of float64."""

    def init(self, generator: torch.Generator) -> ConvParams:
        params = super().init(generator)
        return ConvParams(params.weight.double(), _bias(params).double())


class BiasesInOnePlace(Conv2d[Any, Any]):
    """init() makes all biases of one number: to write to one is to write to all."""

    def init(self, generator: torch.Generator) -> ConvParams:
        params = super().init(generator)
        return ConvParams(params.weight, _bias(params)[:1].expand(self.out_channels))


class WorkOfOneSample(Conv2d[Any, Any]):
    """multiply_adds() counts one sample of the batch."""

    def multiply_adds(self, shape: Shape) -> int:
        return super().multiply_adds((1, *shape[1:]))


class AddsIn16Bits(Conv2d[Any, Any]):
    """What the channels give is added in the input's own dtype."""

    def forward(self, params: ConvParams, x: Tensor) -> tuple[Tensor, ConvCache]:
        _, cache = super().forward(params, x)
        first, second = torch.zeros_like(x), torch.zeros_like(x)
        first[:, 0], second[:, 1] = x.detach()[:, 0], x.detach()[:, 1]
        without = ConvParams(params.weight, torch.zeros_like(_bias(params)))
        return super().forward(params, first)[0] + super().forward(without, second)[0], cache


class ZeroTimesTheBorder(Conv2d[Any, Any]):
    """Rows below the last window get 0 times the gradient of the last row that is read: NaN, where that is."""

    def backward(self, params: ConvParams, cache: ConvCache, grad: Tensor) -> tuple[Tensor, ConvParams]:
        dx, dparams = super().backward(params, cache, grad)
        read = _rows_read(self, grad)
        dx[:, :, read:] = 0 * dx[:, :, read - 1 : read]
        return dx, dparams


WRONG_CONVOLUTIONS: dict[type[Conv2d[Any, Any]], str] = {
    KernelNotTurned: "adjoint",
    KernelSidesSwapped: "adjoint",
    ChannelsSwappedInDx: "adjoint",
    ChannelsSwappedInDweight: "adjoint in params",
    BorderWithGradient: "unread",
    CutToWhatIsRead: "gradient shapes",
    ZerosOnTheWrongSide: "adjoint",
    StrideIgnored: "adjoint",
    BiasByMean: "adjoint in params",
    BiasForgotten: "adjoint in params",
    BiasOfTwoDimensions: "gradient shapes",
    PlainTuple: "gradient shapes",
    MeanOverTheBatch: "samples",
    ShortFormOfItsOwn: "short forms",
    BatchInTheKernel: "samples",
    ContiguityAssumed: "layout",
    StridesAssumed: "layout",
    EmptyBatchForgotten: "empty batch",
    SinglePrecisionInside: "precision",
    AlwaysFloat32: "dtype",
    WeightsClippedInPlace: "changes nothing",
    OneRowTooMany: "output shape",
    BiasNotCounted: "count",
    StartsFromTheGlobalGenerator: "seeded",
    SeedsItsGenerator: "seeded",
    StartsInFloat64: "seeded",
    BiasesInOnePlace: "no overlap",
    WorkOfOneSample: "work",
    AddsIn16Bits: "rounds once",
    ZeroTimesTheBorder: "unread",
}
"""Each kind of convolution with the law that it breaks above all."""
