"""The annotations are checked in these very tests: planted wrong shapes are found, at every kind of place."""

import doctest
import importlib
import inspect
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import jaxtyping
import pytest
import torch

from n2nfun.layers import Conv2d, ConvCache, ConvParams
from tests.shape_checking import unchecked

PLANTED = """
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol
from jaxtyping import Float
from torch import Tensor

def result(x: Float[Tensor, "rows columns"]) -> Float[Tensor, "columns rows"]:
    return x

def argument(x: Float[Tensor, "rows columns"], y: Float[Tensor, "rows"]) -> None:
    if y.ndim != 1:
        raise ValueError("y: in my own words")

def number(x: float) -> float:
    return x

@dataclass(frozen=True, slots=True)
class Field:
    x: Float[Tensor, "rows columns"]

class Shaped(Protocol):
    shape: object

def protocol(shaped: Shaped | Callable[[], Shaped], x: Float[Tensor, "3"]) -> None:
    pass

class Method:
    def __call__(self, x: Float[Tensor, "3"]) -> Float[Tensor, "3"]:
        return x[:2]
"""


@pytest.fixture(params=["", "from __future__ import annotations\n"], ids=["annotations", "postponed"])
def planted(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    name = f"n2nfun_planted_{len(request.param)}"
    (tmp_path / f"{name}.py").write_text(request.param + PLANTED)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    with jaxtyping.install_import_hook(name, "tests.shape_checking.checked_after_the_call"):
        module = importlib.import_module(name)
    monkeypatch.delitem(sys.modules, name)
    return module


def test_planted_wrong_shapes_are_found(planted: ModuleType) -> None:
    planted.result(torch.ones(2, 2))
    planted.argument(torch.ones(2, 3), torch.ones(2))
    planted.number(1)
    planted.Field(torch.ones(2, 3))
    planted.protocol("anything", torch.ones(3))
    wrong: list[Any] = [
        lambda: planted.result(torch.ones(2, 3)),
        lambda: planted.argument(torch.ones(2, 3), torch.ones(3)),
        lambda: planted.number("1"),
        lambda: planted.Field(torch.ones(3)),
        lambda: planted.protocol(torch.ones(2), torch.ones(2)),
        lambda: planted.Method()(torch.ones(3)),
    ]
    for call in wrong:
        with pytest.raises(jaxtyping.TypeCheckError):
            call()
        with unchecked():
            call()


def test_a_functions_own_refusal_comes_first(planted: ModuleType) -> None:
    with pytest.raises(ValueError, match="in my own words"):
        planted.argument(torch.ones(2, 3), torch.ones(2, 2))


def test_the_package_is_checked() -> None:
    with pytest.raises(jaxtyping.TypeCheckError):
        ConvParams(torch.zeros(4, 3, 2, 2), torch.zeros(3))
    with pytest.raises(jaxtyping.TypeCheckError):
        ConvCache(torch.zeros(3), (1, 2, 3, 4))
    assert inspect.unwrap(Conv2d.forward) is not Conv2d.forward


@pytest.mark.parametrize("name", ["n2nfun.layers.conv.Conv2d", "n2nfun.tree.leaves"])
def test_doctests_are_found_in_checked_modules(name: str) -> None:
    untyped: Any = getattr(doctest, "DocTestFinder")  # noqa: B009 - typeshed leaves its constructor without types
    found = untyped().find(importlib.import_module(name.rpartition(".")[0]))
    assert name in [test.name for test in found if test.examples]
