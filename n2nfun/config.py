"""What a training run is: all of its settings as one immutable value, stored with the run."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias, cast

from tyro.conf import arg

if TYPE_CHECKING:
    from pydantic import TypeAdapter

__all__ = [
    "LARGEST_SEED",
    "ConfigError",
    "ModelName",
    "TrainConfig",
    "check_range",
    "config_from_json",
    "config_to_json",
]

LARGEST_SEED = 2**63 - 1
"""Of what a torch.Generator takes, the part that no platform reads as negative."""

ModelName: TypeAlias = Literal["denoiser", "paper"]


def _open(metavar: str, default: str) -> object:
    """Describe an option that is left open until the other settings decide it."""
    return arg(metavar=metavar, help_behavior_hint=f"(default: {default})")


class ConfigError(ValueError):
    """Settings that do not go together, or a stored configuration that cannot be read."""


def check_range(option: str, value: float, low: float, high: float) -> None:
    """Refuse a number outside of a range, both ends included, under the name of its option.

    Raises:
        ConfigError: if it is outside, or NaN.

    Example:
        >>> check_range("seed", -1, 0, 9)
        Traceback (most recent call last):
        n2nfun.config.ConfigError: --seed is -1, expected from 0 to 9
    """
    if not low <= value <= high:
        raise ConfigError(f"--{option} is {value}, expected from {low} to {high}")


@dataclass(frozen=True)
class TrainConfig:
    """Learn to restore images from pairs of noisy ones.

    Pairs come from --pairs, or --noise makes them of the photographs of --data.

    Of two folders whole images are held out; of a single image, some of its tiles.
    """

    model: Annotated[ModelName, arg(metavar="NAME")] = "denoiser"
    """denoiser, or paper: the report's"""
    data: Annotated[Path | None, _open("DIR", "scikit-image's")] = None
    """photos, a tenth held out"""
    pairs: Annotated[tuple[Path, ...], _open("PATH", "none")] = ()
    """a .pkl or .npz file, or two folders"""
    validation: Annotated[Path | None, _open("FILE", "none")] = None
    """noisy and clean, as val_data.pkl"""
    noise: Annotated[str, arg(metavar="NOISE")] = "gaussian:25"
    """or subsample:8-14, poisson:30"""
    count: Annotated[int, arg(metavar="N")] = 10_000
    """pairs made of the photographs"""
    size: Annotated[int, arg(metavar="N")] = 32
    """height and width of a pair"""
    target: Annotated[Literal["noisy", "clean"], arg(metavar="KIND")] = "noisy"
    """noisy, or clean to compare"""
    epochs: Annotated[float | None, _open("N", "10")] = None
    """how often every pair is seen"""
    steps: Annotated[int | None, _open("N", "as epochs say")] = None
    """batches to learn from"""
    time_budget: Annotated[float | None, _open("SECONDS", "as epochs say")] = None
    """how long to train"""
    batch_size: Annotated[int | None, _open("N", "32; paper 4")] = None
    """pairs in a batch"""
    optimizer: Annotated[Literal["adam", "sgd"] | None, _open("NAME", "adam; paper sgd")] = None
    """adam or sgd"""
    lr: Annotated[float | None, _open("RATE", "0.003; paper 0.01")] = None
    """learning rate"""
    momentum: Annotated[float | None, _open("M", "0.9")] = None
    """of sgd"""
    nesterov: Annotated[bool | None, _open("BOOL", "True")] = None
    """Nesterov's form of sgd"""
    schedule: Annotated[Literal["cosine", "constant"] | None, _open("NAME", "cosine; paper constant")] = None
    """how the rate goes"""
    augment: Annotated[bool | None, _open("BOOL", "True; paper False")] = None
    """flip, turn, swap"""
    crop: Annotated[int | None, _open("N", "none")] = None
    """size of random crops of the pairs"""
    width: Annotated[int, arg(metavar="N")] = 32
    """channels of the denoiser"""
    hidden: Annotated[tuple[int, int], arg(metavar="N N")] = (16, 32)
    """channels of the paper's network"""
    down_kernel: Annotated[int, arg(metavar="N")] = 2
    """kernel size of its convolutions"""
    up_kernel: Annotated[int, arg(metavar="N")] = 5
    """kernel size of its upsamplings"""
    seed: Annotated[int, arg(metavar="N")] = 0
    """of weights, pairs and order"""
    out: Annotated[Path, arg(aliases=("-o",), metavar="DIR")] = Path("runs/train")
    """the run's folder"""

    def resolved(self) -> TrainConfig:
        """Return the settings with all that was left open decided, except for how long to train.

        Raises:
            ConfigError: if settings contradict each other or are out of range.
        """
        self._check()
        paper = self.model == "paper"
        sgd = (self.optimizer or ("sgd" if paper else "adam")) == "sgd"
        return replace(
            self,
            epochs=10.0 if self.epochs is None and self.steps is None and self.time_budget is None else self.epochs,
            batch_size=self.batch_size or (4 if paper else 32),
            optimizer="sgd" if sgd else "adam",
            lr=self.lr if self.lr is not None else (0.01 if sgd else 0.003),
            momentum=(0.9 if self.momentum is None else self.momentum) if sgd else None,
            nesterov=(self.momentum != 0 if self.nesterov is None else self.nesterov) if sgd else None,
            schedule=self.schedule or ("constant" if paper else "cosine"),
            augment=not paper if self.augment is None else self.augment,
        )

    def _check(self) -> None:
        lengths = {"epochs": self.epochs, "steps": self.steps, "time-budget": self.time_budget}
        given = [name for name, value in lengths.items() if value is not None]
        if len(given) > 1:
            raise ConfigError(f"--{given[0]} and --{given[1]} are both given, expected one of them")
        if self.pairs and self.data is not None:
            raise ConfigError("--pairs and --data are both given, expected one of them")
        if len(self.pairs) > 2:
            raise ConfigError(f"--pairs has {len(self.pairs)} paths, expected a file, or two folders")
        for name, number in (("count", self.count), ("size", self.size)):
            if number < 1:
                raise ConfigError(f"--{name} is {number}, expected at least 1")
        self._check_ranges()
        self._check_crop()
        adam = (self.optimizer or ("sgd" if self.model == "paper" else "adam")) == "adam"
        if adam and (self.momentum is not None or self.nesterov):
            raise ConfigError("--momentum and --nesterov belong to --optimizer sgd, not to adam")
        if self.nesterov and self.momentum == 0:
            raise ConfigError("--nesterov True and --momentum 0 are both given, expected a momentum above 0 with it")
        if self.target == "clean" and self.pairs:
            raise ConfigError("--target clean needs clean images, expected --data with it, not --pairs")

    def _check_ranges(self) -> None:
        ranges: tuple[tuple[str, float | None, float, float], ...] = (
            ("seed", self.seed, 0, LARGEST_SEED),
            ("steps", self.steps, 1, 2**63 - 1),
            ("batch-size", self.batch_size, 1, 65_535),
            ("width", self.width, 1, 4096),
            *(("hidden", channels, 1, 4096) for channels in self.hidden),
            ("down-kernel", self.down_kernel, 1, 255),
            ("up-kernel", self.up_kernel, 1, 255),
        )
        for option, value, low, high in ranges:
            if value is not None:
                check_range(option, value, low, high)
        for option, value, most in (
            ("epochs", self.epochs, 1e9),
            ("time-budget", self.time_budget, 1e9),
            ("lr", self.lr, 1e30),
        ):
            if value is not None and not 0 < value <= most:
                raise ConfigError(f"--{option} is {value}, expected more than 0 and at most {most:g}")
        if self.momentum is not None and not 0 <= self.momentum < 1:
            raise ConfigError(f"--momentum is {self.momentum}, expected from 0 to below 1")

    def _check_crop(self) -> None:
        if self.crop is None:
            return
        if self.crop < 1:
            raise ConfigError(f"--crop is {self.crop}, expected at least 1")
        if len(self.pairs) != 1 and self.crop > self.size:  # a file's pairs have a size of their own
            raise ConfigError(f"--crop is {self.crop}, expected at most --size, which is {self.size}")


