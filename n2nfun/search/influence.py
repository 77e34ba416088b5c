"""How much each hyper-parameter matters: the part of the PSNR's variance that it explains by itself."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from statistics import fmean

from n2nfun.search.records import Record
from n2nfun.search.space import SearchSpace, Setting

__all__ = ["Influence", "influences"]


@dataclass(frozen=True, slots=True)
class Influence:
    """One hyper-parameter: the PSNRs of each of its choices, and how far these differ."""

    name: str
    choices: tuple[str, ...]
    psnr: tuple[tuple[float, ...], ...]
    """For each choice, of all settings that have it."""
    share: float
    """Of the variance of all PSNRs, what the means of the choices account for: 0 for nothing, 1 for all."""


def influences(space: SearchSpace, records: Sequence[Record]) -> tuple[Influence, ...]:
    """Return what each hyper-parameter with more than one choice accounts for, the most first.

    ``share = sum_c n_c (m_c - m)² / sum_i (y_i - m)²``, with the mean m of all PSNRs y, and m_c that of the n_c settings
    with the choice c. On a whole grid the shares of different hyper-parameters add up to at most 1; the rest is how they
    work together. Settings without a PSNR are left out.

    Args:
        space: What was searched.
        records: Of one rung.

    Source: one-way analysis of variance, Fisher, "Statistical Methods for Research Workers", 1925, section 40.
    """
    known = [(record.setting, record.score) for record in records if record.status == "finished"]
    scores = [(setting, score) for setting, score in known if score is not None and abs(score) != float("inf")]
    if not scores:
        return ()
    mean = fmean(score for _, score in scores)
    total = sum((score - mean) ** 2 for _, score in scores)
    found: list[Influence] = []
    for field in fields(Setting):
        choices: tuple[object, ...] = getattr(space, field.name)
        groups = [tuple(score for setting, score in scores if getattr(setting, field.name) == each) for each in choices]
        if len(choices) > 1:
            between = sum(len(group) * (fmean(group) - mean) ** 2 for group in groups if group)
            share = between / total if total else 0.0
            found.append(Influence(field.name, tuple(map(_shown, choices)), tuple(groups), share))
    return tuple(sorted(found, key=lambda influence: -influence.share))


def _shown(choice: object) -> str:
    match choice:
        case bool():
            return "yes" if choice else "no"
        case tuple():
            return ", ".join(map(str, choice))  # pyright: ignore[reportUnknownArgumentType]  # of ints
        case _:
            return f"{choice:g}"
