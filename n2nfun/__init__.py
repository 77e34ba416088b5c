"""Functional neural networks on torch tensors, and the Noise2Noise restorer built on them."""
