"""Blueprints against the layers that they stand for: the same shapes, problems and counts, and nothing false of less."""

from dataclasses import dataclass, fields, replace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from n2nfun.compose import Residual, Sequential
from n2nfun.layer import Layer, Shape, ShapeError
from n2nfun.layers import Conv2d, NearestUpsampling, ReLU, Upsampling
from n2nfun.mypy_plugin import blueprints
from n2nfun.mypy_plugin.blueprints import Blueprint, from_text, to_text

small = st.integers(1, 3)
pairs = st.tuples(small, small)
shapes = st.tuples(st.integers(0, 2), small, st.integers(1, 9), st.integers(1, 9))


@st.composite
def upsamplings(draw: st.DrawFn) -> Upsampling:
    return Upsampling(
        draw(small),
        draw(small),
        draw(pairs),
        scale_factor=draw(pairs),
        padding=draw(st.tuples(st.integers(0, 2), st.integers(0, 2))),
        trim=draw(st.tuples(st.integers(0, 1), st.integers(0, 1))),
        bias=draw(st.booleans()),
    )


convolutions = st.builds(
    Conv2d,
    small,
    small,
    pairs,
    stride=pairs,
    padding=st.tuples(st.integers(0, 2), st.integers(0, 2)),
    bias=st.booleans(),
)
single: st.SearchStrategy[Layer[Any, Any]] = st.one_of(
    convolutions, upsamplings(), st.builds(NearestUpsampling, pairs), st.just(ReLU())
)


@dataclass(frozen=True)
class Plan:
    """A composition yet to be made: in a strategy, the checks of annotations would draw random numbers of their own."""

    parts: "tuple[Plan | Layer[Any, Any], ...]"
    residual: bool

    def made(self) -> Layer[Any, Any]:
        """Compose it."""
        layers = tuple(part.made() if isinstance(part, Plan) else part for part in self.parts)
        return Residual(Sequential(layers)) if self.residual else Sequential(layers)


plans: st.SearchStrategy[Plan] = st.builds(
    Plan,
    st.lists(
        st.recursive(
            single, lambda inner: st.builds(Plan, st.lists(inner, min_size=1, max_size=3).map(tuple), st.booleans())
        ),
        min_size=1,
        max_size=4,
    ).map(tuple),
    st.booleans(),
)


def blueprint_of(layer: Layer[Any, Any]) -> Blueprint:
    """Draw a layer's blueprint, with everything known."""
    match layer:
        case Conv2d():
            return blueprints.Windowed(
                "Conv2d",
                layer.in_channels,
                layer.out_channels,
                layer.kernel_size,
                stride=layer.stride,
                padding=layer.padding,
                bias=layer.bias,
            )
        case Upsampling():
            return blueprints.Windowed(
                "Upsampling",
                layer.in_channels,
                layer.out_channels,
                layer.kernel_size,
                scale=layer.scale_factor,
                padding=layer.padding,
                trim=layer.trim,
                bias=layer.bias,
            )
        case NearestUpsampling():
            return blueprints.Scaling("NearestUpsampling", layer.scale_factor)
        case Sequential():
            return blueprints.Chain(tuple(blueprint_of(own) for own in layer.layers))
        case Residual():
            return blueprints.Residual(blueprint_of(layer.layer))
        case _:
            return blueprints.Elementwise(type(layer).__name__)


def at_run_time(layer: Layer[Any, Any], shape: Shape) -> tuple[Shape | None, tuple[str, ...]]:
    try:
        return layer.output_shape(shape), ()
    except ShapeError as error:
        return None, error.problems


@given(plan=plans, shape=shapes)
def test_shapes_and_problems_are_those_of_run_time(plan: Plan, shape: Shape) -> None:
    layer = plan.made()
    expected, problems = at_run_time(layer, shape)
    out, found = blueprint_of(layer).shape(shape)
    assert found == problems
    if expected is not None:
        assert out == expected


@given(plan=plans)
def test_parameters_are_those_of_run_time(plan: Plan) -> None:
    layer = plan.made()
    assert blueprint_of(layer).parameters() == layer.count_parameters()


