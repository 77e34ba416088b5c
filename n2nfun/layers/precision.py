"""In which precision a layer computes: 16-bit floats are summed in float32 and rounded once."""

import torch
from torch import Tensor

_WORKING = {torch.float16: torch.float32, torch.bfloat16: torch.float32}


def detached(tensor: Tensor) -> Tensor:
    """Return the tensor outside autograd: itself, mostly, as each call of torch takes its time."""
    return tensor.detach() if tensor.requires_grad else tensor


def working(tensor: Tensor) -> Tensor:
    """Return the tensor outside autograd, 16-bit floats as float32 (exactly), others as they are."""
    wider = _WORKING.get(tensor.dtype)
    return detached(tensor) if wider is None else tensor.detach().to(wider)


def rounded(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    """Return the tensor in the precision of what it was computed from."""
    return tensor if tensor.dtype == dtype else tensor.to(dtype)
