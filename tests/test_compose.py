"""Compositions: the chain rule by hand, flat params, laws of composition, and mismatches told with their place."""

from typing import Any

import pytest
import torch
from torch import Tensor

from n2nfun.compose import Residual, Sequential, residual, sequential
from n2nfun.layer import NoParams, ShapeError
from n2nfun.layers import (
    Conv2d,
    ConvCache,
    ConvParams,
    Identity,
    NearestUpsampling,
    ReLU,
    ReLUCache,
    Sigmoid,
    Upsampling,
)
from n2nfun.testing.bits import assert_same_bits
from n2nfun.testing.comparing import compute
from n2nfun.testing.numbers import normal_numbers, normal_params, seeded
from n2nfun.tree import leaves
from tests.layer_cases import PAPER
from tests.refusals import Refusal, each

A = Conv2d(3, 4, 2, stride=2)
B = ReLU()
C = Conv2d(4, 2, 3, padding=1)
SHAPE = (2, 3, 6, 8)

seq: Any = sequential  # for callers without a type checker
res: Any = residual


def normal_arguments(layer: Any) -> tuple[Any, Tensor, Tensor]:
    """Return params, x and grad."""
    generator = seeded(0)
    params, x = normal_params(layer, generator, torch.float32), normal_numbers(SHAPE, generator, torch.float32)
    return params, x, normal_numbers(layer.output_shape(SHAPE), generator, torch.float32)


def test_a_composition_is_the_chain_rule() -> None:
    network = A >> B >> C
    (a, none, c), x, grad = normal_arguments(network)
    y, caches = network.forward((a, none, c), x)
    y_a, cache_a = A.forward(a, x)
    y_b, cache_b = B.forward(none, y_a)
    y_c, cache_c = C.forward(c, y_b)
    assert_same_bits((y, caches), (y_c, (cache_a, cache_b, cache_c)))
    dx, dparams = network.backward((a, none, c), caches, grad)
    grad_c, da_c = C.backward(c, cache_c, grad)
    grad_b, da_b = B.backward(none, cache_b, grad_c)
    grad_a, da_a = A.backward(a, cache_a, grad_b)
    assert_same_bits((dx, dparams), (grad_a, (da_a, da_b, da_c)))


def test_params_and_caches_are_flat_tuples() -> None:
    network = A >> B >> C
    params = network.init(seeded(0))
    assert [type(own) for own in params] == [ConvParams, NoParams, ConvParams]
    _, caches = network.forward(params, torch.ones(SHAPE))
    assert [type(own) for own in caches] == [ConvCache, ReLUCache, ConvCache]
    assert network == sequential(A, B, C)
    assert network == (A >> B) >> C
    assert network.layers == (A, B, C)


def test_parameters_are_drawn_in_the_order_of_the_layers() -> None:
    generator = seeded(0)
    expected = (A.init(generator), B.init(generator), C.init(generator))
    assert_same_bits((A >> B >> C).init(seeded(0)), expected)
    assert_same_bits(res(C).init(seeded(1)), C.init(seeded(1)))


def test_a_composition_on_the_right_stays_one_layer() -> None:
    inner = B >> C
    network = A >> inner
    assert network.layers == (A, inner)
    assert [type(own) for own in network.init(seeded(0))] == [ConvParams, tuple]


@pytest.mark.parametrize(
    "nested", [A >> (B >> C), sequential(A >> B, C), sequential(sequential(A, B, C)), A >> Identity() >> B >> C]
)
def test_composition_is_associative_and_identity_neutral(nested: Any) -> None:
    flat = A >> B >> C
    params, x, grad = normal_arguments(flat)
    y, dx, dparams = compute(flat, params, x, grad)
    other = compute(nested, *normal_arguments(nested))
    assert_same_bits((y, dx, *leaves(dparams)), (other.y, other.dx, *leaves(other.dparams)))
    assert nested.output_shape(SHAPE) == flat.output_shape(SHAPE)
    assert nested.count_parameters() == flat.count_parameters()
    assert nested.multiply_adds(SHAPE) == flat.multiply_adds(SHAPE)


