"""Mutates the modules named in ``scope.py``, or those given, and requires that the tests tell every mutant from the original.

    python -m tests.mutants                           all of them
    python -m tests.mutants n2nfun/tree.py            these
    python -m tests.mutants --changed-since main      those that differ from a commit, themselves or in their tests

It needs the extra ``mutants``. It prints every mutant that survives without a reason, and every reason without a mutant;
if there is one, it exits with 1.
"""

import argparse
import sys
import time
from collections import Counter
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.mutants.equivalents import EQUIVALENTS, UNSEEN
from tests.mutants.explaining import hides, judge
from tests.mutants.running import Mutant, Outcome, run
from tests.mutants.scope import TESTS, touched


def say(line: str) -> None:
    """Print a line as soon as it is known."""
    print(line, flush=True)  # noqa: T201 - what the command is for


def main() -> int:
    """Run, report, and return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.mutants", description="Require that the tests notice every change of the code."
    )
    parser.add_argument("modules", nargs="*", choices=[[], *TESTS], metavar="MODULE", help="such as n2nfun/tree.py")
    parser.add_argument("--changed-since", metavar="COMMIT", help="only what differs from it, itself or in its tests")
    given = parser.parse_args()
    chosen: list[str] = given.modules or list(TESTS)
    if given.changed_since is not None:
        changed = touched(given.changed_since)
        chosen = [module for module in chosen if module in changed]
    mutants: list[Mutant] = []
    for tests, modules in groupby(sorted(chosen, key=TESTS.__getitem__), key=TESTS.__getitem__):
        started = time.monotonic()
        with TemporaryDirectory(prefix="mutants-") as scratch:
            found = run(list(modules), tests, Path(scratch))
        mutants += found
        say(f"{len(found)} mutants in {time.monotonic() - started:.0f} s, killed by {', '.join(tests)}")
    return report(mutants)


def report(mutants: list[Mutant]) -> int:
    """Print the score of each module and what is not in order; return the exit code."""
    for module, found in groupby(mutants, key=lambda mutant: mutant.module):
        count = Counter(mutant.outcome for mutant in found)
        killed = count[Outcome.KILLED] + count[Outcome.ENDLESS]
        endless = f", {count[Outcome.ENDLESS]} by the clock" if count[Outcome.ENDLESS] else ""
        say(f"{module}: {killed} of {count.total()} killed{endless}")
    verdict = judge(mutants, EQUIVALENTS, UNSEEN)
    survivors = [mutant for mutant in mutants if mutant.outcome is Outcome.SURVIVED]
    of_rules = sum(any(hides(rule, mutant) for rule in UNSEEN) for mutant in survivors)
    of_entries = len(survivors) - of_rules - len(verdict.unexplained)
    say(
        f"raw score: {len(mutants) - len(survivors)} of {len(mutants)}; {of_entries} survivors are listed as equivalent, "
        f"{of_rules} change what nothing reads, {len(verdict.unexplained)} are unexplained"
    )
    for mutant in verdict.unexplained:
        say(f"\nunexplained: {mutant.module}, {mutant.function}\n- {mutant.was}\n+ {mutant.now}")
    for entry in verdict.stale:
        say(f"\nstale: {entry}")
    return 1 if verdict.unexplained or verdict.stale else 0


if __name__ == "__main__":
    sys.exit(main())
