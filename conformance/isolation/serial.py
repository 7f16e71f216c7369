"""Whether a permutation of SERIALIZABLE transactions came to what one after the other would have come to.

Which transaction of a dangerous structure is refused, and whether one is refused that need not have been,
differs from one implementation of SSI to another.  What must hold is this, and it is checked:

- some order of the transactions that committed, run one after the other by PostgreSQL, shows each the same rows
  and leaves the same rows in the tables;
- no more transactions failed than with PostgreSQL, and all of them with 40001.

A session counts as a whole: its transactions either all committed, or the session is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations

from isolation.outcome import COMMITTED, Difference, Outcome, outcome_of
from isolation.spec import Spec
from isolation.transcript import Permutation

SERIALIZATION_FAILURE = "40001"


def serial_permutations(differences: Sequence[Difference], spec: Spec) -> list[list[str]]:
    """The steps of every serial order that some of the differing permutations might be equal to."""
    found: dict[tuple[str, ...], None] = {}
    for difference in differences:
        for order in _orders(difference.ours, spec):
            found[tuple(order)] = None
    return [list(order) for order in found]


def not_serializable(
    differences: Sequence[Difference], serial: Sequence[Permutation], spec: Spec
) -> list[Difference]:
    """Those of the differences that no serial run explains; `serial` are PostgreSQL's runs of
    `serial_permutations`."""
    runs = {tuple(run.steps): outcome_of(run, spec) for run in serial}
    return [difference for difference in differences if not _is_explained(difference, runs, spec)]


def _is_explained(difference: Difference, runs: dict[tuple[str, ...], Outcome], spec: Spec) -> bool:
    ours = outcome_of(difference.ours, spec)
    failed = _failures(ours)
    if difference.ours.cancelled or any(fate != SERIALIZATION_FAILURE for fate in failed):
        return False
    if len(failed) > len(_failures(outcome_of(difference.theirs, spec))):
        return False
    committed = _committed_sessions(ours)
    orders = (tuple(order) for order in _orders(difference.ours, spec))
    return any(order in runs and _is_same(ours, runs[order], committed) for order in orders)


def _orders(permutation: Permutation, spec: Spec) -> list[list[str]]:
    """The steps of the sessions that committed, session after session, in every order of the sessions."""
    committed = _committed_sessions(outcome_of(permutation, spec))
    blocks = []
    for session in spec.sessions:
        steps = [step for step in permutation.steps if step in session.steps]
        if session.name in committed and steps:
            blocks.append(steps)
    return [[step for block in order for step in block] for order in permutations(blocks)]


def _committed_sessions(outcome: Outcome) -> set[str]:
    return {name for name, found in outcome.sessions if all(fate == COMMITTED for fate, _ in found)}


def _failures(outcome: Outcome) -> list[str]:
    return [fate for _, found in outcome.sessions for fate, _ in found if fate != COMMITTED]


def _is_same(ours: Outcome, serial: Outcome, sessions: set[str]) -> bool:
    theirs = dict(serial.sessions)
    shown_alike = all(theirs[name] == found for name, found in ours.sessions if name in sessions)
    return shown_alike and ours.final_state == serial.final_state
