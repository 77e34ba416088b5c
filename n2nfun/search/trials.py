"""What a worker computes: the records of a group of settings, from the data of the search's folder."""

from dataclasses import dataclass
from pathlib import Path

from n2nfun.search.data import load_trial_data
from n2nfun.search.records import Record
from n2nfun.search.rungs import Rung
from n2nfun.search.space import Setting
from n2nfun.search.trial import Keeping, run_trial

__all__ = ["Trials", "trial_file"]


def trial_file(folder: Path, rung: int, setting: Setting) -> Path:
    """Return where a trial's state is kept, and the trained network of a trial of the last rung."""
    return folder / "trials" / f"{rung + 1}-{setting.key}.safetensors"


@dataclass(frozen=True, slots=True)
class Trials:
    """The real trials of a search; a few words to send to a worker, which reads the data from the folder itself."""

    folder: Path
    """Of the search; absolute, and every worker sees it there."""
    data: Path
    digest: str
    """Of the data."""
    search: str
    rungs: tuple[Rung, ...]
    seed: int
    save_every: float = 5.0
    """See :class:`n2nfun.search.trial.Keeping`."""

    def __call__(self, trainings: tuple[Setting, ...], rung: int) -> tuple[Record, ...]:
        """Train one setting after the other."""
        data = load_trial_data(self.data, self.digest)
        last = rung == len(self.rungs) - 1
        return tuple(
            run_trial(
                self.search,
                setting,
                rung,
                self.rungs[rung],
                data,
                self.seed,
                Keeping(trial_file(self.folder, rung, setting), every=self.save_every, network=last),
            )
            for setting in trainings
        )
