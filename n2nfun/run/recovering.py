"""Which loss recovers the clean values, by what the noise keeps of them."""

from collections.abc import Callable

from n2nfun.data import Statistic
from n2nfun.losses import L0, L1, MSE, Loss, LossCache

__all__ = ["recovering_loss"]


def recovering_loss(keeps: Statistic, steps: int) -> Loss[LossCache] | Callable[[int], Loss[LossCache]]:
    """Return the loss whose minimum over noisy targets is the clean value: of their mean, their median or their mode.

    Args:
        keeps: What the noise keeps of the clean values.
        steps: How many there are in all; the mode's loss goes from L2 to L0 over them.

    Source: Lehtinen et al., "Noise2Noise", 2018, section 2 and appendix.
    """
    match keeps:
        case Statistic.MEAN:
            return MSE()
        case Statistic.MEDIAN:
            return L1()
        case Statistic.MODE:
            return lambda step: L0(2 * max(0.0, 1 - step / steps))
