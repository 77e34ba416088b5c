"""Training steps recorded once, and repeated from their operations alone: no Python between them, and the same bits."""

from n2nfun.capture.step import UNREPEATED, CapturedStep, captured

__all__ = ["UNREPEATED", "CapturedStep", "captured"]
