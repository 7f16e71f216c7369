"""Random scripts and schedules from a seed.

A seed picks a *shape* (which tables, how many keys, which statements), levels (one for all, or mixed), two to
five sessions and an order of units.  Keys are few on purpose: three transactions over four rows meet each
other all the time.  Every write has a tag of its own.

    registers   one hot table, read and written by key            keys      inserts, deletes, upserts, new keys
    lists       appends to few rows, read whole                   family    parents and children
    sets        predicates: groups, ranges, scans, aggregates     long      scans and updates over more than 64 rows
    skew        read here, write there                            mixture   everything at once
    reports     long writers, short writers, late readers         turnover  keys that come and go
    undone      inserts that are taken back, and told something   tables    definitions in between
    graph       nodes by key and label, edges between them, in GQL: see graph_statements.py
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from histories import graph_statements as gs
from histories import statements as st
from histories.script import (
    COMMIT,
    PREPARE_AND_COMMIT,
    PREPARE_AND_ROLL_BACK,
    READ_COMMITTED,
    ROLLBACK,
    SERIALIZABLE,
    SNAPSHOT,
    Script,
    TransactionScript,
)
from histories.statements import Row

FIRST_TAG = 1000
LONG_ROWS = 150
GROUPS = 2

LEVEL_MIXES: dict[str, tuple[str, ...]] = {
    "read committed": (READ_COMMITTED,),
    "snapshot": (SNAPSHOT,),
    "serializable": (SERIALIZABLE,),
    "serializable again": (SERIALIZABLE,),
    "weaker ones": (READ_COMMITTED, SNAPSHOT),
    "all": (READ_COMMITTED, SNAPSHOT, SERIALIZABLE),
}

SHAPES: dict[str, int] = {
    "registers": 4,
    "lists": 2,
    "sets": 5,
    "skew": 4,
    "reports": 3,
    "turnover": 2,
    "undone": 1,
    "tables": 0.7,
    "keys": 4,
    "family": 4,
    "long": 1,
    "mixture": 3,
    "graph": 5,
}
"""Shapes with their weights."""


def make_script(seed: int, shape: str = "", levels: tuple[str, ...] = ()) -> tuple[Script, list[int]]:
    """The script and the schedule of a seed; `shape` and `levels` are chosen by it unless given."""
    random = Random(seed)
    chosen = random.choices(list(SHAPES), list(SHAPES.values()))[0]
    mix = random.choice(list(LEVEL_MIXES.values()))
    generator = _Generator(random, shape or chosen, levels or mix)
    script = generator.script()
    return script, make_schedule(random, len(script.sessions))


def make_schedule(random: Random, sessions: int, length: int = 400) -> list[int]:
    """Session numbers: short runs of units, now and then a long one."""
    schedule: list[int] = []
    spread = random.choice((2, 4, 8))
    while len(schedule) < length:
        number = random.randrange(sessions)
        schedule += [number] * (1 + int(random.random() ** 2 * spread * 2))
    return schedule


class _Generator:
    """Makes one script."""

    def __init__(self, random: Random, shape: str, levels: tuple[str, ...]) -> None:
        self.random = random
        self.shape = shape
        self.levels = levels
        self.next_tag = FIRST_TAG
        self.next_savepoint = 0
        self.role = 0
        self.tables = _TABLES_OF[shape]
        if shape == "family":
            self.tables = ("parent", random.choice(("child", "child", "ward", "late")))
        if shape in ("skew", "reports", "turnover"):
            self.tables = (random.choice(self.tables),)
        self.keys = random.choice(_KEYS_OF[shape])
        self.first_keys: dict[str, set[int]] = {}
        self.makers = _MAKERS_OF[shape]
        self.read_only_share = random.choice((0.05, 0.05, 0.25))
        self.savepoint_share = random.choice((0.05, 0.15, 0.4))
        self.next_link = 100
        self.cursor_share = (
            0.0 if shape in ("undone", "tables", "graph") else random.choice((0, 0, 0.05, 0.3))
        )
        if shape == "undone":
            self.savepoint_share = 0.0
            self.tables = random.choice((("item",), ("heap",), ("parent", "child")))
        self.prepared_share = random.choice((0, 0, 0.05, 0.4))
        # in `reports` a writing statement is one; elsewhere it may be anything
        self.stray_share = 0.0 if shape == "reports" else 1.0
        self.reads_first_share = random.choice((0, 0.5, 0.9))

    def script(self) -> Script:
        random = self.random
        is_crowded = self.shape in ("skew", "reports", "undone")
        sessions = random.choices((2, 3, 4, 5), (1, 4, 3, 1) if is_crowded else (4, 4, 2, 1))[0]
        tables: dict[str, list[Row]] = {}
        for name in self.tables:
            tables[name] = self._first_rows(
                name, [row[0] for row in tables.get(gs.VERTEX if name == gs.LINK else "parent", [])]
            )
            self.first_keys[name] = {row[0] for row in tables[name]}
        made = [self._session(number) for number in range(sessions)]
        return Script(
            made,
            tables,
            random.choice((1, 2, 5, 100)),
            siread_limit=random.choice((0, 1, 2, 1000)),
            has_definitions=self.shape == "tables",
            is_fine_grained=random.random() < 0.4,
        )

    # --- rows ----------------------------------------

    def _first_rows(self, table: str, parents: list[int]) -> list[Row]:
        rows: list[Row] = []
        for k in range(1, self.keys + 1):
            if self.random.random() < _MISSING_SHARE.get(self.shape, 0):
                continue
            group = k % GROUPS if table not in st.CHILDREN else self.random.choice([None, *parents])
            if table == gs.LINK and group is None:
                continue
            rows.append((k, group, k * 10, k, 0, ""))
        return rows

    def key(self) -> int:
        """A key, mostly one that is there."""
        if self.shape == "long":
            return self.random.choice((1, 2, 70, LONG_ROWS, LONG_ROWS + 1))
        return self.random.randrange(1, self.keys + 1 + (self.random.random() < 0.5))

    def new_key(self, table: str) -> int:
        """A key, mostly one that was not there at first."""
        for _ in range(4):
            key = self.key()
            if key not in self.first_keys[table]:
                return key
        return key

    def group(self) -> int:
        return self.random.randrange(GROUPS)

    def number(self) -> int:
        return self.random.randrange(1, self.keys + 2) * 10

    def tag(self) -> int:
        self.next_tag += 1
        return self.next_tag

    # --- transactions ----------------------------------------

    def _session(self, number: int) -> list[TransactionScript]:
        if self.shape == "reports":
            self.role = number % 3
            return [self._transaction() for _ in range((1, 2, 2)[self.role])]
        counts = (1, 1, 1, 2) if self.shape == "skew" else (1, 1, 1, 2, 2, 3)
        return [self._transaction() for _ in range(self.random.choice(counts))]

    def _transaction(self) -> TransactionScript:
        random = self.random
        if READ_COMMITTED in self.levels and self.shape != "reports" and random.random() < 0.15:
            statement = self._statement(False)
            if not isinstance(statement, st.LockTable):
                return TransactionScript("", [statement])
        level = random.choice(self.levels)
        read_only = random.random() < (self.read_only_share if self.role != 2 else 0.5)
        body = self._body(read_only)
        if random.random() < self.cursor_share:
            body = self._with_cursor(body)
        elif random.random() < self.savepoint_share:
            body = self._with_savepoint(body)
        ending = self._ending()
        # whoever waits for a lock of a transaction that waits for a safe snapshot may be who makes it wait
        locks_table = any(isinstance(statement, st.LockTable) for statement in body)
        deferrable = read_only and level == SERIALIZABLE and random.random() < 0.5 and not locks_table
        return TransactionScript(level, body, ending, read_only, deferrable, random.random() < 0.5)

    def _body(self, read_only: bool) -> list[st.Statement]:
        random = self.random
        if self.shape == "reports":
            kinds = (
                ("rr",)
                if read_only
                else (("rw", "rw", "rrw", "wr"), ("w", "w", "rw"), ("rr", "rr", "rw"))[self.role]
            )
            return [self._statement(kind == "r") for kind in random.choice(kinds)]
        if self.shape == "undone" and not read_only:
            return self._undone_body()
        if self.shape == "skew" and not read_only:
            reads = [self._statement(True) for _ in range(random.choice((1, 1, 2)))]
            return [*reads, *(self._statement(False) for _ in range(random.choice((1, 1, 2, 3))))]
        body = [self._statement(read_only) for _ in range(random.choice((1, 2, 2, 3, 3, 4, 5)))]
        if random.random() < self.reads_first_share:
            body.sort(key=lambda statement: statement.is_change)
        return body

    def _undone_body(self) -> list[st.Statement]:
        """A write and an insert that is taken back, or a read and an insert that stays."""
        random = self.random
        table = self.tables[0]
        if table == "parent":
            return self._undone_reference()
        key = self.new_key(table)
        insert = st.Insert(table, ((key, self.group_for(table), key * 10),), self.tag(), "", True)
        if random.random() < 0.5:
            return [_read_set(self, table), insert]
        write = _put(self, table)
        if random.random() < 0.5:
            return [write, insert, st.Delete(table, st.by_key(key), True)]
        self.next_savepoint += 1
        name = f"s{self.next_savepoint}"
        between = [_aggregate(self, table)] if random.random() < 0.5 else []
        undone = [st.Savepoint(name), insert, *between, st.RollbackTo(name)]
        return [write, *undone] if random.random() < 0.5 else [*undone, write]

    def _undone_reference(self) -> list[st.Statement]:
        """A child that gets a parent and then has none, or a parent that goes and a look at the children."""
        random = self.random
        key, parent = self.key(), self.key()
        if random.random() < 0.5:
            body: list[st.Statement] = [st.Delete("parent", st.by_key(parent), True), _family(self, "child")]
            random.shuffle(body)
            return body
        refer = st.Update("child", st.by_key(key), st.move(parent), self.tag(), True)
        if random.random() < 0.5:
            return [refer, st.Delete("child", st.by_key(key), True)]
        return [refer, st.Update("child", st.by_key(key), st.move(None), self.tag(), True)]

    def _ending(self) -> str:
        random = self.random
        if random.random() < self.prepared_share:
            return PREPARE_AND_COMMIT if random.random() < 0.8 else PREPARE_AND_ROLL_BACK
        return ROLLBACK if random.random() < 0.1 else COMMIT

    def _with_savepoint(self, body: list[st.Statement]) -> list[st.Statement]:
        self.next_savepoint += 1
        name = f"s{self.next_savepoint}"
        start = self.random.randrange(len(body) + 1)
        end = self.random.randrange(start, len(body) + 1)
        closing: list[st.Statement] = [self.random.choice((st.RollbackTo, st.RollbackTo, st.Release))(name)]
        if self.random.random() < 0.3:
            closing = []
        return [*body[:start], st.Savepoint(name), *body[start:end], *closing, *body[end:]]

    def _with_cursor(self, body: list[st.Statement]) -> list[st.Statement]:
        """A cursor that is read while other statements run.  (A savepoint would end it when it is rolled back to.)"""
        random = self.random
        self.next_savepoint += 1
        name = f"c{self.next_savepoint}"
        table = random.choice(self.tables)
        mixed = [each for each in body if not isinstance(each, (st.Savepoint, st.RollbackTo, st.Release))]
        own: list[st.Statement] = [st.Declare(name, table, self.where(table))]
        own += [st.Fetch(name, random.choice((1, 1, 2, 5))) for _ in range(random.randrange(3))]
        own.append(st.Fetch(name, random.choice((0, 0, 1))))
        for statement in own:
            place = max([n + 1 for n, each in enumerate(mixed) if each in own], default=0)
            mixed.insert(random.randrange(place, len(mixed) + 1), statement)
        return mixed

    def _statement(self, only_reads: bool) -> st.Statement:
        random = self.random
        makers = self.makers
        while True:
            maker = random.choices(list(makers), list(makers.values()))[0]
            made = maker(self, random.choice(self.tables))
            if (made.is_change or made.is_definition) == (not only_reads) or random.random() < (
                0.05 if only_reads else self.stray_share
            ):
                return made

    # --- parts of statements ----------------------------------------

    def condition(self, table: str) -> st.Condition:
        """A predicate on more than one key."""
        random = self.random
        kind = random.randrange(6)
        if kind <= 1:
            return st.by_group(self.group() if table not in st.CHILDREN else self.key())
        if kind == 2:
            return st.by_tag(2, random.randrange(2))
        if kind == 3:
            return st.by_keys((self.key(), self.key() + 1))
        low = self.number()
        return st.by_range(low, low + random.choice((10, 20, 30, 1000)))

    def where(self, table: str) -> st.Condition:
        """A predicate, or everything."""
        share = {"skew": 0.4, "reports": 0.6}.get(self.shape, 0.15)
        return st.EVERYTHING if self.random.random() < share else self.condition(table)

    def assignment(self, table: str, tag: int) -> st.Assignment:
        """Something to set that keeps keys as they are."""
        kind = self.random.randrange(5)
        if kind == 0:
            return st.append(tag)
        if kind == 1:
            return st.put(self.number())
        if kind == 2:
            return st.move(self.group_for(table))
        return st.add(1)

    def group_for(self, table: str) -> int | None:
        """A value for `g`: in `child` a parent's key, or none."""
        if table not in st.CHILDREN:
            return self.group()
        return None if self.random.random() < 0.2 else self.key()

    def returning(self) -> bool:
        return self.random.random() < 0.8


