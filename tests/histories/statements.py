"""The statements of histories: each is SQL text together with what it means.

All tables have the same columns:

    k     primary key, the name of the object that versions belong to
    g     a group, or in `child` the parent's key      n     a number that ranges are asked of, unique in `uniq`
    tag   who wrote this version: unique per statement, so that whoever reads a row says whose version it read
    prev  the tag of the version that this one replaced; 0 for an inserted row
    log   every `append` adds its tag here, so that one read of a row tells its history

A statement's meaning is a pure function from two states of the tables to an `Outcome`: *seen*, what its
snapshot shows with the transaction's own writes laid over, and *newest*, what is committed last, likewise
overlaid, which constraints and ON CONFLICT look at.  Nothing here knows of levels, locks or interleavings.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

Row = tuple[int, int | None, int | None, int, int, str]
Rows = dict[int, Row]
"""The rows of a table by key."""
State = dict[str, Rows]
"""Tables by name.  Committed states share tables, so a table in a state is never changed."""
Matches = Callable[[Row], bool]
Version = tuple[str, int, int]
"""A row version: table, key, tag."""

COLUMNS = "k, g, n, tag, prev, log"
K, G, N, TAG, PREV, LOG = range(6)

GRAPH_TABLES = ("vertex", "link")
"""What is no table of SQL's: see graph_statements.py."""

TABLES = {
    "item": "create table item (k int primary key, g int, n int, tag int, prev int, log text);"
    " create index on item (g); create index on item (n)",
    "heap": "create table heap (k int primary key, g int, n int, tag int, prev int, log text)",
    "uniq": "create table uniq (k int primary key, g int, n int unique, tag int, prev int, log text)",
    "parent": "create table parent (k int primary key, g int, n int, tag int, prev int, log text)",
    "child": "create table child (k int primary key, g int references parent, n int, tag int, prev int,"
    " log text); create index on child (g)",
    "ward": "create table ward (k int primary key, g int references parent on delete cascade, n int, tag int,"
    " prev int, log text)",
    "late": "create table late (k int primary key, g int references parent deferrable initially deferred, n int,"
    " tag int, prev int, log text); create index on late (g)",
}
UNIQUE_N = frozenset({"uniq"})
CHILDREN = frozenset({"child", "ward", "late", "link"})
"""Tables whose `g` references `parent`, or, of a graph, `vertex`."""
CASCADING = frozenset({"ward"})
"""Of these: rows go with their parent."""
DEFERRED = frozenset({"late"})
"""Of these: the reference is checked at commit."""


# --- what a statement does ----------------------------------------------------------------------------------


@dataclass(slots=True)
class Change:
    """One row written: `before` None is an insert, `after` None a delete; a change of key is one change."""

    table: str
    before: Row | None
    after: Row | None


@dataclass(slots=True)
class Outcome:
    """What a statement gives and does.

    `rows` is None where it returns no rows; `touched` are the existing rows that it writes or locks; `errors`
    the SQLSTATEs of which one must come out instead.  `reads` are the versions it depends on, `predicates`
    the conditions that it asked tables about: no row beyond `reads` met them.  Of the rows in `exists` it only
    learned that there is one with that key.
    """

    count: int
    rows: list[tuple[object, ...]] | None = None
    changes: list[Change] = field(default_factory=list)
    touched: list[tuple[str, Row]] = field(default_factory=list)
    errors: set[str] = field(default_factory=set)
    reads: list[Version] = field(default_factory=list)
    exists: list[tuple[str, Row]] = field(default_factory=list)
    predicates: list[tuple[str, Matches]] = field(default_factory=list)


