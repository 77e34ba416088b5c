"""Whatever is asked wrongly is refused by name, before anything is computed, and everything is left as it was.

Which values are legal is written down here once more, apart from the library's own checks, so that what is legal is
seen to be taken, too.
"""

import math
import re
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from n2nfun.compose import Residual, Sequential
from n2nfun.init import fans, xavier_normal, xavier_uniform, zeros
from n2nfun.layer import Layer, NoParams, Shape, ShapeError
from n2nfun.layers import Conv2d, NearestUpsampling, Normalize, ReLU, Upsampling
from n2nfun.losses import L0, L1, MSE
from n2nfun.models import denoiser, paper
from n2nfun.optim import SGD, Adam, AdamState, SGDState, clip_by_global_norm
from n2nfun.schedules import constant, cosine
from n2nfun.testing import layers, networks, optimizers
from n2nfun.testing.numbers import normal_numbers, normal_params, seeded
from n2nfun.tree import branches, leaves, tree_map
from tests.layer_cases import PAPER
from tests.operations import Operations
from tests.purity import nothing_changed
from tests.shape_checking import unchecked

ROOT = Path(__file__).parent.parent
Named = tuple[str, Any]


@contextmanager
def refused(name: str, *held: object, nothing_computed: bool = True) -> Generator[None]:
    """Require an error that names the argument, with nothing computed before it and nothing changed."""
    with nothing_changed(*held), Operations() as operations, pytest.raises((TypeError, ValueError)) as caught:
        yield
    assert caught.type in {TypeError, ValueError} or caught.type.__module__.startswith("n2nfun."), caught.type
    assert re.search(rf"\b{re.escape(name)}\b", str(caught.value)), f"{name} is not named: {caught.value}"
    assert not (nothing_computed and operations.names), operations.names


# Constructors, and functions of plain values


class Whole(int):
    """An int of a class of its own."""


class Both(NamedTuple):
    """A pair with names."""

    height: int
    width: int


Legal = Callable[[Any], bool]


def whole(least: float, most: float = 2**63 - 1) -> Legal:
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def items_of(value: object) -> tuple[Any, ...] | None:
    if not isinstance(value, tuple):
        return None
    return cast("tuple[Any, ...]", value)  # type: ignore[redundant-cast]  # pyright sees Unknown in it


def several(count: int, one: Legal) -> Legal:
    def legal(value: Any) -> bool:
        items = items_of(value)
        return items is not None and len(items) == count and all(map(one, items))

    return legal


def size(least: int) -> Legal:
    one = whole(least, 65_535)
    pair = several(2, one)
    return lambda value: one(value) or pair(value)


def number(least: float = 0.0, *, strictly: bool = False, below: float = math.inf) -> Legal:
    def legal(value: Any) -> bool:
        if not isinstance(value, int | float) or isinstance(value, bool):
            return False
        if isinstance(value, int) and abs(value) >= 2**63:
            return False
        return math.isfinite(value) and value < below and (least < value if strictly else least <= value)

    return legal


def flag(value: Any) -> bool:
    return isinstance(value, bool)


def or_a_tensor(one: Legal, dtype: torch.dtype) -> Legal:
    return lambda value: one(
        value.item() if isinstance(value, Tensor) and value.shape == () and value.dtype is dtype else value
    )


def weight_shape(value: Any) -> bool:
    return several(4, whole(1))(value) and math.prod(items_of(value) or ()) <= 2**40


def is_a(kind: type) -> Legal:
    return lambda value: isinstance(value, kind)


class Argument(NamedTuple):
    """One argument of a call, and what it may be; the others are given."""

    call: Callable[..., object]
    name: str
    legal: Legal
    others: dict[str, Any] = {}  # noqa: RUF012 - nobody writes to it

    def __str__(self) -> str:
        return f"{getattr(self.call, '__name__', self.call)}({self.name})"


def step_of(schedule: Callable[[int], float]) -> Callable[..., float]:
    def rate(*, step: int) -> float:
        return schedule(step)

    return rate


COUNTS = whole(1, 65_535)
CHANNELS: dict[str, Any] = {"in_channels": 1, "out_channels": 1, "kernel_size": 1}
PARAMS = (torch.ones(2),)
TINY_SHAPE = {"shape": (1, 1, 1, 1)}

