"""What a branch has done so far, as numbers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class BranchMetrics:
    """`reads` are rows read or looked for, `writes` and `removes` what was asked for, tables and state together;
    `state_operations` of those that were of state, `view_operations` the changes of views; `pending` the entries that
    are not merged yet, `merged` those that are, in so many `merges`."""

    reads: int = 0
    writes: int = 0
    removes: int = 0
    state_operations: int = 0
    view_operations: int = 0
    pending: int = 0
    merges: int = 0
    merged: int = 0
