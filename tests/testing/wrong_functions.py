"""Functions of each number by itself with one fault each, which the class's docstring names."""

import torch
from torch import Tensor

from n2nfun.layer import NoParams, Shape
from n2nfun.layers import Identity, IdentityCache, Normalize, NormalizeCache, ReLU, ReLUCache, Sigmoid, SigmoidCache

__all__ = ["WRONG_IDENTITIES", "WRONG_NORMALIZES", "WRONG_RELUS", "WRONG_SIGMOIDS"]


class WritesToX(ReLU):
    """forward() works in the memory of its argument."""

    def forward(self, params: NoParams, x: Tensor) -> tuple[Tensor, ReLUCache]:
        _, cache = super().forward(params, x)
        return x.detach().relu_().clone(), cache


class WritesToGrad(ReLU):
    """backward() works in the memory of grad."""

    def backward(self, params: NoParams, cache: ReLUCache, grad: Tensor) -> tuple[Tensor, NoParams]:
        super().backward(params, cache, grad)
        return grad.detach().mul_(cache.y > 0).clone(), params


class WritesToTheCache(ReLU):
    """backward() makes its mask in the memory of the cache."""

    def backward(self, params: NoParams, cache: ReLUCache, grad: Tensor) -> tuple[Tensor, NoParams]:
        super().backward(params, cache, grad)
        return grad.detach() * cache.y.sign_(), params


class KeepsTheGraph(ReLU):
    """y is computed under the eyes of autograd."""

    def forward(self, params: NoParams, x: Tensor) -> tuple[Tensor, ReLUCache]:
        _, cache = super().forward(params, x)
        return torch.relu(x), cache


class LeaksGradient(ReLU):
    """A hundredth of the gradient passes where the input is negative."""

    def backward(self, params: NoParams, cache: ReLUCache, grad: Tensor) -> tuple[Tensor, NoParams]:
        dx, _ = super().backward(params, cache, grad)
        return dx.where(cache.y > 0, grad.detach() / 128), params


class ForgetsTheChainRule(ReLU):
    """dx is the derivative alone, without grad."""

    def backward(self, params: NoParams, cache: ReLUCache, grad: Tensor) -> tuple[Tensor, NoParams]:
        super().backward(params, cache, grad)
        return (cache.y > 0).to(grad.dtype), params


class ClipsTheGradient(ReLU):
    """backward() clips the gradient."""

    def backward(self, params: NoParams, cache: ReLUCache, grad: Tensor) -> tuple[Tensor, NoParams]:
        dx, _ = super().backward(params, cache, grad)
        return dx.clamp(-4, 4), params


class KeepsTheFirstGrad(ReLU):
    """backward() remembers the first grad of each shape, and returns what that one gave."""

    def backward(self, params: NoParams, cache: ReLUCache, grad: Tensor) -> tuple[Tensor, NoParams]:
        super().backward(params, cache, grad)
        first = _FIRST_GRADS.setdefault((tuple(grad.shape), grad.dtype), grad.detach().clone())
        return super().backward(params, cache, first)


_FIRST_GRADS: dict[tuple[Shape, torch.dtype], Tensor] = {}


class CountsItsCalls(ReLU):
    """y grows with each call: a state that no argument shows."""

    def forward(self, params: NoParams, x: Tensor) -> tuple[Tensor, ReLUCache]:
        _CALLS[0] += 1
        y, cache = super().forward(params, x)
        return y + _CALLS[0], cache


_CALLS = [0]


class SharesScratchMemory(ReLU):
    """All calls put y together in one memory, and return a view of it."""

    def forward(self, params: NoParams, x: Tensor) -> tuple[Tensor, ReLUCache]:
        y, cache = super().forward(params, x)
        scratch = _SCRATCH.setdefault((tuple(x.shape), x.dtype), torch.empty_like(y))
        return scratch.copy_(y), cache


class RacesForScratchMemory(ReLU):
    """All calls put y together in one memory, and return a copy: right as long as they do not overlap."""

    def forward(self, params: NoParams, x: Tensor) -> tuple[Tensor, ReLUCache]:
        y, _ = super().forward(params, x)
        scratch = _SCRATCH.setdefault((tuple(x.shape), x.dtype), torch.empty_like(y))
        for index in range(len(y)):
            for channel in range(y.shape[1]):
                scratch[index, channel] = y[index, channel]
        return scratch.clone(), ReLUCache(scratch.clone())


_SCRATCH: dict[tuple[Shape, torch.dtype], Tensor] = {}


class DropsAtRandom(ReLU):
    """Half of y is dropped, by torch's global generator."""

    def forward(self, params: NoParams, x: Tensor) -> tuple[Tensor, ReLUCache]:
        y, _ = super().forward(params, x)
        kept = y * (torch.rand(x.shape) < 0.5)
        return kept, ReLUCache(kept)


