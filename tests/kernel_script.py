"""The kernel's command language for goldenscripts, model tests and threads: no SQL,
one command one kernel operation.

    table t id v [unique v] [index v]       columns are ints or words; the first is the primary key
    reference child.parent_id parent [on delete cascade] [deferred]
    begin [snapshot] [read only] · commit · rollback · savepoint s · rollback to s · release s
    insert t 1 10 [2 20 …] · update t 1 v=20 · update t 1 v+=5 · update t * v+=5 · delete t 1 · delete t *
    upsert t 1 10                           ON CONFLICT (primary key) DO UPDATE
    get t 1 · scan t · range t v 5 9 [desc] · find t v 5
    lock t 1 [key share|share|no key update|update] [nowait|skip] · lock table t [mode] [nowait]
    gc · rows t · chains t

A session is a small model of SQL's: autocommit outside begin, a failed transaction until rollback, READ
COMMITTED restarts (three, then in place).
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TypeVar

from skerry_engine.errors import DatabaseError, InFailedTransaction
from skerry_engine.session.steps import Step, Wait
from skerry_engine.storage.heap import Row, Version
from skerry_engine.storage.index import Index
from skerry_engine.storage.paging import Paging
from skerry_engine.storage.table import TableStorage
from skerry_engine.txn.conflicts import RestartStatement
from skerry_engine.txn.foreign_keys import CASCADE, NO_ACTION, RESTRICT, SET_DEFAULT, SET_NULL, ForeignKey
from skerry_engine.txn.locks import LockWait, Owner
from skerry_engine.txn.manager import TransactionManager
from skerry_engine.txn.modes import ACCESS_EXCLUSIVE, ROW_EXCLUSIVE, ROW_MODES, ROW_UPDATE, TABLE_MODES
from skerry_engine.txn.target import UniqueKey, WriteTarget
from skerry_engine.txn.transaction import ACTIVE, Mark, Transaction
from skerry_engine.txn.writer import TableWriter
from skerry_engine.values import oids
from skerry_engine.values.keys import KeyCodec, KeyColumn

T = TypeVar("T")
Steps = Generator[Step, None, T]
Body = Callable[[Transaction, bool], Steps[list[str]]]

ACTIONS = {
    "cascade": CASCADE,
    "set null": SET_NULL,
    "set default": SET_DEFAULT,
    "restrict": RESTRICT,
    "no action": NO_ACTION,
}


def value_of(word: str) -> object:
    """A value as written in a script."""
    if word == "null":
        return None
    return int(word) if word.lstrip("-").isdigit() else word


def show(row: Row) -> str:
    """A row as printed."""
    return " ".join(["null" if value is None else str(value) for value in row])


class KernelTable:
    """A table of ints with its descriptors."""

    def __init__(self, number: int, name: str, columns: list[str], paging: Paging | None = None) -> None:
        self.name = name
        self.columns = columns
        self.storage = TableStorage(number, len(columns), False, paging)
        self.indexes: dict[str, Index] = {}
        self.target = WriteTarget(self.storage, name, number)
        self.add_index(columns[0], f"{name}_pkey", True)

    def add_index(self, column: str, constraint: str, unique: bool) -> Index:
        position = self.columns.index(column)
        codec = KeyCodec((KeyColumn(oids.INT8),))
        index_id = self.storage.storage_id * 100 + len(self.indexes)
        index = Index(index_id, lambda row: (row[position],), codec, unique, True, (position,))
        self.storage.indexes[index_id] = index
        self.indexes[column] = index
        if unique:
            key = UniqueKey(index, constraint, self.name, (column,), (str,))
            self.target.unique_keys = (*self.target.unique_keys, key)
        return index

    @property
    def primary(self) -> Index:
        return self.indexes[self.columns[0]]


class KernelDatabase:
    """A manager and tables by name, over a base if there is `paging`; `open_session` is what a stepper wants."""

    def __init__(self, gc_interval_commits: int = 100, paging: Paging | None = None) -> None:
        self.paging = paging
        self.manager = TransactionManager("catalog", gc_interval_commits)
        self.tables: dict[str, KernelTable] = {}
        self._sessions = 0

    def open_session(self, name: str = "") -> KernelSession:
        self._sessions += 1
        return KernelSession(self, Owner(process_id=self._sessions))

    def create_table(self, words: list[str]) -> KernelTable:
        """`name column … [unique column] [index column]`."""
        name, *rest = words
        columns = []
        while rest and rest[0] not in ("unique", "index"):
            columns.append(rest.pop(0))
        table = KernelTable(len(self.tables) + 1, name, columns, self.paging)
        while rest:
            kind, column, *rest = rest
            table.add_index(column, f"{name}_{column}_key", kind == "unique")
        self.tables[name] = table
        return table

    def create_reference(self, words: list[str]) -> ForeignKey:
        """`child.column parent [on delete ACTION] [on update ACTION] [deferred]`."""
        child_name, column = words[0].split(".")
        child, parent = self.tables[child_name], self.tables[words[1]]
        options = " ".join(words[2:])
        actions = {"delete": NO_ACTION, "update": NO_ACTION}
        for event in actions:
            for name, action in ACTIONS.items():
                if f"on {event} {name}" in options:
                    actions[event] = action
        position = child.columns.index(column)
        foreign_key = ForeignKey(
            f"{child_name}_{column}_fkey",
            child.target,
            (position,),
            (column,),
            parent.target,
            (0,),
            (parent.columns[0],),
            parent.primary,
            (str,),
            child.indexes.get(column),
            actions["delete"],
            actions["update"],
            deferrable="deferred" in options,
            initially_deferred="deferred" in options,
            defaults=lambda: (0,),
        )
        foreign_key.link()
        return foreign_key


def waiting_for(call: Callable[[], T]) -> Steps[T]:
    """Make a kernel call, waiting and making it again as often as it meets a lock."""
    while True:
        try:
            return call()
        except LockWait as wait:
            request = wait.request
        yield Wait(request)


class KernelSession:
    """Runs commands; see the module's text."""

    def __init__(self, database: KernelDatabase, owner: Owner) -> None:
        self.database = database
        self.owner = owner
        self.transaction: Transaction | None = None
        self.is_failed = False

    def run(self, command: str) -> Steps[list[str]]:
        verb, *words = command.split()
        handler = getattr(self, f"_do_{verb}", None)
        if handler is None:
            raise AssertionError(f"no such command: {command}")
        result = handler(words)
        return (yield from result) if isinstance(result, Generator) else result

    def close(self) -> None:
        """The client is gone."""
        if self.transaction is not None:
            self.transaction.close()
            self.transaction = None

    # --- outside transactions -------------------------------------------------------------------------------

    def _do_table(self, words: list[str]) -> list[str]:
        self.database.create_table(words)
        return ["ok"]

    def _do_reference(self, words: list[str]) -> list[str]:
        self.database.create_reference(words)
        return ["ok"]

    def _do_gc(self, words: list[str]) -> list[str]:
        return [f"collected {self.database.manager.gc()}"]

    def _do_rows(self, words: list[str]) -> list[str]:
        return [str(self.database.tables[words[0]].storage.row_count)]

    def _do_chains(self, words: list[str]) -> list[str]:
        heap = self.database.tables[words[0]].storage.heap
        lengths = []
        for page in heap.pages:
            for slot in page or []:
                length = 0
                while isinstance(slot, Version):
                    length += 1
                    slot = slot.older
                if length:
                    lengths.append(length)
        return [f"{len(lengths)} chains, {sum(lengths)} versions"]

    def _do_cancel(self, words: list[str]) -> list[str]:
        """`cancel 1`: cancel what the session with process id 1 waits for."""
        for active in list(self.database.manager.active.values()):
            if active.owner.process_id == int(words[0]):
                active.owner.cancel()
        return ["ok"]

    # --- transactions ---------------------------------------------------------------------------------------

    def _do_begin(self, words: list[str]) -> list[str]:
        assert self.transaction is None
        self.transaction = self.database.manager.begin(
            "snapshot" if "snapshot" in words else "read committed",
            read_only="only" in words,
            owner=self.owner,
            take_snapshot="now" in words,
        )
        return ["ok"]

    def _do_commit(self, words: list[str]) -> Steps[list[str]]:
        transaction = self._needed()
        self.transaction = None
        if self.is_failed:
            self.is_failed = False
            transaction.rollback()
            return ["rolled back"]
        yield from self._commit(transaction)
        return ["ok"]

    def _do_rollback(self, words: list[str]) -> list[str]:
        transaction = self._needed()
        self.is_failed = bool(words)
        if words:
            transaction.rollback_to(words[-1])
            self.is_failed = False
        else:
            self.transaction = None
            transaction.rollback()
        return ["ok"]

    def _do_savepoint(self, words: list[str]) -> list[str]:
        self._refuse_if_failed()
        self._needed().savepoint(words[0])
        return ["ok"]

    def _do_release(self, words: list[str]) -> list[str]:
        self._refuse_if_failed()
        self._needed().release(words[0])
        return ["ok"]

    def _needed(self) -> Transaction:
        assert self.transaction is not None, "no transaction"
        return self.transaction

    def _commit(self, transaction: Transaction) -> Steps[None]:
        if not transaction.commit_fast():
            yield from transaction.commit()

    # --- statements -----------------------------------------------------------------------------------------

    def _statement(self, body: Body) -> Steps[list[str]]:
        self._refuse_if_failed()
        transaction = self.transaction
        if transaction is not None:
            return (yield from self._guarded(transaction, body))
        transaction = self.database.manager.begin(owner=self.owner)
        try:
            lines = yield from self._guarded(transaction, body)
            yield from self._commit(transaction)
            return lines
        finally:
            transaction.close()
            self.is_failed = False

    def _refuse_if_failed(self) -> None:
        if self.is_failed:
            raise InFailedTransaction(
                "current transaction is aborted, commands ignored until end of transaction block"
            )

    def _guarded(self, transaction: Transaction, body: Body) -> Steps[list[str]]:
        mark = transaction.start_statement()
        try:
            return (yield from self._with_restarts(transaction, mark, body))
        except DatabaseError:
            if transaction.state == ACTIVE:
                transaction.abandon_statement(mark)
            self.is_failed = True
            raise

    def _with_restarts(self, transaction: Transaction, mark: Mark, body: Body) -> Steps[list[str]]:
        restarts = 0
        while True:
            try:
                lines = yield from body(transaction, restarts >= 3)
                yield from waiting_for(transaction.finish_statement)
                return [*lines, f"(restarted {restarts} times)"] if restarts > 1 else lines
            except RestartStatement:
                transaction.restart_statement(mark)
                restarts += 1

    def _write(
        self, table: KernelTable, body: Callable[[TableWriter, bool], Steps[list[str]]]
    ) -> Steps[list[str]]:
        def run(transaction: Transaction, in_place: bool) -> Steps[list[str]]:
            writer = transaction.writer(table.target)
            yield from waiting_for(lambda: transaction.lock_table(table.target.table_oid, ROW_EXCLUSIVE))
            return (yield from body(writer, in_place))

        return (yield from self._statement(run))

    def _do_insert(self, words: list[str]) -> Steps[list[str]]:
        table = self.database.tables[words[0]]
        width = len(table.columns)
        values = [value_of(word) for word in words[1:]]
        rows: list[Row] = [tuple(values[i : i + width]) for i in range(0, len(values), width)]

        def body(writer: TableWriter, in_place: bool) -> Steps[list[str]]:
            yield from waiting_for(lambda: writer.insert_many(rows))
            return ["ok"]

        return (yield from self._write(table, body))

    def _do_upsert(self, words: list[str]) -> Steps[list[str]]:
        table = self.database.tables[words[0]]
        row: Row = tuple(value_of(word) for word in words[1:])

        def body(writer: TableWriter, in_place: bool) -> Steps[list[str]]:
            conflict = yield from waiting_for(lambda: writer.find_conflict(row, table.primary))
            if conflict is None:
                yield from waiting_for(lambda: writer.insert(row))
                return ["inserted"]
            old = yield from waiting_for(lambda: writer.newest(conflict))
            assert old is not None
            yield from waiting_for(lambda: writer.update(conflict, old, row, True))
            return [f"updated {show(old)}"]

        return (yield from self._write(table, body))

    def _do_update(self, words: list[str]) -> Steps[list[str]]:
        table = self.database.tables[words[0]]
        change = self._change(table, words[2])

        def body(writer: TableWriter, in_place: bool) -> Steps[list[str]]:
            count = 0
            for row_id, row in self._chosen(table, writer, words[1]):
                current: Row | None = row
                if in_place:
                    current = yield from waiting_for(lambda r=row_id: writer.newest(r))  # type: ignore[misc]
                    if current is None or (words[1] != "*" and current[0] != row[0]):
                        continue
                new = change(current)
                done = yield from waiting_for(
                    lambda r=row_id, c=current, n=new: writer.update(r, c, n, in_place)  # type: ignore[misc]
                )
                count += done
            return [f"updated {count}"]

        return (yield from self._write(table, body))

    def _change(self, table: KernelTable, assignment: str) -> Callable[[Row], Row]:
        adds = "+=" in assignment
        column, word = assignment.split("+=" if adds else "=")
        position = table.columns.index(column)

        def change(row: Row) -> Row:
            changed = list(row)
            value = value_of(word)
            changed[position] = changed[position] + value if adds else value  # type: ignore[operator]
            return tuple(changed)

        return change

    def _do_delete(self, words: list[str]) -> Steps[list[str]]:
        table = self.database.tables[words[0]]

        def body(writer: TableWriter, in_place: bool) -> Steps[list[str]]:
            count = 0
            for row_id, row in self._chosen(table, writer, words[1]):
                current: Row | None = row
                if in_place:
                    current = yield from waiting_for(lambda r=row_id: writer.newest(r))  # type: ignore[misc]
                    if current is None:
                        continue
                done = yield from waiting_for(
                    lambda r=row_id, c=current: writer.delete(r, c, in_place)  # type: ignore[misc]
                )
                count += done
            return [f"deleted {count}"]

        return (yield from self._write(table, body))

    def _chosen(self, table: KernelTable, writer: TableWriter, which: str) -> list[tuple[int, Row]]:
        reader = writer.transaction.reader(table.storage)
        if which != "*":
            ids, rows = reader.lookup_ids(table.primary, int(which))
            return list(zip(ids, rows, strict=True))
        found: list[tuple[int, Row]] = []
        after = -1
        while True:
            ids, rows, after = reader.scan_ids_batch(after, 64)
            found += zip(ids, rows, strict=True)
            if after == -1:
                return found

    # --- reading --------------------------------------------------------------------------------------------

    def _read(self, read: Callable[[Transaction], list[str]]) -> Steps[list[str]]:
        def body(transaction: Transaction, in_place: bool) -> Steps[list[str]]:
            yield from ()
            return read(transaction)

        return (yield from self._statement(body))

    def _do_get(self, words: list[str]) -> Steps[list[str]]:
        table = self.database.tables[words[0]]

        def read(transaction: Transaction) -> list[str]:
            row = transaction.reader(table.storage).lookup(table.primary, int(words[1]))
            return ["none"] if row is None else [show(row)]

        return (yield from self._read(read))

    def _do_scan(self, words: list[str]) -> Steps[list[str]]:
        table = self.database.tables[words[0]]

        def read(transaction: Transaction) -> list[str]:
            rows: list[Row] = []
            after = -1
            while True:
                batch, after = transaction.reader(table.storage).scan_batch(after, 64)
                rows += batch
                if after == -1:
                    return [" | ".join([show(row) for row in sorted(rows, key=str)]) or "empty"]

        return (yield from self._read(read))

    def _do_range(self, words: list[str]) -> Steps[list[str]]:
        table = self.database.tables[words[0]]
        index = table.indexes[words[1]]
        low, high = index.codec.prefix((int(words[2]),)), index.codec.prefix((int(words[3]),))

        def read(transaction: Transaction) -> list[str]:
            rows: list[Row] = []
            after = None
            while True:
                reader = transaction.reader(table.storage)
                _, batch, after = reader.index_batch(index, low, high, after, 2, "desc" in words)
                rows += batch
                if after is None:
                    return [" | ".join([show(row) for row in rows]) or "empty"]

        return (yield from self._read(read))

    def _do_find(self, words: list[str]) -> Steps[list[str]]:
        table = self.database.tables[words[0]]
        index = table.indexes[words[1]]

        def read(transaction: Transaction) -> list[str]:
            rows = transaction.reader(table.storage).lookup_all(index, value_of(words[2]))
            return [" | ".join([show(row) for row in rows]) or "empty"]

        return (yield from self._read(read))

    # --- locks ----------------------------------------------------------------------------------------------

    def _do_lock(self, words: list[str]) -> Steps[list[str]]:
        nowait, skip = "nowait" in words, "skip" in words
        words = [word for word in words if word not in ("nowait", "skip")]
        if words[0] == "table":
            return (yield from self._lock_table(self.database.tables[words[1]], " ".join(words[2:]), nowait))
        mode = ROW_MODES.get(" ".join(words[2:]).upper(), ROW_UPDATE)
        table = self.database.tables[words[0]]

        def body(transaction: Transaction, in_place: bool) -> Steps[list[str]]:
            reader = transaction.reader(table.storage)
            row_id = reader.lookup_id(table.primary, int(words[1]))
            if row_id < 0:
                return ["none"]
            locked = yield from waiting_for(
                lambda: transaction.lock_row(table.storage, row_id, mode, nowait, skip, in_place, table.name)
            )
            return [show(reader.get_many([row_id])[0])] if locked else ["skipped"]

        return (yield from self._statement(body))

    def _lock_table(self, table: KernelTable, mode_name: str, nowait: bool) -> Steps[list[str]]:
        mode = TABLE_MODES.get(mode_name.upper(), ACCESS_EXCLUSIVE)

        def body(transaction: Transaction, in_place: bool) -> Steps[list[str]]:
            oid = table.target.table_oid
            yield from waiting_for(lambda: transaction.lock_table(oid, mode, nowait, table.name))
            return ["ok"]

        return (yield from self._statement(body))