OF_A_KERNEL: dict[str, Legal] = {
    "in_channels": COUNTS,
    "out_channels": COUNTS,
    "kernel_size": size(1),
    "padding": size(0),
    "bias": flag,
    "initializer": callable,
}

ARGUMENTS = [
    *(
        Argument(layer, name, legal, {key: value for key, value in CHANNELS.items() if key != name})
        for layer in (Conv2d, Upsampling)
        for name, legal in OF_A_KERNEL.items()
    ),
    Argument(Conv2d, "stride", size(1), CHANNELS),
    Argument(Upsampling, "scale_factor", size(1), CHANNELS),
    Argument(Upsampling, "trim", size(0), CHANNELS),
    Argument(NearestUpsampling, "scale_factor", size(1)),
    Argument(Normalize, "mean", number(-math.inf), {"std": 1.0}),
    Argument(Normalize, "std", number(strictly=True), {"mean": 0.0}),
    Argument(Residual, "layer", is_a(Layer)),
    Argument(L0, "gamma", number()),
    Argument(L0, "eps", number(strictly=True), {"gamma": 1.0}),
    Argument(SGD, "lr", or_a_tensor(number(), torch.float32)),
    *(
        Argument(SGD, name, or_a_tensor(number(), torch.float32), {"lr": 0.5})
        for name in ("momentum", "dampening", "weight_decay")
    ),
    Argument(SGD, "nesterov", or_a_tensor(flag, torch.bool), {"lr": 0.5, "momentum": 0.5}),
    *(Argument(Adam, name, number()) for name in ("lr", "eps", "weight_decay")),
    Argument(Adam, "betas", several(2, number(below=1))),
    Argument(Adam, "decoupled", flag),
    Argument(clip_by_global_norm, "most", number(strictly=True), {"grads": PARAMS}),
    Argument(constant, "lr", number()),
    Argument(step_of(constant(0.5)), "step", whole(0)),
    Argument(cosine, "peak", number(), {"steps": 9}),
    Argument(cosine, "final", number(), {"steps": 9, "peak": 1.0}),
    Argument(cosine, "steps", whole(1), {"peak": 1.0}),
    Argument(cosine, "warmup", whole(0, 9), {"steps": 9, "peak": 1.0}),
    Argument(step_of(cosine(1.0, 9)), "step", whole(0)),
    *(Argument(paper, name, COUNTS) for name in ("down_kernel", "up_kernel", "channels")),
    Argument(paper, "hidden", several(2, COUNTS)),
    Argument(denoiser, "width", COUNTS),
    Argument(denoiser, "channels", COUNTS),
    *(Argument(function, "shape", weight_shape, {"generator": seeded(0)}) for function in (xavier_normal, zeros)),
    Argument(xavier_uniform, "shape", weight_shape, {"generator": seeded(0)}),
    Argument(fans, "shape", weight_shape),
    *(
        Argument(function, "generator", is_a(torch.Generator), TINY_SHAPE)
        for function in (xavier_normal, xavier_uniform, zeros)
    ),
]

TOO_LONG: Any = 10**5000
"""An integer that Python refuses to write."""

VALUES: list[Any] = [
    None,
    *("", "3", "same", b"3", True, False, 0, -0.0, 1, 2, 3, -1, 7.0, 1.5, 0.25, -0.5, math.nan, math.inf, -math.inf),
    *(5e-324, 1e300, -1e300, 9, 10, 65_535, 65_536, 2**31, 2**63 - 1, 2**63, -(2**63), 10**400, TOO_LONG, -TOO_LONG),
    *((), (1,), (1, 2), (1, 2, 3), (0, 1), (1, 0), (0, 0), (1, -1), (1, 2.0), (2**31, 1), (1, TOO_LONG), (True, 1)),
    *((0.5, 0.25), (0.5, 1.0), (math.nan, 0.5), (0.5, "0.5"), (0.5, None), ((1, 2), (1, 2)), (None, None)),
    *((1, 1, 1, 1), (2, 3, 1, 1), (1, 1, 0, 1), (1, 1, 1, -1), (1, 1, 1.0, 1), (2**31, 2**31, 1, 1), (2**63, 1, 1, 1)),
    *((10**9,) * 4, (1, 1, 1, True), [1, 2], [1, 1, 1, 1], {}, {1: 2}, {1, 2}, range(2), Both(1, 2), Both(-1, 2)),
    *(Whole(2), Whole(-1), np.int64(3), np.float32(0.5), np.float64(0.5), np.float64(math.nan), np.bool_(True)),
    *(np.array([1, 2]), Fraction(1, 2), Decimal("0.5"), 1j, object(), int, ReLU, ReLU(), seeded(0), NotImplemented, ...),
    *(torch.tensor(3), torch.tensor(0.5), torch.tensor(data=True), torch.ones(2), torch.float32, torch.Size([1, 2])),
]  # fmt: skip


