"""The networks that restore images: the course report's, and a better one."""

from dataclasses import dataclass
from typing import Generic, TypeAlias

from n2nfun.arguments import items_of, shown
from n2nfun.compose import residual, sequential
from n2nfun.geometry import check_count
from n2nfun.init import zeros
from n2nfun.layer import C, Layer, NoParams, P
from n2nfun.layers import (
    Conv2d,
    ConvCache,
    ConvParams,
    Normalize,
    NormalizeCache,
    ReLU,
    ReLUCache,
    Sigmoid,
    SigmoidCache,
    Upsampling,
    UpsamplingCache,
)

__all__ = ["Denoiser", "Model", "Paper", "denoiser", "paper"]


@dataclass(frozen=True, slots=True)
class Model(Generic[P, C]):
    """A network that makes images of images of the same size, and what whole images must know of it."""

    name: str
    layer: Layer[P, C]
    channels: int
    multiple: int
    """Heights and widths must be multiples of this; ``restore`` pads others."""
    halo: int
    """No output depends on input farther away than this many pixels, in either direction."""


PaperParams: TypeAlias = tuple[ConvParams, NoParams, ConvParams, NoParams, ConvParams, NoParams, ConvParams, NoParams]
PaperCache: TypeAlias = tuple[
    ConvCache, ReLUCache, ConvCache, ReLUCache, UpsamplingCache, ReLUCache, UpsamplingCache, SigmoidCache
]
Paper: TypeAlias = Model[PaperParams, PaperCache]


def paper(*, hidden: tuple[int, int] = (16, 32), down_kernel: int = 2, up_kernel: int = 5, channels: int = 3) -> Paper:
    """Build the course report's network: two convolutions of stride 2 with ReLU, two upsamplings by 2, a Sigmoid at the end.

    Padding makes the output as large as the input, for even and odd kernels, where height and width are multiples of 4:
    ``floor((k - 1) / 2)`` in the convolutions, ``floor(k / 2)`` in the upsamplings, of which an even kernel's last row
    and column are left out.

    Args:
        hidden: Channels behind the first convolution and the second upsampling's input, and behind the second convolution.
        down_kernel: Kernel size of the convolutions.
        up_kernel: Kernel size of the upsamplings.
        channels: Of the images: 3 for colour, 1 for grey.

    Raises:
        TypeError: if a size is not an int.
        ValueError: if a size is out of range.

    Source: the Noise2Noise course report's architecture; the defaults are the winner of its search.

    Example:
        >>> from n2nfun.summary import summary
        >>> print(summary(paper().layer, (4, 3, 32, 32)))
           layer       output shape     parameters  multiply-adds
        ---------------------------------------------------------
        0  Conv2d      (4, 16, 16, 16)         208        196,608
        1  ReLU        (4, 16, 16, 16)           0              0
        2  Conv2d      (4, 32, 8, 8)         2,080        524,288
        3  ReLU        (4, 32, 8, 8)             0              0
        4  Upsampling  (4, 16, 16, 16)      12,816      4,718,592
        5  ReLU        (4, 16, 16, 16)           0              0
        6  Upsampling  (4, 3, 32, 32)        1,203      1,769,472
        7  Sigmoid     (4, 3, 32, 32)            0              0
        ---------------------------------------------------------
           total                            16,307      7,208,960
    """
    given = items_of(hidden)
    if given is None or len(given) != 2:
        raise TypeError(f"hidden is {shown(hidden)}, expected a pair of ints")
    first, second = (check_count(f"hidden[{index}]", count) for index, count in enumerate(hidden))
    check_count("down_kernel", down_kernel)
    check_count("up_kernel", up_kernel)
    check_count("channels", channels)
    down, up, even = (down_kernel - 1) // 2, up_kernel // 2, 1 - up_kernel % 2
    layer = sequential(
        Conv2d(channels, first, down_kernel, stride=2, padding=down),
        ReLU(),
        Conv2d(first, second, down_kernel, stride=2, padding=down),
        ReLU(),
        Upsampling(second, first, up_kernel, scale_factor=2, padding=up, trim=even),
        ReLU(),
        Upsampling(first, channels, up_kernel, scale_factor=2, padding=up, trim=even),
        Sigmoid(),
    )
    return Model("paper", layer, channels, multiple=4, halo=_paper_halo(down_kernel, up_kernel))


def _paper_halo(down_kernel: int, up_kernel: int) -> int:
    """Follow the outermost taps of an output back to the input, for each of the four places it may have in a quarter.

    Of k taps, output i of an upsampling reads ``floor((i - k // 2) / 2)`` to ``floor((i - k // 2 + k - 1) / 2)``, and of a
    convolution ``2 i - p`` to ``2 i - p + k - 1`` with ``p = (k - 1) // 2``.
    """

    def reach(output: int) -> int:
        first = last = output
        for _ in range(2):
            first, last = (first - up_kernel // 2) // 2, (last - up_kernel // 2 + up_kernel - 1) // 2
        for _ in range(2):
            padding = (down_kernel - 1) // 2
            first, last = 2 * first - padding, 2 * last - padding + down_kernel - 1
        return max(output - first, last - output)

    return max(reach(output) for output in range(4))


BlockParams: TypeAlias = tuple[NoParams, ConvParams]
BlockCache: TypeAlias = tuple[ReLUCache, ConvCache]
DenoiserParams: TypeAlias = tuple[NoParams, ConvParams, BlockParams, BlockParams, BlockParams, NoParams, ConvParams]
DenoiserCache: TypeAlias = tuple[NormalizeCache, ConvCache, BlockCache, BlockCache, BlockCache, ReLUCache, ConvCache]
Denoiser: TypeAlias = Model[DenoiserParams, DenoiserCache]


def denoiser(*, width: int = 32, channels: int = 3) -> Denoiser:
    """Build the default network: ``x + f(x)``, where f is five 3x3 convolutions at full resolution.

    f predicts what to add to the noisy image. Its last convolution starts at zero, so that the network starts as the
    identity, already as good as its input. The three in the middle add to what they read, ``h + conv(relu(h))``, and the
    image is shifted to mean 0 and scaled to deviation 1 in front: both help it learn.

    Args:
        width: Channels between the convolutions.
        channels: Of the images: 3 for colour, 1 for grey.

    Raises:
        TypeError: if a size is not an int.
        ValueError: if a size is out of range.

    Source: residual learning for denoising is from Zhang et al., "Beyond a Gaussian Denoiser", IEEE TIP 2017, section
    III; the blocks' order from He et al., "Identity Mappings in Deep Residual Networks", ECCV 2016, section 4.1.

    Example:
        >>> import torch
        >>> model = denoiser(width=8)
        >>> x = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
        >>> y, _ = model.layer.forward(model.layer.init(torch.Generator().manual_seed(0)), x)
        >>> torch.equal(y, x)
        True
    """
    check_count("width", width)
    check_count("channels", channels)
    block = residual(sequential(ReLU(), Conv2d(width, width, 3, padding=1)))
    layer = residual(
        sequential(
            Normalize(0.5, 0.25),
            Conv2d(channels, width, 3, padding=1),
            block,
            block,
            block,
            ReLU(),
            Conv2d(width, channels, 3, padding=1, initializer=zeros),
        )
    )
    return Model("denoiser", layer, channels, multiple=1, halo=5)
