"""Time how long type checkers take for a network of 16 layers, and what the plugin adds.

    python examples/benchmark_types.py

prints, as Markdown, the medians of several runs side by side: of mypy without and with the plugin, each with a warm cache
(as in an editor or in continuous integration; only the network's file is new), and of pyright, which keeps no cache.
"""

import os
import platform
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Literal, TypeAlias

import tyro

NETWORK = """
from n2nfun import Conv2d, ReLU, Sequential, sequential

one = Conv2d(3, 16, 3, padding=1)
two = Conv2d(16, 16, 3, padding=1)
by_function = sequential(one, ReLU(), two, ReLU(), two, ReLU(), two, ReLU(), two, ReLU(), two, ReLU(), two, ReLU(), two, ReLU())
by_operator = (
    one >> ReLU() >> two >> ReLU() >> two >> ReLU() >> two >> ReLU()
    >> two >> ReLU() >> two >> ReLU() >> two >> ReLU() >> two >> ReLU()
)
"""
EMPTY = "import n2nfun\n"
FUNCTIONS = "from n2nfun import Conv2d, ReLU, sequential\n" + "".join(
    f"""
def build_{number}() -> tuple[int, ...]:
    first = Conv2d(3, 16, 3, padding=1)
    last = Conv2d(16, 3, 3, padding=1)
    network = sequential(first, ReLU(), last)
    return network.output_shape((1, 3, 64, 64))
"""
    for number in range(200)
)
Text: TypeAlias = Literal["import only", "two networks of 16 layers", "200 functions"]
TEXTS: dict[Text, str] = {"import only": EMPTY, "two networks of 16 layers": NETWORK, "200 functions": FUNCTIONS}


@dataclass(frozen=True)
class Config:
    """How often to measure."""

    repeats: int = 7
    """runs of each checker on each text, after one that fills the caches"""
    texts: tuple[Text, ...] = tuple(TEXTS)
    """which files to check"""
    cache: Path = Path("runs/benchmark_types")
    """folder for mypy's caches"""


def run(folder: Path, text: str, arguments: list[str]) -> float:
    """Check a file of this text, and return the seconds."""
    (folder / "user.py").write_text(f"{text}\n# {time.perf_counter_ns()}\n")  # new each time
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-m", *arguments], cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603 - our own command
    seconds = time.perf_counter() - start
    if done.returncode != 0:
        raise RuntimeError(done.stdout + done.stderr)
    return seconds


def main(config: Config) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for settings, plugins in (("plain", ""), ("plugin", "plugins = n2nfun.mypy_plugin\n")):
            cache = config.cache.resolve() / settings
            (folder / f"{settings}.ini").write_text(f"[mypy]\nstrict = true\ncache_dir = {cache}\n{plugins}")
        checkers = {
            "mypy": ["mypy", "--config-file", "plain.ini", "user.py"],
            "mypy with the plugin": ["mypy", "--config-file", "plugin.ini", "user.py"],
            "pyright": ["pyright", "--pythonpath", sys.executable, "user.py"],
        }
        times: dict[tuple[str, Text], list[float]] = {
            (checker, text): [] for checker in checkers for text in config.texts
        }
        for repeat in range(config.repeats + 1):
            for (checker, text), seconds in times.items():
                taken = run(folder, TEXTS[text], checkers[checker])
                if repeat:  # the first fills the caches
                    seconds.append(taken)
    print("| seconds, median | " + " | ".join(config.texts) + " |")
    print("|---|" + "---|" * len(config.texts))
    for checker in checkers:
        print(f"| {checker} | " + " | ".join(f"{median(times[checker, text]):.2f}" for text in config.texts) + " |")
    versions = ", ".join(f"{package} {version(package)}" for package in ("mypy", "pyright", "torch"))
    print(f"\n{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {versions}")


if __name__ == "__main__":
    main(tyro.cli(Config, description=__doc__))