class MixesSamples(ReLU):
    """The mean over the batch is subtracted first."""

    def forward(self, params: NoParams, x: Tensor) -> tuple[Tensor, ReLUCache]:
        super().forward(params, x)
        return super().forward(params, x - x.detach().mean(0, keepdim=True) if len(x) else x)

    def backward(self, params: NoParams, cache: ReLUCache, grad: Tensor) -> tuple[Tensor, NoParams]:
        dx, _ = super().backward(params, cache, grad)
        return dx - dx.mean(0, keepdim=True) if len(dx) else dx, params


class SpreadsNan(ReLU):
    """Zero times the sum of the batch is added: nothing, unless a sample holds NaN."""

    def forward(self, params: NoParams, x: Tensor) -> tuple[Tensor, ReLUCache]:
        super().forward(params, x)
        return super().forward(params, x + 0 * x.detach().sum())


class RoundsWhenApplied(ReLU):
    """apply() computes in bfloat16 to save memory, forward() does not."""

    def apply(self, params: NoParams, x: Tensor) -> Tensor:
        return super().apply(params, x.bfloat16()).to(x.dtype)


class RefusesNothing(ReLU):
    """Nothing is asked of the arguments."""

    def forward(self, params: NoParams, x: Tensor) -> tuple[Tensor, ReLUCache]:
        y = torch.relu(x.detach())
        return y, ReLUCache(y)

    def backward(self, params: NoParams, cache: ReLUCache, grad: Tensor) -> tuple[Tensor, NoParams]:
        return grad.detach() * (cache.y > 0), params


class GradientAtZero(ReLU):
    """The derivative at 0 is 1, where it should be 0."""

    def forward(self, params: NoParams, x: Tensor) -> tuple[Tensor, ReLUCache]:
        y, _ = super().forward(params, x)
        return y, ReLUCache((x.detach() >= 0).to(x.dtype))


class MultipliesByTheMask(ReLU):
    """y = x (x > 0), which is NaN where x is infinite."""

    def forward(self, params: NoParams, x: Tensor) -> tuple[Tensor, ReLUCache]:
        super().forward(params, x)
        y = x.detach() * (x.detach() > 0)
        return y, ReLUCache(y)


class MultipliesGradByTheMask(ReLU):
    """dx = grad (y > 0), which is NaN where grad is infinite."""

    def backward(self, params: NoParams, cache: ReLUCache, grad: Tensor) -> tuple[Tensor, NoParams]:
        super().backward(params, cache, grad)
        return grad.detach() * (cache.y > 0), params


WRONG_RELUS: dict[type[ReLU], str] = {
    WritesToX: "changes nothing",
    WritesToGrad: "changes nothing",
    WritesToTheCache: "changes nothing",
    KeepsTheGraph: "no graph",
    LeaksGradient: "derivative",
    ForgetsTheChainRule: "zero",
    ClipsTheGradient: "linear backward",
    KeepsTheFirstGrad: "linear backward",
    CountsItsCalls: "same bits",
    SharesScratchMemory: "same bits",
    RacesForScratchMemory: "threads",
    DropsAtRandom: "changes nothing",
    MixesSamples: "samples",
    SpreadsNan: "NaN stays",
    RoundsWhenApplied: "short forms",
    RefusesNothing: "refusals",
    GradientAtZero: "reference",
    MultipliesByTheMask: "one large number",
    MultipliesGradByTheMask: "one large number",
}
"""Each kind of ReLU with the law that it breaks above all."""


class Overflows(Sigmoid):
    """y = exp(x) / (1 + exp(x)), which is infinity by infinity where exp overflows."""

    def forward(self, params: NoParams, x: Tensor) -> tuple[Tensor, SigmoidCache]:
        super().forward(params, x)
        powers = x.detach().contiguous().exp()
        y = powers / (1 + powers)
        return y, SigmoidCache(y)


class HalfADerivative(Sigmoid):
    """dx = grad y, without (1 - y)."""

    def backward(self, params: NoParams, cache: SigmoidCache, grad: Tensor) -> tuple[Tensor, NoParams]:
        super().backward(params, cache, grad)
        return grad.detach() * cache.y, params


class LastBitsOfTheLayout(Sigmoid):
    """y is computed in the order of the memory, which a last bit depends on."""

    def forward(self, params: NoParams, x: Tensor) -> tuple[Tensor, SigmoidCache]:
        super().forward(params, x)
        y = torch.sigmoid(x.detach())
        return y, SigmoidCache(y)


class StepsOverSmallGradients(Sigmoid):
    """Gradients below a thousandth are taken for 0."""

    def backward(self, params: NoParams, cache: SigmoidCache, grad: Tensor) -> tuple[Tensor, NoParams]:
        dx, _ = super().backward(params, cache, grad)
        return dx * (dx.abs() >= 2**-10), params