Maker = Callable[[_Generator, str], st.Statement]


def _read_key(g: _Generator, table: str) -> st.Statement:
    return st.Select(table, st.by_key(g.key()))


def _read_set(g: _Generator, table: str) -> st.Statement:
    return st.Select(table, g.where(table))


def _aggregate(g: _Generator, table: str) -> st.Statement:
    return st.Aggregate(table, g.where(table))


def _lock(g: _Generator, table: str) -> st.Statement:
    lock = g.random.choice(("update", "update", "no key update", "share", "key share"))
    wait = g.random.choice(("", "", "", "", "nowait", "skip locked"))
    where = st.by_key(g.key()) if g.random.random() < 0.7 else g.condition(table)
    return st.Select(table, where, lock, wait)


def _count_up(g: _Generator, table: str) -> st.Statement:
    return st.Update(table, st.by_key(g.key()), st.add(1), g.tag(), g.returning())


def _append(g: _Generator, table: str) -> st.Statement:
    tag = g.tag()
    return st.Update(table, st.by_key(g.key()), st.append(tag), tag, g.returning())


def _put(g: _Generator, table: str) -> st.Statement:
    return st.Update(table, st.by_key(g.key()), st.put(g.number()), g.tag(), g.returning())


def _move(g: _Generator, table: str) -> st.Statement:
    return st.Update(table, st.by_key(g.key()), st.move(g.group_for(table)), g.tag(), g.returning())


