"""Whole steps go through ``torch.compile(fullgraph=True)``."""

import subprocess
import sys
from pathlib import Path


def test_whole_steps_compile_without_a_break() -> None:
    command = [sys.executable, "-W", "error", "-m", "tests.compiling"]
    done = subprocess.run(command, cwd=Path(__file__).parent.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
