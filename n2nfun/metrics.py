"""How close a restored image is to the clean one: PSNR in both definitions, SSIM, and PSNR from noisy pairs alone.

There are two PSNRs, about 1 dB apart on natural images, and a number without its name is not comparable:
`psnr_mean` averages the decibels of the images, `psnr_pooled` takes the decibels of the average error. By Jensen's
inequality the mean is never the smaller one. All sums run in float64 on the CPU, whatever the dtype and the device
of the images.
"""

import math

import torch
from jaxtyping import Float, Float64
from torch import Tensor

_IMAGES_AT_ONCE = 64  # bounds the float64 copies; each image's error is independent of it
_SSIM_SIGMA = 1.5
_SSIM_WINDOW = 11  # scikit-image cuts the Gaussian at 3.5 sigma: 2 * int(3.5 * 1.5 + 0.5) + 1


def mse_each(
    prediction: Float[Tensor, "batch channels height width"], target: Float[Tensor, "batch channels height width"]
) -> Float64[Tensor, " batch"]:
    """Mean squared error of each image.

    Args:
        prediction: Images, (batch, channels, height, width), any floating dtype.
        target: What they should be, of the same shape; its dtype and device may differ.

    Returns:
        One float64 value an image, on the CPU.

    Raises:
        TypeError: An argument is no floating-point tensor.
        ValueError: The shapes differ, are not four-dimensional, or hold no pixel.

    Example:
        >>> mse_each(torch.zeros(2, 1, 2, 2), torch.ones(2, 1, 2, 2)).tolist()
        [1.0, 1.0]
    """
    _check_pair("prediction", prediction, "target", target)
    chunks = [slice(start, start + _IMAGES_AT_ONCE) for start in range(0, len(prediction), _IMAGES_AT_ONCE)]
    errors = (prediction[chunk].detach().cpu().double() - target[chunk].detach().cpu().double() for chunk in chunks)
    return torch.cat([error.square().mean(dim=(1, 2, 3)) for error in errors])


def psnr_each(
    prediction: Float[Tensor, "batch channels height width"], target: Float[Tensor, "batch channels height width"]
) -> Float64[Tensor, " batch"]:
    """Peak signal-to-noise ratio of each image in dB: -10 log10(MSE), the peak being 1.

    An image that equals its target has no error, and its PSNR is infinite.

    Args:
        prediction: Images in [0, 1], (batch, channels, height, width).
        target: The clean images, of the same shape.

    Returns:
        One float64 value an image, on the CPU.

    Raises:
        TypeError: An argument is no floating-point tensor.
        ValueError: The shapes differ, are not four-dimensional, or hold no pixel.

    Example:
        >>> psnr_each(torch.tensor([0.1, 0.0]).reshape(2, 1, 1, 1), torch.zeros(2, 1, 1, 1)).round(decimals=4).tolist()
        [20.0, inf]
    """
    return -10 * mse_each(prediction, target).log10()


def psnr_mean(
    prediction: Float[Tensor, "batch channels height width"], target: Float[Tensor, "batch channels height width"]
) -> float:
    """Mean over the images of each image's PSNR, in dB.

    One image that equals its target makes the mean infinite: `psnr_each` shows which.

    Args:
        prediction: Images in [0, 1], (batch, channels, height, width).
        target: The clean images, of the same shape.

    Returns:
        Decibels, or infinity.

    Raises:
        TypeError: An argument is no floating-point tensor.
        ValueError: The shapes differ, are not four-dimensional, or hold no pixel.

    Example:
        >>> prediction = torch.tensor([0.1, 0.01]).reshape(2, 1, 1, 1)
        >>> round(psnr_mean(prediction, torch.zeros(2, 1, 1, 1)), 4)  # of 20 and 40
        30.0
    """
    return float(psnr_each(prediction, target).mean())


def psnr_pooled(
    prediction: Float[Tensor, "batch channels height width"], target: Float[Tensor, "batch channels height width"]
) -> float:
    """PSNR, in dB, of the squared error pooled over all pixels of all images.

    It is infinite only where every image equals its target.

    Args:
        prediction: Images in [0, 1], (batch, channels, height, width).
        target: The clean images, of the same shape.

    Returns:
        Decibels, or infinity.

    Raises:
        TypeError: An argument is no floating-point tensor.
        ValueError: The shapes differ, are not four-dimensional, or hold no pixel.

    Example:
        >>> prediction = torch.tensor([0.1, 0.01]).reshape(2, 1, 1, 1)
        >>> round(psnr_pooled(prediction, torch.zeros(2, 1, 1, 1)), 4)  # of (0.01 + 0.0001) / 2
        22.9671
    """
    return float(-10 * mse_each(prediction, target).mean().log10())


