"""The wheel as its users have it: typed, for mypy and pyright, in an environment and a project with nothing else of ours."""

import re
from pathlib import Path

import pytest

from tests.typing.users import ROOT, Project

RIGHT = """\
# pyright: strict
from typing import Literal, assert_type

import torch

from n2nfun import SGD, Conv2d, ConvCache, ConvParams, NoParams, ReLU, ReLUCache, Sequential, SGDState, denoiser

network = Conv2d(3, 16, 2) >> ReLU() >> Conv2d(16, 64, 2)
Params = tuple[ConvParams, NoParams, ConvParams]
assert_type(network, Sequential[Params, tuple[ConvCache, ReLUCache, ConvCache], Literal[3], Literal[64]])
params = network.init(torch.Generator().manual_seed(0))
assert_type(params, Params)
assert_type(params[0].weight, torch.Tensor)
assert_type(SGD(0.1).init(params), SGDState[Params])
assert_type(denoiser().channels, int)
"""

WRONG = """\
# pyright: strict
import torch

from n2nfun import Conv2d, ReLU, sequential

print(Conv2d(3, 16, 2) >> ReLU() >> Conv2d(32, 64, 2))
print(sequential(Conv2d(3, 16, 2), Conv2d(32, 64, 2)))
print(ReLU().init(torch.Generator()).weight)
"""


def write(project: Project) -> None:
    (project.folder / "right.py").write_text(RIGHT)
    (project.folder / "wrong.py").write_text(WRONG)


def test_the_wheel_holds_every_file_of_the_package(project: Project) -> None:
    (project.folder / "where.py").write_text("import n2nfun\nprint(n2nfun.__file__)\n")
    package = Path(project.run("where").strip()).parent
    assert package.is_relative_to(project.python.parent.parent), "the checkout is seen"
    held = {file.relative_to(package) for file in package.rglob("*") if file.suffix != ".pyc" and file.is_file()}
    source = ROOT / "n2nfun"
    assert held == {file.relative_to(source) for file in source.rglob("*") if file.suffix != ".pyc" and file.is_file()}
    assert {Path("py.typed"), Path("__init__.pyi")} < held


@pytest.mark.xdist_group("mypy")  # with the others that fill its cache
def test_mypy_knows_the_types_of_the_installed_package(project: Project) -> None:
    write(project)
    assert project.mypy("right.py") == "Success: no issues found in 1 source file\n"
    found = re.findall(r"^wrong\.py:(\d+): error: .*\[([\w-]+)\]$", project.mypy("wrong.py"), re.MULTILINE)
    assert found == [("6", "operator"), ("7", "misc"), ("8", "attr-defined")]


def test_pyright_knows_the_types_of_the_installed_package(project: Project) -> None:
    write(project)
    assert project.pyright("right.py").splitlines()[-1] == "0 errors, 0 warnings, 0 informations"
    printed = project.pyright("wrong.py")
    found = re.findall(r"wrong\.py:(\d+):\d+ - error: [^(]", printed)
    assert sorted(set(found)) == ["6", "7", "8"]
    for rule in ("reportOperatorIssue", "reportArgumentType", "reportAttributeAccessIssue"):
        assert f"({rule})" in printed
