"""`n2nfun denoise`, from its arguments to its files and exit status."""

from pathlib import Path

import pytest
import torch
from PIL import Image

from n2nfun.cli.main import main
from n2nfun.data import Picture, read_image, write_image
from n2nfun.testing.bits import assert_same_bits
from n2nfun.testing.numbers import seeded
from tests.data.test_hostile_images import BOMB
from tests.fresh_runs import fresh_run


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with a run that changes nothing, and two photographs."""
    monkeypatch.chdir(tmp_path)
    fresh_run(tmp_path / "run")
    (tmp_path / "in").mkdir()
    for seed, name in enumerate(("a b.png", "größe.tif")):
        levels = torch.randint(256, (3, 5, 6 + seed), generator=seeded(seed))
        write_image(tmp_path / "in" / name, Picture(levels.to(torch.float32) / 255))
    return tmp_path


def test_a_folder_is_restored(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["denoise", "run", "in", "-o", "out"]) == 0
    assert capsys.readouterr() == ("restored 2 of 2 images into out\n", "")
    for name in ("a b.png", "größe.tif"):
        assert_same_bits(read_image(folder / "out" / name).pixels, read_image(folder / "in" / name).pixels)


def test_names_are_no_markup(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["denoise", "run", "in", "-o", "[red]out"]) == 0
    assert capsys.readouterr().out == "restored 2 of 2 images into [red]out\n"
    assert len([*(folder / "[red]out").iterdir()]) == 2


def test_files_and_a_checkpoint_file_will_do(folder: Path) -> None:
    names = ["in/a b.png", "in/größe.tif"]
    assert main(["denoise", "run/checkpoint.safetensors", *names, "--out", "deep/out", "--tile", "4"]) == 0
    assert sorted(path.name for path in (folder / "deep" / "out").iterdir()) == ["a b.png", "größe.tif"]


def test_hostile_files_are_named_and_the_others_done(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "in" / "bomb.png").write_bytes(BOMB)
    (folder / "in" / "text.jpg").write_text("not an image")
    (folder / "in" / "truncated.png").write_bytes((folder / "in" / "a b.png").read_bytes()[:60])
    assert main(["denoise", "run", "in", "in/[b]gone[/b].png", "-o", "out"]) == 1
    out, err = capsys.readouterr()
    assert out == "restored 2 of 6 images into out\n"
    named = [line.removeprefix("n2nfun: error: ").split(":")[0] for line in err.splitlines()]
    assert named == ["in/bomb.png", "in/text.jpg", "in/truncated.png", "in/[b]gone[/b].png"]
    assert sorted(path.name for path in (folder / "out").iterdir()) == ["a b.png", "größe.tif"]


def test_a_link_that_leads_nowhere_is_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "in" / "link.png").symlink_to("nowhere.png")
    assert main(["denoise", "run", "in", "-o", "out"]) == 1
    assert capsys.readouterr() == ("restored 2 of 3 images into out\n", "n2nfun: error: in/link.png: no such file\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "in", "-o", "in"], "in/a b.png: its result would replace it, expected another folder than in"),
        (["run", "in", "in/a b.png", "-o", "out"], "in/a b.png and in/a b.png would both be written to out/a b.png"),
        (["run", "empty", "-o", "out"], "empty: no images; expected files ending in"),
        (["run", "-o", "out"], "no images are given"),
        (["nowhere", "in", "-o", "out"], "nowhere: no such file, expected a checkpoint"),
        (["in/a b.png", "in", "-o", "out"], "in/a b.png: not a readable safetensors file"),
        (["run", "in", "-o", "run/checkpoint.safetensors"], "run/checkpoint.safetensors: is a file, expected a folder"),
        (["run", "in", "-o", "out", "--tile", "0"], "tile is 0, expected"),
    ],
)
def test_errors_are_one_line(
    arguments: list[str], message: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "empty").mkdir()
    assert main(["denoise", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert err.startswith("n2nfun")
    assert len(err.splitlines()) == 1
    assert not list(folder.glob("out/*"))


def test_a_damaged_checkpoint_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder / "run" / "checkpoint.safetensors"
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert main(["denoise", "run", "in", "-o", "out"]) == 2
    assert "its content does not match its digest" in capsys.readouterr().err


def test_ctrl_c_keeps_what_is_done(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Path] = []

    def interrupted(path: Path, picture: Picture) -> None:
        if seen:
            raise KeyboardInterrupt
        seen.append(path)
        write_image(path, picture)

    monkeypatch.setattr("n2nfun.run.denoising.write_image", interrupted)
    assert main(["denoise", "run", "in", "-o", "out"]) == 130
    assert [path.name for path in (folder / "out").iterdir()] == ["a b.png"]


def test_the_source_is_left_alone(folder: Path) -> None:
    Image.new("P", (3, 3)).save(folder / "in" / "palette.png")
    before = {path.name: path.read_bytes() for path in (folder / "in").iterdir()}
    assert main(["denoise", "run", "in", "-o", "out"]) == 0
    assert {path.name: path.read_bytes() for path in (folder / "in").iterdir()} == before