@given(plan=plans)
def test_text_keeps_all(plan: Plan) -> None:
    blueprint = blueprint_of(plan.made())
    assert from_text(to_text(blueprint)) == blueprint


def forget(blueprint: Blueprint, data: st.DataObject) -> Blueprint:
    """Forget some of the numbers."""
    match blueprint:
        case blueprints.Chain(layers):
            return blueprints.Chain(tuple(forget(layer, data) for layer in layers))
        case blueprints.Residual(layer):
            return blueprints.Residual(forget(layer, data))
        case blueprints.Elementwise():
            return blueprint
        case _:
            pass
    if data.draw(st.integers(0, 5)) == 0:
        return blueprints.Opaque(blueprint.name, blueprint.takes, blueprint.makes, blueprint.preserves)
    known = {field.name: getattr(blueprint, field.name) for field in fields(blueprint) if field.name != "name"}
    return replace(blueprint, **{name: forgotten(value, data) for name, value in known.items()})


def forgotten(value: Any, data: st.DataObject) -> Any:
    if isinstance(value, tuple):
        first, second = cast("tuple[object, object]", value)
        return forgotten(first, data), forgotten(second, data)
    return None if data.draw(st.integers(0, 3)) == 0 else value


@given(plan=plans, shape=shapes, data=st.data())
def test_what_is_less_known_is_never_wrong(plan: Plan, shape: Shape, data: st.DataObject) -> None:
    layer = plan.made()
    blueprint = forget(blueprint_of(layer), data)
    seen = tuple(forgotten(size, data) for size in shape)
    expected, problems = at_run_time(layer, shape)
    out, found = blueprint.shape(seen)
    assert len(found) <= len(problems)
    if expected is not None and out is not None:
        assert len(out) == len(expected)
        assert all(size in {None, own} for size, own in zip(out, expected, strict=True))
    assert blueprint.parameters() in {None, layer.count_parameters()}
    if isinstance(blueprint, blueprints.Chain | blueprints.Residual) and not problems:
        assert not list(blueprint.mismatches())


def windowed(name: str, takes: int | None, makes: int | None) -> Blueprint:
    return blueprints.Windowed(name, takes, makes, (1, 1))


RELU = blueprints.Elementwise("ReLU")
MISMATCHES: list[tuple[tuple[Blueprint, ...], list[str]]] = [
    ((windowed("A", 3, 16), RELU, RELU, windowed("B", 32, 3)), ['layer 0 "A" makes 16 channels, layer 3 "B" takes 32']),
    (
        (windowed("A", 3, 16), windowed("B", 8, 4), windowed("C", 5, 3)),
        ['layer 0 "A" makes 16 channels, layer 1 "B" takes 8', 'layer 1 "B" makes 4 channels, layer 2 "C" takes 5'],
    ),
    ((windowed("A", 3, None), windowed("B", 32, 3)), []),
    ((windowed("A", 3, 16), blueprints.Opaque("B"), windowed("C", 32, 3)), []),
    (
        (blueprints.Chain((windowed("A", 3, 16), RELU)), blueprints.Residual(windowed("B", 8, 8))),
        ['layer 0 "Sequential" makes 16 channels, layer 1 "Residual" takes 8'],
    ),
    ((RELU, windowed("A", 3, 16), blueprints.Chain((RELU, RELU)), windowed("B", 16, 3)), []),
]


@pytest.mark.parametrize(("layers", "expected"), MISMATCHES)
def test_mismatches_name_both_layers(layers: tuple[Blueprint, ...], expected: list[str]) -> None:
    assert list(blueprints.Chain(layers).mismatches()) == expected


def test_a_residual_needs_as_many_channels() -> None:
    layer = blueprints.Chain((windowed("A", 3, 16), RELU))
    assert list(blueprints.Residual(layer).mismatches()) == [
        '"Sequential" takes 3 channels and makes 16, expected as many'
    ]
    assert not list(blueprints.Residual(windowed("A", 3, 3)).mismatches())
    assert not list(blueprints.Residual(windowed("A", None, 3)).mismatches())
