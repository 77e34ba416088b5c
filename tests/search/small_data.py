"""Data so small that a trial takes a hundredth of a second."""

import torch

from n2nfun.data import Pairs, Statistic
from n2nfun.search.data import TrialData
from n2nfun.testing.numbers import seeded


def small_data(*, keeps: Statistic = Statistic.MEAN, clean: bool = True, pairs: int = 10) -> TrialData:
    """Make pairs of 8x8 pixels around smooth images."""
    generator = seeded(0)
    smooth = torch.rand((pairs + 4, 3, 1, 1), generator=generator).expand(-1, -1, 8, 8)
    first, second = (smooth + 0.1 * torch.randn(smooth.shape, generator=generator) for _ in range(2))
    judged = Pairs(first[pairs:], second[pairs:], smooth[pairs:].clone() if clean else None)
    return TrialData(Pairs(first[:pairs], second[:pairs]), judged, keeps)