def test_more_than_sixteen_layers_compose() -> None:
    network = seq(*[ReLU()] * 40)
    assert len(network.init(seeded(0))) == 40
    y, dx, _ = compute(network, (NoParams(),) * 40, torch.tensor([-1.0, 2.0]), torch.tensor([3.0, 4.0]))
    assert_same_bits((y, dx), (torch.tensor([0.0, 2.0]), torch.tensor([0.0, 4.0])))


def test_counts_are_sums() -> None:
    network = A >> B >> C
    assert network.count_parameters() == A.count_parameters() + C.count_parameters()
    assert network.count_parameters() == (4 * 3 * 4 + 4) + (2 * 4 * 9 + 2)
    behind = A.output_shape(SHAPE)
    assert network.multiply_adds(SHAPE) == A.multiply_adds(SHAPE) + C.multiply_adds(behind)
    assert list(network.stages(SHAPE)) == [(0, A, SHAPE), (1, B, behind), (2, C, behind)]


def test_residual_adds_the_input() -> None:
    inner = Conv2d(3, 3, 3, padding=1) >> ReLU()
    params, x, grad = normal_arguments(inner)
    y, cache = inner.forward(params, x)
    dx, dparams = inner.backward(params, cache, grad)
    whole, own_cache = residual(inner).forward(params, x)
    assert_same_bits((whole, own_cache), (x + y, cache))
    assert_same_bits(residual(inner).backward(params, own_cache, grad), (grad + dx, dparams))
    assert residual(inner).count_parameters() == inner.count_parameters()
    assert residual(inner).multiply_adds(SHAPE) == inner.multiply_adds(SHAPE)


def test_residual_of_identity_doubles() -> None:
    x = normal_numbers((2, 3), seeded(0), torch.float32)
    y, dx, _ = compute(residual(Identity()), NoParams(), x, x)
    assert_same_bits((y, dx), (2 * x, 2 * x))


@pytest.mark.parametrize("network", [A, A >> B >> C, residual(Conv2d(3, 3, 3, padding=1) >> ReLU())], ids=repr)
def test_the_short_forms_are_parts_of_the_long(network: Any) -> None:
    params, x, grad = normal_arguments(network)
    y, cache = network.forward(params, x)
    _, dparams = network.backward(params, cache, grad)
    assert_same_bits((network.apply(params, x), network.gradients(params, cache, grad)), (y, dparams))


def test_compositions_are_values() -> None:
    network: Any = A >> B
    assert network == sequential(A, B)
    assert hash(network) == hash(sequential(A, B))
    assert network != B >> A
    assert residual(B) == Residual(B)
    assert repr(ReLU() >> Sigmoid()) == "Sequential(layers=(ReLU(), Sigmoid()))"


def test_every_mismatch_is_told_with_its_place() -> None:
    network: Any = sequential(
        Conv2d(3, 16, 2, stride=2),
        ReLU(),
        Conv2d(8, 32, (5, 1)),
        res(Conv2d(32, 16, 3)),
        sequential(NearestUpsampling(2), Conv2d(3, 4, 1)),
        Upsampling(4, 1, 3, padding=1),
    )
    with pytest.raises(ShapeError) as caught:
        network.output_shape((1, 4, 6, 6))
    assert str(caught.value).split("\n") == [
        'layer 0 "Conv2d": x has 4 channels (shape (1, 4, 6, 6)), expected in_channels=3',
        'layer 2 "Conv2d": x has 16 channels (shape (1, 16, 3, 3)), expected in_channels=8',
        'layer 2 "Conv2d": kernel height 5 does not fit x\'s padded height 3 + 2 * 0 = 3 (shape (1, 16, 3, 3))',
        'layer 3 "Residual": residual(Conv2d) makes (1, 16, ?, 1) of x\'s (1, 32, ?, 3), expected the same shape',
        'layer 4 "Sequential": layer 1 "Conv2d": x has 32 channels (shape (1, 32, ?, 6)), expected in_channels=3',
    ]
    assert caught.value.problems == tuple(str(caught.value).split("\n"))


