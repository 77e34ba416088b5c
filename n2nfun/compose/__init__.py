"""Layers made of layers."""

from n2nfun.compose.chain import Sequential
from n2nfun.compose.overloads import sequential
from n2nfun.compose.residual import Residual, residual

__all__ = ["Residual", "Sequential", "residual", "sequential"]
