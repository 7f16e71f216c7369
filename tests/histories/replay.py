"""The last word on SERIALIZABLE: is there an order in which the transactions, run one after the other, give the same?

Each committed transaction is played again by what its statements mean, alone, on the state that those before it
left.  Every statement must give what it gave, errors that told something included, and at the end the tables
must be as they are.  The order that the graph suggests is tried first.  If that is not one, any other may be:
orders are searched depth first, and a transaction that gives something else closes its branch at once.

Only histories in which all committed writers were SERIALIZABLE can be judged so.  It needs no dependencies, so
what the graph does not know of (what a constraint check told, say) is not lost here.
"""

from __future__ import annotations

from histories.oracle import FOREIGN_KEY_VIOLATION, UNIQUE_VIOLATION, Violation, gives
from histories.pending import Pending
from histories.script import SERIALIZABLE, History, TransactionRecord
from histories.statements import Declare, Fetch, Release, RollbackTo, Savepoint, State, broken_constraint

MAX_TRANSACTIONS_TRIED = 20_000


def check_serial_order(history: History, last: State, hint: list[int] | None) -> Violation | None:
    """A violation if no serial order gives the history; None also where it can't be judged."""
    committed = [record for record in history.transactions if record.status == "committed"]
    if any(record.level != SERIALIZABLE for record in committed if record.position >= 0):
        return None
    records = {record.number: record for record in committed if record.level == SERIALIZABLE}
    search = _Search(history.initial, last, records)
    if hint is not None and search.is_serial([number for number in hint if number in records]):
        return None
    return search.find()


class _Search:
    """A search for a serial order."""

    def __init__(self, initial: State, last: State, records: dict[int, TransactionRecord]) -> None:
        self.initial = initial
        self.last = last
        self.records = records
        self.tried = 0
        self.longest: list[int] = []

    def is_serial(self, order: list[int]) -> bool:
        """Whether this order gives the history."""
        state = self.initial
        for number in order:
            after = replay(self.records[number], state)
            if after is None:
                return False
            state = after
        return state == self.last

    def find(self) -> Violation | None:
        """None if there is an order (or too many to try)."""
        left = sorted(self.records, key=lambda number: (self.records[number].position, number))
        if self._extend(self.initial, [], left) or self.tried > MAX_TRANSACTIONS_TRIED:
            return None
        shown = ", ".join(f"T{number}" for number in self.longest) or "none of them"
        return Violation(
            "not serializable",
            f"no serial order of {len(self.records)} transactions gives this; the longest that does: {shown}",
        )

    def _extend(self, state: State, order: list[int], left: list[int]) -> bool:
        if not left:
            return state == self.last
        for number in left:
            self.tried += 1
            if self.tried > MAX_TRANSACTIONS_TRIED:
                return False
            after = replay(self.records[number], state)
            if after is None:
                continue
            longer = [*order, number]
            if len(longer) > len(self.longest):
                self.longest = longer
            if self._extend(after, longer, [n for n in left if n != number]):
                return True
        return False


def replay(record: TransactionRecord, state: State) -> State | None:
    """The state after running the transaction alone; None if it would have given something else."""
    pending = Pending()
    savepoints: list[tuple[str, int]] = []
    for number, operation in enumerate(record.operations):
        statement = operation.statement
        if isinstance(statement, Savepoint):
            savepoints.append((statement.name, number + 1))
            continue
        if isinstance(statement, (RollbackTo, Release)):
            position = max(n for n, (name, _) in enumerate(savepoints) if name == statement.name)
            if isinstance(statement, RollbackTo):
                pending.undo(savepoints[position][1])
                position += 1
            del savepoints[position:]
            continue
        if isinstance(statement, Declare):
            pending.declare(statement, state, 0)
            continue
        if isinstance(statement, Fetch):
            if not pending.cursors[statement.name].fetch(statement, operation.rows):
                return None
            continue
        seen = pending.over(state, statement.tables)
        outcome = statement.outcome(seen, seen)
        if operation.error is not None:
            if operation.error in (UNIQUE_VIOLATION, FOREIGN_KEY_VIOLATION):
                if operation.error not in outcome.errors:
                    return None
            pending.undo(savepoints[-1][1])
        elif outcome.errors or not gives(outcome, operation):
            return None
        else:
            pending.write(number, outcome.changes)
    after = pending.over(state, state)
    return after if broken_constraint(after) is None else None