def check_argument(argument: Argument, value: Any) -> None:
    """Call with a value, which must be taken if it is legal and refused by name if not."""

    def call() -> object:
        return argument.call(**argument.others, **{argument.name: value})

    if argument.legal(value):
        call()
        return
    with refused(argument.name, argument.others.get("grads")):
        call()


@pytest.mark.parametrize("argument", ARGUMENTS, ids=str)
def test_an_argument_is_legal_or_refused_by_its_name(argument: Argument) -> None:
    for value in VALUES:
        check_argument(argument, value)


anything = (
    st.integers()
    | st.floats()
    | st.booleans()
    | st.none()
    | st.text(max_size=3)
    | st.lists(st.integers(-1, 3) | st.integers() | st.floats() | st.none(), max_size=5).map(tuple)
)


@given(st.sampled_from(ARGUMENTS), anything)
def test_any_value_is_legal_or_refused_by_its_name(argument: Argument, value: Any) -> None:
    check_argument(argument, value)


HUGE = """
import re, resource
import torch
from n2nfun import *
calls = {calls}
torch.ones(2) @ torch.ones(2)
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 2**28, -1))
try:
    torch.ones(2**28)
except RuntimeError:
    print("limited")
for name, call in calls.items():
    try:
        eval(call)
    except (TypeError, ValueError) as error:
        assert re.search(rf"\\b{{name}}\\b", str(error)), error
        print("refused", name)
"""
CALLS = {
    "padding": "Conv2d(1, 1, 1, padding=2**31)",
    "kernel_size": "Conv2d(1, 1, 2**31)",
    "trim": "Upsampling(1, 1, 1, trim=(0, 2**31))",
    "scale_factor": "NearestUpsampling(2**31)",
    "shape": "zeros((2**20, 2**21, 1, 1), torch.Generator())",
    "x": "Conv2d(1, 1, 60_000, padding=60_000).forward(Conv2d(1, 1, 1).init(torch.Generator()), torch.ones(1, 2, 1, 1))",
    "params": "Conv2d(1, 1, 1, padding=60_000).forward(NoParams(), torch.ones(1, 1, 1, 1))",
    "cache": "NearestUpsampling(60_000).backward(NoParams(), None, torch.ones(1, 1, 1, 1))",
}


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited, and its use read, as Linux does")
def test_what_is_huge_is_refused_where_memory_is_small() -> None:
    code = HUGE.format(calls=CALLS)
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert found.stdout.splitlines() == ["limited", *(f"refused {name}" for name in CALLS)], found.stderr


# Layers


def no_tensors(x: Tensor) -> list[Any]:
    """List what no layer and no loss takes for a tensor."""
    values: list[Any] = [None, "x", 3, 0.5, [[1.0]], (x,), x.numpy(), object(), Tensor]
    values += [x.to(dtype) for dtype in (torch.int32, torch.uint8, torch.bool, torch.complex64, torch.float8_e5m2)]
    return [*values, x.to_sparse()]


def no_params(params: Any) -> list[Any]:
    """List what is not the params of this layer."""
    values: list[Any] = [None, "params", 3, object(), [part for _, part in branches(params) or ()], (params,) * 6]
    with unchecked():  # elsewhere in the tests some of these cannot be made
        if leaves(params):
            values += [NoParams(), (), tree_map(Tensor.float, params), tree_map(Tensor.int, params)]
            values += [tree_map(lambda leaf: leaf[None], params), tree_map(Tensor.to_sparse, params)]
            values += [tree_map(lambda leaf: leaf.to("meta"), params)]
        else:
            values += [Conv2d(1, 1, 1).init(seeded(0))]
    return values


