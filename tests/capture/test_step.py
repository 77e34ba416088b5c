"""A captured step is the step, to the bit, whatever it is called with, and keeps its hands off all that it is given."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

from n2nfun.capture import captured, known
from n2nfun.capture.program import Program
from n2nfun.ensemble import EnsembleStep
from n2nfun.layer import ChannelPreserving, NoParams, Shape
from n2nfun.layers import Conv2d
from n2nfun.losses import L0, L1, MSE
from n2nfun.models import denoiser, paper
from n2nfun.optim import SGD, Adam
from n2nfun.schedules import constant, cosine
from n2nfun.testing.bits import assert_same_bits
from n2nfun.testing.numbers import seeded
from n2nfun.train import Batch, TrainState, TrainStep, fit
from tests.layer_cases import Case, every_case
from tests.purity import assert_outside_autograd, nothing_changed

NESTEROV = SGD(0.05, momentum=0.9, nesterov=True)


def batches(shapes: list[Shape], out: Shape | None = None) -> list[Batch]:
    generator = seeded(3)
    return [
        Batch(torch.rand(shape, generator=generator), torch.rand(out or shape, generator=generator)) for shape in shapes
    ]


@pytest.fixture
def replayed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Collect, for each run of a program, how many results it gave."""
    runs: list[int] = []
    run = Program.__call__

    def noted(self: Program, inputs: list[Tensor]) -> list[Tensor]:
        found = run(self, inputs)
        runs.append(len(found))
        return found

    monkeypatch.setattr(Program, "__call__", noted)
    return runs


def assert_the_same(step: Any, state: Any, given: list[Batch]) -> None:
    """Require that a captured step makes what the step makes, from each state to the next, and at last changes nothing."""
    repeated, kept = captured(step), list[Any]()
    for index, batch in enumerate(given):
        expected = step(state, batch)
        with nothing_changed(state, batch, *kept) if index == len(given) - 1 else nullcontext():
            found = repeated(state, batch)
        assert_same_bits(found, expected)
        assert found[0].step == expected[0].step == state.step + 1
        assert type(found[1]) is type(expected[1])
        assert_outside_autograd(found)
        state = found[0]
        kept.append(found)


@every_case
def test_every_layer_is_trained_to_the_same_bits(case: Case, replayed: list[int]) -> None:
    params = case.layer.init(seeded(0))
    out = case.layer.output_shape(case.shape)
    step = TrainStep(case.layer, MSE(), NESTEROV)
    assert_the_same(step, step.start(params), batches([case.shape] * 7, out))
    # After the first step one is met, and one recorded. Where a size is 1 strides may differ once more.
    assert len(replayed) >= 3


STEPS: dict[str, Callable[[], Any]] = {
    "plain": lambda: TrainStep(paper(hidden=(3, 4)).layer, MSE(), SGD(0.05)),
    "momentum, decay": lambda: TrainStep(paper(hidden=(3, 4)).layer, L1(), SGD(0.05, momentum=0.9, weight_decay=0.1)),
    "the default network": lambda: TrainStep(denoiser(width=8).layer, MSE(), NESTEROV),
    "clipped": lambda: TrainStep(paper(hidden=(3, 4)).layer, MSE(), NESTEROV, max_norm=0.01),
    "bfloat16": lambda: TrainStep(paper(hidden=(3, 4)).layer, MSE(), NESTEROV, compute=torch.bfloat16),
    "constant schedule": lambda: TrainStep(paper(hidden=(3, 4)).layer, MSE(), NESTEROV, constant(0.01)),
    "loss by step": lambda: TrainStep(paper(hidden=(3, 4)).layer, lambda step: L0(2.0 if step < 5 else 1.0), NESTEROV),
    "ensemble": lambda: EnsembleStep(paper(hidden=(3, 4)).layer, MSE(), [NESTEROV, SGD(0.1), SGD(0.2, momentum=0.5)]),
}


@pytest.mark.parametrize("name", STEPS)
def test_steps_of_every_kind_are_repeated(name: str, replayed: list[int]) -> None:
    step = STEPS[name]()
    generators = [seeded(seed) for seed in range(3)]
    state = step.init(generators if isinstance(step, EnsembleStep) else generators[0])
    assert_the_same(step, state, batches([(2, 3, 8, 12)] * 12))
    assert len(replayed) >= 5


@pytest.mark.parametrize("sizes", [[4, 4, 4, 1] * 5, [1, 2, 3, 4, 5, 6] * 4])
def test_each_size_of_batches_has_a_program(sizes: list[int], replayed: list[int]) -> None:
    step = STEPS["plain"]()
    assert_the_same(step, step.init(seeded(0)), batches([(size, 3, 8, 8) for size in sizes]))
    assert bool(replayed) is (len(set(sizes)) < 5)  # of more sizes than are kept none is met again


def test_other_orders_in_memory_are_other_inputs() -> None:
    step = STEPS["plain"]()
    given = batches([(2, 3, 8, 8)] * 12)
    turned = [
        Batch(batch.x.contiguous(memory_format=torch.channels_last), batch.target) if index % 2 else batch
        for index, batch in enumerate(given)
    ]
    assert_the_same(step, step.init(seeded(0)), turned)


