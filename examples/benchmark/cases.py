"""The work that is timed: training steps on small images, and restoring whole ones; the same numbers for everyone."""

from dataclasses import dataclass
from itertools import count, islice, product
from math import gcd
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor

from n2nfun.layer import Layer
from n2nfun.models import denoiser, paper
from n2nfun.train import Batch
from n2nfun.tree import leaves, rebuild

Part: TypeAlias = Literal["grid", "default", "restore", "tiny"]

LR, MOMENTUM = 0.01, 0.9
FIRST_STEPS = 5
"""So many steps are made, and their results compared, before any is timed: the third has met all there is to compile, and the
fifth is the first that is repeated from a recording."""

HIDDEN = ((8, 32), (16, 32), (16, 64), (32, 64))
GOLDEN = 0.618


@dataclass(frozen=True)
class Training:
    """A training step: forward, loss, backward, Nesterov SGD."""

    model: Literal["paper", "denoiser"]
    batch: int
    hidden: tuple[int, int] = (16, 32)
    down_kernel: int = 2
    up_kernel: int = 5
    size: int = 32
    """Height and width of the images."""

    def __str__(self) -> str:
        kind = f" {self.hidden}, kernels {self.down_kernel} and {self.up_kernel}" if self.model == "paper" else ""
        return f"{self.model}{kind}, batch {self.batch}"

    def layer(self) -> Layer[Any, Any]:
        """Return the network."""
        if self.model == "denoiser":
            return denoiser().layer
        return paper(hidden=self.hidden, down_kernel=self.down_kernel, up_kernel=self.up_kernel).layer

    def shape(self) -> tuple[int, int, int, int]:
        """Return the batch's shape."""
        return self.batch, 3, self.size, self.size

    def start(self) -> tuple[Any, Batch]:
        """Return the parameters that everyone starts with, and the batch."""
        generator = torch.Generator().manual_seed(0)
        params = self.layer().init(generator)
        x, target = (torch.rand(self.shape(), generator=generator) for _ in range(2))
        return params, Batch(x, target)


@dataclass(frozen=True)
class Restoring:
    """One image through the default model."""

    height: int
    width: int

    def __str__(self) -> str:
        return f"{self.width} x {self.height} pixels"

    def start(self) -> tuple[Any, Tensor]:
        """Return parameters, none of them 0, and the image."""
        generator = torch.Generator().manual_seed(0)
        params = denoiser().layer.init(generator)
        moved = [leaf + 0.02 * torch.randn(leaf.shape, generator=generator) for leaf in leaves(params)]
        return rebuild(params, moved), torch.rand(1, 3, self.height, self.width, generator=generator)


Case: TypeAlias = Training | Restoring


def cases(part: Part, shapes: int | None = None) -> list[Case]:
    """List the cases of a part; of the grid as many as asked for, spread over all its sizes."""
    match part:
        case "grid":
            whole = [
                Training("paper", batch, hidden, down, up)
                for hidden, down, up, batch in product(HIDDEN, (2, 4), (3, 5), (4, 16, 64))
            ]
            return list(spread(whole, shapes))
        case "default":
            return [Training("denoiser", batch) for batch in (4, 16, 64)]
        case "restore":
            return [Restoring(512, 512), Restoring(3000, 4000)]
        case "tiny":
            return [Training("paper", 1, (2, 3), 2, 3, size=8), Restoring(16, 24)]


def spread(whole: list[Training], shapes: int | None) -> list[Training]:
    """Take so many cases, far from each other: by strides of the golden section, which any number of them spreads evenly."""
    length = len(whole)
    stride = next(islice((one for one in count(round(GOLDEN * length)) if gcd(one, length) == 1), 1))
    return [whole[index * stride % length] for index in range(length if shapes is None else min(shapes, length))]
