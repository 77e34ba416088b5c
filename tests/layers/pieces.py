"""Sizes of pieces that small tensors have."""

import pytest

from n2nfun.layers import lowering

__all__ = ["set_pieces"]


def set_pieces(numbers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let windows of so many numbers be copied into one matrix, and pieces be of as many."""
    monkeypatch.setattr(lowering, "COPIED", numbers)
    monkeypatch.setattr(lowering, "PIECE", numbers)
