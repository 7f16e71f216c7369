"""What a transaction has done so far, as the model keeps it: writes, locks, cursors, and how they are undone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from histories.graph import Object
from histories.statements import Change, Declare, Fetch, K, Row, State


@dataclass(slots=True)
class HeldLock:
    """A row that a transaction has locked, by its operation number `operation`."""

    table: str
    key: int
    strength: int
    operation: int


@dataclass(slots=True)
class Cursor:
    """The rows that a cursor has yet to give, seen at `position`."""

    table: str
    left: list[Row]
    position: int

    def fetch(self, statement: Fetch, rows: list[tuple[object, ...]]) -> bool:
        """Take rows off, if they can be what a FETCH gives."""
        wanted = min(statement.count or len(self.left), len(self.left))
        left = Counter(self.left)
        if len(rows) != wanted or Counter(rows) - left:  # type: ignore[operator]
            return False
        self.left = list((left - Counter(rows)).elements())  # type: ignore[arg-type]
        return True


@dataclass(slots=True)
class Pending:
    """A transaction's writes so far: `own` over the committed state, `base` what they replace there."""

    own: dict[str, dict[int, Row | None]] = field(default_factory=dict)
    base: dict[Object, Row | None] = field(default_factory=dict)
    journal: list[tuple[int, Change]] = field(default_factory=list)
    locks: list[HeldLock] = field(default_factory=list)
    is_ending: bool = False
    is_lost: bool = False
    cursors: dict[str, Cursor] = field(default_factory=dict)

    def declare(self, statement: Declare, state: State, position: int) -> None:
        """Open a cursor over a state with the own writes laid over."""
        rows = statement.rows(self.over(state, statement.tables))
        self.cursors[statement.name] = Cursor(statement.table, rows, position)

    def write(self, operation: int, changes: list[Change]) -> None:
        """Enter what a statement wrote: what goes first, then what comes."""
        self.journal += [(operation, change) for change in changes]
        for change in changes:
            if change.before is not None:
                self._put(change.table, change.before[K], None, change.before)
        for change in changes:
            if change.after is not None:
                self._put(change.table, change.after[K], change.after, None)

    def _put(self, table: str, key: int, row: Row | None, before: Row | None) -> None:
        own = self.own.setdefault(table, {})
        if key not in own:
            self.base[table, key] = before
        own[key] = row
        if row is None and self.base[table, key] is None:  # inserted and deleted again: nothing happened
            del own[key], self.base[table, key]

    def undo(self, kept: int) -> None:
        """Forget what operations from number `kept` on wrote and locked."""
        journal = self.journal
        self.own, self.base, self.journal = {}, {}, []
        operations = sorted({number for number, _ in journal if number < kept})
        for number in operations:
            self.write(number, [change for n, change in journal if n == number])
        self.release(kept)

    def release(self, kept: int) -> None:
        """Let the locks go that operations from number `kept` on took."""
        self.locks = [lock for lock in self.locks if lock.operation < kept]

    def over(self, state: State, tables: Iterable[str]) -> State:
        """The tables of a state with the own writes laid over."""
        seen: State = {}
        for table in tables:
            own = self.own.get(table)
            if not own:
                seen[table] = state[table]
                continue
            rows = dict(state[table])
            for key, row in own.items():
                if row is None:
                    rows.pop(key, None)
                else:
                    rows[key] = row
            seen[table] = rows
        return seen
