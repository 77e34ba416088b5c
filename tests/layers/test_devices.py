"""Layers compute on the device of their arguments: the constants that they make are there, too."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from n2nfun.layer import Layer, Shape
from n2nfun.layers import Conv2d, Upsampling
from n2nfun.testing.comparing import compute
from n2nfun.testing.numbers import seeded
from n2nfun.tree import leaves, tree_map


class Devices(TorchDispatchMode):  # type: ignore[no-untyped-call]  # PyTorch does not type it
    """Records the operations that are given tensors on more than one device."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # nor this  # pyright: ignore[reportUnknownMemberType]
        self.mixed: set[str] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if len({argument.device for argument in args if isinstance(argument, Tensor)}) > 1:
            self.mixed.add(str(func))
        return func(*args, **(kwargs or {}))


def test_mixed_devices_are_seen() -> None:
    with Devices() as devices:
        _ = torch.ones(2, 2, device="meta") @ torch.ones(2, 2)
    assert devices.mixed == {"aten.mm.default"}


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (Conv2d(3, 4, 3, padding=1), (2, 3, 6, 7)),
        (Conv2d(3, 4, 3, stride=2, padding=1), (2, 3, 6, 7)),
        (Upsampling(3, 4, 5, padding=2), (2, 3, 4, 5)),
        (Upsampling(3, 4, 3, scale_factor=(3, 1), bias=False), (2, 3, 4, 5)),
    ],
    ids=repr,
)
def test_constants_are_where_the_arguments_are(layer: Layer[Any, Any], shape: Shape) -> None:
    params = tree_map(lambda leaf: leaf.to("meta"), layer.init(seeded(0)))
    x, grad = torch.empty(shape, device="meta"), torch.empty(layer.output_shape(shape), device="meta")
    with Devices() as devices:
        results = compute(layer, params, x, grad)
    assert devices.mixed == set()
    assert {leaf.device.type for leaf in leaves(results)} == {"meta"}
