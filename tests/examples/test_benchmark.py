"""The benchmark works on the smallest of its cases; its figures are nobody's pass mark."""

import json
import re
from collections import Counter
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import Tensor

from examples import benchmark
from examples.benchmark import floor, machine, starting, with_jax, with_torch
from examples.benchmark.__main__ import Config, main
from examples.benchmark.agreement import check_agreement
from examples.benchmark.cases import Restoring, Training, cases
from examples.benchmark.floor import Product, products
from examples.benchmark.goals import IMAGES, STEPS, Goal, tables
from examples.benchmark.measuring import Timed
from examples.benchmark.memory import peak
from examples.benchmark.opponents import EAGER, JAX, RESTORING, Opponent, work
from examples.benchmark.work import Made
from examples.exchange_with_torch import twin
from n2nfun.compose import sequential
from n2nfun.layers import Conv2d, Upsampling
from n2nfun.models import denoiser

TINY = Training("paper", 1, (2, 3), 2, 3, size=8)


def test_it_times_all_who_make_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    opponents: tuple[Opponent, ...] = ("n2nfun", "torch", "floor")
    output = tmp_path / "out" / "times.json"
    main(Config(("tiny",), opponents, ("tuned",), threads=1, rounds=1, seconds=0.001, output=output))
    printed = capsys.readouterr().out
    reached = re.findall(r"^\| (.*?) \|(?:[^|]*\|){2} (\d+\.\d\d|not measured) \|", printed, re.MULTILINE)
    assert [name for name, figure in reached if figure != "not measured"] == [
        "speed of torch.nn eager, n2nfun eager",
        "time of the matrix products, n2nfun eager",
        "time of the matrix products, torch.nn eager",
        "peak memory of torch.nn eager, n2nfun eager",
        "speed of torch.nn in inference mode",
        "its peak memory, of tensors",
        "its peak memory, of the process",
    ]
    assert len(reached) == len(STEPS) + len(IMAGES)
    times = json.loads(output.read_text())["times"]
    assert [(one["opponent"], "batch" in one["case"]) for one in times] == [
        ("n2nfun", True),
        ("torch", True),
        ("floor", True),
        ("n2nfun", False),
        ("torch", False),
    ]
    assert all(one["seconds"] > 0 and one["prepared"] > 0 and one["resident"] > 0 for one in times)
    assert [one["peak"] is None for one in times] == [one["opponent"] == "floor" for one in times]


def test_starting_is_timed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(starting, "PROCESSES", {"import n2nfun": ("-c", "import n2nfun")})
    main(Config(("start",), rounds=1))
    assert re.search(r"^\| import n2nfun \| \d+ \|$", capsys.readouterr().out, re.MULTILINE)


def test_jax_is_left_out_where_it_is_not_installed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def nothing(_: str) -> None:
        return None

    monkeypatch.setattr(with_jax, "find_spec", nothing)
    monkeypatch.setattr(starting, "PROCESSES", {})
    main(Config(("start",), ("n2nfun", *JAX)))
    assert "JAX is left out" in capsys.readouterr().out
    main(Config(("start",), ("n2nfun",)))
    assert "JAX is left out" not in capsys.readouterr().out


def after_two_runs(opponent: Opponent, case: Training | Restoring) -> Made:
    """Work in this process, as to start others takes seconds."""
    doing = work(opponent, case)
    doing.run()
    return doing.made(doing.run())


@pytest.mark.parametrize("opponent", [*EAGER, *JAX])
@pytest.mark.parametrize("case", [TINY, Training("denoiser", 2, size=8), Restoring(9, 14)], ids=str)
def test_opponents_make_what_n2nfun_makes(opponent: Opponent, case: Training | Restoring) -> None:
    if opponent in JAX:
        pytest.importorskip("jax", reason="an optional extra")
    if isinstance(case, Training) or opponent in RESTORING:
        check_agreement(case, after_two_runs(opponent, case), after_two_runs("n2nfun", case))


def test_a_step_without_nesterov_or_of_other_numbers_does_not_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    def made(momentum: float) -> list[Any]:
        monkeypatch.setattr(with_torch, "MOMENTUM", momentum)
        doing = work("torch", TINY)
        return doing.made(doing.run())

    expected = made(0.9)
    check_agreement(TINY, made(0.9), expected)
    with pytest.raises(RuntimeError, match=r"paper .* result 1 differs by"):
        check_agreement(TINY, made(0.8), expected)
    for index in range(len(expected)):
        wrong = [part.copy() for part in expected]
        wrong[index].flat[-1] = np.nan
        with pytest.raises(RuntimeError, match=f"result {index} differs by nan"):
            check_agreement(TINY, wrong, expected)
    with pytest.raises(RuntimeError, match="has shape"):
        check_agreement(TINY, [expected[0][None], *expected[1:]], expected)


