"""By how much the second images are displaced against the first."""

import math
from statistics import NormalDist
from typing import NamedTuple

import torch
from torch import Tensor

from n2nfun.conditions.estimates import Estimate, floats, ratio
from n2nfun.conditions.pieces import FEWEST_PIECES

_VALUES_FOR_SHIFT = 2**22  # evenly spaced pieces are enough to measure one shift
_FARTHEST_SHIFT = 16  # pixels
_LEANING = 0.1  # an axis with a larger part of a direction without edges is not measured


class Shift(NamedTuple):
    """The fields of `Conditions` that tell of a shift."""

    pixels: tuple[Estimate, Estimate] | None
    error: float
    z: float


def measure_shift(first: Tensor, second: Tensor, noise: Tensor, threshold: float) -> Shift:
    """Estimate by how much second is displaced."""
    step = max(1, min(math.ceil(first.numel() / _VALUES_FOR_SHIFT), len(first) // FEWEST_PIECES))
    a, b = (pieces[::step].double() / noise[:, None, None] for pieces in (first, second))
    whole = _whole_shift(a, b, threshold)
    height, width = a.shape[2:]
    (top, left), (bottom, right) = ([max(0, -by) for by in whole], [max(0, by) for by in whole])
    a = a[..., top : height - bottom, left : width - right]
    b = b[..., bottom : height - top, right : width - left]
    of_a, of_b = _gradient(a), _gradient(b)
    inner = (a - b)[..., 1:-1, 1:-1]
    pull = torch.stack([((of_a[i] + of_b[i]) / 2 * inner).mean(dim=(1, 2, 3)) for i in (0, 1)], dim=1)
    edges = torch.stack([(of_a[i] * of_b[j]).mean(dim=(1, 2, 3)) for i in (0, 1) for j in (0, 1)], dim=1)
    edges = edges.reshape(-1, 2, 2)
    rest, variance = torch.zeros(2, dtype=torch.float64), torch.zeros(2, dtype=torch.float64)
    surest = math.inf if any(whole) else -math.inf
    for direction in _principal_directions(edges.mean(dim=0)):
        slope_a, slope_b = (direction[0] * of[0] + direction[1] * of[1] for of in (of_a, of_b))
        if _votes(slope_a * slope_b) > threshold:
            along = ratio(pull @ direction, edges @ direction @ direction)
            rest, variance = rest + along.value * direction, variance + (along.error * direction).square()
            surest = max(surest, abs(along.z))
        else:
            variance = variance.masked_fill(direction.abs() > _LEANING, math.inf)
    if surest < 0:
        return Shift(None, 0.0, 0.0)
    total = torch.tensor(whole, dtype=torch.float64) + rest
    down, across = (Estimate(*pair) for pair in zip(floats(total), floats(variance.sqrt()), strict=True))
    return Shift((down, across), float(total @ edges.mean(dim=0) @ total), surest)


def _principal_directions(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Unit eigenvectors of the symmetric part of a 2x2 matrix."""
    angle = math.atan2(float(matrix[0, 1] + matrix[1, 0]), float(matrix[0, 0] - matrix[1, 1])) / 2
    cosine, sine = math.cos(angle), math.sin(angle)
    return torch.tensor([cosine, sine], dtype=torch.float64), torch.tensor([-sine, cosine], dtype=torch.float64)


def _whole_shift(a: Tensor, b: Tensor, threshold: float) -> tuple[int, int]:
    """Walk pixel by pixel to where b's content lies on a's, as long as each step is a certain gain."""
    reach = min(_FARTHEST_SHIFT, min(a.shape[2:]) // 4)
    height, width = a.shape[2] - 2 * reach, a.shape[3] - 2 * reach
    window = a[..., reach : reach + height, reach : reach + width]

    def misfit(down: int, right: int) -> Tensor:
        moved = b[..., reach + down : reach + down + height, reach + right : reach + right + width]
        return (window - moved).square()

    here, least = (0, 0), misfit(0, 0)
    while True:
        # One axis at a time: a diagonal step that gains by one of its parts would take the other unproved.
        steps = [(here[0] + i, here[1] + j) for i, j in ((-1, 0), (1, 0), (0, -1), (0, 1))]
        steps = [(i, j) for i, j in steps if max(abs(i), abs(j)) <= reach]
        votes = [_votes(least - misfit(*step)) for step in steps]
        if max(votes) <= threshold:
            return here
        here = steps[votes.index(max(votes))]
        least = misfit(*here)


def _votes(values: Tensor) -> float:
    """Standard errors by which the mean is above zero, each piece counting in units of its own.

    So the few pieces with strong edges neither decide alone nor drown the others by the spread that they cause. Where
    values are correlated inside a piece the median deviation of the votes makes up for it.
    """
    rows = values.flatten(1)
    votes = rows.mean(dim=1) / rows.std(dim=1).clamp(min=torch.finfo(rows.dtype).tiny) * math.sqrt(rows.shape[1])
    spread = float((votes - votes.median()).abs().median()) / NormalDist().inv_cdf(0.75)
    return float(votes.sum()) / (math.sqrt(len(votes)) * max(1.0, spread))


def _gradient(x: Tensor) -> tuple[Tensor, Tensor]:
    """Central differences down and across, inside the border."""
    return (x[..., 2:, 1:-1] - x[..., :-2, 1:-1]) / 2, (x[..., 1:-1, 2:] - x[..., 1:-1, :-2]) / 2