def test_one_tensor_may_be_both_input_and_target() -> None:
    step = STEPS["plain"]()
    assert_the_same(step, step.init(seeded(0)), [Batch(batch.x, batch.x) for batch in batches([(2, 3, 8, 8)] * 8)])


def test_no_number_at_all_is_a_number() -> None:
    step = STEPS["plain"]()
    state = step.init(seeded(0))
    repeated = captured(step)
    for batch in batches([(0, 3, 8, 8)] * 6):
        expected = step(state, batch)
        found = repeated(state, batch)
        assert_same_bits(found[0], expected[0])
        assert bool(found[1].loss.isnan())
        state = found[0]


@dataclass(frozen=True)
class Reading(ChannelPreserving[NoParams, NoParams]):
    """Shifts images by a number that it reads from them: as a float, or where torch does not see it."""

    unseen: bool

    def init(self, generator: torch.Generator) -> NoParams:
        return NoParams()

    def output_shape(self, shape: Shape) -> Shape:
        return shape

    def forward(self, params: NoParams, x: Tensor) -> tuple[Tensor, NoParams]:
        first = x.detach().flatten()[0]
        return x + (float(first.numpy()) if self.unseen else first.item()), NoParams()

    def backward(self, params: NoParams, cache: NoParams, grad: Tensor) -> tuple[Tensor, NoParams]:
        return grad.clone(), NoParams()


@pytest.mark.parametrize("unseen", [False, True])
def test_what_reads_numbers_is_called_itself(unseen: bool, replayed: list[int]) -> None:
    step = TrainStep(Conv2d(3, 3, 1) >> Reading(unseen), MSE(), NESTEROV)
    assert_the_same(step, step.init(seeded(0)), batches([(2, 3, 4, 4)] * 8))
    # Where torch does not see it, the first run differs from the step, and there is no second.
    assert len(replayed) == unseen


IN_PART: dict[str, Callable[[], Any]] = {
    "Adam": lambda: TrainStep(Conv2d(3, 3, 1), MSE(), Adam(0.1)),
    "cosine": lambda: TrainStep(Conv2d(3, 3, 1), MSE(), NESTEROV, cosine(0.1, 20)),
    "AdamW, cosine, clipped": lambda: TrainStep(
        Conv2d(3, 3, 1), L1(), Adam(0.1, weight_decay=0.1, decoupled=True), cosine(0.1, 20), max_norm=0.01
    ),
    "Adam, bfloat16": lambda: TrainStep(Conv2d(3, 3, 1), MSE(), Adam(0.1), compute=torch.bfloat16),
    "Adam, loss by step": lambda: TrainStep(Conv2d(3, 3, 1), lambda step: L0(2.0 if step < 6 else 1.0), Adam(0.1)),
}


@pytest.mark.parametrize("name", IN_PART)
def test_gradients_are_repeated_where_optimizers_change(name: str, replayed: list[int]) -> None:
    step = IN_PART[name]()
    assert_the_same(step, step.init(seeded(0)), batches([(2, 3, 4, 4)] * 12))
    assert len(replayed) >= 5
    assert set(replayed) == {3}  # the loss, and the gradient in weight and bias


def test_states_of_several_runs_take_turns(replayed: list[int]) -> None:
    step = IN_PART["Adam"]()
    repeated, states = captured(step), [step.init(seeded(seed)) for seed in range(2)]
    for batch in batches([(2, 3, 4, 4)] * 6):
        for index, state in enumerate(states):
            expected = step(state, batch)
            assert_same_bits(repeated(state, batch), expected)
            states[index] = expected[0]
    assert replayed


NOT_REPEATED: dict[str, Callable[[], Any]] = {
    "annealed": lambda: TrainStep(Conv2d(3, 3, 1), lambda step: L0(2 - step / 10), NESTEROV),
    "annealed, Adam": lambda: TrainStep(Conv2d(3, 3, 1), lambda step: L0(2 - step / 10), Adam(0.1)),
}


