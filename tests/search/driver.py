"""A driver of a witnessed search, to be killed: ``python -m tests.search.driver URL WITNESS WORKERS|ADDRESS [MOMENT:KEY ...]``.

A worker kills itself ``in`` the first trial of the setting with that key, or ``after`` it was committed.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from n2nfun.search.cluster import dask_cluster
from n2nfun.search.engine import run_search
from n2nfun.search.plan import plan_to_json
from n2nfun.search.pool import process_pool
from tests.search.witness import PLAN, SEARCH, WitnessedLedger, WitnessedTrials


def main(url: str, witness: Path, workers: str, fatal: Sequence[str]) -> None:
    """Run the search to its end."""
    within, after = (
        frozenset(key.removeprefix(f"{moment}:") for key in fatal if key.startswith(f"{moment}:"))
        for moment in ("in", "after")
    )
    ledger = WitnessedLedger(url, SEARCH, witness=witness, fatal=after)
    ledger.create(plan_to_json(PLAN))
    with ledger.driven():
        mine = ledger.take()
        trials = WitnessedTrials(witness, fatal_once=within)
        with process_pool(int(workers)) if workers.isdecimal() else dask_cluster(workers) as found:
            run_search(PLAN, mine, trials, found)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3], sys.argv[4:])
