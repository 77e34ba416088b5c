"""How much memory something takes: the bytes of its tensors, and the pages of its process."""

import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch.autograd import profiler  # torch.profiler's loads the compiler, too

_MEASURED = "the run that is measured"


def peak(run: Callable[[], object], *, keeps: bool) -> int:
    """Return how many bytes of tensors a run holds at most, beyond those that were there before it.

    Of one that keeps tensors for the next the second is measured: what it frees must have been made before the profiler's
    eyes.
    """
    profile: Any = profiler.profile(profile_memory=True)
    with profile:
        if keeps:
            run()
        with profiler.record_function(_MEASURED):
            run()
    events: list[Any] = sorted(profile.kineto_results.events(), key=lambda event: int(event.start_ns()))
    held = before = highest = 0
    for event in events:
        if event.name() == _MEASURED:
            before = highest = held
        elif event.name() == "[memory]":
            held += int(event.nbytes())
            highest = max(highest, held)
    return highest - before


def resident() -> int:
    """Return how many bytes of physical memory this process has held at most."""
    status = Path("/proc/self/status")
    if status.exists():  # where ru_maxrss begins with what the parent held
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(lines["VmHWM"].split()[0]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