class Statement:
    """One statement of a script.  `text` is what the session runs."""

    text: str
    tables: tuple[str, ...] = ()
    is_change = False
    """Writes or locks rows: READ COMMITTED may wait for others in it, and start it over."""
    is_definition = False
    is_by_snapshot = False
    """Above READ COMMITTED the newest rows are nothing to it."""

    def outcome(self, seen: State, newest: State) -> Outcome:
        """What it gives in these states."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return self.text


# --- conditions ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Condition:
    """A WHERE clause and what it means."""

    text: str
    matches: Matches
    key: int | None = None


def by_key(key: int) -> Condition:
    """The row of that key."""
    return Condition(f" where k = {key}", lambda row: row[K] == key, key)


def by_keys(keys: tuple[int, ...]) -> Condition:
    """The rows of these keys."""
    listed = ", ".join(map(str, keys))
    return Condition(f" where k in ({listed})", lambda row: row[K] in keys)


def by_group(group: int) -> Condition:
    """Equality on a column that is not unique."""
    return Condition(f" where g = {group}", lambda row: row[G] == group)


def by_range(low: int, high: int) -> Condition:
    """A range of an ordered column."""
    return Condition(
        f" where n >= {low} and n < {high}", lambda row: row[N] is not None and low <= row[N] < high
    )


def by_tag(divisor: int, rest: int) -> Condition:
    """A condition that no index helps with."""
    return Condition(f" where tag % {divisor} = {rest}", lambda row: row[TAG] % divisor == rest)


EVERYTHING = Condition("", lambda row: True)


# --- reading ------------------------------------------------------------------------------------------------


class Select(Statement):
    """Rows by a condition, perhaps locked."""

    def __init__(self, table: str, where: Condition, lock: str = "", wait: str = "") -> None:
        self.table = table
        self.tables = (table,)
        self.where = where
        self.lock = lock
        self.wait = wait
        self.is_change = bool(lock)
        clause = f" for {lock}" if lock else ""
        self.text = f"select {COLUMNS} from {table}{where.text}{clause}{' ' + wait if wait else ''}"

    def outcome(self, seen: State, newest: State) -> Outcome:
        table, matches = self.table, self.where.matches
        rows = [row for row in seen[table].values() if matches(row)]
        made = Outcome(len(rows), list(rows), predicates=[(table, matches)])
        made.reads = [(table, row[K], row[TAG]) for row in rows]
        if self.lock:
            made.touched = [(table, row) for row in rows]
        return made


class Aggregate(Statement):
    """Numbers about the rows of a condition."""

    def __init__(self, table: str, where: Condition) -> None:
        self.table = table
        self.tables = (table,)
        self.where = where
        self.text = f"select count(*), coalesce(sum(n), 0), coalesce(max(tag), 0) from {table}{where.text}"

    def outcome(self, seen: State, newest: State) -> Outcome:
        table, matches = self.table, self.where.matches
        rows = [row for row in seen[table].values() if matches(row)]
        numbers = (len(rows), sum(row[N] or 0 for row in rows), max([row[TAG] for row in rows], default=0))
        made = Outcome(1, [numbers], predicates=[(table, matches)])
        made.reads = [(table, row[K], row[TAG]) for row in rows]
        return made


class Family(Statement):
    """Children with their parents."""

    def __init__(self, table: str, where: Condition) -> None:
        self.table = table
        self.tables = (table, "parent")
        self.where = where
        self.text = (
            "select c.k, c.tag, p.k, p.tag"
            f" from (select * from {table}{where.text}) c left join parent p on p.k = c.g"
        )

    def outcome(self, seen: State, newest: State) -> Outcome:
        matches = self.where.matches
        children = [row for row in seen[self.table].values() if matches(row)]
        rows: list[tuple[object, ...]] = []
        reads: list[Version] = []
        wanted = frozenset(child[G] for child in children if child[G] is not None)
        for child in children:
            parent = None if child[G] is None else seen["parent"].get(child[G])
            rows.append(
                (child[K], child[TAG], *((None, None) if parent is None else (parent[K], parent[TAG])))
            )
            reads.append((self.table, child[K], child[TAG]))
            if parent is not None:
                reads.append(("parent", parent[K], parent[TAG]))
        made = Outcome(len(rows), rows, reads=reads)
        made.predicates = [(self.table, matches), ("parent", lambda row: row[K] in wanted)]
        return made


class Declare(Statement):
    """A cursor over the rows of a condition, as they are now."""

    def __init__(self, name: str, table: str, where: Condition) -> None:
        self.name = name
        self.table = table
        self.tables = (table,)
        self.where = where
        self.text = f"declare {name} cursor for select {COLUMNS} from {table}{where.text}"

    def outcome(self, seen: State, newest: State) -> Outcome:
        return Outcome(-1)

    def rows(self, seen: State) -> list[Row]:
        """What the cursor will give."""
        return [row for row in seen[self.table].values() if self.where.matches(row)]


class Fetch(Statement):
    """So many rows of a cursor, in whatever order; `count` 0: all that are left."""

    def __init__(self, name: str, count: int) -> None:
        self.name = name
        self.count = count
        self.text = f"fetch {count or 'all'} from {name}"


# --- writing ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Assignment:
    """What an UPDATE sets, beside `tag` and `prev`; `counts` is the group that it counts for that."""

    text: str
    make: Callable[[Row, State], Row]
    counts: int | None = None
    changes_key: bool = False


def add(amount: int) -> Assignment:
    """A counter."""

    def make(row: Row, seen: State) -> Row:
        return (*row[:N], None if row[N] is None else row[N] + amount, *row[N + 1 :])  # type: ignore[return-value]

    return Assignment(f"n = n + {amount}", make)


def put(value: int) -> Assignment:
    """A register, written blindly."""
    return Assignment(f"n = {value}", lambda row, seen: (*row[:N], value, *row[N + 1 :]))  # type: ignore[return-value]


def move(group: int | None) -> Assignment:
    """Into another group: out of one predicate, into another."""
    text = "null" if group is None else str(group)
    return Assignment(f"g = {text}", lambda row, seen: (row[K], group, *row[N:]))  # type: ignore[return-value]


def append(tag: int) -> Assignment:
    """List-append: the statement's tag at the end of the row's log."""
    return Assignment(f"log = log || ',{tag}'", lambda row, seen: (*row[:LOG], f"{row[LOG]},{tag}"))  # type: ignore[return-value]


def rekey(key: int) -> Assignment:
    """Another primary key."""
    return Assignment(f"k = {key}", lambda row, seen: (key, *row[G:]), changes_key=True)


def count_of(table: str, group: int) -> Assignment:
    """A number that depends on a predicate: reading and writing in one statement."""

    def make(row: Row, seen: State) -> Row:
        counted = sum(1 for other in seen[table].values() if other[G] == group)
        return (*row[:N], counted, *row[N + 1 :])  # type: ignore[return-value]

    return Assignment(f"n = (select count(*) from {table} where g = {group})", make, counts=group)


class Update(Statement):
    """Change rows; `returning` shows their new versions."""

    is_change = True

    def __init__(self, table: str, where: Condition, to: Assignment, tag: int, returning: bool) -> None:
        self.table = table
        self.tables = (table, *_connected(table))
        self.where = where
        self.to = to
        self.tag = tag
        self.returning = returning
        self.text = (
            f"update {table} set {to.text}, prev = tag, tag = {tag}{where.text}{_returning(returning)}"
        )

    def outcome(self, seen: State, newest: State) -> Outcome:
        table, matches, tag = self.table, self.where.matches, self.tag
        before = [row for row in seen[table].values() if matches(row)]
        after = []
        for row in before:
            made = self.to.make(row, seen)
            after.append((made[K], made[G], made[N], tag, row[TAG], made[LOG]))
        outcome = Outcome(len(after), list(after) if self.returning else None)
        outcome.changes = [Change(table, old, new) for old, new in zip(before, after, strict=True)]
        outcome.touched = [(table, row) for row in before]
        outcome.reads = [(table, row[K], row[TAG]) for row in before]
        outcome.predicates = [(table, matches)]
        group = self.to.counts
        if group is not None:
            counted = [row for row in seen[table].values() if row[G] == group]
            outcome.reads += [(table, row[K], row[TAG]) for row in counted]
            outcome.predicates.append((table, lambda row: row[G] == group))
        check_constraints(outcome, newest)
        return outcome


class Delete(Statement):
    """Delete rows; `returning` shows what went."""

    is_change = True

    def __init__(self, table: str, where: Condition, returning: bool) -> None:
        self.table = table
        self.tables = (table, *_connected(table))
        self.where = where
        self.returning = returning
        self.text = f"delete from {table}{where.text}{_returning(returning)}"

    def outcome(self, seen: State, newest: State) -> Outcome:
        table, matches = self.table, self.where.matches
        rows = [row for row in seen[table].values() if matches(row)]
        outcome = Outcome(len(rows), list(rows) if self.returning else None)
        outcome.changes = [Change(table, row, None) for row in rows]
        outcome.touched = [(table, row) for row in rows]
        outcome.reads = [(table, row[K], row[TAG]) for row in rows]
        outcome.predicates = [(table, matches)]
        check_constraints(outcome, newest)
        return outcome


class Insert(Statement):
    """Insert rows of (k, g, n).  `conflict` is '', 'nothing' or 'update'."""

    is_change = True

    def __init__(
        self,
        table: str,
        rows: tuple[tuple[int, int | None, int | None], ...],
        tag: int,
        conflict: str,
        returning: bool,
    ) -> None:
        self.table = table
        self.tables = (table, *_connected(table))
        self.rows = rows
        self.tag = tag
        self.conflict = conflict
        self.returning = returning
        values = ", ".join(
            f"({k}, {'null' if g is None else g}, {'null' if n is None else n}, {tag}, 0, '')"
            for k, g, n in rows
        )
        clause = {
            "": "",
            "nothing": " on conflict (k) do nothing",
            "update": f" on conflict (k) do update set n = {table}.n + 1, prev = {table}.tag, tag = excluded.tag",
        }[conflict]
        self.text = f"insert into {table} values {values}{clause}{_returning(returning)}"

    def outcome(self, seen: State, newest: State) -> Outcome:
        table, tag = self.table, self.tag
        current = dict(newest[table])
        written: list[Row] = []
        outcome = Outcome(0)
        for k, g, n in self.rows:
            there = current.get(k) if self.conflict else None
            if there is None:
                row: Row = (k, g, n, tag, 0, "")
                outcome.changes.append(Change(table, None, row))
                written.append(row)
                if table in UNIQUE_N and any(row[N] == n for row in current.values()):
                    outcome.errors.add("23505")  # at once: a later row of the statement can't mend it
                current[k] = row
                continue
            if self.conflict == "nothing":
                outcome.exists.append((table, there))
            else:
                outcome.reads.append((table, k, there[TAG]))
                row = (k, there[G], None if there[N] is None else there[N] + 1, tag, there[TAG], there[LOG])
                outcome.changes.append(Change(table, there, row))
                outcome.touched.append((table, there))
                written.append(row)
                current[k] = row
        outcome.count = len(written)
        outcome.rows = list(written) if self.returning else None
        check_constraints(outcome, newest)
        return outcome


class InsertNext(Statement):
    """Append a row to a list kept as rows: the next number of a group."""

    is_change = True

    def __init__(self, table: str, key: int, group: int, tag: int) -> None:
        self.table = table
        self.tables = (table, *_connected(table))
        self.key = key
        self.group = group
        self.tag = tag
        self.text = (
            f"insert into {table} select {key}, {group}, coalesce(max(n), 0) + 1, {tag}, 0, ''"
            f" from {table} where g = {group} returning {COLUMNS}"
        )

    def outcome(self, seen: State, newest: State) -> Outcome:
        table, group = self.table, self.group
        there = [row for row in seen[table].values() if row[G] == group]
        highest = max([row[N] for row in there if row[N] is not None], default=0)
        row: Row = (self.key, group, highest + 1, self.tag, 0, "")
        outcome = Outcome(1, [row], [Change(table, None, row)])
        outcome.reads = [(table, each[K], each[TAG]) for each in there]
        outcome.predicates = [(table, lambda row: row[G] == group)]
        check_constraints(outcome, newest)
        return outcome


class Copy(Statement):
    """Insert rows that are read from the same table: what the statement inserts it must not read."""

    is_change = True

    def __init__(self, table: str, where: Condition, distance: int, tag: int) -> None:
        self.table = table
        self.tables = (table, *_connected(table))
        self.where = where
        self.distance = distance
        self.tag = tag
        self.text = (
            f"insert into {table} select k + {distance}, g, n, {tag}, 0, '' from {table}{where.text}"
            f" returning {COLUMNS}"
        )

    def outcome(self, seen: State, newest: State) -> Outcome:
        table, matches = self.table, self.where.matches
        there = [row for row in seen[table].values() if matches(row)]
        rows: list[Row] = [(row[K] + self.distance, row[G], row[N], self.tag, 0, "") for row in there]
        outcome = Outcome(len(rows), list(rows), [Change(table, None, row) for row in rows])
        outcome.reads = [(table, row[K], row[TAG]) for row in there]
        outcome.predicates = [(table, matches)]
        check_constraints(outcome, newest)
        return outcome


def _returning(returning: bool) -> str:
    return f" returning {COLUMNS}" if returning else ""


def _connected(table: str) -> tuple[str, ...]:
    """The tables that a write's foreign keys look at."""
    if table in ("parent", "vertex"):
        return tuple(sorted(child for child in CHILDREN if parent_of(child) == table))
    return (parent_of(table),) if table in CHILDREN else ()


