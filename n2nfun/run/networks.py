"""The network that a run's settings name."""

from typing import Any, cast

from n2nfun.config import TrainConfig
from n2nfun.models import Model, denoiser, paper

__all__ = ["build_model"]


def build_model(config: TrainConfig, channels: int) -> Model[Any, Any]:
    """Build the network that the settings name, for images of so many channels.

    Its parameters' type depends on the name, so it is not known before the program runs.

    Raises:
        TypeError: if a size is not an int.
        ValueError: if a size is out of range.
    """
    if config.model == "paper":
        made = paper(
            hidden=config.hidden, down_kernel=config.down_kernel, up_kernel=config.up_kernel, channels=channels
        )
        return cast("Model[Any, Any]", made)
    return cast("Model[Any, Any]", denoiser(width=config.width, channels=channels))
