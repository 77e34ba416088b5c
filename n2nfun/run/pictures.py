"""The pictures of a run: its curves, and images before and after."""

import io
from collections.abc import Sequence
from pathlib import Path

from jaxtyping import Float
from matplotlib.figure import Figure
from torch import Tensor

from n2nfun.files import write_atomically
from n2nfun.run.log import Entry

__all__ = ["Panel", "draw_curves", "draw_panels", "save_figure"]

Panel = tuple[str, Float[Tensor, "channels height width"]]
"""A title, and the image under it."""


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, whole or not at all."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")  # pyright: ignore[reportUnknownMemberType]  # its **kwargs
    write_atomically(path, buffer.getvalue())


def draw_panels(panels: Sequence[Panel], *, columns: int | None = None) -> Figure:
    """Draw images side by side, each pixel as a square, under their titles; values are clipped to [0, 1]."""
    columns = columns or len(panels)
    rows = -(-len(panels) // columns)
    height, width = panels[0][1].shape[1:]
    scale = 3.2 / max(height, width)
    figure = Figure(
        figsize=(columns * (width * scale + 0.1), rows * (height * scale + 0.4)), dpi=120, layout="constrained"
    )
    for index, (title, image) in enumerate(panels, start=1):
        axes = figure.add_subplot(rows, columns, index)
        pixels = image.detach().cpu().clamp(0, 1).permute(1, 2, 0).numpy()
        shown = pixels.squeeze(2) if pixels.shape[2] == 1 else pixels
        axes.imshow(shown, cmap="gray", vmin=0, vmax=1, interpolation="nearest")  # pyright: ignore[reportUnknownMemberType]  # its **kwargs
        axes.set_title(title, fontsize=9)  # pyright: ignore[reportUnknownMemberType]  # its **kwargs
        axes.set_axis_off()
    return figure


def draw_curves(entries: Sequence[Entry], title: str) -> Figure:
    """Draw the loss and the PSNRs of a run against its steps."""
    figure = Figure(figsize=(9, 3.6), dpi=120, layout="constrained")
    steps = [entry.step for entry in entries]
    loss, quality = figure.subplots(1, 2)
    loss.plot(
        [entry.step for entry in entries if entry.loss is not None], [e.loss for e in entries if e.loss is not None]
    )
    loss.set_xlabel("step")
    loss.set_ylabel("training loss")
    if any((entry.loss or 0) > 0 for entry in entries):
        loss.set_yscale("log")
    # The blind PSNR estimates the pooled one, and is drawn upon it.
    for label, values, style in (
        ("PSNR, mean over images", [entry.psnr_mean for entry in entries], "-"),
        ("PSNR, pooled", [entry.psnr_pooled for entry in entries], "-"),
        ("blind PSNR", [entry.blind_psnr for entry in entries], ":"),
    ):
        known = [(step, value) for step, value in zip(steps, values, strict=True) if value is not None]
        if known:
            quality.plot([step for step, _ in known], [value for _, value in known], label=label, linestyle=style)
            quality.legend(fontsize=8)
    quality.set_xlabel("step")
    quality.set_ylabel("dB, on held-out images")
    figure.suptitle(title, fontsize=10)  # pyright: ignore[reportUnknownMemberType]  # its **kwargs
    return figure
