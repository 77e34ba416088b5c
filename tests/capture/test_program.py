"""A program is its function, for other numbers: the operations that torch has, and the ways in which results leave it."""

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor

from n2nfun.all_at_once import add_all, multiply_all
from n2nfun.capture import program as program_module
from n2nfun.capture.program import record
from n2nfun.capture.recording import NotRepeatable, calls_of
from n2nfun.capture.repeats import without_repeats
from n2nfun.testing.bits import assert_same_bits
from n2nfun.testing.numbers import normal_numbers, seeded
from tests.operations import Operations

Function = Callable[[list[Tensor]], list[Tensor]]


def looked_at(inputs: list[Tensor]) -> list[Tensor]:
    made = inputs[0] + 1
    return [made.t(), made[0] * 2]


def changed(inputs: list[Tensor]) -> list[Tensor]:
    made = inputs[0] * 2
    view = made[1:]
    view.add_(inputs[1][1:])
    return [made]


def used_further(inputs: list[Tensor]) -> list[Tensor]:
    made = inputs[0] * 2
    other = made + 1
    return [made, other, (other * made).sum()]


def lists(inputs: list[Tensor]) -> list[Tensor]:
    parts = torch.cat([inputs[0], inputs[1]]).tensor_split((2, 3))
    return [torch.cat([parts[2], parts[0]]), *torch.stack(list(inputs)).unbind()]


def pairs(inputs: list[Tensor]) -> list[Tensor]:
    values, places = inputs[0].max(dim=1)
    return [values * 2, places]


def zeros(inputs: list[Tensor]) -> list[Tensor]:
    total = inputs[0].new_zeros(3, 4)
    total += inputs[0]
    more = torch.zeros_like(inputs[0])
    more[1] = inputs[1][0]
    return [total * 1, more * 1, inputs[0].new_empty(2).fill_(3) + 0]


def given_back(inputs: list[Tensor]) -> list[Tensor]:
    return [inputs[0], inputs[1].t(), CONSTANT]


def detached(inputs: list[Tensor]) -> list[Tensor]:
    return [inputs[0].detach() * 2, inputs[1].data + 1, inputs[0].t().detach()[1:] * 3]


def copies(inputs: list[Tensor]) -> list[Tensor]:
    return [inputs[0].t().contiguous() * 1, inputs[0].double() * 1, inputs[0].clone()]


def made_early(inputs: list[Tensor]) -> list[Tensor]:
    early = inputs[0] + 1
    late = inputs[1]
    for _ in range(4):
        late = late * 2
    return [early.t(), late]


def whole_lists(inputs: list[Tensor]) -> list[Tensor]:
    found = add_all(multiply_all(inputs, 0.5), [inputs[1] + 1, inputs[0] - 1], 0.25)
    return [*found, *add_all(found, inputs, -1.0)]


def lists_that_lie_apart(inputs: list[Tensor]) -> list[Tensor]:
    return [*add_all(inputs[:1] * 2, inputs, 0.5), *multiply_all([inputs[1], inputs[0].t()], 2)]


def lists_of_several_kinds(inputs: list[Tensor]) -> list[Tensor]:
    return multiply_all([inputs[0] + 1, inputs[0].double(), inputs[1][:0]], 0.1)


def lists_that_are_repeated(inputs: list[Tensor]) -> list[Tensor]:
    numbers = inputs[0].flatten()
    return add_all([numbers * 1, numbers * 2], [numbers[:1] * 3, numbers * 4], 0.5)


def gathered_twice(inputs: list[Tensor]) -> list[Tensor]:
    windows = [inputs[0].as_strided((2, 2, 3), (4, 1, 1)).clone() for _ in range(2)]
    chosen = [inputs[1].index_select(1, PLACES) for _ in range(2)]
    return [windows[0] * 2, windows[1][1] + 1, chosen[0].t(), chosen[1]]


def gathered_before_and_after(inputs: list[Tensor]) -> list[Tensor]:
    made = inputs[0] * 2
    before = made.clone()
    made.add_(1)
    after = made.clone()
    return [before - after, after, made.clone(), made[:2].clone(), made.index_select(0, PLACES)]


def gathered_of_other_places(inputs: list[Tensor]) -> list[Tensor]:
    wide = torch.contiguous_format
    views = inputs[0][:2, :2], inputs[0][:2, :2].t(), inputs[0][1:, :2], inputs[0][:2, :2]
    return [view.clone(memory_format=wide) * 2 for view in views]


def gathered_and_changed(inputs: list[Tensor]) -> list[Tensor]:
    first, second, third = (inputs[0].clone() for _ in range(3))
    second.view(-1)[3:].mul_(2)
    return [first, second, third * 1]


def gathered_of_what_is_gathered_twice(inputs: list[Tensor]) -> list[Tensor]:
    first, second = (inputs[0].index_select(0, PLACES) for _ in range(2))
    return [first[1:].clone(), second[1:].clone(), *multiply_all([first, second], 2), torch.cat([second, first])]


def with_numbers(inputs: list[Tensor]) -> list[Tensor]:
    x, y = inputs
    made = [
        1 - x,
        0.1 - x.double(),
        torch.rsub(y, 2, alpha=3),
        0.1 * x,
        y / 3,
        0.1 * x.int(),
        (x > 0) * 0.1,
        x.int() * 2,
    ]
    return [*made, (0.1 - x.bfloat16()) * 0.3]


CONSTANT = torch.ones(2)
PLACES = torch.tensor([2, 0, 0, 1])
FUNCTIONS: list[Function] = [
    looked_at,
    changed,
    used_further,
    lists,
    pairs,
    zeros,
    given_back,
    detached,
    copies,
    made_early,
    whole_lists,
    lists_that_lie_apart,
    lists_of_several_kinds,
    lists_that_are_repeated,
    with_numbers,
    gathered_twice,
    gathered_before_and_after,
    gathered_of_other_places,
    gathered_and_changed,
    gathered_of_what_is_gathered_twice,
]
each_function = pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.__name__)

