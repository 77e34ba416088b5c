"""In which precision a layer computes: 16-bit floats are summed in float32 and rounded once."""

import torch
from torch import Tensor

_WORKING = {torch.float16: torch.float32, torch.bfloat16: torch.float32}


def working(tensor: Tensor) -> Tensor:
    """Return the tensor outside autograd, 16-bit floats as float32 (exactly), others as they are."""
    detached = tensor.detach()
    wider = _WORKING.get(detached.dtype)
    return detached if wider is None else detached.to(wider)
