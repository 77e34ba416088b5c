"""What is mutated, and which tests must kill its mutants.

mutmut leaves decorated functions as they are. Caches are taken off for it; these remain:

- ``chain._located``, a context manager: what it adds to an error is compared word by word in ``test_compose.py``;
- the properties of ``phases.Run``, one expression each, without which no layer with a kernel computes anything;
- ``Optimizer.lr`` and the overloads, which have no code.
"""

import subprocess
from pathlib import Path

__all__ = ["ROOT", "TESTS", "touched"]

ROOT = Path(__file__).parent.parent.parent

_COMPOSE = ("tests/test_compose.py",)
_ELEMENTWISE = ("tests/layers/test_activations.py", "tests/layers/test_normalize.py")
_KERNELS = (
    "tests/layers/test_checks.py",
    "tests/layers/test_constants.py",
    "tests/layers/test_conv.py",
    "tests/layers/test_correlation.py",
    "tests/layers/test_devices.py",
    "tests/layers/test_lowering.py",
    "tests/layers/test_phases.py",
    "tests/layers/test_planes.py",
    "tests/layers/test_precision.py",
    "tests/layers/test_reordering.py",
    "tests/layers/test_transformed.py",
    "tests/layers/test_upsampling.py",
)

TESTS: dict[str, tuple[str, ...]] = {
    "n2nfun/tree.py": ("tests/test_tree.py",),
    "n2nfun/init.py": ("tests/test_init.py",),
    "n2nfun/losses.py": ("tests/test_losses.py",),
    "n2nfun/factors.py": ("tests/test_factors.py", "tests/test_optim.py"),
    "n2nfun/optim.py": ("tests/test_factors.py", "tests/test_optim.py"),
    "n2nfun/compose/chain.py": _COMPOSE,
    "n2nfun/compose/checks.py": _COMPOSE,
    "n2nfun/compose/overloads.py": _COMPOSE,
    "n2nfun/compose/residual.py": _COMPOSE,
    "n2nfun/layers/activations.py": _ELEMENTWISE,
    "n2nfun/layers/normalize.py": _ELEMENTWISE,
    "n2nfun/layers/checks.py": _KERNELS,
    "n2nfun/layers/constants.py": _KERNELS,
    "n2nfun/layers/conv.py": _KERNELS,
    "n2nfun/layers/convolving.py": _KERNELS,
    "n2nfun/layers/correlation.py": _KERNELS,
    "n2nfun/layers/lowering.py": _KERNELS,
    "n2nfun/layers/phases.py": _KERNELS,
    "n2nfun/layers/planes.py": _KERNELS,
    "n2nfun/layers/precision.py": _KERNELS,
    "n2nfun/layers/reordering.py": _KERNELS,
    "n2nfun/layers/spread.py": _KERNELS,
    "n2nfun/layers/upsampling.py": _KERNELS,
}
"""The modules, each with its tests."""


def touched(reference: str) -> list[str]:
    """List the modules that differ from a commit, themselves or in their tests."""
    git = ["git", "diff", "--name-only", reference, "--"]
    names = subprocess.run(git, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
    return [module for module, tests in TESTS.items() if not {module, *tests}.isdisjoint(names)]
