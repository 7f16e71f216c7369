"""What every statement must have given: the history is played through in a model that has all the time in the world.

The model keeps a full copy of the tables after every commit.  A statement is *explained* by a position whose
state, with the transaction's own writes laid over, gives exactly what the engine gave:

    READ COMMITTED    one position between the statement's first unit and its last.  A query that waited for nothing
                      has its first unit's
    above             the position of the transaction's first query, for all its statements

Rows that a statement writes or locks must be the newest committed ones as well, or others' updates would be
lost.  Constraints are judged by the newest state, not by the snapshot.

Further rules, each a few lines below: a commit replaces only what its statements saw (no lost update, first
committer wins); unique keys and foreign keys hold in every committed state; a row that somebody locked stays
as it is; errors are of the expected kinds, and those that claim a conflict have one; the tables read in the
end are the last state.

Once a statement can't be explained, nothing after it can be judged, so the first violation is the only one
reported; `facts` are then made from what the engine showed, so that the graph can name the anomaly.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from histories.graph import Facts, Installed, Node, Object, Read
from histories.pending import HeldLock, Pending
from histories.script import (
    COMMITTED,
    ENDED,
    FINISHED,
    READ_COMMITTED,
    RELEASED,
    UNDONE,
    Event,
    History,
    Operation,
    TransactionRecord,
)
from histories.statements import (
    PREV,
    TAG,
    UNIQUE_N,
    Change,
    Declare,
    Delete,
    Fetch,
    Insert,
    K,
    N,
    Outcome,
    Release,
    RollbackTo,
    Row,
    Savepoint,
    Select,
    State,
    Statement,
    Update,
    broken_constraint,
)

SERIALIZATION_FAILURE = "40001"
DEADLOCK = "40P01"
UNIQUE_VIOLATION = "23505"
FOREIGN_KEY_VIOLATION = "23503"
NOT_AVAILABLE = "55P03"
READ_ONLY = "25006"
RESTARTS_BEFORE_RECHECK = 4
"""After so many commits during one READ COMMITTED statement it may have gone on in place."""

STRENGTHS = {"key share": 0, "share": 1, "no key update": 2, "update": 3}
_CONFLICTS = {(a, b) for a in range(4) for b in range(4) if a + b >= 3 and (a, b) != (1, 1)}


@dataclass(slots=True)
class Violation:
    """What a history must not do."""

    rule: str
    message: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.message}"


class Wrong(Exception):
    """Ends the playing through."""

    def __init__(self, rule: str, message: str) -> None:
        super().__init__(message)
        self.violation = Violation(rule, message)


class NotChecked(Exception):
    """A statement went on in place in a way that the model does not follow."""


class Oracle:
    """Plays one history through."""

    def __init__(self, history: History) -> None:
        self.history = history
        self.states: list[State] = [history.initial]
        self.pending: dict[int, Pending] = {}
        self.violation: Violation | None = None
        self.is_checked = True
        self.facts = Facts()
        self.outcomes: dict[int, Outcome] = {}

    def check(self) -> Violation | None:
        """The first violation, if there is one."""
        self._prepare_facts()
        try:
            for event in self.history.events:
                self._play(event)
            self._check_final()
        except Wrong as wrong:
            self.violation = wrong.violation
        except NotChecked:
            self.is_checked = False
        return self.violation

    def _play(self, event: Event) -> None:
        record = event.transaction
        pending = self.pending.setdefault(record.number, Pending())
        if event.kind == ENDED:
            assert event.operation is not None
            self._explain(record, pending, event.operation)
        elif event.kind == UNDONE:
            pending.undo(event.kept)
        elif event.kind == RELEASED:
            pending.release(event.kept)
            pending.is_ending = event.kept == 0
        elif event.kind == COMMITTED:
            self._commit(record, pending)
        elif event.kind == FINISHED:
            if record.error is not None and record.status == "aborted":
                self._check_commit_error(record, pending)
            del self.pending[record.number]

    # --- statements ----------------------------------------

    def _explain(self, record: TransactionRecord, pending: Pending, operation: Operation) -> None:
        statement = operation.statement
        if isinstance(statement, (Savepoint, RollbackTo, Release)):
            if operation.error is not None:
                raise Wrong("unexpected error", _said(operation))
            return
        if record.start < 0 and statement.tables and operation.error != READ_ONLY:
            if not record.script.deferrable or operation.error is not None:
                record.start = operation.begin
        if operation.error is not None:
            self._check_error(record, pending, operation)
            return
        if record.script.read_only and (statement.is_change or statement.is_definition):
            raise Wrong("read only", f"{record.name} is READ ONLY, but could run: {statement.text}")
        first = next((o for o in record.operations if o.statement.tables), None)
        if record.script.deferrable and operation is first:
            if not operation.begin <= record.start <= operation.end:
                raise Wrong(
                    "old snapshot", f"{record.name} reads at position {record.start}: {statement.text}"
                )
        if pending.is_lost:
            return
        if isinstance(statement, Fetch):
            self._fetch(record, pending, operation, statement)
            return
        outcome = self._find(record, pending, operation)
        if isinstance(statement, Declare):
            pending.declare(statement, self.states[operation.position], operation.position)
            return
        operation.reads = outcome.reads
        self._note_read(record, pending, operation, outcome)
        self._note_locks(record, pending, operation, outcome)
        number = len(record.operations) - 1
        pending.write(_index(record, operation, number), outcome.changes)
        for change in outcome.changes:
            if change.after is not None:
                self.facts.written[change.table, change.after[K], change.after[TAG]] = record.number

    def _fetch(
        self, record: TransactionRecord, pending: Pending, operation: Operation, statement: Fetch
    ) -> None:
        """A cursor gives what was there when it was declared."""
        cursor = pending.cursors[statement.name]
        operation.position = cursor.position
        if not cursor.fetch(statement, operation.rows):
            raise Wrong(
                "wrong result",
                f"{record.name} ({record.level}): {statement.text}\n    gave      {_listed(operation.rows)}\n"
                f"    expected  {statement.count or 'all'} of {_listed(cursor.left)}, by position {cursor.position}",
            )
        reads = [(cursor.table, row[K], row[TAG]) for row in operation.rows]
        self._note_read(record, pending, operation, Outcome(len(reads), reads=reads))  # type: ignore[arg-type]

    def _find(self, record: TransactionRecord, pending: Pending, operation: Operation) -> Outcome:
        """The outcome that explains the statement; the position goes into the operation."""
        candidates = self._candidates(record, operation)
        tried = [(self._outcome(pending, operation, *candidate), *candidate) for candidate in candidates]
        errors = tried[0][0].errors.intersection(*(outcome.errors for outcome, _, _ in tried))
        for outcome, seen_at, newest_at in tried:
            if record.level != READ_COMMITTED:
                # each constraint may have been looked at in another unit
                outcome.errors &= errors
            if outcome.errors and self._is_doomed(record, pending, newest_at):
                outcome.errors.clear()
            if not outcome.errors and gives(outcome, operation):
                if self._touches_newest(record, pending, operation, outcome, seen_at, newest_at):
                    operation.position = seen_at
                    return outcome
        return self._not_explained(record, pending, operation)

    def _outcome(self, pending: Pending, operation: Operation, seen_at: int, newest_at: int) -> Outcome:
        statement = operation.statement
        seen = pending.over(self.states[seen_at], statement.tables)
        is_by_snapshot = statement.is_by_snapshot and operation.transaction.level != READ_COMMITTED
        if newest_at == seen_at or is_by_snapshot:
            return statement.outcome(seen, seen)
        return statement.outcome(seen, pending.over(self.states[newest_at], statement.tables))

    def _is_doomed(self, record: TransactionRecord, pending: Pending, newest_at: int) -> bool:
        """Whether others replaced what the transaction wrote, so that its COMMIT will fail.

        Its overlay hides rows of others then that the model, which knows rows by key, takes for different ones.
        So its constraints are not judged; and once ON CONFLICT went another way, nothing of it is (it is *lost*),
        but that it does not commit.
        """
        newest = self.states[newest_at]
        return record.level != READ_COMMITTED and any(
            newest[table].get(key) != base for (table, key), base in pending.base.items()
        )

    def _candidates(self, record: TransactionRecord, operation: Operation) -> list[tuple[int, int]]:
        """The (snapshot, newest) positions that may explain the statement, the likeliest first.

        READ COMMITTED holds the locks of what it found newest, so that is judged at the end.  KEY SHARE and DO
        NOTHING let others go on, a statement outside a block may have let its locks go before its last unit, and above READ
        COMMITTED nothing is held: there rows and constraints may each have been looked at in any unit.
        """
        begin, end = operation.begin, operation.end
        statement = operation.statement
        if not statement.tables:
            return [(begin, begin)]
        if record.level == READ_COMMITTED:
            if not (statement.is_change or operation.waited):
                return [(begin, begin)]
            places = self._distinct(statement.tables, begin, end)
            if _lets_others_go_on(statement) or not record.script.level:
                return [(seen, newest) for seen in places for newest in places if newest >= seen]
            return [(seen, end) for seen in places]
        if not statement.is_change:
            return [(record.start, record.start)]
        return [(record.start, newest) for newest in self._distinct(statement.tables, begin, end)]

    def _distinct(self, tables: tuple[str, ...], begin: int, end: int) -> list[int]:
        """The positions from `end` down to `begin` at which one of the tables differs from the one after."""
        found = [end]
        for position in range(end - 1, begin - 1, -1):
            here, after = self.states[position], self.states[position + 1]
            if any(here[table] is not after[table] for table in tables):
                found.append(position)
        return found

    def _touches_newest(
        self,
        record: TransactionRecord,
        pending: Pending,
        operation: Operation,
        outcome: Outcome,
        seen_at: int,
        newest_at: int,
    ) -> bool:
        """Whether what the statement writes or locks was newest then; above READ COMMITTED also in its snapshot.

        There KEY SHARE is content with a row that has the same key.
        """
        if record.level == READ_COMMITTED:
            return self._is_newest(pending, outcome.touched, newest_at)
        rows = outcome.touched + outcome.exists
        places = self._distinct(operation.statement.tables, operation.begin, operation.end)
        is_key_share = _lets_others_go_on(operation.statement) and isinstance(operation.statement, Select)
        is_lockable = self._has_keys if is_key_share else self._is_newest
        return self._is_newest(pending, rows, seen_at) and any(
            is_lockable(pending, outcome.touched, place) for place in places
        )

    def _has_keys(self, pending: Pending, rows: list[tuple[str, Row]], newest_at: int) -> bool:
        newest = self.states[newest_at]
        return all(row[K] in pending.own.get(table, ()) or row[K] in newest[table] for table, row in rows)

    def _is_newest(self, pending: Pending, rows: list[tuple[str, Row]], newest_at: int) -> bool:
        newest = self.states[newest_at]
        for table, row in rows:
            own = pending.own.get(table)
            if own is not None and row[K] in own:
                continue
            if newest[table].get(row[K]) != row:
                return False
        return True

    def _not_explained(self, record: TransactionRecord, pending: Pending, operation: Operation) -> Outcome:
        """No snapshot explains it: a recheck in place may, else it is wrong."""
        if record.level == READ_COMMITTED and operation.statement.is_change:
            if operation.end - operation.begin >= RESTARTS_BEFORE_RECHECK:
                raise NotChecked
        seen_at, newest_at = self._candidates(record, operation)[-1]
        if self._is_doomed(record, pending, operation.end):
            pending.is_lost = True
            return Outcome(0)
        outcome = self._outcome(pending, operation, seen_at, newest_at)
        if outcome.errors:
            expected = f"error {' or '.join(sorted(outcome.errors))}"
        elif outcome.rows is not None:
            expected = _listed(outcome.rows)
        else:
            expected = f"{outcome.count} rows"
        what = _listed(operation.rows) if outcome.rows is not None else f"{operation.count} rows"
        window = (
            f"position {seen_at}"
            if record.level != READ_COMMITTED
            else f"positions {operation.begin} to {operation.end}"
        )
        self._note_unexplained(record, operation)
        raise Wrong(
            "wrong result",
            f"{record.name} ({record.level}): {operation.statement.text}\n    gave      {what}\n"
            f"    expected  {expected}, by {window}",
        )

    # --- locks ----------------------------------------

    def _note_locks(
        self, record: TransactionRecord, pending: Pending, operation: Operation, outcome: Outcome
    ) -> None:
        statement = operation.statement
        if not record.script.level:
            return  # its locks are gone with it
        if isinstance(statement, Select):
            strengths = [STRENGTHS[statement.lock]] * len(outcome.touched) if statement.lock else []
        elif record.level == READ_COMMITTED and not statement.is_definition:
            strengths = [_strength(change) for change in outcome.changes if change.before is not None]
        else:
            return
        index = _index(record, operation, len(record.operations) - 1)
        for (table, row), strength in zip(outcome.touched, strengths, strict=True):
            if row[TAG] >= 0 and self._is_committed(pending, table, row):
                self._check_free(record, table, row[K], strength, operation.statement.text)
                pending.locks.append(HeldLock(table, row[K], strength, index))

    def _is_committed(self, pending: Pending, table: str, row: Row) -> bool:
        own = pending.own.get(table)
        return own is None or row[K] not in own

    def _check_free(self, record: TransactionRecord, table: str, key: int, strength: int, what: str) -> None:
        for number, other in self.pending.items():
            if number == record.number or other.is_ending:
                continue
            for lock in other.locks:
                if lock.table == table and lock.key == key and (lock.strength, strength) in _CONFLICTS:
                    names = list(STRENGTHS)
                    raise Wrong(
                        "lock ignored",
                        f"T{number} holds {table} {key} for {names[lock.strength]},"
                        f" but {record.name} could take it for {names[strength]}: {what}",
                    )

    # --- errors ----------------------------------------

    def _check_error(self, record: TransactionRecord, pending: Pending, operation: Operation) -> None:
        """An error must be one of those expected, and have its reason."""
        error, statement = operation.error, operation.statement
        if error == READ_ONLY:
            justified = record.script.read_only and (statement.is_change or statement.is_definition)
        elif error == NOT_AVAILABLE:
            justified = isinstance(statement, Select) and statement.wait == "nowait"
        elif error == DEADLOCK:
            justified = len(self.history.script.sessions) > 1
        elif error == SERIALIZATION_FAILURE:
            justified = self._may_conflict(record, operation.end)
        elif error in (UNIQUE_VIOLATION, FOREIGN_KEY_VIOLATION):
            justified = any(
                error in self._outcome(pending, operation, *candidate).errors
                or self._is_doomed(record, pending, candidate[1])
                or (not record.script.level and self._fails_at_commit(operation, *candidate))
                for candidate in self._candidates(record, operation)
            )
        else:
            raise Wrong("unexpected error", _said(operation))
        if not justified:
            raise Wrong("error without a reason", _said(operation))

    def _fails_at_commit(self, operation: Operation, seen_at: int, newest_at: int) -> bool:
        """Whether a statement outside a block breaks a deferred constraint."""
        alone = Pending()
        alone.write(0, self._outcome(alone, operation, seen_at, newest_at).changes)
        newest = self.states[newest_at]
        return broken_constraint(alone.over(newest, newest)) is not None

    def _may_conflict(self, record: TransactionRecord, position: int) -> bool:
        """Whether 40001 can be: at READ COMMITTED only beside definitions, above it after others' commits."""
        if record.level == READ_COMMITTED:
            return self.history.script.has_definitions
        return position > record.start >= 0 or self._is_any_prepared()

    def _is_any_prepared(self) -> bool:
        """Prepared transactions count as committed for SSI."""
        return any(record.is_prepared for record in self.history.transactions)

    def _check_commit_error(self, record: TransactionRecord, pending: Pending) -> None:
        error = record.error
        position = len(self.states) - 1
        said = f"{record.name} ({record.level}): commit gave {error}"
        if error in (UNIQUE_VIOLATION, FOREIGN_KEY_VIOLATION):
            tables = list(self.states[position])
            after = pending.over(self.states[position], tables)
            justified = (
                broken_constraint(after) is not None
                or _has_new_key(pending, self.states[position])
                or self._is_doomed(record, pending, position)
            )
        elif error == SERIALIZATION_FAILURE:
            justified = self._may_conflict(record, position) and not record.is_prepared
        elif error == DEADLOCK and not record.is_prepared:
            justified = len(self.history.script.sessions) > 1
        else:
            raise Wrong("unexpected error", said)
        if not justified:
            raise Wrong("error without a reason", said)

    # --- commits ----------------------------------------

    def _commit(self, record: TransactionRecord, pending: Pending) -> None:
        if pending.is_lost:
            raise Wrong("lost update", f"{record.name} ({record.level}) committed over others' commits")
        before = self.states[-1]
        position = len(self.states)
        assert record.position == position
        after = pending.over(before, before)
        written = [self._last_written(each) for each in pending.base]
        self._install(record, pending, after, position)
        for (table, key), base in pending.base.items():
            there = before[table].get(key)
            if there != base:
                raise Wrong(
                    "lost update" if base is not None else "duplicate key",
                    f"{record.name} ({record.level}) committed {table} {key}, having seen {base},"
                    f" but {there} was committed before",
                )
            if base is not None:
                strength = _strength_of(table, base, pending.own[table][key])
                self._check_free(record, table, key, strength, "commit")
        broken = broken_constraint(after)
        if broken is not None:
            raise Wrong("constraint", f"{record.name} ({record.level}) committed {broken}")
        self._check_first_committer(record, written)
        self.states.append(after)
        pending.is_ending = True

    def _last_written(self, key: Object) -> tuple[int, int]:
        """When an object was written last, and by whom."""
        order = self.facts.orders.get(key)
        return (order[-1].position, order[-1].writer) if order else (0, 0)

    def _check_first_committer(self, record: TransactionRecord, written: list[tuple[int, int]]) -> None:
        """Above READ COMMITTED nobody else may have written a key since the snapshot, not even in passing."""
        for position, writer in written:
            if record.level != READ_COMMITTED and position > record.start:
                raise Wrong(
                    "lost update",
                    f"{record.name} ({record.level}) committed what T{writer} had written after its snapshot",
                )

    def _install(self, record: TransactionRecord, pending: Pending, after: State, position: int) -> None:
        orders = self.facts.orders
        for table, key in pending.base:
            row = after[table].get(key)
            order = orders.setdefault((table, key), [])
            if row is None and (not order or order[-1].row is None):
                continue
            base = pending.base[table, key]
            replaced = 0 if base is None else base[TAG]
            order.append(Installed(row, -1 if row is None else row[TAG], record.number, position, replaced))

    def _check_final(self) -> None:
        last = self.states[-1]
        for table, rows in self.history.final.items():
            if Counter(rows) != Counter(last[table].values()):
                raise Wrong(
                    "final state",
                    f"{table} is\n    {_listed(rows)}\n    but should be\n    {_listed(list(last[table].values()))}",
                )

    # --- facts for the graph ----------------------------------------

    def _prepare_facts(self) -> None:
        facts = self.facts
        facts.nodes[0] = Node(0, READ_COMMITTED, False, 0)
        for table, rows in self.history.initial.items():
            for key, row in rows.items():
                facts.orders[table, key] = [Installed(row, row[TAG], 0, 0, 0)]
                facts.written[table, key, row[TAG]] = 0
        for record in self.history.transactions:
            committed = record.status == "committed" or record.position >= 0
            position = record.position if record.position >= 0 else 1 << 30
            facts.nodes[record.number] = Node(record.number, record.level, committed, position)

    def _note_read(
        self, record: TransactionRecord, pending: Pending, operation: Operation, outcome: Outcome
    ) -> None:
        own = frozenset((table, key) for table, keys in pending.own.items() for key in keys)
        position = operation.position
        self.facts.reads.append(
            Read(record.number, operation.number, outcome.reads, outcome.predicates, position, position, own)
        )

    def _note_unexplained(self, record: TransactionRecord, operation: Operation) -> None:
        """Enter the versions that an unexplained statement showed, for the graph to say what is wrong."""
        self.facts.reads.append(Read(record.number, operation.number, versions_shown(operation)))


