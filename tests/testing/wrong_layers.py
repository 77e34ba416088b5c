"""One table of deliberately wrong layers: each right but for one fault, which a law must see."""

from dataclasses import dataclass

from n2nfun.testing.law import AnyLayer
from tests.testing.right_layers import (
    CONVOLUTION,
    IDENTITY,
    NEAREST_UPSAMPLING,
    NORMALIZE,
    RELU,
    SIGMOID,
    UPSAMPLING,
    RightLayer,
)
from tests.testing.wrong_convolutions import WRONG_CONVOLUTIONS
from tests.testing.wrong_functions import WRONG_IDENTITIES, WRONG_NORMALIZES, WRONG_RELUS, WRONG_SIGMOIDS
from tests.testing.wrong_states import WRONG_STATES
from tests.testing.wrong_upsamplings import WRONG_NEAREST_UPSAMPLINGS, WRONG_UPSAMPLINGS

__all__ = ["WRONG_LAYERS", "WrongLayer"]


@dataclass(frozen=True, slots=True)
class WrongLayer:
    """A layer that claims to be as good as the right one."""

    layer: AnyLayer
    right: RightLayer
    killed_by: str
    """The law that names its fault best; others may see it too."""

    def __str__(self) -> str:
        return type(self.layer).__name__

    @property
    def fault(self) -> str:
        """What is wrong, in a sentence."""
        return (type(self.layer).__doc__ or "").strip()


WRONG_LAYERS = (
    *(
        WrongLayer(kind(2, 2, 2, stride=(3, 1), padding=(0, 1)), CONVOLUTION, law)
        for kind, law in WRONG_CONVOLUTIONS.items()
    ),
    *(WrongLayer(kind(2, 1, 3, padding=1), UPSAMPLING, law) for kind, law in WRONG_UPSAMPLINGS.items()),
    *(WrongLayer(kind(2), NEAREST_UPSAMPLING, law) for kind, law in WRONG_NEAREST_UPSAMPLINGS.items()),
    *(WrongLayer(kind(), RELU, law) for kind, law in {**WRONG_RELUS, **WRONG_STATES}.items()),
    *(WrongLayer(kind(), SIGMOID, law) for kind, law in WRONG_SIGMOIDS.items()),
    *(WrongLayer(kind(), IDENTITY, law) for kind, law in WRONG_IDENTITIES.items()),
    *(WrongLayer(kind(0.5, 0.25), NORMALIZE, law) for kind, law in WRONG_NORMALIZES.items()),
)