@pytest.mark.parametrize("name", NOT_REPEATED)
def test_what_changes_at_each_step_is_not_recorded(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded: list[object] = []

    def noted(function: object, inputs: object) -> None:
        recorded.append((function, inputs))

    monkeypatch.setattr(known, "record", noted)
    step = NOT_REPEATED[name]()
    assert_the_same(step, step.init(seeded(0)), batches([(2, 3, 4, 4)] * 6))
    assert not recorded


def test_tensors_within_autograd_are_not_repeated(replayed: list[int]) -> None:
    step = TrainStep(Conv2d(3, 3, 1), MSE(), NESTEROV)
    repeated, state = captured(step), step.init(seeded(0))
    for index, batch in enumerate(batches([(2, 3, 4, 4)] * 9)):
        given, before = Batch(batch.x.requires_grad_(index == 7), batch.target), len(replayed)
        expected = step(state, given)
        found = repeated(state, given)
        assert_same_bits(found, expected)
        assert_outside_autograd(found)
        assert len(replayed) - before == (index > 4 and index != 7) or index < 5
        state = found[0]


def test_under_inference_mode_nothing_is_recorded(replayed: list[int]) -> None:
    step = TrainStep(Conv2d(3, 3, 1), MSE(), NESTEROV)
    with torch.inference_mode():
        found = [state for state, _ in fit(captured(step), step.init(seeded(0)), batches([(2, 3, 4, 4)] * 6))]
    assert not replayed
    assert_same_bits(
        found[-1], [state for state, _ in fit(step, step.init(seeded(0)), batches([(2, 3, 4, 4)] * 6))][-1]
    )


def test_it_may_be_mapped(replayed: list[int]) -> None:
    step = TrainStep(Conv2d(3, 3, 1), MSE(), SGD(0.1))
    repeated, state = captured(step), step.init(seeded(0))
    batch = batches([(2, 3, 4, 4)])[0]
    for number in range(3):

        def loss(scale: Tensor, run: Any, number: int = number) -> Tensor:
            own = TrainState(state.params, state.optimizer, number)
            value: Tensor = run(own, Batch(batch.x * scale, batch.target))[1].loss
            return value

        found, expected = (
            torch.func.vmap(partial(loss, run=run))(torch.tensor([1.0, 2.0])) for run in (repeated, step)
        )
        assert_same_bits(found, expected)
    assert not replayed


def test_batches_may_have_the_same_number_in_several_places(replayed: list[int]) -> None:
    step = STEPS["plain"]()
    grey = batches([(2, 1, 8, 8)] * 7, (2, 3, 1, 8))
    given = [Batch(one.x.expand(2, 3, 8, 8), one.target.expand(2, 3, 8, 8)) for one in grey]
    assert_the_same(step, step.init(seeded(0)), given)
    assert len(replayed) >= 3


def test_states_are_kept_by_whoever_keeps_them() -> None:
    step = STEPS["plain"]()
    states = list(fit(captured(step), step.init(seeded(0)), batches([(2, 3, 8, 8)] * 8)))
    again = list(fit(step, step.init(seeded(0)), batches([(2, 3, 8, 8)] * 8)))
    assert_same_bits(tuple(states), tuple(again))


def test_it_tells_how_much_memory_it_keeps() -> None:
    step = STEPS["plain"]()
    repeated = captured(step)
    assert repeated.memory == 0
    list(fit(repeated, step.init(seeded(0)), batches([(2, 3, 8, 8)] * 4)))
    assert 4 * 2 * 2 * 3 * 8 * 8 < repeated.memory < 1_000_000


NO_STEPS: list[Any] = [TrainStep, MSE(), None, print]


@pytest.mark.parametrize("step", NO_STEPS)
def test_what_is_no_step_is_refused(step: Any) -> None:
    with pytest.raises(TypeError, match=r"captured\(\): step is .*, expected a step, such as TrainStep"):
        captured(step)


def test_what_is_no_flag_is_refused() -> None:
    unchecked: Any = captured
    with pytest.raises(TypeError, match="compile is 1, expected True or False"):
        unchecked(STEPS["plain"](), compile=1)


def test_what_torch_cannot_compile_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def without_compiler(_function: Any) -> Any:
        def run(_inputs: list[Tensor]) -> list[Tensor]:
            raise RuntimeError("no C++ compiler found\n\nlong advice")

        return run

    monkeypatch.setattr(known, "compiled", without_compiler)
    step = STEPS["plain"]()
    repeated, state = captured(step, compile=True), step.init(seeded(0))
    batch = batches([(2, 3, 8, 8)])[0]
    for _ in range(2):
        state, _ = repeated(state, batch)
    for _ in range(2):  # and nothing is left of it
        with pytest.raises(
            RuntimeError,
            match=r"captured\(step, compile=True\): torch.compile cannot compile this step: no C\+\+ compiler found; "
            r"captured\(step\) needs no compiler",
        ):
            repeated(state, batch)


def test_a_compiled_step_calls_itself_where_there_is_nothing_to_repeat() -> None:
    step = NOT_REPEATED["annealed"]()
    found = list(fit(captured(step, compile=True), step.init(seeded(0)), batches([(2, 3, 4, 4)] * 4)))
    assert_same_bits(tuple(found), tuple(fit(step, step.init(seeded(0)), batches([(2, 3, 4, 4)] * 4))))


def test_what_is_no_state_or_batch_is_refused() -> None:
    repeated: Any = captured(STEPS["plain"]())
    batch = batches([(2, 3, 8, 8)])[0]
    with pytest.raises(TypeError, match="state is a int"):
        repeated(1, batch)
    with pytest.raises(TypeError, match="batch is a int"):
        repeated(repeated.step.init(seeded(0)), 1)


def test_a_wrong_batch_is_the_step_s_own_error() -> None:
    step = STEPS["plain"]()
    repeated, state = captured(step), step.init(seeded(0))
    for batch in batches([(2, 3, 8, 8)] * 5):
        state, _ = repeated(state, batch)
    with pytest.raises(ValueError, match="x has 4 channels"):
        repeated(state, batches([(2, 4, 8, 8)])[0])