def versions_shown(operation: Operation) -> list[tuple[str, int, int]]:
    """The versions that a statement's rows say they are, or replaced."""
    statement = operation.statement
    shown: list[tuple[str, int, int]] = []
    for row in operation.rows:
        if isinstance(statement, (Select, Delete)):
            shown.append((statement.table, row[K], row[TAG]))  # type: ignore[arg-type]
        elif isinstance(statement, (Update, Insert)) and row[PREV]:
            key = row[K]
            if isinstance(statement, Update) and statement.where.key is not None:
                key = statement.where.key
            shown.append((statement.table, key, row[PREV]))  # type: ignore[arg-type]
    return shown


def _lets_others_go_on(statement: Statement) -> bool:
    """Whether what a statement found newest may have changed by its last unit."""
    if isinstance(statement, Select):
        return statement.lock == "key share"
    return isinstance(statement, Insert) and statement.conflict == "nothing"


def _index(record: TransactionRecord, operation: Operation, latest: int) -> int:
    """The operation's number within its transaction."""
    operations = record.operations
    return latest if operations[latest] is operation else operations.index(operation)


def gives(outcome: Outcome, operation: Operation) -> bool:
    """Whether the outcome is what the engine gave.  SKIP LOCKED may leave rows out."""
    if outcome.rows is None:
        return outcome.count == operation.count
    statement = operation.statement
    if isinstance(statement, Select) and statement.wait == "skip locked":
        return _keep_returned(outcome, operation.rows)
    rows = operation.rows
    if len(rows) != len(outcome.rows):
        return False
    return rows == outcome.rows or Counter(rows) == Counter(outcome.rows)


