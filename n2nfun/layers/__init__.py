"""The layers, one file each: what they compute, forward and backward."""

from n2nfun.layers.activations import Identity, IdentityCache, ReLU, ReLUCache, Sigmoid, SigmoidCache
from n2nfun.layers.conv import Conv2d, ConvCache
from n2nfun.layers.convolving import ConvParams
from n2nfun.layers.normalize import Normalize, NormalizeCache
from n2nfun.layers.upsampling import NearestCache, NearestUpsampling, Upsampling, UpsamplingCache

__all__ = [
    "Conv2d",
    "ConvCache",
    "ConvParams",
    "Identity",
    "IdentityCache",
    "NearestCache",
    "NearestUpsampling",
    "Normalize",
    "NormalizeCache",
    "ReLU",
    "ReLUCache",
    "Sigmoid",
    "SigmoidCache",
    "Upsampling",
    "UpsamplingCache",
]