@pytest.mark.parametrize("method", ["forward", "apply"])
def test_the_whole_network_is_checked_before_it_computes(method: str) -> None:
    calls: list[str] = []

    class Watched(ReLU):
        def forward(self, params: Any, x: Any) -> Any:
            calls.append("forward")
            return super().forward(params, x)

    network: Any = Watched() >> Conv2d(1, 1, 9)
    with pytest.raises(ShapeError, match=r"^layer 1 \"Conv2d\": kernel height 9 does not fit"):
        getattr(network, method)(network.init(seeded(0)), torch.ones(1, 1, 3, 3))
    assert calls == []


def test_nothing_is_allocated_for_a_shape() -> None:
    network = Conv2d(1, 60_000, 60_000, padding=60_000) >> Conv2d(60_000, 60_000, 60_000, padding=60_000)
    assert network.output_shape((1, 1, 10**9, 10**9)) == (1, 60_000, 10**9 + 120_002, 10**9 + 120_002)
    assert network.count_parameters() == 60_000**3 + 60_000 + 60_000**4 + 60_000


def test_errors_inside_say_where() -> None:
    network: Any = A >> (B >> C)
    params, x, grad = normal_arguments(network)
    _, cache = network.forward(params, x)
    for run in (network.forward, network.apply):
        with pytest.raises(TypeError, match=r"^Conv2d\.forward\(\): x is torch\.float64, params\.weight") as caught:
            run(params, x.double())
        assert caught.value.__notes__ == ['in layer 0 "Conv2d"']
    with pytest.raises(TypeError, match=r"^Conv2d\.backward\(\): cache is a tuple") as foreign:
        network.gradients(params, (cache[1], cache[1]), grad)
    assert foreign.value.__notes__ == ['in layer 0 "Conv2d"']
    with pytest.raises(ShapeError, match=r"^Conv2d\.backward\(\): grad has shape") as refused:
        network.backward(params, cache, grad[:1])
    assert refused.value.__notes__ == ['in layer 1 "Conv2d"', 'in layer 1 "Sequential"']
    with pytest.raises(TypeError, match=r"^ReLU\.forward\(\): params is a ConvParams") as swapped:
        network.forward((params[0], params[1][::-1]), x)
    assert swapped.value.__notes__ == ['in layer 0 "ReLU"', 'in layer 1 "Sequential"']


net: Any = A >> B
net_params = net.init(seeded(0))
ones = torch.ones(SHAPE)
net_y, net_cache = net.forward(net_params, ones)
a: Any = A

