"""Neural networks as pure functions on torch tensors, and the Noise2Noise image restorer built on them.

Names are loaded when they are first used, so that importing the package costs nothing.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
