"""What a run's times are true of."""

import json
import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


def machine(threads: int) -> dict[str, str | int]:
    """Describe the machine, and the versions of what ran on it."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count() or 1,
        "threads": threads,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **{package: _version(package) for package in ("torch", "jax")},
    }


def told(about: dict[str, str | int]) -> str:
    """Write a description as the line below a table."""
    return ", ".join(f"{name} {value}" for name, value in about.items())


def write(path: Path | None, about: dict[str, str | int], **results: object) -> None:
    """Write what was measured, with what it is true of, as JSON, if a file is asked for."""
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"machine": about, **results}, indent=1))


def _processor() -> str:
    """Return the model's name; on Linux the standard library does not know it."""
    cores = Path("/proc/cpuinfo")
    if cores.exists():
        for line in cores.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
