"""What the package stands on: torch's tensors and jaxtyping's annotations, and of torch nothing above tensors."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FILES = sorted((ROOT / "n2nfun").rglob("*.py"))

CORE = [
    *("n2nfun.layer", "n2nfun.layers", "n2nfun.compose", "n2nfun.losses", "n2nfun.optim", "n2nfun.tree", "n2nfun.init"),
    *("n2nfun.schedules", "n2nfun.summary", "n2nfun.train"),
]
OWN = {
    "n2nfun",
    "lazy_loader",  # n2nfun/__init__.py, which loads nothing else
}

MAY_NAME_WHAT_IS_ABOVE = {
    "n2nfun/layers/precision.py",  # asks whether a tensor is within autograd, to take it out
    "n2nfun/testing/laws/purity.py",  # asks that nothing of it be used
}


def loaded_by(*modules: str) -> set[str]:
    """Return the packages, not of the standard library, that a fresh process loads with these modules."""
    code = f"import sys, {', '.join(modules)}; print(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(run.stdout.split()) - sys.stdlib_module_names - {"__main__", "__mp_main__"}


def test_the_core_loads_torch_and_jaxtyping_and_nothing_else() -> None:
    allowed = loaded_by("torch", "jaxtyping")
    assert {"torch", "jaxtyping"} <= allowed
    assert loaded_by(*CORE) - allowed <= OWN


def test_the_package_alone_loads_nothing() -> None:
    assert loaded_by("n2nfun") - loaded_by("sys") <= OWN


WORDS = {
    *("nn", "autograd", "requires_grad", "requires_grad_", "grad_fn", "no_grad", "enable_grad", "set_grad_enabled"),
    *("inference_mode", "retain_grad", "register_hook", "vjp", "jvp", "jacrev", "jacfwd", "grad_and_value"),
    *("conv1d", "conv2d", "conv3d", "convolution", "conv_transpose2d"),
}
"""Of PyTorch's layers and derivatives. A gradient is computed by what the library itself says of it."""

ALLOWED = {
    "torch.ops",
    "torch.ops.aten",
    "torch.ops.aten.threshold_backward",  # a copy of one tensor where another is positive, in one pass
}

MODULES = ("torch.nn", "torch.autograd", "torch.optim", "torch.func.grad", "torch.ops")


def dotted(node: ast.expr) -> str:
    """Write an attribute of an attribute … of a name as in the source."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def imported(node: ast.AST) -> list[str]:
    """Return the full names that an import statement binds."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.level == 0:
        return [f"{node.module}.{alias.name}" for alias in node.names]
    return []


def is_above_tensors(name: str) -> bool:
    """Tell whether a full name is of PyTorch's layers, optimizers or derivatives."""
    if name in ALLOWED:
        return False
    torchs = name.startswith("torch.") and not WORDS.isdisjoint(name.split("."))
    return torchs or any(name == module or name.startswith(f"{module}.") for module in MODULES)


def above_tensors(source: str) -> Iterator[str]:
    """Find what a module uses of PyTorch above tensors, as line and name."""
    for node in ast.walk(ast.parse(source)):
        names = imported(node)
        if isinstance(node, ast.Attribute):
            names.append(dotted(node))
            if node.attr in WORDS:
                yield f"{node.lineno}: .{node.attr}"
        if isinstance(node, ast.Call) and dotted(node.func).endswith(".backward") and not node.args:
            yield f"{node.lineno}: .backward()"  # a layer's takes params, cache and grad, a loss's a cache
        if isinstance(node, ast.keyword) and node.arg == "requires_grad":
            yield f"{node.lineno}: requires_grad="
        yield from (f"{getattr(node, 'lineno', 0)}: {name}" for name in names if is_above_tensors(name))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.relative_to(ROOT).as_posix())
def test_nothing_above_tensors_is_used(file: Path) -> None:
    if file.relative_to(ROOT).as_posix() not in MAY_NAME_WHAT_IS_ABOVE:
        assert list(above_tensors(file.read_text(encoding="utf-8"))) == []


def test_every_exemption_is_needed() -> None:
    for name in MAY_NAME_WHAT_IS_ABOVE:
        assert list(above_tensors((ROOT / name).read_text(encoding="utf-8"))) != []


@pytest.mark.parametrize(
    "source",
    [
        "import torch.nn",
        "import torch.nn.functional as F",
        "from torch import nn",
        "from torch.nn import functional",
        "from torch.autograd import grad",
        "from torch.func import vjp",
        "from torch import conv2d",
        "import torch as t\nt.nn.ReLU()",
        "y = torch.conv2d(x, w)",
        "y = torch.ops.aten.convolution_backward(x)",
        "g = torch.func.grad(f)",
        "x.requires_grad_()",
        "x.requires_grad = True",
        "x = torch.ones(2, requires_grad=True)",
        "loss.backward()",
        "loss.backward(retain_graph=True)",
        "with torch.no_grad(): pass",
        "def f(p):\n    import torch.optim",
    ],
)
def test_what_is_above_tensors_is_found(source: str) -> None:
    assert list(above_tensors(source)) != []


@pytest.mark.parametrize(
    "source",
    [
        "import torch\nfrom torch import Tensor",
        "from torch.func import vmap",
        "dx, dparams = layer.backward(params, cache, grad)",
        "grads = loss.backward(cache)",
        "from n2nfun.layers.conv import Conv2d",
        "x = x.detach()",
        '"torch.nn.Conv2d in words"',
    ],
)
def test_tensors_are_not(source: str) -> None:
    assert list(above_tensors(source)) == []


def test_there_are_files_to_look_at() -> None:
    assert {"layers/conv.py", "optim.py", "tree.py"} <= {file.relative_to(ROOT / "n2nfun").as_posix() for file in FILES}