read_in_place = pytest.mark.parametrize("read", [0, 1, 2])


def numbers(seed: int) -> list[Tensor]:
    generator = seeded(seed)
    return [normal_numbers((3, 4), generator, torch.float32) for _ in range(2)]


@each_function
@read_in_place
def test_a_program_is_its_function(function: Function, read: int) -> None:
    program, recorded = record(function, numbers(0), read=read)
    assert_same_bits(tuple(recorded), tuple(function(numbers(0))))
    kept = [(tuple(program(numbers(seed))), tuple(function(numbers(seed)))) for seed in (1, 2, 1)]
    for found, expected in kept:  # what an earlier run gave is left alone by later ones
        assert_same_bits(found, expected)


@each_function
@read_in_place
def test_results_are_memory_of_their_own(function: Function, read: int) -> None:
    (program, _), inputs = record(function, numbers(0), read=read), numbers(1)
    before = [one.clone() for one in inputs]
    first = program(inputs)
    for result in first:
        result.zero_()
    assert_same_bits(tuple(inputs), tuple(before))
    assert_same_bits(tuple(program(inputs)), tuple(function(numbers(1))))
    assert torch.equal(CONSTANT, torch.ones(2))


@each_function
def test_inputs_that_are_read_where_they_are_may_lie_anywhere(function: Function) -> None:
    program, _ = record(function, numbers(0), read=2)
    x, y = numbers(1)
    wide = torch.cat([y, x, y, x]).flatten()
    out_of_step, further = wide[1:13].view(3, 4), wide[16:28].view(3, 4)
    for inputs in ([x, y], [x, x], [y, further], [out_of_step, further], [further, out_of_step], [x, y]):
        assert_same_bits(tuple(program(inputs)), tuple(function(inputs)))
        inputs[0].add_(1)  # which is seen at the next run, though its place is known
        assert_same_bits(tuple(program(inputs)), tuple(function(inputs)))


def test_inputs_are_not_copied() -> None:
    program, _ = record(used_further, numbers(0), read=2)
    with Operations() as operations:
        program(numbers(1))
    assert not operations.names & {"aten._foreach_copy_.default", "aten.copy_.default", "aten.clone.default"}


def test_repeated_numbers_are_read_where_they_are() -> None:
    given, other = ([one[:, :1].expand(3, 4) for one in numbers(seed)] for seed in (0, 1))
    program, recorded = record(used_further, given, read=2)
    assert_same_bits(tuple(recorded), tuple(used_further(given)))
    assert_same_bits(tuple(program(other)), tuple(used_further(other)))
    with pytest.raises(NotRepeatable, match="the same number in several places"):
        record(used_further, given)


def test_lists_are_computed_as_one_tensor(monkeypatch: pytest.MonkeyPatch) -> None:
    whole: list[int] = []

    def add(one: Tensor, other: Tensor, *, alpha: float, out: Tensor) -> Tensor:
        whole.append(one.numel())
        return torch.add(one, other, alpha=alpha, out=out)

    monkeypatch.setitem(program_module.OF_LISTS, "aten._foreach_add.List", add)
    program, _ = record(whole_lists, numbers(0))
    assert_same_bits(tuple(program(numbers(1))), tuple(whole_lists(numbers(1))))
    assert whole == [16 + 12] * 2  # of 12 numbers each, the second from a full register on


def test_what_writes_to_given_memory_is_what_is_repeated() -> None:
    program, _ = record(lambda inputs: [1 - inputs[0], inputs[1] * 0.1], numbers(0))
    with Operations() as operations:
        program(numbers(1))
    assert {"aten.sub.out", "aten.mul.out"} <= operations.names
    assert "aten.rsub.Scalar_out" not in operations.names  # which makes a tensor, and copies it


def test_what_is_gathered_twice_is_gathered_once() -> None:
    for function, copies, choices in (
        (gathered_twice, 1, 1),
        (gathered_before_and_after, 3, 1),
        (gathered_of_other_places, 3, 0),
        (gathered_and_changed, 2, 0),
        (gathered_of_what_is_gathered_twice, 1, 1),
    ):
        _, calls = calls_of(partial(function, numbers(0)))
        kept, _ = without_repeats(calls, [])
        names = [str(call.operation) for call in kept]
        assert (names.count("aten.clone.default"), names.count("aten.index_select.default")) == (copies, choices)


@pytest.mark.parametrize("read", [0, 1])
def test_memory_is_told(read: int) -> None:
    program, _ = record(lambda inputs: [((inputs[0] + 1) * 2).sum()], [torch.rand(1000)], read=read)
    copied = 4 * 1000 * (1 - read)
    assert 4 * 2000 <= program.memory - copied <= 4 * 2100 + 2 * 64


def by_its_sum(inputs: list[Tensor]) -> list[Tensor]:
    return [inputs[0] * inputs[0].sum().item()]


def by_a_branch(inputs: list[Tensor]) -> list[Tensor]:
    return [inputs[0] + 1] if bool(inputs[0].any()) else []


@pytest.mark.parametrize("function", [by_its_sum, by_a_branch], ids=lambda function: function.__name__)
def test_what_reads_numbers_is_not_repeatable(function: Function) -> None:
    with pytest.raises(NotRepeatable, match=r"_local_scalar_dense.* reads numbers"):
        record(function, numbers(0))


def test_what_changes_its_inputs_is_not_repeatable() -> None:
    with pytest.raises(NotRepeatable, match="it changes its inputs"):
        record(lambda inputs: [inputs[0].t().add_(1)], numbers(0))