def no_gradients(grad: Tensor) -> list[Any]:
    """List what is no gradient of an output like this."""
    others = [grad[None], torch.cat([grad, grad, grad.new_ones(1, *grad.shape[1:])]), grad.float(), grad.bfloat16()]
    return [*no_tensors(grad), *others]


class Drawn(NamedTuple):
    """A layer, and all that its methods take, in float64."""

    layer: Layer[Any, Any]
    params: Any
    x: Tensor
    cache: Any
    grad: Tensor


def drawn(case: tuple[Layer[Any, Any], Shape]) -> Drawn:
    layer, shape = case
    params = normal_params(layer, seeded(0), torch.float64)
    x = normal_numbers(shape, seeded(1), torch.float64)
    y, cache = layer.forward(params, x)
    return Drawn(layer, params, x, cache, y)


@st.composite
def illegal_calls(draw: st.DrawFn) -> tuple[Drawn, str, str, Any]:
    """Draw a layer, one of its methods, and one argument of it with a wrong value."""
    found = drawn(draw(st.one_of(layers(), networks(), st.just((PAPER, (1, 3, 8, 8))))))
    method = draw(st.sampled_from(["forward", "apply", "backward", "gradients"]))
    name = draw(st.sampled_from(["params", "x"] if method in {"forward", "apply"} else ["params", "cache", "grad"]))
    values: dict[str, Callable[[], list[Any]]] = {
        "params": lambda: no_params(found.params),
        "x": lambda: no_tensors(found.x),
        "grad": lambda: no_gradients(found.grad),
        "cache": lambda: [None, "cache", 3, found.x, object(), [found.cache], (found.cache,) * 6, NoParams()],
    }
    return found, method, name, draw(st.sampled_from(values[name]()))


