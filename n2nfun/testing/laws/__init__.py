"""The laws of a layer, by name: what must hold of anything that claims to be one."""

from n2nfun.testing.laws.algebra import ALGEBRA
from n2nfun.testing.laws.batches import BATCHES
from n2nfun.testing.laws.extremes import EXTREMES
from n2nfun.testing.laws.memory import MEMORY
from n2nfun.testing.laws.purity import PURITY
from n2nfun.testing.laws.shapes import SHAPES

__all__ = ["LAWS"]

LAWS = {law.name: law for law in (*SHAPES, *ALGEBRA, *BATCHES, *PURITY, *MEMORY, *EXTREMES)}
"""Each law that a layer can be held to, by its name."""
