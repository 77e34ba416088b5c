"""What is asked of a gradient where the cache knows its dtype and device; the rest is asked in each layer's tests."""

import torch

from n2nfun.layers.checks import check_gradient
from tests.refusals import Refusal, each

GRAD = torch.ones(2, 3)


@each(
    [
        Refusal(
            lambda: check_gradient("ReLU.backward()", GRAD, (2, 3), torch.float64),
            TypeError,
            "ReLU.backward(): grad is torch.float32, expected that of forward's output, torch.float64",
        ),
        Refusal(
            lambda: check_gradient("ReLU.backward()", GRAD, (2, 3), torch.float32, torch.device("meta")),
            TypeError,
            "ReLU.backward(): grad is on cpu, cache on meta: move one to the other's device",
        ),
    ]
)
def test_refuses_a_gradient(refusal: Refusal) -> None:
    refusal.check()


def test_takes_a_gradient() -> None:
    check_gradient("ReLU.backward()", GRAD, (2, 3))
    check_gradient("ReLU.backward()", GRAD, (2, 3), torch.float32, torch.device("cpu"))