def _rekey(g: _Generator, table: str) -> st.Statement:
    return st.Update(table, st.by_key(g.key()), st.rekey(g.new_key(table)), g.tag(), g.returning())


def _count_into(g: _Generator, table: str) -> st.Statement:
    group = g.group() if table not in st.CHILDREN else g.key()
    # shown, since a row count does not tell which number was written
    return st.Update(table, st.by_key(g.key()), st.count_of(table, group), g.tag(), True)


def _update_set(g: _Generator, table: str) -> st.Statement:
    tag = g.tag()
    return st.Update(table, g.condition(table), g.assignment(table, tag), tag, g.returning())


def _delete(g: _Generator, table: str) -> st.Statement:
    return st.Delete(table, st.by_key(g.key()), g.returning())


def _delete_set(g: _Generator, table: str) -> st.Statement:
    return st.Delete(table, g.condition(table), g.returning())


def _new_row(g: _Generator, table: str, key: int) -> tuple[int, int | None, int | None]:
    # in `uniq` mostly a number of its own, else every other insert would fail for that
    number = key * 10 if g.random.random() < 0.7 else g.number()
    return key, g.group_for(table), number


def _insert(g: _Generator, table: str) -> st.Statement:
    rows = [_new_row(g, table, g.new_key(table))]
    if g.random.random() < 0.2:
        rows.append(_new_row(g, table, rows[0][0] + 1))
    return st.Insert(table, tuple(rows), g.tag(), "", g.returning())


