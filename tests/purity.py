"""What a pure function leaves alone."""

from contextlib import AbstractContextManager

from n2nfun.testing.laws.purity import unchanged
from n2nfun.tree import leaves


def nothing_changed(*trees: object) -> AbstractContextManager[None]:
    """Require that the tensors of these trees, and all that is global, are left as they are."""
    return unchanged("the call", arguments=trees)


def assert_outside_autograd(*trees: object) -> None:
    """Require that no tensor of these trees hangs on a graph of autograd, or asks for one."""
    for tensor in leaves(trees):
        assert tensor.grad_fn is None
        assert not tensor.requires_grad
