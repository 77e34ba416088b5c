"""Checkpoints: the same bits back, and nothing else taken for one."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save
from torch import Tensor

from n2nfun.checkpoint import CheckpointError, Json, load_checkpoint, save_checkpoint
from n2nfun.layers import Conv2d, ConvParams, ReLU
from n2nfun.losses import MSE
from n2nfun.models import denoiser, paper
from n2nfun.optim import SGD, Adam, Optimizer
from n2nfun.testing.bits import assert_same_bits
from n2nfun.testing.numbers import seeded
from n2nfun.train import Batch, TrainState, TrainStep
from n2nfun.tree import tree_map, walk, zeros_like

OPTIMIZERS: dict[str, Optimizer[Any, Any]] = {
    "SGD": SGD(0.1),
    "momentum": SGD(0.1, momentum=0.9, nesterov=True),
    "Adam": Adam(0.01),
}


def trained(optimizer: Optimizer[Any, Any], steps: int) -> TrainState[Any, Any]:
    """Make the state after so many steps."""
    step: TrainStep[Any, Any, Any, Any] = TrainStep(paper(hidden=(2, 3)).layer, MSE(), optimizer)
    state = step.init(seeded(0))
    for seed in range(steps):
        x = torch.rand(2, 3, 8, 8, generator=seeded(seed))
        state, _ = step(state, Batch(x, x.flip(0)))
    return state


def params(*shape: int) -> ConvParams:
    return ConvParams(torch.rand(shape, generator=seeded(0)), None)


def assert_same_state(first: object, second: object) -> None:
    """Require the same bits, and the same numbers and Nones beside them."""
    assert_same_bits(first, second)
    beside = [
        [(path, value) for path, value in walk(tree) if not isinstance(value, Tensor)] for tree in (first, second)
    ]
    assert beside[0] == beside[1]


@pytest.mark.parametrize("steps", [0, 1, 3])
@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_training_states_come_back(optimizer: Optimizer[Any, Any], steps: int, tmp_path: Path) -> None:
    state = trained(optimizer, steps)
    save_checkpoint(tmp_path / "a.safetensors", state, {"steps": steps})
    found = load_checkpoint(tmp_path / "a.safetensors")
    blank = zeros_like(state)
    back = found.fill(blank)
    assert type(back) is TrainState
    assert_same_state(back, state)
    assert_same_bits(found.fill(blank.params, ".params"), state.params)
    assert found.config == {"steps": steps}


def test_the_velocity_is_there_only_after_a_step(tmp_path: Path) -> None:
    before, after = (trained(OPTIMIZERS["momentum"], steps) for steps in (0, 1))
    save_checkpoint(tmp_path / "before.safetensors", before, {})
    save_checkpoint(tmp_path / "after.safetensors", after, {})
    with pytest.raises(
        CheckpointError, match=r"before\.safetensors: has no tensor at \.optimizer\.velocity\[0\]\.weight"
    ):
        load_checkpoint(tmp_path / "before.safetensors").fill(after)
    with pytest.raises(CheckpointError, match=r"after\.safetensors: has no value at \.optimizer\.velocity, .* None"):
        load_checkpoint(tmp_path / "after.safetensors").fill(before)


@pytest.mark.parametrize(
    "tensor",
    [
        torch.tensor([float("nan"), -0.0, float("inf"), 1e-45]),
        torch.tensor(3.5),
        torch.zeros(0, 3),
        torch.arange(6).reshape(2, 3).t(),
        torch.zeros(1).expand(4),
        torch.rand(3, generator=seeded(0)).to(torch.bfloat16),
        torch.rand(3, generator=seeded(0)).to(torch.float16),
        torch.rand(3, generator=seeded(0), dtype=torch.float64),
        torch.tensor([True, False]),
        torch.tensor([0, 255], dtype=torch.uint8),
    ],
    ids=lambda tensor: f"{tensor.dtype} {tuple(tensor.shape)}",
)
def test_tensors_of_every_kind_come_back(tensor: Tensor, tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "a.safetensors", (tensor,), {})
    [back] = load_checkpoint(tmp_path / "a.safetensors").fill((torch.zeros_like(tensor),))
    assert back.dtype == tensor.dtype
    assert torch.equal(
        back.view(torch.uint8) if back.dim() else back, tensor.contiguous().view(torch.uint8) if back.dim() else tensor
    )


def test_what_is_beside_the_tensors_comes_back(tmp_path: Path) -> None:
    tree = (1, -0.0, 1e300, float("inf"), None, True, "größe", (torch.zeros(1), 2))
    config: dict[str, Json] = {"name": "größe", "list": [1, 2.5, None, {"deep": True}]}
    save_checkpoint(tmp_path / "größe.safetensors", tree, config)
    found = load_checkpoint(tmp_path / "größe.safetensors")
    back = found.fill((0, 0.0, 0.0, 0.0, None, False, "", (torch.ones(1), 0)))
    assert repr(back) == repr(tree)
    assert found.config == config


# Whole or not at all


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_an_interrupted_write_leaves_the_old_file(
    error: BaseException, step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.safetensors"
    save_checkpoint(path, params(1, 1, 2, 2), {"version": 1})
    old = path.read_bytes()

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(os if step == "fsync" else Path, step, fail)
    with pytest.raises(type(error)):
        save_checkpoint(path, params(1, 1, 3, 3), {"version": 2})
    assert path.read_bytes() == old
    assert list(tmp_path.iterdir()) == [path]


def test_a_tree_that_cannot_be_stored_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_checkpoint(path, params(1, 1, 2, 2), {})
    old = path.read_bytes()
    with pytest.raises(TypeError, match=r"tree holds a set at \[1\], expected tensors and numbers"):
        save_checkpoint(path, (torch.zeros(1), {1}), {})
    with pytest.raises(TypeError, match="PosixPath is not JSON serializable"):
        save_checkpoint(path, (torch.zeros(1),), {"path": tmp_path})  # type: ignore[dict-item]  # pyright: ignore[reportArgumentType]  wrong on purpose
    assert path.read_bytes() == old
    assert list(tmp_path.iterdir()) == [path]


# Damage


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A checkpoint of a few hundred bytes."""
    path = tmp_path / "small.safetensors"
    save_checkpoint(path, (params(1, 2, 1, 1), 3), {"model": "mine"})
    return path