def _upsert(g: _Generator, table: str) -> st.Statement:
    rows = [_new_row(g, table, g.key())]
    if g.random.random() < 0.5:
        # one row: of several each may find its key taken at another time, and keeps nobody from changing that
        return st.Insert(table, tuple(rows), g.tag(), "nothing", g.returning())
    if g.random.random() < 0.2:
        rows.append(_new_row(g, table, rows[0][0] + 1))
    # shown, since a row count does not tell whether it inserted or updated
    return st.Insert(table, tuple(rows), g.tag(), "update", True)


def _copy(g: _Generator, table: str) -> st.Statement:
    return st.Copy(table, g.where(table), g.random.choice((1, g.keys, g.keys + 10)), g.tag())


def _insert_next(g: _Generator, table: str) -> st.Statement:
    group = g.group() if table not in st.CHILDREN else g.key()
    return st.InsertNext(table, g.new_key(table), group, g.tag())


def _family(g: _Generator, table: str) -> st.Statement:
    child = g.tables[-1]
    return st.Family(child, st.by_key(g.key()) if g.random.random() < 0.5 else g.condition(child))


def _lock_table(g: _Generator, table: str) -> st.Statement:
    mode = g.random.choice(("share", "exclusive", "row exclusive", "access exclusive"))
    return st.LockTable(table, mode)


