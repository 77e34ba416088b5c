"""The classical restorers that a network has to beat, each with its strength tuned on other images.

A restorer here is a pure function (images, strength) -> images. Strength 0 returns the images as they are, except that,
as always, the result is clipped to [0, 1]; a larger strength smooths more. The functions are scikit-image's.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from n2nfun.metrics import psnr_mean

Restorer = Callable[[Tensor, float], Tensor]
_Parameter = TypeVar("_Parameter")

_PATCH_SIZE = 5  # pixels; non-local means of 7x7 patches was worse on 32x32 images, 3x3 no better
_PATCH_DISTANCE = 6  # pixels: a search window of 13x13
_CUT_OFF = 0.8  # of the noise level: scikit-image's advice for its fast mode


def gaussian_blur(
    images: Float[Tensor, "batch channels height width"], sigma: float
) -> Float[Tensor, "batch channels height width"]:
    """Convolve each channel with a Gaussian; the border is mirrored.

    Args:
        images: Noisy images, (batch, channels, height, width).
        sigma: Standard deviation of the Gaussian in pixels.

    Returns:
        The blurred images, clipped to [0, 1], in the dtype and on the device of `images`.

    Raises:
        TypeError: `images` is no floating-point tensor.
        ValueError: `images` is not four-dimensional or holds no pixel, or `sigma` is negative or not finite.

    Example:
        >>> gaussian_blur(torch.full((1, 1, 4, 4), 0.5), 0.65).unique().tolist()
        [0.5]
    """
    from skimage.filters import gaussian  # noqa: PLC0415  scikit-image is loaded by the first restoration

    array = _array(images, "sigma", sigma)
    if sigma > 0:
        array = gaussian(array, sigma=(0, 0, sigma, sigma), mode="reflect", preserve_range=True)
    return _images(array, images)


def median(
    images: Float[Tensor, "batch channels height width"], radius: float
) -> Float[Tensor, "batch channels height width"]:
    """Replace each value by the median of its channel over a disc; the border is mirrored.

    Args:
        images: Noisy images, (batch, channels, height, width).
        radius: Of the disc, in pixels: 1 is a cross of 5 pixels, 1.5 the square of 9, 2 a disc of 13.

    Returns:
        The filtered images, clipped to [0, 1], in the dtype and on the device of `images`.

    Raises:
        TypeError: `images` is no floating-point tensor.
        ValueError: `images` is not four-dimensional or holds no pixel, or `radius` is negative or not finite.

    Example:
        >>> images = torch.zeros(1, 1, 5, 5)
        >>> images[0, 0, 2, 2] = 1.0
        >>> median(images, 1).max().item()
        0.0
    """
    from skimage import filters  # noqa: PLC0415  scikit-image is loaded by the first restoration

    array = _array(images, "radius", radius)
    reach = math.floor(radius)
    offsets = np.arange(-reach, reach + 1)
    disc = offsets[:, None] ** 2 + offsets[None, :] ** 2 <= radius**2
    return _images(filters.median(array, disc[None, None], mode="reflect"), images)


def total_variation(
    images: Float[Tensor, "batch channels height width"], weight: float
) -> Float[Tensor, "batch channels height width"]:
    """Minimise |u - image|^2 / 2 + weight * TV(u) over u, channel by channel.

    Args:
        images: Noisy images, (batch, channels, height, width).
        weight: Of the total variation, the sum over the pixels of the gradient's length.

    Returns:
        The minimiser as far as 200 steps reach it, clipped to [0, 1], in the dtype and on the device of `images`.

    Raises:
        TypeError: `images` is no floating-point tensor.
        ValueError: `images` is not four-dimensional or holds no pixel, or `weight` is negative or not finite.

    Example:
        >>> total_variation(torch.full((1, 1, 4, 4), 0.5), 0.1).unique().tolist()
        [0.5]

    References:
        Chambolle: An Algorithm for Total Variation Minimization and Applications, Journal of Mathematical Imaging and
        Vision 20 (2004).
    """
    from skimage.restoration import denoise_tv_chambolle  # noqa: PLC0415  loaded by the first restoration

    array = _array(images, "weight", weight)
    if weight > 0:
        array = np.stack([denoise_tv_chambolle(image, weight=weight, channel_axis=0) for image in array])
    return _images(array, images)


def non_local_means(
    images: Float[Tensor, "batch channels height width"], sigma: float
) -> Float[Tensor, "batch channels height width"]:
    """Average each pixel with those within 6 pixels whose surroundings of 5x5 look alike in all channels.

    Args:
        images: Noisy images, (batch, channels, height, width).
        sigma: Standard deviation of the noise that is expected; surroundings count as alike up to 0.8 of it.

    Returns:
        The averaged images, clipped to [0, 1], in the dtype and on the device of `images`.

    Raises:
        TypeError: `images` is no floating-point tensor.
        ValueError: `images` is not four-dimensional or holds no pixel, or `sigma` is negative or not finite.

    Example:
        >>> non_local_means(torch.full((1, 3, 8, 8), 0.5), 0.1).unique().tolist()
        [0.5]

    References:
        Buades, Coll, Morel: A Non-Local Algorithm for Image Denoising, CVPR 2005; the fast form is Darbon, Cunha, Chan,
        Osher, Jensen, ISBI 2008.
    """
    array = _array(images, "sigma", sigma)
    if sigma > 0:
        array = np.stack([_non_local_means_of_one(image, sigma) for image in array])
    return _images(array, images)


@dataclass(frozen=True, slots=True)
class TunedBaseline:
    """A restorer with its strength chosen: call `run`.

    Attributes:
        name: For a person, such as "Gaussian blur".
        parameter_name: What the strength is called and measured in.
        restorer: The pure function (images, parameter) -> images.
        parameter: The strength.
    """

    name: str
    parameter_name: str
    restorer: Restorer
    parameter: float

    def run(self, images: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch channels height width"]:
        """Restore `images` with the chosen strength.

        Example:
            >>> TunedBaseline("Gaussian blur", "sigma, px", gaussian_blur, 0.65).run(torch.zeros(1, 1, 4, 4)).shape
            torch.Size([1, 1, 4, 4])
        """
        return self.restorer(images, self.parameter)


@dataclass(frozen=True, slots=True)
class Baseline:
    """A restorer and the strengths to choose from.

    Attributes:
        name: For a person, such as "Gaussian blur".
        parameter_name: What the strength is called and measured in.
        restorer: The pure function (images, parameter) -> images.
        candidates: The strengths that `tuned` tries.
    """

    name: str
    parameter_name: str
    restorer: Restorer
    candidates: tuple[float, ...]

    def tuned(
        self,
        noisy: Float[Tensor, "batch channels height width"],
        clean: Float[Tensor, "batch channels height width"],
    ) -> TunedBaseline:
        """Choose the strength on `noisy` and `clean`, as `tune` does.

        Example:
            >>> BASELINES[0].tuned(torch.zeros(1, 1, 8, 8), torch.full((1, 1, 8, 8), 0.5)).parameter
            0.0
        """
        parameter = tune(self.restorer, self.candidates, noisy, clean)
        return TunedBaseline(self.name, self.parameter_name, self.restorer, parameter)


# The blur is the one that is hard to beat: its strengths stand 10 % apart, the others' 30 to 40 %. 0 lets a restorer
# decline.
BASELINES: tuple[Baseline, ...] = (
    Baseline("Gaussian blur", "sigma, px", gaussian_blur, (0.0, *(round(0.3 * 1.1**i, 3) for i in range(26)))),
    Baseline("median", "radius, px", median, (0.0, 1.0, 1.5, 2.0, 2.3, 3.0)),
    Baseline("total variation", "weight", total_variation, (0.0, *(round(0.01 * 1.4**i, 4) for i in range(13)))),
    Baseline("non-local means", "sigma", non_local_means, (0.0, *(round(0.02 * 1.3**i, 4) for i in range(12)))),
)


def tune(
    restorer: Callable[[Tensor, _Parameter], Tensor],
    candidates: Sequence[_Parameter],
    noisy: Float[Tensor, "batch channels height width"],
    clean: Float[Tensor, "batch channels height width"],
) -> _Parameter:
    """Choose the candidate whose restoration of `noisy` has the best mean PSNR against `clean`.

    All are tried: the PSNR need not have one peak only (the median's radius counts pixels, non-local means cuts off),
    which a golden-section search relies on, and a list costs what it says.

    Choose on other images than those that are judged, or the choice has seen the answer.

    Args:
        restorer: A pure function (images, parameter) -> images.
        candidates: The parameters to try; of equally good ones the first wins.
        noisy: Images, (batch, channels, height, width).
        clean: What they should be, of the same shape.

    Returns:
        The best candidate.

    Raises:
        TypeError: An argument is no floating-point tensor.
        ValueError: There is no candidate, the shapes do not agree, or no candidate has a PSNR (nan).

    Example:
        >>> noisy, clean = torch.zeros(1, 1, 2, 2), torch.full((1, 1, 2, 2), 0.5)
        >>> tune(lambda images, shift: images + shift, [0.0, 0.25, 0.75], noisy, clean)
        0.25
    """
    if not candidates:
        raise ValueError("candidates is empty: pass at least one parameter to choose from")
    scores = [psnr_mean(restorer(noisy, candidate), clean) for candidate in candidates]
    if any(math.isnan(score) for score in scores):
        raise ValueError(
            f"the mean PSNR is nan for candidate {candidates[[math.isnan(score) for score in scores].index(True)]!r}: "
            "noisy, clean or what the restorer returns holds nan"
        )
    return candidates[scores.index(max(scores))]


def tune_baselines(
    noisy: Float[Tensor, "batch channels height width"], clean: Float[Tensor, "batch channels height width"]
) -> tuple[TunedBaseline, ...]:
    """Tune every entry of `BASELINES` on `noisy` and `clean`, which must not be the images that are judged later.

    Raises:
        TypeError: An argument is no floating-point tensor.
        ValueError: The shapes differ, are not four-dimensional, or hold no pixel.

    Example:
        >>> clean = torch.full((1, 1, 8, 8), 0.5)
        >>> noisy = clean + 0.1 * torch.randn(1, 1, 8, 8, generator=torch.Generator().manual_seed(0))
        >>> [baseline.name for baseline in tune_baselines(noisy, clean)]
        ['Gaussian blur', 'median', 'total variation', 'non-local means']
    """
    return tuple(baseline.tuned(noisy, clean) for baseline in BASELINES)


def _non_local_means_of_one(image: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
    """Restore one (channels, height, width) image."""
    from skimage.restoration import denoise_nl_means  # noqa: PLC0415  loaded by the first restoration

    last = np.moveaxis(image, 0, -1)
    restored = denoise_nl_means(
        last,
        patch_size=_PATCH_SIZE,
        patch_distance=_PATCH_DISTANCE,
        h=_CUT_OFF * sigma,
        sigma=sigma,
        preserve_range=True,
        channel_axis=-1,
    )
    # scikit-image drops axes of length 1 (and so turns a grey image over where its channel is not the last axis)
    return np.moveaxis(restored.reshape(last.shape), -1, 0)


def _array(images: Tensor, name: str, strength: float) -> NDArray[np.float64]:
    """Check the arguments and hand the pixels to NumPy in float64, which scikit-image takes for any image."""
    if not isinstance(images, Tensor):
        raise TypeError(f"images must be a tensor, not {type(images).__name__}")
    if not images.is_floating_point():
        raise TypeError(f"images must hold floating-point values in [0, 1], not {images.dtype}: divide by its peak")
    if images.ndim != 4 or images.numel() == 0:
        raise ValueError(
            f"images must be (batch, channels, height, width), at least one pixel, not of shape {tuple(images.shape)}"
        )
    if not (math.isfinite(strength) and strength >= 0):
        raise ValueError(f"{name} must be 0 or more and finite, not {strength!r}")
    array: NDArray[np.float64] = images.detach().cpu().double().numpy()
    return array


def _images(array: NDArray[np.float64], like: Tensor) -> Tensor:
    """Clip to [0, 1], and return in the dtype and on the device of `like`, sharing no memory with it."""
    return torch.as_tensor(array.clip(0, 1)).to(dtype=like.dtype, device=like.device)
