"""What a pure function leaves alone."""

import random
from collections.abc import Generator
from contextlib import contextmanager

import torch

from n2nfun.testing.bits import bits
from n2nfun.tree import leaves
from tests.shape_checking import unchecked


@contextmanager
def nothing_changed(*trees: object) -> Generator[None]:
    """Require that the tensors of these trees, and the global random states, are left as they are."""
    tensors = leaves(trees)
    versions = [tensor._version for tensor in tensors]
    before = [bits(tensor) for tensor in tensors]
    layouts = [(tensor.stride(), tensor.requires_grad, tensor.grad) for tensor in tensors]
    torch_state, python_state = torch.get_rng_state(), random.getstate()
    with unchecked():  # beartype draws the items that it looks at from Python's random state
        yield
    assert [tensor._version for tensor in tensors] == versions
    assert all(torch.equal(bits(tensor), old) for tensor, old in zip(tensors, before, strict=True))
    assert [(tensor.stride(), tensor.requires_grad, tensor.grad) for tensor in tensors] == layouts
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert random.getstate() == python_state


def assert_outside_autograd(*trees: object) -> None:
    """Require that no tensor of these trees hangs on a graph of autograd, or asks for one."""
    for tensor in leaves(trees):
        assert tensor.grad_fn is None
        assert not tensor.requires_grad
