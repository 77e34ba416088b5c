"""The numbers of channels that a type checker tells apart; every other number is Any to it, and is checked at run time.

Constrained TypeVars rather than bounded ones: of ``16 if wide else 32`` a bound would make the union of both, and then
find fault with either. A union fits no constraint, and so is checked at run time.
"""

from typing import Literal, TypeVar

__all__ = ["KnownIn", "KnownOut"]

# 0 is no number of channels: it is there for the decoy in Layer.__rshift__.
KnownIn = TypeVar(
    "KnownIn",
    Literal[0],
    Literal[1],
    Literal[2],
    Literal[3],
    Literal[4],
    Literal[6],
    Literal[8],
    Literal[12],
    Literal[16],
    Literal[24],
    Literal[32],
    Literal[48],
    Literal[64],
    Literal[96],
    Literal[128],
    Literal[144],
    Literal[160],
    Literal[192],
    Literal[224],
    Literal[256],
    Literal[320],
    Literal[384],
    Literal[448],
    Literal[512],
    Literal[640],
    Literal[768],
    Literal[1024],
    Literal[1536],
    Literal[2048],
)
KnownOut = TypeVar(
    "KnownOut",
    Literal[0],
    Literal[1],
    Literal[2],
    Literal[3],
    Literal[4],
    Literal[6],
    Literal[8],
    Literal[12],
    Literal[16],
    Literal[24],
    Literal[32],
    Literal[48],
    Literal[64],
    Literal[96],
    Literal[128],
    Literal[144],
    Literal[160],
    Literal[192],
    Literal[224],
    Literal[256],
    Literal[320],
    Literal[384],
    Literal[448],
    Literal[512],
    Literal[640],
    Literal[768],
    Literal[1024],
    Literal[1536],
    Literal[2048],
)