def test_a_flipped_bit_anywhere_is_found(small: Path) -> None:
    sound, expected = small.read_bytes(), load_checkpoint(small)
    for place in range(len(sound)):
        for bit in (0x01, 0x20, 0x80):  # the least, the one between a and A, the greatest
            small.write_bytes(sound[:place] + bytes([sound[place] ^ bit]) + sound[place + 1 :])
            with pytest.raises(CheckpointError, match=r"small\.safetensors: "):
                load_checkpoint(small)
    small.write_bytes(sound)
    assert load_checkpoint(small).config == expected.config


def test_a_truncated_or_longer_file_is_found(small: Path) -> None:
    sound = small.read_bytes()
    for length in range(len(sound)):
        small.write_bytes(sound[:length])
        with pytest.raises(CheckpointError, match=r"small\.safetensors: not a readable safetensors file"):
            load_checkpoint(small)
    small.write_bytes(sound + b"\0")
    with pytest.raises(CheckpointError, match=r"small\.safetensors: not a readable safetensors file"):
        load_checkpoint(small)


def test_changed_numbers_with_a_sound_header_are_found(small: Path) -> None:
    content = small.read_bytes()
    small.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(small)
    assert str(caught.value) == f"{small}: its content does not match its digest: the file was damaged or changed"


def test_the_same_state_is_the_same_file(tmp_path: Path) -> None:
    tree = denoiser(width=2).layer.init(seeded(0))
    for name in ("a", "b"):
        save_checkpoint(tmp_path / name, tree, {"model": "mine", "width": 2})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("metadata", [None, {"format": "pt"}])
def test_a_foreign_safetensors_file_is_refused(metadata: dict[str, str] | None, tmp_path: Path) -> None:
    path = tmp_path / "foreign.safetensors"
    path.write_bytes(save({"weight": torch.zeros(2)}, metadata))
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(path)
    assert str(caught.value) == f"{path}: was not written by n2nfun, expected a checkpoint of format 'n2nfun/1'"


@pytest.mark.parametrize("header", ["", "{}", "[]", "null", '{"content": 1, "sha256": 2}'])
def test_a_header_that_is_none_of_ours_is_refused(header: str, tmp_path: Path) -> None:
    path = tmp_path / "strange.safetensors"
    path.write_bytes(save({"weight": torch.zeros(2)}, {"n2nfun": header}))
    with pytest.raises(CheckpointError, match="its content does not match its digest"):
        load_checkpoint(path)


def test_another_format_is_named(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("n2nfun.checkpoint._FORMAT", "n2nfun/2")
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(small)
    assert str(caught.value) == f"{small}: its format is 'n2nfun/1', expected 'n2nfun/2'"


def not_there(path: Path) -> None:
    pass


def a_text(path: Path) -> None:
    path.write_text("not a checkpoint")


def empty(path: Path) -> None:
    path.touch()


def huge_header(path: Path) -> None:
    path.write_bytes(b"\xff" * 7 + b"\x7f" + b"{}")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (not_there, "no such file, expected a checkpoint"),
        (Path.mkdir, "not a readable safetensors file"),
        (a_text, "not a readable safetensors file"),
        (empty, "not a readable safetensors file"),
        (huge_header, "not a readable safetensors file"),
    ],
)
def test_what_is_no_checkpoint_is_refused(make: Callable[[Path], None], message: str, tmp_path: Path) -> None:
    make(tmp_path / "a.safetensors")
    with pytest.raises(CheckpointError, match=rf"a\.safetensors: {message}"):
        load_checkpoint(tmp_path / "a.safetensors")


# Another tree than was saved


def test_what_does_not_fit_is_named_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_checkpoint(path, (Conv2d(3, 2, 3) >> ReLU()).init(seeded(0)), {})
    found = load_checkpoint(path)
    for other, message in (
        (
            (Conv2d(3, 3, 3) >> ReLU()).init(seeded(0)),
            "the tensor at [0].weight is torch.float32 of shape (2, 3, 3, 3), expected torch.float32 of shape (3, 3, 3, 3)",
        ),
        (
            tree_map(lambda leaf: leaf.double(), (Conv2d(3, 2, 3) >> ReLU()).init(seeded(0))),
            "the tensor at [0].weight is torch.float32 of shape (2, 3, 3, 3), expected torch.float64 of shape (2, 3, 3, 3)",
        ),
        ((params(2, 3, 3, 3),), "has no value at [0].bias, expected one like None"),
        (
            (ConvParams(torch.zeros(2, 3, 3, 3), torch.zeros(2)), torch.zeros(4)),
            "has no tensor at [1], expected one of shape (4,)",
        ),
    ):
        with pytest.raises(CheckpointError) as caught:
            found.fill(other)
        assert str(caught.value) == f"{path}: {message}"


def test_the_file_is_plain_safetensors(small: Path) -> None:
    content = small.read_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    assert set(header) == {"__metadata__", "[0].weight"}
    assert set(header["__metadata__"]) == {"n2nfun"}
    content = json.loads(json.loads(header["__metadata__"]["n2nfun"])["content"])
    assert content["config"] == {"model": "mine"}
    assert content["format"] == "n2nfun/1"
