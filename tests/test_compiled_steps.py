"""Whole steps go through ``torch.compile(fullgraph=True)``, and machine code makes what the formulas make."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import settings

OF_TORCH = "ignore:`torch.jit.script_method`:DeprecationWarning"
"""What PyTorch 2.13's own compiler warns of when it is imported."""


def run(module: str, *options: str) -> None:
    command = [sys.executable, "-W", "error", "-W", OF_TORCH, "-m", module, *options]
    done = subprocess.run(command, cwd=Path(__file__).parent.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_whole_steps_compile_without_a_break() -> None:
    run("tests.compiling")


@pytest.mark.skipif(shutil.which(os.environ.get("CXX", "g++")) is None, reason="torch.compile needs a C++ compiler")
def test_machine_code_makes_the_same_numbers() -> None:
    run("tests.inductor", *(["every"] if settings.get_current_profile_name() == "nightly" else []))
