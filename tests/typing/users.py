"""A user's project: a folder of its own, with n2nfun installed from its wheel, and checkers that see nothing else of it."""

import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from zipfile import ZipFile

ROOT = Path(__file__).parent.parent.parent

# Of torch above all, which mypy reads for half a minute; a cache for each setting, as another setting starts anew.
CACHE = ROOT / ".mypy_cache" / "users"


@dataclass(frozen=True)
class Project:
    """A folder, and the interpreter of an environment with the wheel in it."""

    folder: Path
    python: Path

    def run(self, *command: str) -> str:
        """Run a module in the folder, and return what it prints, with paths as seen from there."""
        done = subprocess.run(
            [str(self.python), "-m", *command], cwd=self.folder, capture_output=True, text=True, check=False
        )
        return (done.stdout + done.stderr).replace(f"{self.folder}/", "")

    def mypy(self, *files: str) -> str:
        """Check files with ``mypy --strict``, and with no plugin."""
        return self.run("mypy", "--strict", "--config-file=", f"--cache-dir={CACHE / 'plain'}", *files)

    def mypy_with(self, settings: str, *files: str) -> str:
        """Check files with mypy as a configuration file says, which names the plugin."""
        return self.run("mypy", f"--config-file={settings}", f"--cache-dir={CACHE / 'plugin'}", *files)

    def pyright(self, *files: str) -> str:
        """Check files with pyright; ``# pyright: strict`` in a file makes it strict."""
        return self.run("pyright", f"--pythonpath={self.python}", *files)


def install(folder: Path) -> Project:
    """Build the wheel, and put it into a fresh environment that takes everything else from the current one."""
    build = [sys.executable, "-m", "pip", "wheel", str(ROOT), "--no-deps", "--no-build-isolation", "--quiet"]
    subprocess.run([*build, "--wheel-dir", str(folder / "wheels")], check=True, capture_output=True)
    (wheel,) = (folder / "wheels").glob("n2nfun-*.whl")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / "environment")], check=True)
    python = folder / "environment" / "bin" / "python"
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(folder / "environment")}))
    with ZipFile(wheel) as content:
        content.extractall(packages)
    # A .pth file in a folder that a .pth file names is not read: the editable n2nfun of developers is not seen.
    (packages / "environment.pth").write_text(sysconfig.get_path("purelib"))
    (folder / "project").mkdir()
    return Project(folder / "project", python)
