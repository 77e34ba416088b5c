"""How long it takes to start: a process that imports n2nfun, or says what the command can do."""

import subprocess
import sys
import time
from statistics import median

PROCESSES = {
    "python -c pass": ("-c", "pass"),
    "import n2nfun": ("-c", "import n2nfun"),
    "n2nfun --help": ("-c", "import sys; from n2nfun.cli.main import main; sys.exit(main(['--help']))"),
    "import torch": ("-c", "import torch"),
}


def start_times(rounds: int) -> dict[str, list[float]]:
    """Time each process, in turn, after a round that reads the files from the disk."""
    times = {name: list[float]() for name in PROCESSES}
    for index in range(rounds + 1):
        for name, arguments in PROCESSES.items():
            start = time.perf_counter()
            subprocess.run([sys.executable, *arguments], check=True, capture_output=True)  # noqa: S603 - our own command
            if index:
                times[name].append(time.perf_counter() - start)
    return times


def table(times: dict[str, list[float]]) -> str:
    """Write the medians."""
    rows = [f"| {name} | {1000 * median(taken):.0f} |" for name, taken in times.items()]
    return "\n".join(["start\n| process | milliseconds |\n|---|---|", *rows])