def test_the_grid_has_the_papers_48_shapes() -> None:
    whole = cases("grid")
    assert len(set(whole)) == 48
    assert set(cases("grid", 100)) == set(whole)


@pytest.mark.parametrize("shapes", [3, 6, 12, 24])
def test_a_part_of_the_grid_is_spread_over_all_its_sizes(shapes: int) -> None:
    chosen = [one for one in cases("grid", shapes) if isinstance(one, Training)]
    assert len(set(chosen)) == shapes
    for sizes in (
        Counter(one.batch for one in chosen),
        Counter(one.down_kernel for one in chosen),
        Counter(one.up_kernel for one in chosen),
    ):
        assert max(sizes.values()) - min(sizes.values()) <= 1 + shapes // 12


GEOMETRIES: list[Conv2d | Upsampling] = [
    Conv2d(1, 1, 2, stride=2),
    Conv2d(1, 1, 4, stride=2, padding=1),
    Conv2d(1, 1, (3, 2), stride=(1, 3), padding=(1, 0)),
    Conv2d(1, 1, 1, stride=2),
    Conv2d(1, 1, 3, stride=2, padding=1),  # of the 5 rows 3 are read by one window each, and 2 by two
    Upsampling(1, 1, 3, padding=1),
    Upsampling(1, 1, 5, padding=2),
    Upsampling(1, 1, 5, scale_factor=3, padding=1),  # of the 13 rows 5 read three pixels each, and 8 two
    Upsampling(1, 1, (4, 5), scale_factor=(3, 2), padding=(2, 0)),
]