def parent_of(child: str) -> str:
    """The table that a child's `g` references."""
    return "vertex" if child == "link" else "parent"


# --- constraints --------------------------------------------------------------------------------------------


def check_constraints(outcome: Outcome, newest: State) -> None:
    """Enter the violations that the changes make at the end of the statement, and what they take along."""
    _leave_children(outcome, newest)
    for table in {change.table for change in outcome.changes}:
        _check_table(table, [c for c in outcome.changes if c.table == table], newest, outcome.errors)


def _check_table(table: str, changes: list[Change], newest: State, errors: set[str]) -> None:
    after = dict(newest[table])
    for change in changes:
        if change.before is not None:
            after.pop(change.before[K], None)
    for change in changes:
        row = change.after
        if row is None:
            continue
        if row[K] in after:
            errors.add("23505")
        after[row[K]] = row
    if table in UNIQUE_N:
        for change in changes:
            row, before = change.after, change.before
            if row is not None and (before is None or before[N] != row[N]) and _has_twin(row, after):
                errors.add("23505")
    if table in CHILDREN - DEFERRED:
        _check_parents(changes, newest, errors)


def _check_parents(changes: list[Change], newest: State, errors: set[str]) -> None:
    for change in changes:
        row, before = change.after, change.before
        if row is not None and row[G] is not None and (before is None or before[G] != row[G]):
            if row[G] not in newest[parent_of(change.table)]:
                errors.add("23503")


