"""What is searched: a grid of settings, of which some are the same training."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from itertools import product
from typing import Any, ClassVar

from n2nfun.config import ConfigError, TrainConfig

__all__ = ["SearchSpace", "Setting", "training_of", "trainings_of"]


@dataclass(frozen=True, slots=True, order=True)
class Setting:
    """One choice of every hyper-parameter of the report's network and its training.

    Settings are ordered by their fields, in this order: so ties between equally good ones are decided.

    Example:
        >>> Setting(False, 0.9, 0.01, (16, 32), 5, 2, 4).key
        'plain-m0.9-lr0.01-h16x32-u5-d2-b4'
    """

    nesterov: bool
    momentum: float
    lr: float
    hidden: tuple[int, int]
    up_kernel: int
    down_kernel: int
    batch_size: int

    @property
    def key(self) -> str:
        """The setting in one word, that a file may be named by; other settings have other keys."""
        form = "nesterov" if self.nesterov else "plain"
        first, second = self.hidden
        return (
            f"{form}-m{self.momentum!r}-lr{self.lr!r}-h{first}x{second}-u{self.up_kernel}-d{self.down_kernel}"
            f"-b{self.batch_size}"
        )

    def config(self) -> TrainConfig:
        """Return the setting as options of ``n2nfun train``.

        Raises:
            ConfigError: if a value is out of range.
        """
        training = training_of(self)
        chosen = {field.name: getattr(training, field.name) for field in fields(Setting)}
        return TrainConfig(model="paper", optimizer="sgd", schedule="constant", augment=False, **chosen).resolved()


def training_of(setting: Setting) -> Setting:
    """Return the setting whose training this one's is, bit for bit.

    Nesterov's form looks ahead along the velocity: without momentum there is none, and it is plain SGD.

    Example:
        >>> nesterov = Setting(True, 0.0, 0.01, (16, 32), 5, 2, 4)
        >>> training_of(nesterov).key
        'plain-m0.0-lr0.01-h16x32-u5-d2-b4'
    """
    return replace(setting, nesterov=setting.nesterov and setting.momentum != 0)


def trainings_of(settings: Iterable[Setting]) -> tuple[Setting, ...]:
    """Return the different trainings of settings, in the order in which they are first asked for."""
    return tuple(dict.fromkeys(training_of(setting) for setting in settings))


@dataclass(frozen=True, slots=True)
class SearchSpace:
    """The choices for each hyper-parameter; the settings are all their combinations.

    Raises:
        ConfigError: if there is no choice for a hyper-parameter, or the same one twice, or a value is out of range.

    Source: the defaults are table I of the Noise2Noise course report.

    Example:
        >>> space = SearchSpace()
        >>> len(space.settings()), len(trainings_of(space.settings()))
        (576, 432)
    """

    __pydantic_config__: ClassVar[Mapping[str, Any]] = {"extra": "forbid"}

    nesterov: tuple[bool, ...] = (False, True)
    momentum: tuple[float, ...] = (0.0, 0.9)
    lr: tuple[float, ...] = (0.001, 0.01, 0.05)
    hidden: tuple[tuple[int, int], ...] = ((8, 32), (16, 32), (16, 64), (32, 64))
    up_kernel: tuple[int, ...] = (3, 5)
    down_kernel: tuple[int, ...] = (2, 4)
    batch_size: tuple[int, ...] = (4, 16, 64)

    def __post_init__(self) -> None:
        for field in fields(self):
            choices: tuple[Any, ...] = getattr(self, field.name)
            if not choices:
                raise ConfigError(f"space: {field.name} is empty, expected at least one choice")
            twice = [choice for index, choice in enumerate(choices) if choice in choices[:index]]
            if twice:
                raise ConfigError(f"space: {field.name} has {twice[0]!r} twice, expected different choices")
            self._check_choices(field.name, choices)

    def _check_choices(self, name: str, choices: Iterable[object]) -> None:
        # One hyper-parameter at a time: the message is then about it, and large grids take no time.
        for choice in choices:
            given: dict[str, Any] = {name: choice}
            if name == "nesterov":
                given["momentum"] = 0.5  # which True needs
            try:
                TrainConfig(model="paper", **given).resolved()
            except ConfigError as error:
                raise ConfigError(f"space: {str(error).removeprefix('--')}") from None

    def settings(self) -> tuple[Setting, ...]:
        """Return all combinations, the last hyper-parameter changing fastest."""
        return tuple(Setting(*chosen) for chosen in product(*(getattr(self, field.name) for field in fields(self))))
