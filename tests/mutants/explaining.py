"""Compares the mutants that survived with the list of those which are the same function as the original."""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from tests.mutants.equivalents import Equivalent, Unseen
from tests.mutants.running import Mutant, Outcome

__all__ = ["Verdict", "hides", "judge"]


class Verdict(NamedTuple):
    """What is wrong with the tests, or with the list."""

    unexplained: list[Mutant]
    """Those that survived and are not listed."""
    stale: list[str]
    """Entries of the list that speak of no mutant, or of one that a test tells from the original."""


def judge(mutants: Sequence[Mutant], equivalents: Iterable[Equivalent], unseen: Iterable[Unseen]) -> Verdict:
    """Look for mutants without a reason, and reasons without a mutant.

    Args:
        mutants: All mutants of some modules.
        equivalents: The list; entries of other modules are not looked at.
        unseen: What no test can see wherever it stands.
    """
    modules = {mutant.module for mutant in mutants}
    reasons = [item for item in equivalents if item.module in modules]
    rules = list(unseen)
    listed = {(item.module, item.function, item.was, now) for item in reasons for now in item.now}
    alive = {mutant for mutant in mutants if mutant.outcome is not Outcome.KILLED}
    unexplained = [
        mutant
        for mutant in mutants
        if mutant.outcome is Outcome.SURVIVED
        and mutant[:4] not in listed
        and not any(hides(rule, mutant) for rule in rules)
    ]
    made, kept = {mutant[:4] for mutant in mutants}, {mutant[:4] for mutant in alive}
    stale = [
        f"{module}, {function}: {'a test kills it' if key in made else 'there is no such mutant'}: {was!r} -> {now!r}"
        for key in sorted(listed - kept)
        for module, function, was, now in (key,)
    ]
    return Verdict(unexplained, stale)


def hides(rule: Unseen, mutant: Mutant) -> bool:
    """Say whether a mutant is the original once what a rule speaks of is taken out of both."""
    was, now = (re.sub(rule.pattern, "", text) for text in (mutant.was, mutant.now))
    return was == now
