"""`n2nfun inspect`: whether Noise2Noise's conditions hold, from pairs alone."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import arg

from n2nfun.config import LARGEST_SEED, ConfigError, check_range

if TYPE_CHECKING:
    from n2nfun.conditions import Finding
    from n2nfun.data import Pairs

__all__ = ["InspectConfig", "run"]


@dataclass(frozen=True)
class InspectConfig:
    """Say whether pairs of noisy images meet the conditions that learning from them relies on.

    Pairs come from --pairs, or are made with --noise from the photographs of --data. The exit status is 1 if a condition
    fails that training needs.
    """

    pairs: Annotated[tuple[Path, ...], arg(metavar="PATH [PATH]", help_behavior_hint="(default: none)")] = ()
    """noisy pairs: a .pkl or .npz file, or two folders"""
    data: Annotated[Path | None, arg(metavar="DIR", help_behavior_hint="(default: scikit-image's)")] = None
    """photographs to make pairs of"""
    noise: Annotated[str | None, arg(metavar="NOISE", help_behavior_hint="(default: gaussian:25)")] = None
    """or subsample:8-14, poisson:30, impulse:0.3, …"""
    count: Annotated[int, arg(metavar="N")] = 1000
    """how many pairs are made"""
    size: Annotated[int | None, arg(metavar="N", help_behavior_hint="(default: whole; made 32)")] = None
    """of the tiles of two folders, or of made pairs"""
    seed: Annotated[int, arg(metavar="N")] = 0
    """of made pairs"""


def run(config: InspectConfig) -> int:
    """Measure and judge. Returns 1 if a condition of training fails."""
    from n2nfun.cli.console import say, show_table  # noqa: PLC0415 - --help can do without
    from n2nfun.conditions import UNSEEN, inspect_pairs  # noqa: PLC0415 - likewise, torch above all

    pairs = _pairs(config)[:]
    conditions = inspect_pairs(pairs.first, pairs.second)
    images, channels, height, width = pairs.first.shape
    show_table(
        f"{images} {'grey' if channels == 1 else 'colour'} pairs of {height}x{width} pixels",
        ("condition", "verdict", "finding"),
        ((finding.name, _verdict(finding), f"{finding.value}\n{finding.sentence}") for finding in conditions.verdict()),
        lines=True,
    )
    if conditions.training_holds:
        say("Nothing was found that keeps Noise2Noise from learning the clean images.")
    else:
        failed = [f.name for f in conditions.verdict() if f.affects == "training" and not f.holds]
        say(f"Noise2Noise will not learn the clean images from these pairs: {', '.join(failed)}.")
    if not conditions.blind_psnr_holds:
        say("Do not trust the blind PSNR of these pairs.")
    say(UNSEEN)
    return 0 if conditions.training_holds else 1


def _pairs(config: InspectConfig) -> "Pairs":
    """Read or make the pairs."""
    import torch  # noqa: PLC0415 - --help can do without

    from n2nfun.data import make_pairs, parse_noise, read_pairs, read_photographs, training_photographs  # noqa: PLC0415

    if config.pairs:
        for name, value in (("data", config.data), ("noise", config.noise)):
            if value is not None:
                raise ConfigError(f"--pairs and --{name} are both given, expected one of them")
        match config.pairs:
            case (file,):
                return read_pairs(file, size=config.size)
            case (first, second):
                return read_pairs((first, second), size=config.size)
            case _:
                raise ConfigError(f"--pairs has {len(config.pairs)} paths, expected a file, or two folders")
    check_range("seed", config.seed, 0, LARGEST_SEED)
    noise = parse_noise("gaussian:25" if config.noise is None else config.noise)
    photographs = training_photographs() if config.data is None else read_photographs(config.data)
    size = 32 if config.size is None else config.size
    return make_pairs(photographs, noise, config.count, size, torch.Generator().manual_seed(config.seed))


def _verdict(finding: "Finding") -> str:
    """What a finding means for the user, in a word or two."""
    if finding.holds:
        return "holds"
    return "note" if finding.affects == "expectations" else f"fails: {finding.affects}"