@given(illegal_calls())
@settings(max_examples=max(50, settings().max_examples // 2))
def test_an_illegal_call_of_a_layer_is_refused_by_name(call: tuple[Drawn, str, str, Any]) -> None:
    found, method, name, value = call
    given = {"params": found.params} | (
        {"x": found.x} if method in {"forward", "apply"} else {"cache": found.cache, "grad": found.grad}
    )
    alone = not isinstance(found.layer, Sequential | Residual)
    with refused(name, found.params, found.x, found.cache, found.grad, nothing_computed=alone):
        getattr(found.layer, method)(**given | {name: value})


@given(st.one_of(layers(), networks()), st.sampled_from(VALUES) | anything)
def test_a_generator_is_one_or_refused_by_name(case: tuple[Layer[Any, Any], Shape], value: Any) -> None:
    layer, _ = case
    if not isinstance(value, torch.Generator):
        with refused("generator", nothing_computed=not isinstance(layer, Sequential | Residual)):
            layer.init(value)


@given(st.one_of(layers(), networks()), st.sampled_from(VALUES) | anything)
def test_a_shape_is_one_or_refused_by_name(case: tuple[Layer[Any, Any], Shape], value: Any) -> None:
    layer, _ = case
    sizes = items_of(value)
    if sizes is None or not all(map(whole(-math.inf, math.inf), sizes)):
        with refused("shape"):
            layer.output_shape(value)
        return
    shape: Shape | None = None
    with suppress(ShapeError):
        shape = layer.output_shape(sizes)
    if shape is None:
        with refused("x"):
            layer.output_shape(sizes)
    else:
        assert all(number >= 0 for number in shape)


@pytest.mark.parametrize("value", [None, 3, "layers", [ReLU()], ReLU(), ReLU], ids=repr)
def test_layers_that_are_no_tuple_are_refused_by_name(value: Any) -> None:
    with refused("layers"):
        Sequential(value)


# Losses and optimizers

X = torch.ones(2, 3, dtype=torch.float64)


@pytest.mark.parametrize("loss", [MSE(), L1(), L0(0.5)], ids=repr)
@pytest.mark.parametrize("name", ["prediction", "target"])
def test_losses_refuse_what_is_no_tensor_of_theirs(loss: Any, name: str) -> None:
    for value in [*no_gradients(X), X.to("meta")]:
        with refused(name, X):
            loss.forward(**{"prediction": X, "target": X, name: value})
    for value in (None, X, object(), loss):
        with refused("cache"):
            loss.backward(value)


def no_trees(tree: Any) -> list[Any]:
    """List what optimizers compute nothing with."""
    first, *rest = tree
    values: list[Any] = [list(tree), {"weight": first}, (list(rest), first)]
    values += [(leaf(first), *rest) for leaf in (Tensor.int, Tensor.bool, Tensor.to_sparse)]
    return [*values, *((first.to(dtype), *rest) for dtype in (torch.complex64, torch.float8_e5m2))]


def other_trees(tree: Any) -> list[Any]:
    """List what is no tree like this one, beside what is none at all."""
    first, *rest = tree
    values: list[Any] = [None, first, tree[:1], (*tree, first), (None, *rest), (3, *rest)]
    return [*no_trees(tree), *values, *((other, *rest) for other in (first[None], first.float(), first.to("meta")))]


def no_states(state: Any) -> list[Any]:
    """List what is no state of this optimizer."""
    make: Any = AdamState  # for callers without a type checker
    if not hasattr(state, "mean"):
        velocity: Any = state.velocity
        wrong = [] if velocity is None else [SGDState(part) for part in other_trees(velocity) if part is not None]
        return [None, "state", (state,), make(0, X, X), *wrong]
    values: list[Any] = [None, "state", (state,), SGDState(None)]
    values += [make(steps, state.mean, state.square) for steps in (None, "1", 1.0, True, -1, 2**63, TOO_LONG)]
    values += [make(1, mean, state.square) for mean in other_trees(state.mean)]
    return [*values, *(make(1, state.mean, square) for square in other_trees(state.mean))]


def rate_of(optimizer: object) -> Legal:
    """Say what this optimizer takes for a rate."""
    return or_a_tensor(number(), torch.float32) if isinstance(optimizer, SGD) else number()


@given(optimizers(), st.data())
def test_optimizers_refuse_what_is_none_of_theirs(optimizer: Any, data: st.DataObject) -> None:
    params = (torch.ones(2, 1, dtype=torch.float64), torch.ones(3, dtype=torch.float64))
    _, state = optimizer.step(params, params, optimizer.init(params))
    a_rate = rate_of(optimizer)
    names = {
        "params": lambda: other_trees(params),
        "grads": lambda: other_trees(params),
        "state": lambda: no_states(state),
        "lr": lambda: [value for value in VALUES if value is not None and not a_rate(value)],
    }
    name = data.draw(st.sampled_from(sorted(names)))
    with unchecked():  # elsewhere in the tests some of these states cannot be made
        value = data.draw(st.sampled_from(names[name]()))
    with refused(name, params, state):
        optimizer.step(**{"params": params, "grads": params, "state": state, name: value})


@given(optimizers(), st.sampled_from(no_trees((X, X))))
def test_no_tree_has_a_state_and_no_norm(optimizer: Any, value: Any) -> None:
    with refused("params"):
        optimizer.init(value)
    with refused("grads"):
        clip_by_global_norm(value, 1.0)


FLOATS = (torch.float32, torch.float64, torch.float16, torch.bfloat16)
TOO_LARGE: list[tuple[str, Callable[[float], Any]]] = [
    ("lr", SGD),
    ("lr", Adam),
    ("momentum", lambda value: SGD(0.5, momentum=value)),
    ("momentum", lambda value: SGD(0.5, momentum=value, nesterov=True)),
    ("dampening", lambda value: SGD(0.5, momentum=0.5, dampening=value)),
    ("weight_decay", lambda value: SGD(0.5, weight_decay=value)),
    ("weight_decay", lambda value: Adam(0.0, weight_decay=value)),
]


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize(("name", "make"), TOO_LARGE)
def test_numbers_that_the_dtype_does_not_hold_are_refused_by_name(
    name: str, make: Callable[[float], Any], dtype: torch.dtype
) -> None:
    params, most = (torch.ones(2, dtype=dtype),), torch.finfo(dtype).max
    held = make(most * (0.0625 if make is Adam else 1))  # Adam's first step is ten times lr
    held.step(params, params, held.init(params))
    if dtype is not torch.float64:
        large = make(most * 1.001)
        state = large.init(params)
        with refused(name, params):
            large.step(params, params, state)
