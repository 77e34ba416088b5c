"""The layers of the course report's network at its sizes, and its small example: always among those that are tried."""

from collections.abc import Callable
from typing import Any, TypeVar

from hypothesis import example

from n2nfun.layer import Shape
from n2nfun.layers import Conv2d, Upsampling
from n2nfun.testing.geometries import Axis, ConvGeometry
from n2nfun.testing.numbers import seeded

F = TypeVar("F", bound=Callable[..., None])


def _square(layer: Conv2d[Any, Any], batch: int, size: int) -> ConvGeometry:
    axis = Axis(size, layer.kernel_size[0], layer.stride[0], layer.padding[0])
    return ConvGeometry(layer, (batch, layer.in_channels, size, size), axis, axis)


REPORT = _square(Conv2d(1, 2, 2, stride=2), 1, 5)
"""The course report's example: two windows in five rows, the last of which no window reads."""

CONVOLUTIONS = (REPORT, _square(Conv2d(3, 16, 2, stride=2), 2, 32), _square(Conv2d(16, 32, 2, stride=2), 1, 16))

UPSAMPLINGS: tuple[tuple[Upsampling[Any, Any], Shape], ...] = (
    (Upsampling(2, 3, 5, scale_factor=2, padding=2), (2, 2, 4, 5)),
    (Upsampling(32, 16, 5, scale_factor=2, padding=2), (1, 32, 8, 8)),
    (Upsampling(16, 3, 5, scale_factor=2, padding=2), (2, 16, 16, 16)),
    (Upsampling(32, 16, 3, scale_factor=2, padding=1), (2, 32, 8, 8)),
)


def _tried_on(cases: tuple[object, ...], drawn: dict[str, Any]) -> Callable[[F], F]:
    def with_examples(test: F) -> F:
        for case in cases:
            test = example(case=case, **drawn)(test)
        return test

    return with_examples


also_on_the_reports_convolutions = _tried_on(CONVOLUTIONS, {"generator": seeded(0)})
also_on_the_reports_upsamplings = _tried_on(UPSAMPLINGS, {"generator": seeded(0)})
also_on_the_shapes_of_the_reports_convolutions = _tried_on(CONVOLUTIONS, {})
also_on_the_shapes_of_the_reports_upsamplings = _tried_on(UPSAMPLINGS, {})