def _definition(g: _Generator, table: str) -> st.Statement:
    text = g.random.choice(
        (
            f"create index on {table} (n)",
            f"create index on {table} (g, k)",
            f"drop index if exists {table}_g_idx",
            f"alter table {table} add column extra{g.tag()} int default 7",
            f"alter table {table} add check (k > 0)",
            f"alter table {table} alter column n type bigint",
            f"alter table {table} alter column n type int",
        )
    )
    return st.Definition(table, text)


def _truncate(g: _Generator, table: str) -> st.Statement:
    return st.Truncate(table)


# --- graphs ----------------------------------------


def _element_where(g: _Generator, table: str) -> st.Condition:
    kind = g.random.randrange(6)
    if kind == 0:
        return gs.everything(table)
    if kind <= 2:
        return gs.by_group(table, g.group() if table == gs.VERTEX else g.key())
    if kind == 3:
        return gs.by_tag(table, 2, g.random.randrange(2))
    low = g.number()
    return gs.by_range(table, low, low + g.random.choice((10, 20, 1000)))


def _match(g: _Generator, table: str) -> st.Statement:
    return gs.Match(table, gs.by_key(table, g.key()) if g.random.random() < 0.4 else _element_where(g, table))


def _match_numbers(g: _Generator, table: str) -> st.Statement:
    return gs.MatchNumbers(table, _element_where(g, table))


def _neighbours(g: _Generator, table: str) -> st.Statement:
    where = gs.by_key(gs.VERTEX, g.key()) if g.random.random() < 0.6 else _element_where(g, gs.VERTEX)
    return gs.Neighbours(where)


def _set(g: _Generator, table: str) -> st.Statement:
    tag = g.tag()
    where = gs.by_key(table, g.key()) if g.random.random() < 0.7 else _element_where(g, table)
    to = g.random.choice((st.add(1), st.put(g.number()), st.append(tag)))
    return gs.Set(table, where, to, tag)


def _set_label(g: _Generator, table: str) -> st.Statement:
    group = None if g.random.random() < 0.2 else g.group()
    return gs.Set(gs.VERTEX, gs.by_key(gs.VERTEX, g.key()), st.move(group), g.tag())


def _count_label(g: _Generator, table: str) -> st.Statement:
    to = st.count_of(gs.VERTEX, g.group())
    return gs.Set(gs.VERTEX, gs.by_key(gs.VERTEX, g.key()), to, g.tag())


def _remove(g: _Generator, table: str) -> st.Statement:
    where = gs.by_key(table, g.key()) if g.random.random() < 0.8 else _element_where(g, table)
    return gs.Remove(table, where, table == gs.VERTEX and g.random.random() < 0.4)


def _insert_vertex(g: _Generator, table: str) -> st.Statement:
    key = g.new_key(gs.VERTEX)
    return gs.InsertVertex(key, None if g.random.random() < 0.2 else g.group(), key * 10, g.tag())


def _merge_vertex(g: _Generator, table: str) -> st.Statement:
    return gs.MergeVertex(g.key(), g.group(), g.number(), g.tag())


def _insert_link(g: _Generator, table: str) -> st.Statement:
    g.next_link += 1
    return gs.InsertLink(g.next_link, g.key(), g.number(), g.tag())