def _leave_children(outcome: Outcome, newest: State) -> None:
    """What happens to the children of parents that are gone: they go too, or it is an error."""
    for parent in ("parent", "vertex"):
        changes = [change for change in outcome.changes if change.table == parent]
        gone = {change.before[K] for change in changes if change.before is not None}
        gone -= {change.after[K] for change in changes if change.after is not None}
        if gone:
            _leave_children_of(parent, gone, outcome, newest)


def _leave_children_of(parent: str, gone: set[int], outcome: Outcome, newest: State) -> None:
    is_deletion = all(change.after is None for change in outcome.changes)
    for table in sorted(CHILDREN - DEFERRED):
        if parent_of(table) != parent:
            continue
        left = [row for row in newest[table].values() if row[G] in gone]
        if left and is_deletion and table in CASCADING:
            outcome.changes += [Change(table, row, None) for row in left]
            outcome.touched += [(table, row) for row in left]
        elif left:
            outcome.errors.add("23503")


def _has_twin(row: Row, rows: Rows) -> bool:
    return row[N] is not None and any(other[N] == row[N] and other[K] != row[K] for other in rows.values())


def has_duplicates(rows: Rows) -> bool:
    """Whether two rows have the same number."""
    numbers = [row[N] for row in rows.values() if row[N] is not None]
    return len(numbers) != len(set(numbers))


