"""Freed memory stays with a command's process."""

import platform
import subprocess
import sys
from pathlib import Path

import pytest

from n2nfun.cli.main import main

PROGRAM = """
import ctypes, resource
from n2nfun.cli.memory import keep_freed_memory
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.free.argtypes = [ctypes.c_void_p]
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        block = libc.malloc(48 << 20)
        ctypes.memset(block, 1, 48 << 20)
        libc.free(block)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
kept = keep_freed_memory()
faults()
print(kept, faults())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the allocator is glibc's")
def test_its_pages_are_mapped_once() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    kept, faults = done.stdout.split()
    assert kept == "True"
    assert int(faults) < 16  # pages; each of the ten blocks has 12,288


def test_every_command_begins_with_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    calls: list[bool] = []

    def noted() -> bool:
        calls.append(True)
        return True

    monkeypatch.setattr("n2nfun.cli.main.keep_freed_memory", noted)
    assert main(["inspect", "--data", str(tmp_path / "nothing")]) == 2
    assert calls == [True]