REFUSALS = [
    Refusal(seq, ValueError, "sequential(): no layers given, expected at least one; Identity() returns its input"),
    Refusal(lambda: seq(A, 3), TypeError, "sequential(): argument 1 is 3, expected a layer"),
    Refusal(lambda: seq([A, B]), TypeError, f"sequential(): argument 0 is {[A, B]!r}, expected a layer"),
    Refusal(
        lambda: seq(A, ReLU),
        TypeError,
        "sequential(): argument 1 is <class 'n2nfun.layers.activations.ReLU'>, expected a layer: "
        "call it, ReLU(...), to make one",
    ),
    Refusal(lambda: a >> "relu", TypeError, "sequential(): argument 1 is 'relu', expected a layer"),
    Refusal(lambda: net >> None, TypeError, "sequential(): argument 2 is None, expected a layer"),
    Refusal(
        lambda: net >> torch.nn.ReLU(),
        TypeError,
        "sequential(): argument 2 is a torch.nn.modules.activation.ReLU, expected a layer",
    ),
    Refusal(
        lambda: net >> torch.nn.ReLU,
        TypeError,
        "sequential(): argument 2 is <class 'torch.nn.modules.activation.ReLU'>, expected a layer",
    ),
    Refusal(lambda: res(None), TypeError, "residual(): layer is None, expected a layer"),
    Refusal(
        lambda: res(Conv2d),
        TypeError,
        "residual(): layer is <class 'n2nfun.layers.conv.Conv2d'>, expected a layer: call it, Conv2d(...), to make one",
    ),
    Refusal(
        lambda: net.forward(net_params[:1], ones),
        TypeError,
        "Sequential: params has 1 items, expected 2, one for each layer",
    ),
    Refusal(
        lambda: net.forward((*net_params, NoParams()), ones),
        TypeError,
        "Sequential: params has 3 items, expected 2, one for each layer",
    ),
    Refusal(
        lambda: net.forward(list(net_params), ones), TypeError, "Sequential: params is a list, expected a tuple of 2"
    ),
    Refusal(
        lambda: net.forward(NoParams(), ones), TypeError, "Sequential: params is a NoParams, expected a tuple of 2"
    ),
    Refusal(
        lambda: net.apply(net_params[:1], ones),
        TypeError,
        "Sequential: params has 1 items, expected 2, one for each layer",
    ),
    Refusal(
        lambda: net.gradients(net_params[:1], net_cache, net_y),
        TypeError,
        "Sequential: params has 1 items, expected 2, one for each layer",
    ),
    Refusal(
        lambda: net.gradients(net_params, net_cache[:1], net_y),
        TypeError,
        "Sequential: cache has 1 items, expected 2, one for each layer",
    ),
    Refusal(
        lambda: net.backward(net_params, net_cache[:1], net_y),
        TypeError,
        "Sequential: cache has 1 items, expected 2, one for each layer",
    ),
    Refusal(
        lambda: net.backward(net_params, None, net_y),
        TypeError,
        "Sequential: cache is a NoneType, expected a tuple of 2",
    ),
    Refusal(
        lambda: net.backward((), net_cache, net_y),
        TypeError,
        "Sequential: params has 0 items, expected 2, one for each layer",
    ),
    Refusal(
        lambda: res(A).output_shape(SHAPE),
        ShapeError,
        "residual(Conv2d) makes (2, 4, 3, 4) of x's (2, 3, 6, 8), expected the same shape",
    ),
    Refusal(
        lambda: residual(Conv2d(4, 4, 7, padding=1)).output_shape(SHAPE),
        ShapeError,
        "inside residual(): x has 3 channels (shape (2, 3, 6, 8)), expected in_channels=4",
    ),
    Refusal(
        lambda: seq(res(Conv2d(4, 4, 3, padding=1)), Conv2d(8, 1, 1)).output_shape(SHAPE),
        ShapeError,
        'layer 0 "Residual": inside residual(): x has 3 channels (shape (2, 3, 6, 8)), expected in_channels=4\n'
        'layer 1 "Conv2d": x has 3 channels (shape (2, 3, 6, 8)), expected in_channels=8',
    ),
    Refusal(
        lambda: seq(seq(Conv2d(4, 8, 1)), Conv2d(3, 1, 1)).output_shape(SHAPE),
        ShapeError,
        'layer 0 "Sequential": layer 0 "Conv2d": x has 3 channels (shape (2, 3, 6, 8)), expected in_channels=4\n'
        'layer 1 "Conv2d": x has 8 channels (shape (2, 8, 6, 8)), expected in_channels=3',
    ),
    Refusal(
        lambda: PAPER.output_shape((1, 3, 3, 4)),
        ShapeError,
        'layer 2 "Conv2d": kernel height 2 does not fit x\'s padded height 1 + 2 * 0 = 1 (shape (1, 16, 1, 2))',
    ),
]


@each(REFUSALS)
def test_refuses(refusal: Refusal) -> None:
    refusal.check()


@pytest.mark.parametrize(("network", "name"), [(net, "Sequential"), (residual(Identity()), "Residual")])
@pytest.mark.parametrize("method", ["forward", "apply"])
def test_refuses_what_is_no_tensor(network: Any, name: str, method: str) -> None:
    with pytest.raises(TypeError, match=rf"^{name}: x is a str, expected a tensor$"):
        getattr(network, method)(network.init(seeded(0)), "x")


def test_sequential_refuses_layers_that_are_no_tuple() -> None:
    untyped: Any = Sequential
    with pytest.raises(TypeError, match=r"^Sequential: layers is \[ReLU\(\)\], expected a tuple of layers$"):
        untyped([B])
