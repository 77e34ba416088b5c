"""The stubs in typings/ say what the installed packages are: names, parameters, kinds and defaults."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = sorted(init.parent.name for init in (ROOT / "typings").glob("*/__init__.pyi"))

# Stubs hold only what is used; what they hold must be right.
OPTIONS = ("--ignore-missing-stub", "--concise")

# What stubs import is of no account here, and mypy reads torch for half a minute.
SETTINGS = """
[mypy]
[mypy-torch.*,numpy.*]
follow_imports = skip
"""


def stubtest(stubs: Path, package: str, scratch: Path) -> subprocess.CompletedProcess[str]:
    (scratch / "mypy.ini").write_text(SETTINGS)
    return subprocess.run(
        [sys.executable, "-m", "mypy.stubtest", "--mypy-config-file=mypy.ini", *OPTIONS, package],
        env={**os.environ, "MYPYPATH": str(stubs)},
        cwd=scratch,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_packages_are_found() -> None:
    assert "skimage" in PACKAGES


@pytest.mark.parametrize("package", PACKAGES)
def test_the_stubs_agree_with_the_installed_package(package: str, tmp_path: Path) -> None:
    result = stubtest(ROOT / "typings", package, tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr


def test_wrong_stubs_are_found(tmp_path: Path) -> None:
    text = (ROOT / "typings" / "skimage" / "restoration" / "__init__.pyi").read_text()
    for right, wrong in (
        ("eps: float = 2.0e-4", "eps: float = 1.0e-4"),
        ("patch_size: int", "size: int"),
        ("def denoise_tv_chambolle(", "def denoise_tv_bregman(image: object) -> None: ...\ndef denoise_tv_chambolle("),
    ):
        assert right in text
        text = text.replace(right, wrong)
    folder = tmp_path / "stubs" / "skimage" / "restoration"
    folder.mkdir(parents=True)
    (folder.parent / "__init__.pyi").touch()
    (folder / "__init__.pyi").write_text(text)
    result = stubtest(tmp_path / "stubs", "skimage", tmp_path)
    assert result.returncode == 1
    for name in ("denoise_tv_chambolle", "denoise_nl_means", "denoise_tv_bregman"):
        assert f"skimage.restoration.{name} " in result.stdout