def ssim(
    prediction: Float[Tensor, "batch channels height width"], target: Float[Tensor, "batch channels height width"]
) -> float:
    """Structural similarity, the mean over pixels, channels and images; 1 for equal images.

    Computed by scikit-image with the settings of the paper: a Gaussian window of sigma 1.5 (11x11 pixels),
    population covariance, data range 1. Colour images are judged channel by channel.

    Args:
        prediction: Images in [0, 1], (batch, channels, height, width), height and width at least 11.
        target: The clean images, of the same shape.

    Returns:
        A number in [-1, 1].

    Raises:
        TypeError: An argument is no floating-point tensor.
        ValueError: The shapes differ, are not four-dimensional, hold no pixel, or the images are smaller than the
            window.

    Example:
        >>> images = torch.arange(3 * 16 * 16.0).reshape(1, 3, 16, 16) / 768
        >>> ssim(images, images)
        1.0

    References:
        Wang, Bovik, Sheikh, Simoncelli: Image Quality Assessment: From Error Visibility to Structural Similarity,
        IEEE Transactions on Image Processing 13 (2004), section III.
    """
    from skimage.metrics import structural_similarity  # noqa: PLC0415  the other metrics need torch alone

    _check_pair("prediction", prediction, "target", target)
    if min(prediction.shape[2:]) < _SSIM_WINDOW:
        height, width = prediction.shape[2:]
        raise ValueError(
            f"ssim: prediction is {height}x{width} pixels, and its window needs at least "
            f"{_SSIM_WINDOW}x{_SSIM_WINDOW}: leave SSIM out for images this small"
        )
    values = [
        structural_similarity(
            t.cpu().double().numpy(),
            p.cpu().double().numpy(),
            channel_axis=0,
            data_range=1.0,
            gaussian_weights=True,
            sigma=_SSIM_SIGMA,
            use_sample_covariance=False,
        )
        for p, t in zip(prediction.detach(), target.detach(), strict=True)
    ]
    return math.fsum(values) / len(values)


def blind_mse(
    restored: Float[Tensor, "batch channels height width"],
    first: Float[Tensor, "batch channels height width"],
    second: Float[Tensor, "batch channels height width"],
) -> float:
    r"""Estimate the MSE of `restored` against the clean images that nobody has, from noisy pairs alone.

    Let first = x + u and second = x + v, with u and v independent and of mean zero given x, and restored = f(first).
    Then

        E (f(first) - second)^2 = E (f(first) - x)^2 - 2 E[(f(first) - x) v] + E v^2
                                = MSE + E v^2,

    because f(first) knows nothing of v; and E (first - second)^2 = E u^2 + E v^2, which is 2 E v^2 where the two
    noises are equally strong. Hence MSE = E (f(first) - second)^2 - E (first - second)^2 / 2, and the means over the
    pixels given here estimate it without bias.

    What it needs, and what breaks it:

    - f may be anything that does not see `second`, clipping to [0, 1] included. A network that was *trained* on these
      very pairs has seen `second`, and the estimate flatters it: judge on pairs that were held out.
    - `first` and `second` must not be clipped themselves, since clipped noise has no mean of zero.
    - With unequal noise the estimate is off by (E v^2 - E u^2) / 2; noise that both share, and a bias that both
      share, go unseen. `n2nfun.conditions.inspect_pairs` checks what can be checked.

    Args:
        restored: f(first), (batch, channels, height, width).
        first: The noisy images that were restored, of the same shape.
        second: The other noisy images, of the same shape.

    Returns:
        The estimate as it falls: where the true MSE is below the sampling error it can be zero or negative.

    Raises:
        TypeError: An argument is no floating-point tensor.
        ValueError: The shapes differ, are not four-dimensional, or hold no pixel.

    Example:
        The error of a restorer that always answers 0.5, where every pixel is 0.25 and the noise is +-0.25:

        >>> first = torch.tensor([0.0, 0.0, 0.5, 0.5]).reshape(1, 1, 2, 2)
        >>> second = torch.tensor([0.0, 0.5, 0.0, 0.5]).reshape(1, 1, 2, 2)
        >>> blind_mse(torch.full((1, 1, 2, 2), 0.5), first, second)
        0.0625
    """
    _check_pair("restored", restored, "first", first)
    _check_pair("first", first, "second", second)
    return float((mse_each(restored, second) - 0.5 * mse_each(first, second)).mean())


def blind_psnr(
    restored: Float[Tensor, "batch channels height width"],
    first: Float[Tensor, "batch channels height width"],
    second: Float[Tensor, "batch channels height width"],
) -> float:
    """Estimate the pooled PSNR of `restored` in dB from noisy pairs alone: -10 log10 of `blind_mse`.

    Args:
        restored: f(first), (batch, channels, height, width), in [0, 1].
        first: The noisy images that were restored, of the same shape.
        second: The other noisy images, of the same shape.

    Returns:
        Decibels, or nan where `blind_mse` is not positive: the error is then too small for these pairs to measure,
        and any number of decibels, infinity included, would claim a perfection that was not seen.

    Raises:
        TypeError: An argument is no floating-point tensor.
        ValueError: The shapes differ, are not four-dimensional, or hold no pixel.

    Example:
        >>> first = torch.tensor([0.0, 0.0, 0.5, 0.5]).reshape(1, 1, 2, 2)
        >>> second = torch.tensor([0.0, 0.5, 0.0, 0.5]).reshape(1, 1, 2, 2)
        >>> round(blind_psnr(torch.full((1, 1, 2, 2), 0.5), first, second), 4)  # of 1/16
        12.0412
    """
    estimate = blind_mse(restored, first, second)
    return -10 * math.log10(estimate) if estimate > 0 else math.nan


def _check_pair(name: str, images: Tensor, other_name: str, other: Tensor) -> None:
    """Refuse what no metric is defined for."""
    for label, value in ((name, images), (other_name, other)):
        if not isinstance(value, Tensor):
            raise TypeError(f"{label} must be a tensor, not {type(value).__name__}")
        if not value.is_floating_point():
            raise TypeError(f"{label} must hold floating-point values in [0, 1], not {value.dtype}: divide by its peak")
        if value.ndim != 4:
            raise ValueError(f"{label} must be (batch, channels, height, width), not of shape {tuple(value.shape)}")
    if images.shape != other.shape:
        raise ValueError(
            f"{name} and {other_name} must have one shape, not {tuple(images.shape)} and {tuple(other.shape)}"
        )
    if images.numel() == 0:
        raise ValueError(f"{name} holds no pixel, its shape being {tuple(images.shape)}: pass at least one image")