def config_to_json(config: TrainConfig) -> dict[str, object]:
    """Return the settings as JSON values.

    Example:
        >>> config_to_json(TrainConfig(steps=5))["steps"]
        5
    """
    return cast("dict[str, object]", _adapter().dump_python(config, mode="json"))


def config_from_json(values: object, source: str) -> TrainConfig:
    """Return the settings that :func:`config_to_json` gave.

    Args:
        values: What was read.
        source: Where it was read, for messages.

    Raises:
        ConfigError: if they are not such settings; the message names the one that is wrong.

    Example:
        >>> config_from_json({"steps": 5}, "config.json") == TrainConfig(steps=5)
        True
    """
    from pydantic import ValidationError  # noqa: PLC0415 - most commands' --help can do without

    if not isinstance(values, dict):
        raise ConfigError(f"{source}: expected the settings of a training run, got {type(values).__name__}")
    unknown = cast("dict[str, object]", values).keys() - {field.name for field in fields(TrainConfig)}
    if unknown:
        raise ConfigError(f"{source}: unknown settings {', '.join(sorted(unknown))}: written by another version?")
    try:
        return _adapter().validate_python(values)
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigError(f"{source}: {first['loc'][0]} is {first['input']!r}: {first['msg']}") from None


def _adapter() -> TypeAdapter[TrainConfig]:
    from pydantic import TypeAdapter  # noqa: PLC0415 - most commands' --help can do without

    return TypeAdapter(TrainConfig)
