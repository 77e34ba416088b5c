"""The pictures of a search: the best setting's way, and what each hyper-parameter does."""

from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from n2nfun.search.influence import Influence
from n2nfun.search.records import Record
from n2nfun.search.rungs import Rung

__all__ = ["draw_curve", "draw_influences"]


def draw_curve(records: Sequence[Record], rungs: Sequence[Rung]) -> Figure:
    """Draw the PSNR of one setting against the epoch, in each rung it has been in."""
    figure = Figure(figsize=(6, 3.6), dpi=120, layout="constrained")
    (axes,) = figure.subplots(1, 1, squeeze=False)[0]
    for record in sorted(records, key=lambda record: record.rung):
        samples = rungs[record.rung].samples
        axes.plot(
            range(1, len(record.curve) + 1),
            record.curve,
            marker=".",
            label=f"rung {record.rung + 1}: {'all' if samples is None else f'{samples:,}'} samples",
        )
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("epoch")
    axes.set_ylabel("PSNR on held-out images, dB")
    axes.set_title(records[0].setting.key, fontsize=9)
    axes.legend(fontsize=8)
    return figure


def draw_influences(influences: Sequence[Influence]) -> Figure:
    """Draw for each hyper-parameter the PSNRs of its choices: all settings as dots, the means as lines."""
    figure = Figure(figsize=(2.1 * len(influences), 3.6), dpi=120, layout="constrained")
    panels = figure.subplots(1, len(influences), sharey=True, squeeze=False)[0]
    for axes, influence in zip(panels, influences, strict=True):
        for place, group in enumerate(influence.psnr):
            # Dots of one choice are spread to the sides in a fixed pattern, so that they do not hide each other.
            spread = [place + ((37 * index) % 41 / 41 - 0.5) * 0.5 for index in range(len(group))]
            axes.scatter(spread, group, s=4, alpha=0.5)
            if group:
                axes.hlines(sum(group) / len(group), place - 0.35, place + 0.35, colors="black")
        axes.set_xticks(range(len(influence.choices)), influence.choices, fontsize=7)
        axes.set_title(f"{influence.name.replace('_', ' ')}\n{influence.share:.0%} of the variance", fontsize=8)
    panels[0].set_ylabel("PSNR in the first rung, dB")
    return figure