class KeepsTheLastForward(Sigmoid):
    """backward() differentiates the last forward, whatever cache it is given."""

    def forward(self, params: NoParams, x: Tensor) -> tuple[Tensor, SigmoidCache]:
        y, cache = super().forward(params, x)
        _LAST[:] = [cache.y]
        return y, cache

    def backward(self, params: NoParams, cache: SigmoidCache, grad: Tensor) -> tuple[Tensor, NoParams]:
        super().backward(params, cache, grad)
        return super().backward(params, SigmoidCache(_LAST[0].to(grad.dtype)), grad)


_LAST: list[Tensor] = []


class AnotherFunction(Sigmoid):
    """y = tanh(x), and its derivative."""

    def forward(self, params: NoParams, x: Tensor) -> tuple[Tensor, SigmoidCache]:
        super().forward(params, x)
        y = torch.tanh(x.detach().contiguous())
        return y, SigmoidCache(y)

    def backward(self, params: NoParams, cache: SigmoidCache, grad: Tensor) -> tuple[Tensor, NoParams]:
        super().backward(params, cache, grad)
        return grad.detach() * (1 - cache.y * cache.y), params


WRONG_SIGMOIDS: dict[type[Sigmoid], str] = {
    KeepsTheLastForward: "same bits",
    Overflows: "one large number",
    HalfADerivative: "derivative of a curve",
    LastBitsOfTheLayout: "layout",
    StepsOverSmallGradients: "powers of two",
    AnotherFunction: "reference",
}
"""Each kind of Sigmoid with the law that it breaks above all."""


class ReturnsItsArgument(Identity):
    """y is x itself, not a copy."""

    def forward(self, params: NoParams, x: Tensor) -> tuple[Tensor, IdentityCache]:
        return x.detach(), super().forward(params, x)[1]


class ReturnsItsGrad(Identity):
    """dx is grad itself, not a copy."""

    def backward(self, params: NoParams, cache: IdentityCache, grad: Tensor) -> tuple[Tensor, NoParams]:
        super().backward(params, cache, grad)
        return grad.detach(), params


class OverflowsIntegers(Identity):
    """Numbers pass through 32-bit integers, of 1/1024 each."""

    def forward(self, params: NoParams, x: Tensor) -> tuple[Tensor, IdentityCache]:
        y, cache = super().forward(params, x)
        return (y * 1024).to(torch.int32).to(x.dtype) / 1024, cache


class OverflowsIn16Bits(Identity):
    """Numbers are made 8 times larger on the way."""

    def forward(self, params: NoParams, x: Tensor) -> tuple[Tensor, IdentityCache]:
        y, cache = super().forward(params, x)
        return y * 8 / 8, cache


class SpreadsNanInItsSample(Identity):
    """Zero times the sum of the sample is added: nothing, unless it holds NaN."""

    def forward(self, params: NoParams, x: Tensor) -> tuple[Tensor, IdentityCache]:
        y, cache = super().forward(params, x)
        return y + 0 * y.sum((1, 2, 3), keepdim=True), cache


class TurnedRound(Identity):
    """y is x mirrored, and dx is grad mirrored: another function, right in itself."""

    def forward(self, params: NoParams, x: Tensor) -> tuple[Tensor, IdentityCache]:
        y, cache = super().forward(params, x)
        return y.flip(3), cache

    def backward(self, params: NoParams, cache: IdentityCache, grad: Tensor) -> tuple[Tensor, NoParams]:
        dx, _ = super().backward(params, cache, grad)
        return dx.flip(3), params


class CutsOff(Identity):
    """y ends at 16 and -16."""

    def forward(self, params: NoParams, x: Tensor) -> tuple[Tensor, IdentityCache]:
        y, cache = super().forward(params, x)
        return y.clamp(-16, 16), cache


class KeepsTheStrides(Identity):
    """y is made with the strides of x, even where they are 0."""

    def forward(self, params: NoParams, x: Tensor) -> tuple[Tensor, IdentityCache]:
        _, cache = super().forward(params, x)
        return torch.empty_strided(x.shape, x.stride(), dtype=x.dtype).copy_(x.detach()), cache


WRONG_IDENTITIES: dict[type[Identity], str] = {
    ReturnsItsArgument: "owns its results",
    ReturnsItsGrad: "owns its results",
    OverflowsIntegers: "precision",
    OverflowsIn16Bits: "rounds once",
    SpreadsNanInItsSample: "NaN reaches",
    TurnedRound: "reference",
    CutsOff: "linear",
    KeepsTheStrides: "stride 0",
}
"""Each kind of Identity with the law that it breaks above all."""


class ForgetsTheScale(Normalize):
    """dx = grad, without the division by std."""

    def backward(self, params: NoParams, cache: NormalizeCache, grad: Tensor) -> tuple[Tensor, NoParams]:
        super().backward(params, cache, grad)
        return grad.detach().clone(), params


WRONG_NORMALIZES: dict[type[Normalize], str] = {ForgetsTheScale: "adjoint"}
"""Each kind of Normalize with the law that it breaks above all."""
