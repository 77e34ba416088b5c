"""What `--help` must not wait for."""

import subprocess
import sys

import pytest

HEAVY = ("torch", "numpy", "rich", "matplotlib", "skimage", "pydantic", "PIL", "cv2", "safetensors")


@pytest.mark.parametrize("command", ["denoise", "evaluate", "inspect"])
def test_help_fits_a_screen_and_loads_nothing_heavy(command: str) -> None:
    program = (
        "import sys\n"
        "from n2nfun.cli.main import main\n"
        "try:\n"
        f"    main([{command!r}, '--help'])\n"
        "finally:\n"
        f"    loaded = [name for name in {HEAVY!r} if name in sys.modules]\n"
        "    assert not loaded, loaded\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, env={"COLUMNS": "100"}
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"usage: n2nfun {command}")
    assert len(done.stdout.splitlines()) <= 24