def _keep_returned(outcome: Outcome, rows: list[tuple[object, ...]]) -> bool:
    assert outcome.rows is not None
    if Counter(rows) - Counter(outcome.rows):
        return False
    outcome.touched = [(table, row) for table, row in outcome.touched if row in rows]
    outcome.reads = [(table, row[K], row[TAG]) for table, row in outcome.touched]
    outcome.predicates = []
    return True


def _strength(change: Change) -> int:
    assert change.before is not None
    return _strength_of(change.table, change.before, change.after)


def _strength_of(table: str, before: Row, after: Row | None) -> int:
    """How strongly replacing a row locks it."""
    if after is None or after[PREV] == 0 or after[K] != before[K]:
        return STRENGTHS["update"]
    if table in UNIQUE_N and after[N] != before[N]:
        return STRENGTHS["update"]
    return STRENGTHS["no key update"]


def _has_new_key(pending: Pending, state: State) -> bool:
    """Whether a key that was inserted exists by now."""
    return any(
        base is None and pending.own[table][key] is not None and key in state[table]
        for (table, key), base in pending.base.items()
    )


def _said(operation: Operation) -> str:
    record = operation.transaction
    return f"{record.name} ({record.level}): {operation.statement.text}\n    gave {operation.error} {operation.message}"


def _listed(rows: list[tuple[object, ...]] | list[Row]) -> str:
    return " ".join("(" + ",".join(map(str, row)) + ")" for row in sorted(rows, key=str)) or "no rows"
