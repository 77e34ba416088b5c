"""Sizes of pieces that small tensors have."""

import pytest

from n2nfun.layers import lowering

__all__ = ["set_pieces"]


def set_pieces(numbers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let pieces be of so many numbers."""
    monkeypatch.setattr(lowering, "PIECE", numbers)
