"""No part of the public interface has an unknown type, and nothing public returns Any."""

import importlib
import json
import os
import pkgutil
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from inspect import isclass, isfunction, signature
from pathlib import Path
from typing import Any, get_overloads

import pytest

import n2nfun

KNOWN = {
    ("n2nfun.compose.overloads", "sequential"),  # of more layers than its overloads spell out
    ("n2nfun.compose.chain", "Sequential.stages"),  # each layer is of a type of its own
    ("n2nfun.run.networks", "build_model"),  # chosen by name at run time
    # Drawn at run time, or made for what is:
    ("n2nfun.testing.law", "Example.whole"),
    ("n2nfun.testing.law", "Example.normal"),
    ("n2nfun.testing.strategies", "accept.<locals>.layers"),
    ("n2nfun.testing.strategies", "accept.<locals>.networks"),
}


def test_pyright_knows_the_type_of_every_public_name() -> None:
    folder = str(Path(sys.executable).parent)  # --verifytypes looks for packages where the first python of PATH does
    done = subprocess.run(
        [sys.executable, "-m", "pyright", "--verifytypes", "n2nfun", "--ignoreexternal", "--outputjson"],
        env={**os.environ, "PATH": os.pathsep.join([folder, os.environ["PATH"]])},
        capture_output=True,
        text=True,
        check=False,
    )
    report = json.loads(done.stdout)
    found = report["typeCompleteness"]
    names = [symbol["name"] for symbol in found["symbols"] if symbol["isExported"]]
    assert "n2nfun.layers.conv.Conv2d.forward" in names
    lacking = [s["name"] for s in found["symbols"] if s["isExported"] and not s["isTypeKnown"]]
    assert lacking == [], report["generalDiagnostics"]
    assert found["completenessScore"] == 1


def modules() -> Iterator[Any]:
    yield n2nfun
    for info in pkgutil.walk_packages(n2nfun.__path__, "n2nfun."):
        yield importlib.import_module(info.name)


def functions(module: Any) -> Iterator[Callable[..., object]]:
    """List the functions of a module's ``__all__``, and the methods of its classes."""
    for name in getattr(module, "__all__", []):
        value = getattr(module, name)
        if isfunction(value):
            yield value
        elif isclass(value) and value.__module__.startswith("n2nfun"):
            for attribute, member in vars(value).items():
                if attribute.startswith("_") and not attribute.endswith("__"):
                    continue
                function = member.fget if isinstance(member, property) else getattr(member, "__func__", member)
                if isfunction(function):
                    yield function


def returning_any(found: Iterator[Callable[..., object]]) -> set[tuple[str, str]]:
    """Name the functions with an Any in what they return; of overloaded ones, that of an overload."""
    return {
        (function.__module__, function.__qualname__)
        for function in found
        for variant in get_overloads(function) or [function]
        if re.search(r"\bAny\b", str(signature(variant).return_annotation))
    }


def test_nothing_public_returns_any() -> None:
    found = [function for module in modules() for function in functions(module)]
    names = {function.__qualname__ for function in found}
    assert {"train_step", "Conv2d.forward", "Layer.__rshift__", "TrainStep.__call__"} < names
    assert returning_any(iter(found)) == KNOWN


def untyped(x: int) -> Any:
    return x


class Untyped:
    def pairs(self) -> dict[str, Any]:
        return {}

    @property
    def one(self) -> Any:
        return 1

    @classmethod
    def made(cls) -> "list[Any]":
        return []


def test_a_planted_any_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Untyped, "__module__", "n2nfun.planted")
    module = sys.modules[__name__]
    monkeypatch.setattr(module, "__all__", ["Untyped", "untyped"], raising=False)
    names = {name for _, name in returning_any(functions(module))}
    assert names == {"untyped", "Untyped.pairs", "Untyped.one", "Untyped.made"}