def broken_constraint(state: State) -> str | None:
    """A constraint that does not hold in a state."""
    for table in UNIQUE_N:
        if has_duplicates(state[table]):
            return f"two rows of {table} with the same n"
    for child in CHILDREN:
        parents = state[parent_of(child)]
        for row in state[child].values():
            if row[G] is not None and row[G] not in parents:
                return f"{child} {row[K]} without its parent {row[G]}"
    return None


# --- the rest of a transaction ------------------------------------------------------------------------------


class Savepoint(Statement):
    """SAVEPOINT name."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.text = f"savepoint {name}"


class RollbackTo(Statement):
    """ROLLBACK TO name."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.text = f"rollback to {name}"


class Release(Statement):
    """RELEASE name."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.text = f"release {name}"


class LockTable(Statement):
    """LOCK TABLE: reads and writes nothing."""

    def __init__(self, table: str, mode: str) -> None:
        self.text = f"lock table {table} in {mode} mode"

    def outcome(self, seen: State, newest: State) -> Outcome:
        return Outcome(-1)


class Definition(Statement):
    """DDL that leaves rows as they are."""

    is_definition = True

    def __init__(self, table: str, text: str) -> None:
        self.table = table
        self.text = text

    def outcome(self, seen: State, newest: State) -> Outcome:
        return Outcome(-1)


class Truncate(Statement):
    """TRUNCATE: every row goes, whatever the snapshot."""

    is_definition = True
    is_change = True

    def __init__(self, table: str) -> None:
        self.table = table
        self.tables = (table,)
        self.text = f"truncate {table}"

    def outcome(self, seen: State, newest: State) -> Outcome:
        rows = newest[self.table].values()
        made = Outcome(-1, changes=[Change(self.table, row, None) for row in rows])
        made.touched = [(self.table, row) for row in rows]
        return made
