"""A kit with which anyone proves a layer of their own: the laws that a layer must keep, and strategies to try them on.

``check_layer(layer)`` holds a layer to every law that applies to it, on inputs that hypothesis draws, and reports the
smallest counterexample. ``laws_of()`` lists the laws, for pytest to make each a test of its own. ``LAWS`` are all of them,
each with a sentence that says what must hold.

It needs hypothesis: ``pip install n2nfun[testing]``.
"""

from n2nfun.testing.checking import check_layer, laws_of, shapes_for
from n2nfun.testing.geometries import ConvGeometry, conv_geometries, upsamplings
from n2nfun.testing.gradients import check_gradients
from n2nfun.testing.law import Example, Law, LawBroken, Traits
from n2nfun.testing.laws import LAWS
from n2nfun.testing.laws.reference import Reference, equals
from n2nfun.testing.losses import check_loss
from n2nfun.testing.optimizers import check_optimizer
from n2nfun.testing.strategies import images, laid_out, layers, networks, optimizers, params_for

__all__ = [
    "LAWS",
    "ConvGeometry",
    "Example",
    "Law",
    "LawBroken",
    "Reference",
    "Traits",
    "check_gradients",
    "check_layer",
    "check_loss",
    "check_optimizer",
    "conv_geometries",
    "equals",
    "images",
    "laid_out",
    "laws_of",
    "layers",
    "networks",
    "optimizers",
    "params_for",
    "shapes_for",
    "upsamplings",
]
