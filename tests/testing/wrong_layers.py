"""One table of deliberately wrong layers: each right but for one fault, which a law must see."""

from dataclasses import dataclass

from n2nfun.layers import Conv2d, Identity, NearestUpsampling, Normalize, ReLU, Sigmoid, Upsampling
from n2nfun.testing import Law, Traits
from n2nfun.testing.law import AnyLayer
from n2nfun.testing.laws import LAWS
from tests.testing.wrong_convolutions import WRONG_CONVOLUTIONS
from tests.testing.wrong_functions import WRONG_IDENTITIES, WRONG_NORMALIZES, WRONG_RELUS, WRONG_SIGMOIDS
from tests.testing.wrong_upsamplings import WRONG_NEAREST_UPSAMPLINGS, WRONG_UPSAMPLINGS

__all__ = ["RIGHT_LAYERS", "WRONG_LAYERS", "RightLayer", "WrongLayer"]


@dataclass(frozen=True, slots=True)
class RightLayer:
    """A layer that keeps every law, and what is claimed of it."""

    layer: AnyLayer
    traits: Traits

    def laws(self) -> list[Law]:
        """List the laws that apply to it, and to what is derived from it."""
        return [law for law in LAWS.values() if law.applies(self.traits)]


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


_ALL_LINEAR = Traits(linear=True, linear_in_params=True, refuses=True)
_LINEAR = Traits(linear=True, refuses=True)

# Rows between the windows and below the last that none reads, columns that two read, and zeros to the left and right.
CONVOLUTION = RightLayer(Conv2d(2, 2, 2, stride=(3, 1), padding=(0, 1)), _ALL_LINEAR)
UPSAMPLING = RightLayer(Upsampling(2, 1, 3, padding=1), _ALL_LINEAR)
NEAREST_UPSAMPLING = RightLayer(NearestUpsampling(2), _LINEAR)
RELU = RightLayer(ReLU(), Traits(refuses=True))
SIGMOID = RightLayer(Sigmoid(), Traits(exact=False, refuses=True))
IDENTITY = RightLayer(Identity(), _LINEAR)
NORMALIZE = RightLayer(Normalize(0.5, 0.25), _LINEAR)

RIGHT_LAYERS = (CONVOLUTION, UPSAMPLING, NEAREST_UPSAMPLING, RELU, SIGMOID, IDENTITY, NORMALIZE)

WRONG_LAYERS = (
    *(
        WrongLayer(kind(2, 2, 2, stride=(3, 1), padding=(0, 1)), CONVOLUTION, law)
        for kind, law in WRONG_CONVOLUTIONS.items()
    ),
    *(WrongLayer(kind(2, 1, 3, padding=1), UPSAMPLING, law) for kind, law in WRONG_UPSAMPLINGS.items()),
    *(WrongLayer(kind(2), NEAREST_UPSAMPLING, law) for kind, law in WRONG_NEAREST_UPSAMPLINGS.items()),
    *(WrongLayer(kind(), RELU, law) for kind, law in WRONG_RELUS.items()),
    *(WrongLayer(kind(), SIGMOID, law) for kind, law in WRONG_SIGMOIDS.items()),
    *(WrongLayer(kind(), IDENTITY, law) for kind, law in WRONG_IDENTITIES.items()),
    *(WrongLayer(kind(0.5, 0.25), NORMALIZE, law) for kind, law in WRONG_NORMALIZES.items()),
)
