"""What `--help` must not wait for."""

import subprocess
import sys

import pytest

HEAVY = (
    "torch",
    "numpy",
    "rich",
    "matplotlib",
    "skimage",
    "pydantic",
    "PIL",
    "cv2",
    "safetensors",
    "sqlalchemy",
    "distributed",
)


@pytest.mark.parametrize(
    ("command", "columns", "lines"),
    [
        ("denoise", 100, 24),
        ("evaluate", 100, 24),
        ("inspect", 100, 24),
        ("search", 100, 35),
        ("search status", 100, 24),
        ("search report", 100, 24),
        ("train", 80, 37),
    ],
)
def test_help_fits_a_screen_and_loads_nothing_heavy(command: str, columns: int, lines: int) -> None:
    program = (
        "import sys\n"
        "from n2nfun.cli.main import main\n"
        "try:\n"
        f"    main([*{command.split()!r}, '--help'])\n"
        "finally:\n"
        f"    loaded = [name for name in {HEAVY!r} if name in sys.modules]\n"
        "    assert not loaded, loaded\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, env={"COLUMNS": str(columns)}
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"usage: n2nfun {command.split(maxsplit=1)[0]}")
    assert len(done.stdout.splitlines()) <= lines


def test_each_option_of_train_has_one_line_of_eighty_columns() -> None:
    program = "from n2nfun.cli.main import main; main(['train', '--help'])"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env={"COLUMNS": "80"}
    )
    options = [line for line in done.stdout.splitlines() if line.startswith("│")]
    assert all(line.startswith("│ -") for line in options), options
    assert max(len(line) for line in done.stdout.splitlines()) <= 80