_GRAPH: dict[Maker, float] = {
    _match: 5,
    _match_numbers: 3,
    _neighbours: 3,
    _set: 5,
    _set_label: 2,
    _count_label: 1,
    _remove: 4,
    _insert_vertex: 2,
    _merge_vertex: 3,
    _insert_link: 5,
}
_REGISTERS: dict[Maker, float] = {_read_key: 4, _count_up: 3, _put: 3, _append: 1, _lock: 1}
_LISTS: dict[Maker, float] = {_append: 5, _read_key: 3, _read_set: 2}
_SETS: dict[Maker, float] = {
    _read_set: 5,
    _aggregate: 4,
    _update_set: 3,
    _move: 2,
    _count_into: 2,
    _insert: 2,
    _delete: 2,
    _delete_set: 1,
    _insert_next: 2,
    _copy: 1,
}
_SKEW: dict[Maker, float] = {
    _read_key: 4,
    _read_set: 3,
    _aggregate: 3,
    _count_into: 1,
    _put: 2,
    _count_up: 2,
    _move: 2,
    _insert: 1,
    _delete: 1,
}
_REPORTS: dict[Maker, float] = {_read_key: 2, _read_set: 1, _aggregate: 2, _put: 3, _insert: 1, _delete: 1}
_TURNOVER: dict[Maker, float] = {_insert: 6, _delete: 5, _upsert: 1, _read_key: 1, _read_set: 2, _put: 2}
_KEYS: dict[Maker, float] = {
    _insert: 4,
    _upsert: 4,
    _delete: 4,
    _rekey: 2,
    _put: 2,
    _read_key: 3,
    _read_set: 1,
    _lock: 1,
}
_FAMILY: dict[Maker, float] = {
    _insert: 6,
    _delete: 6,
    _move: 2,
    _family: 3,
    _rekey: 1,
    _upsert: 1,
    _count_up: 1,
    _read_key: 4,
    _read_set: 2,
    _lock: 1,
}
_LONG: dict[Maker, float] = {
    _read_set: 4,
    _aggregate: 2,
    _count_up: 4,
    _update_set: 1,
    _insert: 1,
    _delete: 1,
}
_TABLES: dict[Maker, float] = {
    **_REGISTERS,
    _read_set: 4,
    _insert: 2,
    _delete: 2,
    _definition: 2,
    _truncate: 1,
}
_MIXTURE: dict[Maker, float] = {**_SETS, **_REGISTERS, **_KEYS, _lock_table: 0.3}

_MAKERS_OF = {
    "registers": _REGISTERS,
    "lists": _LISTS,
    "sets": _SETS,
    "skew": _SKEW,
    "reports": _REPORTS,
    "turnover": _TURNOVER,
    "undone": _TURNOVER,
    "keys": _KEYS,
    "family": _FAMILY,
    "long": _LONG,
    "mixture": _MIXTURE,
    "tables": _TABLES,
    "graph": _GRAPH,
}
_KEYS_OF: dict[str, tuple[int, ...]] = {
    "registers": (1, 2, 3, 4),
    "lists": (1, 2),
    "sets": (2, 3, 4, 6),
    "skew": (2, 3, 4),
    "reports": (2, 2, 3),
    "turnover": (1, 2),
    "undone": (1, 2),
    "keys": (1, 2, 2, 3, 4),
    "family": (1, 1, 2, 2, 3),
    "long": (LONG_ROWS,),
    "mixture": (2, 3, 4),
    "tables": (2, 3, 6),
    "graph": (2, 2, 3, 4),
}
"""How many keys there are at first."""
_MISSING_SHARE = {"graph": 0.2, "sets": 0.2, "keys": 0.2, "mixture": 0.2, "family": 0.5, "turnover": 0.5}
_TABLES_OF: dict[str, tuple[str, ...]] = {
    "registers": ("item",),
    "lists": ("item",),
    "sets": ("item", "heap"),
    "skew": ("item", "heap"),
    "reports": ("item", "heap"),
    "turnover": ("uniq", "heap"),
    "undone": ("heap",),
    "keys": ("uniq", "item"),
    "family": ("parent", "child"),
    "long": ("item", "heap"),
    "mixture": ("item", "uniq", "heap"),
    "tables": ("item", "heap"),
    "graph": gs.TABLES,
}
