"""Moments of the difference of two images, and of its company with their brightness."""

from typing import NamedTuple

import torch
from jaxtyping import Float64
from torch import Tensor


class Moments(NamedTuple):
    """Means over the pixels of each piece, of values in units of the channel's noise unless named otherwise."""

    lags: Float64[Tensor, "pieces 4"]
    channels: Float64[Tensor, "pieces channels channels"]
    gain: Float64[Tensor, " pieces"]
    imbalance: Float64[Tensor, " pieces"]
    variance: Float64[Tensor, " pieces"]  # against the brightness in its own unit
    spread: Float64[Tensor, "pieces 2"]  # of the brightness: in units of the noise, and in its own
    shared: Float64[Tensor, " pieces"]
    cut_in_one: Float64[Tensor, " pieces"]


def measure_moments(first: Tensor, second: Tensor, offset: Tensor, brightness: Tensor, noise: Tensor) -> Moments:
    """Measure one chunk of pieces."""
    axes, sigma = (1, 2, 3), noise[:, None, None]
    d = (first - second - offset[:, None, None]) / sigma
    s = ((first + second) / 2 - brightness[:, None, None]) / sigma
    m = (s[..., :-2, 1:-1] + s[..., 2:, 1:-1] + s[..., 1:-1, :-2] + s[..., 1:-1, 2:]) / 4
    inner = d[..., 1:-1, 1:-1]
    own = m * sigma
    products = (
        d[..., :, :-1] * d[..., :, 1:],
        d[..., :-1, :] * d[..., 1:, :],
        d[..., :-1, :-1] * d[..., 1:, 1:],
        d[..., :-1, 1:] * d[..., 1:, :-1],
    )
    finest = (_diagonal_difference(first / sigma), _diagonal_difference(second / sigma))
    cut = ((first == 0) | (first == 1)) ^ ((second == 0) | (second == 1))
    return Moments(
        lags=torch.stack([product.mean(dim=axes) / 2 for product in products], dim=1),
        channels=d.flatten(2) @ d.flatten(2).mT / (2 * d.shape[2] * d.shape[3]),
        gain=(inner * m).mean(dim=axes),
        imbalance=2 * (inner * (s[..., 1:-1, 1:-1] - m)).mean(dim=axes),
        variance=((inner.square() / 2 - 1) * own).mean(dim=axes),
        spread=torch.stack([m.square().mean(dim=axes), own.square().mean(dim=axes)], dim=1),
        shared=(finest[0] * finest[1]).mean(dim=axes),
        cut_in_one=cut.double().mean(dim=axes),
    )


def _diagonal_difference(x: Tensor) -> Tensor:
    """Haar's diagonal detail, which keeps the variance of white noise."""
    return (x[..., :-1, :-1] - x[..., :-1, 1:] - x[..., 1:, :-1] + x[..., 1:, 1:]) / 2
