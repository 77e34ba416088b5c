"""Measure pairs of noisy images."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from n2nfun.conditions.alignment import measure_shift
from n2nfun.conditions.estimates import certainty_threshold, floats, mean, ratio
from n2nfun.conditions.moments import Moments, measure_moments
from n2nfun.conditions.pieces import PIECE_SIZE, chunks, cut_into_pieces
from n2nfun.conditions.verdict import Conditions


def inspect_pairs(
    first: Float[Tensor, "batch channels height width"], second: Float[Tensor, "batch channels height width"]
) -> Conditions:
    """Measure, from noisy pairs alone, what Noise2Noise and the blind PSNR rely on.

    With d = first - second, s = (first + second) / 2, m the mean of s over the four neighbours (so that a pixel's own
    noise is not in it) and sigma^2 = Var d / 2, all pooled over the pixels:

        bias        E d                                  gain            Cov(d, m) / Var m
        imbalance   2 E[d (s - m)] / (1 - r) / sigma^2   variance slope  Cov(d^2, m) / Var m / Var d
        neighbours  Cov(d(p), d(p + lag)) / Var d        shared          E[D first * D second] / sigma^2

    where r is the mean correlation with the four neighbours and D the diagonal difference (a - b - c + d) / 2 of four
    pixels in a square. The shift is first the whole number of pixels that makes the squared difference least, found by
    descent, then the least-squares solution of d = shift . grad s, with E[grad first grad second^T] in the place of the
    gradients' own square, which would count the noise as edges.

    Args:
        first: Noisy images, (batch, channels, height, width), black at 0 and white at 1; not clipped.
        second: The other noisy image of each pair, of the same shape.

    Returns:
        The measurements with their standard errors.

    Raises:
        TypeError: An argument is no floating-point tensor.
        ValueError: The shapes differ or are not four-dimensional, a value is not finite, the images are smaller than
            8x8 or hold fewer than 16 pieces of that size, or a channel does not differ between the two.

    Example:
        >>> generator = torch.Generator().manual_seed(0)
        >>> first, second = (0.5 + 0.1 * torch.randn(64, 1, 16, 16, generator=generator) for _ in range(2))
        >>> conditions = inspect_pairs(first, second)
        >>> round(conditions.noise[0], 2), conditions.training_holds, conditions.blind_psnr_holds
        (0.1, True, True)
    """
    _check(first, second)
    a, b = cut_into_pieces(first.detach().cpu()), cut_into_pieces(second.detach().cpu())
    differences = torch.cat([(x - y).mean(dim=(2, 3)) for x, y in chunks(a, b)])
    brightness = torch.cat([((x + y) / 2).mean(dim=(2, 3)) for x, y in chunks(a, b)]).mean(dim=0)
    offset = differences.mean(dim=0)
    squares = [(x - y - offset[:, None, None]).square().mean(dim=(2, 3)) for x, y in chunks(a, b)]
    noise = (torch.cat(squares).mean(dim=0) / 2).sqrt()
    if not bool((noise > 0).all()):
        channel = int((noise == 0).nonzero()[0])
        raise ValueError(
            f"first and second differ by a constant in channel {channel}: one image was given twice, or the channel "
            "(such as an alpha channel) has no noise and must be left out"
        )
    parts = [measure_moments(x, y, offset, brightness, noise) for x, y in chunks(a, b)]
    moments = Moments(*(torch.cat(column) for column in zip(*parts, strict=True)))
    threshold = certainty_threshold(tests=len(noise) + 10, samples=len(a))
    lags = [mean(column) for column in moments.lags.T]
    spread = moments.spread.mean(dim=0)
    balance = 1 - (lags[0].value + lags[1].value) / 2
    shift = measure_shift(a, b, noise, threshold)
    return Conditions(
        pieces=len(a),
        threshold=threshold,
        noise=floats(noise),
        bias=tuple(mean(column) for column in differences.T),
        gain=ratio(moments.gain, moments.spread[:, 0]),
        imbalance=mean(moments.imbalance / balance),
        horizontal=lags[0],
        vertical=lags[1],
        diagonal=lags[2],
        antidiagonal=lags[3],
        channels=tuple(floats(row) for row in moments.channels.mean(dim=0)),
        variance_slope=ratio(moments.variance, moments.spread[:, 1]),
        brightness_spread=math.sqrt(float(spread[1])),
        shift=shift.pixels,
        shift_error=shift.error,
        shift_z=shift.z,
        shared=mean(moments.shared),
        cut_in_one=float(moments.cut_in_one.mean()),
    )


def _check(first: Tensor, second: Tensor) -> None:
    """Refuse what cannot be measured."""
    for name, images in (("first", first), ("second", second)):
        if not isinstance(images, Tensor):
            raise TypeError(f"{name} must be a tensor, not {type(images).__name__}")
        if not images.is_floating_point():
            raise TypeError(f"{name} must hold floating-point values, not {images.dtype}: divide by its peak")
        if images.ndim != 4 or images.numel() == 0 or min(images.shape[2:]) < PIECE_SIZE:
            raise ValueError(
                f"{name} must be (batch, channels, height, width) with at least {PIECE_SIZE}x{PIECE_SIZE} pixels, "
                f"not of shape {tuple(images.shape)}"
            )
        if not bool(images.isfinite().all()):
            raise ValueError(f"{name} holds nan or infinite values: leave those images out")
    if first.shape != second.shape:
        raise ValueError(f"first and second must have one shape, not {tuple(first.shape)} and {tuple(second.shape)}")
