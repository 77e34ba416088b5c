"""What holds of every layer: it is pure, keeps dtypes, takes any memory layout and any batch, and agrees with autograd."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from torch import Tensor

from n2nfun.testing.bits import assert_same_bits, bits
from n2nfun.testing.comparing import compute
from n2nfun.testing.layouts import LAYOUTS, with_holes
from n2nfun.testing.numbers import normal_numbers, normal_params, seeded, seeds, whole_numbers, whole_params
from n2nfun.tree import leaves, tree_map
from tests.layer_cases import CASES, PAPER, Case, every_case
from tests.operations import Operations
from tests.oracle import differentiate
from tests.purity import assert_outside_autograd, nothing_changed
from tests.rounding import DTYPES

ROOT = Path(__file__).parent.parent.parent
each_layout = pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.__name__)
each_dtype = pytest.mark.parametrize("dtype", DTYPES)
Arguments = tuple[Any, Tensor, Tensor]


def normal_arguments(case: Case, dtype: torch.dtype = torch.float32) -> Arguments:
    """Return params, x and grad."""
    generator = seeded(0)
    params, x = normal_params(case.layer, generator, dtype), normal_numbers(case.shape, generator, dtype)
    return params, x, normal_numbers(case.layer.output_shape(case.shape), generator, dtype)


@pytest.mark.parametrize(
    "case", [case for case in CASES if case.layer is not PAPER and case.name != "Sigmoid"], ids=lambda case: case.name
)
@given(generator=seeds())
def test_equals_autograd_exactly_on_whole_numbers(case: Case, generator: torch.Generator) -> None:
    params, x = whole_params(case.layer, generator), whole_numbers(case.shape, generator)
    grad = whole_numbers(case.layer.output_shape(case.shape), generator)
    computed, expected = compute(case.layer, params, x, grad), differentiate(case.layer, params, x, grad)
    assert_same_bits(*(tree_map(lambda leaf: leaf + 0.0, result) for result in (computed, expected)))


@every_case
def test_nothing_is_changed(case: Case) -> None:
    params, x, grad = normal_arguments(case)
    with nothing_changed(params, x, grad):
        y, cache = case.layer.forward(params, x)
    with nothing_changed(params, x, grad, cache, y):
        case.layer.backward(params, cache, grad)
    generator = seeded(3)
    with nothing_changed(params, x):
        case.layer.init(generator)


@every_case
def test_results_hang_on_no_graph(case: Case) -> None:
    params, x, grad = normal_arguments(case)
    variables = tree_map(lambda leaf: leaf.clone().requires_grad_(), params)
    variable, incoming = x.clone().requires_grad_(), grad.clone().requires_grad_()
    with nothing_changed(variables, variable, incoming):
        y, cache = case.layer.forward(variables, variable)
        dx, dparams = case.layer.backward(variables, cache, incoming)
    assert_outside_autograd(y, cache, dx, dparams)
    assert_same_bits((y, dx, dparams), tuple(compute(case.layer, params, x, grad)))


@every_case
def test_the_same_call_gives_the_same_bits(case: Case) -> None:
    params, x, grad = normal_arguments(case)
    y, cache = case.layer.forward(params, x)
    first = case.layer.backward(params, cache, grad)
    case.layer.backward(params, cache, 2 * grad)
    assert_same_bits(case.layer.backward(params, cache, grad), first)
    assert_same_bits(case.layer.forward(params, x), (y, cache))
    assert_same_bits(case.layer.init(seeded(1)), case.layer.init(seeded(1)))


@every_case
def test_gradients_have_the_type_of_what_they_are_of(case: Case) -> None:
    params, x, grad = normal_arguments(case)
    y, dx, dparams = compute(case.layer, params, x, grad)
    assert tuple(y.shape) == case.layer.output_shape(case.shape)
    assert dx.shape == x.shape
    tree_map(torch.add, params, dparams)  # refuses trees of different structure
    assert case.layer.count_parameters() == sum(leaf.numel() for leaf in leaves(params))


@every_case
def test_the_short_forms_are_parts_of_the_long(case: Case) -> None:
    params, x, grad = normal_arguments(case)
    y, cache = case.layer.forward(params, x)
    _, dparams = case.layer.backward(params, cache, grad)
    with nothing_changed(params, x, cache, grad):
        alone, gradients = case.layer.apply(params, x), case.layer.gradients(params, cache, grad)
    assert_same_bits((alone, gradients), (y, dparams))


@each_dtype
@every_case
def test_dtypes_are_kept(case: Case, dtype: torch.dtype) -> None:
    results = compute(case.layer, *normal_arguments(case, dtype))
    assert {leaf.dtype for leaf in leaves(results)} == {dtype}


@each_dtype
@every_case
def test_an_empty_batch_gives_zero_gradients(case: Case, dtype: torch.dtype) -> None:
    params = normal_params(case.layer, seeded(0), dtype)
    x = torch.zeros(0, *case.shape[1:], dtype=dtype)
    y, dx, dparams = compute(case.layer, params, x, torch.zeros(case.layer.output_shape(tuple(x.shape)), dtype=dtype))
    assert tuple(y.shape) == (0, *case.layer.output_shape(case.shape)[1:])
    assert dx.shape == x.shape
    assert_same_bits(dparams, tree_map(torch.zeros_like, params))


@each_layout
@every_case
def test_the_memory_layout_of_the_input_does_not_matter(case: Case, layout: Callable[[Tensor], Tensor]) -> None:
    params, x, grad = normal_arguments(case)
    assert_same_bits(compute(case.layer, params, layout(x), grad), compute(case.layer, params, x, grad))


@each_layout
@every_case
def test_the_memory_layout_of_the_gradient_does_not_matter(case: Case, layout: Callable[[Tensor], Tensor]) -> None:
    params, x, grad = normal_arguments(case)
    assert_same_bits(compute(case.layer, params, x, layout(grad)), compute(case.layer, params, x, grad))


@each_layout
@every_case
def test_the_memory_layout_of_the_parameters_does_not_matter(case: Case, layout: Callable[[Tensor], Tensor]) -> None:
    params, x, grad = normal_arguments(case)
    assert_same_bits(compute(case.layer, tree_map(layout, params), x, grad), compute(case.layer, params, x, grad))


@each_dtype
@every_case
def test_memory_with_holes_does_not_matter_in_any_dtype(case: Case, dtype: torch.dtype) -> None:
    arguments = normal_arguments(case, dtype)
    assert_same_bits(compute(case.layer, *tree_map(with_holes, arguments)), compute(case.layer, *arguments))


@pytest.mark.parametrize("dim", range(4))
@every_case
def test_repeated_memory_does_not_matter(case: Case, dim: int) -> None:
    params, x, grad = normal_arguments(case)
    x, grad = (t.narrow(dim, 0, 1).expand_as(t) for t in (x, grad))
    copies = (params, x.contiguous(), grad.contiguous())
    assert_same_bits(compute(case.layer, params, x, grad), compute(case.layer, *copies))


def borrowed(names: set[str]) -> list[str]:
    """Return those operations that do a layer's work, or its derivative."""
    words = ("conv", "upsample", "_backward", "unfold", "im2col", "col2im", "batch_norm", "mse_loss", "l1_loss")
    own = {"aten.threshold_backward.default"}  # ReLU's: a copy of one tensor where another is positive
    return sorted(name for name in names - own if any(word in name for word in words))


@every_case
def test_no_layer_of_pytorch_is_borrowed(case: Case) -> None:
    params, x, grad = normal_arguments(case)
    with Operations() as operations:
        compute(case.layer, params, x, grad)
    assert operations.names
    assert borrowed(operations.names) == []


def test_a_borrowed_layer_is_seen() -> None:
    params, x, grad = normal_arguments(CASES[0])
    with Operations() as operations:
        differentiate(CASES[0].layer, params, x, grad)
    assert borrowed(operations.names) == ["aten.convolution.default", "aten.convolution_backward.default"]


def checksums() -> list[int]:
    """Add up the bits of all that the paper's network makes."""
    params, x = PAPER.init(seeded(0)), torch.rand(2, 3, 16, 16, generator=seeded(1))
    return [int(bits(leaf).sum()) for leaf in leaves(compute(PAPER, params, x, x))]


def test_another_process_gives_the_same_bits() -> None:
    code = "from tests.layers.test_every_layer import checksums; print(checksums())"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert other.stdout.strip() == str(checksums())
