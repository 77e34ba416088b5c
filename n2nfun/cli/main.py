"""`n2nfun`: which command, and what becomes of errors."""

import sys
from collections.abc import Sequence
from typing import Annotated, TypeAlias

import tyro
from tyro.conf import OmitSubcommandPrefixes, subcommand

from n2nfun.cli import demo, denoise, evaluate, inspect, search, train
from n2nfun.cli.memory import keep_freed_memory
from n2nfun.config import TrainConfig

__all__ = ["main"]

Command: TypeAlias = (
    Annotated[demo.DemoConfig, subcommand("demo")]
    | Annotated[TrainConfig, subcommand("train")]
    | Annotated[denoise.DenoiseConfig, subcommand("denoise")]
    | Annotated[evaluate.EvaluateConfig, subcommand("evaluate")]
    | Annotated[inspect.InspectConfig, subcommand("inspect")]
    | Annotated[search.SearchConfig, subcommand("search")]
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Restore noisy images without clean ones: neural networks as pure functions, trained by Noise2Noise.

    Returns:
        The exit status: 0 for success, 1 where a part of what was asked for could not be done, 2 for an error, 130 where
        Ctrl-C came before there was anything to keep.
    """
    command: Command = tyro.cli(
        Command,
        prog="n2nfun",
        description="Restore noisy images without clean ones, by networks of pure functions.",
        args=arguments,
        config=(OmitSubcommandPrefixes,),
    )
    keep_freed_memory()
    try:
        return _run(command)
    except (ValueError, OSError) as error:
        sys.stderr.write(f"n2nfun: error: {error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("n2nfun: interrupted\n")
        return 130


def _run(command: Command) -> int:
    match command:
        case demo.DemoConfig():
            return demo.run(command)
        case TrainConfig():
            return train.run(command)
        case denoise.DenoiseConfig():
            return denoise.run(command)
        case evaluate.EvaluateConfig():
            return evaluate.run(command)
        case inspect.InspectConfig():
            return inspect.run(command)
        case search.SearchConfig():
            return search.run(command)
