"""The laws of a layer, by name: what must hold of anything that claims to be one."""

from n2nfun.testing.laws.algebra import ALGEBRA
from n2nfun.testing.laws.batches import BATCHES
from n2nfun.testing.laws.dependence import DEPENDENCE
from n2nfun.testing.laws.extremes import EXTREMES
from n2nfun.testing.laws.memory import MEMORY
from n2nfun.testing.laws.purity import PURITY
from n2nfun.testing.laws.repetition import REPETITION
from n2nfun.testing.laws.rounding import ROUNDING
from n2nfun.testing.laws.shapes import SHAPES

__all__ = ["LAWS"]

LAWS = {
    law.name: law
    for laws in (SHAPES, ALGEBRA, DEPENDENCE, BATCHES, PURITY, REPETITION, MEMORY, ROUNDING, EXTREMES)
    for law in laws
}
"""Each law that a layer can be held to, by its name; that of a reference is made of it, by :func:`equals`."""