@pytest.mark.parametrize("layer", GEOMETRIES, ids=repr)
def test_the_floor_counts_the_numbers_that_autograd_finds_connected(layer: Conv2d | Upsampling) -> None:
    height, width, margin = 5, 7, 6
    network = twin(sequential(layer))
    for weights in network.parameters():
        weights.detach().fill_(1.0)
    # Inside a larger image no window meets its border, where padding would stand in for pixels.
    large = torch.zeros(1, 1, height + 2 * margin, width + 2 * margin)
    derivative = cast("Any", torch.autograd.functional.jacobian)  # pyright: ignore[reportUnknownMemberType]  # untyped in torch
    connected: Tensor = derivative(network, large, vectorize=True)[0, 0, :, :, 0, 0] != 0
    scale, stride = (layer.scale_factor, (1, 1)) if isinstance(layer, Upsampling) else ((1, 1), layer.stride)
    down, right = (margin * up // by for up, by in zip(scale, stride, strict=True))
    rows, columns = layer.output_shape((1, 1, height, width))[2:]
    read = int(connected[down : down + rows, right : right + columns].sum())
    reached = int(connected[:, :, margin : margin + height, margin : margin + width].sum())
    batch = 3
    shape = (batch, 1, height, width)
    assert sum(one.multiply_adds for one in products(layer, shape, wants_dx=False)) == batch * 2 * read
    assert sum(one.multiply_adds for one in products(layer, shape)) == batch * (2 * read + reached)


def test_the_floor_of_the_papers_network() -> None:
    layer = Training("paper", 4).layer()
    assert list(products(layer, (4, 3, 32, 32), wants_dx=False)) == [
        *(Product(1024, 12, 16), Product(12, 1024, 16)),
        *(Product(256, 64, 32), Product(64, 256, 32), Product(256, 32, 16, 4)),
        *(Product(256, 288, 16, 4), Product(288, 256, 16, 4), Product(256, 576, 32)),
        *(Product(1024, 144, 3, 4), Product(144, 1024, 3, 4), Product(1024, 108, 16)),
    ]


def test_the_floor_asks_for_dx_behind_parameters_alone() -> None:
    five = list(products(denoiser(width=8).layer, (1, 3, 4, 4), wants_dx=False))
    assert len(five) == 2 + 4 * 3


@pytest.mark.parametrize("one", [Product(6, 4, 2, 3), Product(4, 6, 2, 3)])
def test_the_floor_takes_the_best_way(one: Product, monkeypatch: pytest.MonkeyPatch) -> None:
    best = 11
    ways: list[object] = []
    called: list[int] = []

    def only(*_: object, **__: object) -> list[Product]:
        return [one]

    def times(times: int, left: Tensor, right: Tensor, out: Tensor) -> Callable[[], None]:
        (m, k), n = left.shape, right.shape[1]
        assert times * m * k * n >= one.multiply_adds  # pieces are rounded up
        assert (right.shape[0], out.shape) == (k, (m, n))
        index = len(ways)
        ways.append((times, left.shape, right.shape, left.stride(), right.stride(), out.stride()))
        return lambda: called.append(index)

    def slow_but_for_the_best(compute: Callable[[], None]) -> float:
        compute()
        return float(called.pop() != best)

    monkeypatch.setattr(floor, "products", only)
    monkeypatch.setattr(floor, "PIECE", 12)
    monkeypatch.setattr(floor, "_times", times)
    monkeypatch.setattr(floor, "_least_time", slow_but_for_the_best)
    floor.training(TINY).run()
    assert len(set(ways)) == len(ways) == 4 * 8  # side by side or apart, whole or in pieces; each of three matrices
    assert called == [best]


def timed(case: Training | Restoring, opponent: Opponent, seconds: float, peak: int | None = 1) -> Timed:
    return Timed("grid", case, opponent, "tuned", (seconds, 2 * seconds, seconds / 2), 1.0, peak, 1)


def test_the_best_of_the_rivals_counts_on_each_shape() -> None:
    shapes = [Training("paper", batch) for batch in (4, 16, 64)]
    rows: list[tuple[Opponent, tuple[float, float, float]]] = [
        ("n2nfun", (1.0, 2.0, 3.0)),
        ("torch", (2.0, 90.0, 12.0)),
        ("torch channels_last", (7.0, 16.0, 99.0)),
    ]
    found = [timed(case, name, taken) for name, row in rows for case, taken in zip(shapes, row, strict=True)]
    assert found[1].seconds == 2.0  # the median
    found.append(timed(Training("paper", 7), "n2nfun", 1.0))  # of which no rival was measured
    speed = Goal("speed", ("n2nfun",), EAGER, 2.0, 1.0)
    assert list(speed.ratios(found).values()) == [2.0, 8.0, 4.0]
    assert speed.row(found) == f"| speed | at least 2.0 | at least 1.0 | 4.00 | 2.00: {shapes[0]} |"
    share = Goal("time", ("n2nfun",), EAGER, 2.5, at_most=True)
    assert share.row(found) == f"| time | at most 2.5 |  | 0.25 | 0.50: {shapes[0]} |"


def test_sizes_of_batches_have_tables_of_their_own() -> None:
    shapes = [Training("paper", batch, up_kernel=up) for batch in (16, 4) for up in (3, 5)]
    found = [timed(case, name, 1.0) for case in shapes for name in ("n2nfun", "torch")]
    heads = [table.splitlines()[0] for table in tables("grid", found)]
    assert heads == ["grid: training steps of 4 shapes", "grid: batch 4, 2 shapes", "grid: batch 16, 2 shapes"]
    assert len(list(tables("grid", found[:4]))) == 1
    assert len(list(tables("grid", found[2:6]))) == 1


def test_the_page_has_every_row() -> None:
    page = Path(benchmark.__file__).parent.with_name("how_fast.md").read_text()
    for goal in STEPS:
        assert page.count(f"\n| {goal.against} |") == 2
        assert f"\n| {goal.bounds} |" in page
    for goal in IMAGES:
        assert page.count(f"\n| {goal.against} (goal: {goal.bounds.split(' | ')[1]}) |") == 1


def test_memory_that_is_not_torchs_is_not_compared() -> None:
    case = Restoring(4, 4)
    found = [timed(case, "n2nfun", 1.0), timed(case, "torch", 1.0, peak=None)]
    assert "not measured" in Goal("memory", ("n2nfun",), EAGER, 1.0, field="peak", at_most=True).row(found)
    assert len(list(tables("grid", found))) == 1
    assert list(tables("default", found)) == []


def test_the_peak_is_what_a_run_holds_beyond_what_was_there() -> None:
    kept = [torch.ones(1000)]

    def run() -> None:
        kept.append(torch.ones(1000) + torch.ones(1000))  # three at once
        del kept[0]

    assert peak(run, keeps=True) == 3 * 4000
    assert peak(run, keeps=False) == 3 * 4000


def test_the_peak_counts_what_is_freed_of_what_the_run_before_made() -> None:
    kept = [torch.ones(1000)]

    def run() -> None:
        kept.clear()
        kept.append(torch.ones(1000))

    assert peak(run, keeps=True) == 0


def test_the_machine_is_described(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_: str) -> str:
        raise PackageNotFoundError

    about = machine.machine(3)
    assert about["threads"] == 3
    assert about["processor"]
    assert about["torch"] == torch.__version__
    monkeypatch.setattr(machine, "version", missing)
    assert machine.machine(1)["jax"] == "not installed"
