"""What becomes of memory that is freed while a command runs."""

import ctypes
import sys

__all__ = ["keep_freed_memory"]

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""Of glibc's malloc.h."""
_KEPT = 1 << 30


def keep_freed_memory() -> bool:
    """Tell glibc to keep freed memory for the next tensor, and not to return it to the system at once.

    The system maps every page of returned memory anew, and fills it with zeros, which takes long where images are large.
    The environment variable ``GLIBC_TUNABLES`` does the same for one's own programs.

    Returns:
        Whether the C library took it; others than glibc do not know it.

    Source: malloc.h of glibc, mallopt(3).
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    return all(mallopt(threshold, _KEPT) == 1 for threshold in (_TRIM_THRESHOLD, _MMAP_THRESHOLD))
