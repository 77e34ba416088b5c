"""`n2nfun evaluate`: compare a run's network with the noisy input and with classical restorers."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import Positional, arg

if TYPE_CHECKING:
    from n2nfun.run.datasets import Dataset
    from n2nfun.run.evaluation import Evaluation, Score
    from n2nfun.run.folder import LoadedRun

__all__ = ["EvaluateConfig", "run", "show_evaluation"]


@dataclass(frozen=True)
class EvaluateConfig:
    """Compare a trained network with the noisy input, blur, median, total variation and non-local means.

    They are judged by the run's held-out images, or others; the classical ones are tuned on images that are not judged.
    Prints a table, and writes evaluation.json and evaluation.png.
    """

    run: Annotated[Positional[Path], arg(metavar="RUN")]
    """folder of a run, or its checkpoint file"""
    data: Annotated[Path | None, arg(metavar="DIR", help_behavior_hint="(default: the run's)")] = None
    """other photographs to judge by"""
    noise: Annotated[str | None, arg(metavar="NOISE", help_behavior_hint="(default: the run's)")] = None
    """other noise, as gaussian:25"""
    validation: Annotated[Path | None, arg(metavar="FILE", help_behavior_hint="(default: none)")] = None
    """noisy and clean images to judge by, as val_data.pkl"""
    out: Annotated[Path | None, arg(aliases=("-o",), metavar="DIR", help_behavior_hint="(default: the run's)")] = None
    """where to write"""


def run(config: EvaluateConfig) -> int:
    """Evaluate, print, write."""
    from n2nfun.run.evaluation import judging_data  # noqa: PLC0415 - --help can do without, torch above all
    from n2nfun.run.folder import check_out, load_run  # noqa: PLC0415 - likewise

    folder = config.run if config.run.is_dir() else config.run.parent
    out = folder if config.out is None else config.out
    check_out(out)
    trained = load_run(config.run)
    dataset = judging_data(trained, data=config.data, noise=config.noise, validation=config.validation)
    return show_evaluation(trained, out, dataset)


def show_evaluation(trained: "LoadedRun", out: Path, dataset: "Dataset | None" = None) -> int:
    """Evaluate a run, print the table, and write it with the picture; by default on the run's own held-out images."""
    from n2nfun.cli.console import progress_bar, say, show_table  # noqa: PLC0415 - --help can do without
    from n2nfun.run.evaluation import evaluate_run, judging_data  # noqa: PLC0415 - likewise, torch above all
    from n2nfun.run.folder import RunFolder  # noqa: PLC0415 - likewise
    from n2nfun.run.pictures import draw_panels, save_figure  # noqa: PLC0415 - likewise

    with progress_bar() as bar:
        task = bar.add_task("evaluating: data", total=None)
        dataset = judging_data(trained) if dataset is None else dataset
        evaluation = evaluate_run(
            trained,
            dataset,
            lambda name, done, of: bar.update(task, description=f"evaluating: {name}", completed=done, total=of),
        )
    images, channels, height, width = evaluation.shape
    columns = _columns(evaluation.scores)
    title = f"{images} {'grey' if channels == 1 else 'colour'} images of {height}x{width} pixels"
    show_table(title, tuple(columns), zip(*columns.values(), strict=True), numbers=_NUMBERS)
    if evaluation.scores[0].psnr_mean is None:
        say("No clean images are known: PSNRs are estimated from the noisy pairs (n2nfun inspect says if they can be).")
    out.mkdir(parents=True, exist_ok=True)
    RunFolder(out).write_json(out / "evaluation.json", _to_json(trained, evaluation))
    save_figure(draw_panels(evaluation.panels, columns=4), out / "evaluation.png")
    say(f"picture: {out / 'evaluation.png'}")
    return 0


_NUMBERS = ("PSNR mean", "PSNR pooled", "blind PSNR", "SSIM", "seconds")


def _columns(scores: "tuple[Score, ...]") -> dict[str, list[str]]:
    """Return the table's columns with their names; numbers that are known of none have no column."""
    numbers: dict[str, tuple[str, list[float | None]]] = {
        "PSNR mean": ("{:.2f} dB", [score.psnr_mean for score in scores]),
        "PSNR pooled": ("{:.2f} dB", [score.psnr_pooled for score in scores]),
        "blind PSNR": ("{:.2f} dB", [score.blind_psnr for score in scores]),
        "SSIM": ("{:.3f}", [score.ssim for score in scores]),
        "seconds": ("{:.2f}", [score.seconds for score in scores]),
    }
    return {
        "": [score.name for score in scores],
        "tuned to": [score.parameter for score in scores],
        **{
            name: ["-" if value is None else form.format(value) for value in values]
            for name, (form, values) in numbers.items()
            if any(value is not None for value in values)
        },
    }


def _to_json(trained: "LoadedRun", evaluation: "Evaluation") -> dict[str, object]:
    """Return the evaluation as JSON values: null is what is not known."""
    images, channels, height, width = evaluation.shape
    return {
        "run": str(trained.path),
        "images": images,
        "channels": channels,
        "height": height,
        "width": width,
        "scores": [asdict(score) for score in evaluation.scores],
    }
