"""What a running plan sees: its parameters, the readers and writers of its tables,
and the statement's own memory.

One object per execution.  Generated code asks it for readers and indexes once, at the head of each function;
nothing is asked per row.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from skerry_engine import errors
from skerry_engine.abc import FunctionContext
from skerry_engine.algebra.labels import LabelFormula
from skerry_engine.plan.elements import ElementTables, ValueLabels, ValueProperties
from skerry_engine.plan.single_row import SingleRowReader
from skerry_engine.session.steps import Step
from skerry_engine.storage.index import Index
from skerry_engine.storage.reader import TableReader
from skerry_engine.storage.table import TableStorage
from skerry_engine.txn.conflicts import RestartStatement
from skerry_engine.txn.modes import ROW_KEY_SHARE, ROW_NO_KEY_UPDATE, ROW_SHARE, ROW_UPDATE
from skerry_engine.txn.target import WriteTarget
from skerry_engine.txn.transaction import Transaction
from skerry_engine.txn.waiting import patiently
from skerry_engine.txn.writer import TableWriter

Row = tuple[object, ...]
_MISSING = object()
_STRENGTHS = {
    "update": ROW_UPDATE,
    "no key update": ROW_NO_KEY_UPDATE,
    "share": ROW_SHARE,
    "key share": ROW_KEY_SHARE,
}
BYTES_PER_KEPT_ROW = 200
"""What a row in a hash table or sort is taken to cost, for work_mem."""


class Tables(ElementTables, Protocol):
    """Where an execution finds stored and virtual tables."""

    def storage(self, table_oid: int) -> TableStorage:
        """The storage generation of the statement's version of the table."""
        ...

    def target(self, table_oid: int) -> WriteTarget:
        """What writing the table needs to know."""
        ...

    def virtual(self, table_oid: int) -> list[Row]:
        """All rows of a system table."""
        ...

    def describe_row(self, table_oid: int, row: Row) -> str:
        """The row's values as error details show them."""
        ...

    def table_name(self, table_oid: int) -> str:
        """The table's name, for messages."""
        ...


class RowBudget:
    """How many rows a statement may keep in memory."""

    __slots__ = ("row_limit",)

    def __init__(self, row_limit: int) -> None:
        self.row_limit: int = row_limit

    def check(self, rows: int) -> None:
        """Raise OutOfMemory beyond the limit."""
        if rows > self.row_limit:
            raise errors.OutOfMemory(
                f"the statement keeps {rows} rows in memory, more than work_mem allows",
                hint="Raise work_mem, or make the statement keep fewer rows (group, join or sort less at once).",
            )


class ExecutionContext:
    """The state of one execution of one statement."""

    __slots__ = (
        "params",
        "data",
        "functions",
        "transaction",
        "tables",
        "slots",
        "row_count",
        "restarts",
        "_working",
        "_bindings",
        "_kept",
        "budget",
        "_readers",
        "_once",
        "_singles",
    )

    def __init__(
        self,
        transaction: Transaction,
        tables: Tables,
        slots: list[tuple[int, int]],
        functions: FunctionContext,
        params: Sequence[object],
        data: Sequence[list[tuple[int, Row]]],
        work_mem_bytes: int,
        restarts: int = 0,
    ) -> None:
        self.transaction: Transaction = transaction
        self.tables: Tables = tables
        self.slots: list[tuple[int, int]] = slots
        self.functions: FunctionContext = functions
        self.params: Sequence[object] = params
        self.data: Sequence[list[tuple[int, Row]]] = data
        self.row_count: int = 0
        self.restarts: int = restarts
        self._working: dict[int, list[Row]] | None = None
        self._bindings: dict[int, list[Row]] | None = None
        self._kept: dict[int, object] | None = None
        self.budget: RowBudget = RowBudget(work_mem_bytes // BYTES_PER_KEPT_ROW)
        self._readers: dict[int, TableReader] = {}
        self._once: dict[str, object] | None = None
        self._singles: dict[int, SingleRowReader] | None = None

    # --- what few statements need ----------------------------------------

    @property
    def working(self) -> dict[int, list[Row]]:
        """The working tables of recursive queries."""
        if self._working is None:
            self._working = {}
        return self._working

    @property
    def bindings(self) -> dict[int, list[Row]]:
        """Rows that one function hands to another, by number."""
        if self._bindings is None:
            self._bindings = {}
        return self._bindings

    @property
    def kept(self) -> dict[int, object]:
        """What functions keep from one call to the next, by number."""
        if self._kept is None:
            self._kept = {}
        return self._kept

    # --- tables ----------------------------------------

    def reader(self, slot: int) -> TableReader | SingleRowReader:
        """The reader of a slot's table."""
        if self._singles is not None:
            single = self._singles.get(slot)
            if single is not None:
                return single
        table_oid = self.slots[slot][1]
        reader = self._readers.get(table_oid)
        if reader is None:
            storage = self.tables.storage(table_oid)
            reader = self._readers[table_oid] = self.transaction.reader(storage)
        return reader

    def open_readers(self) -> None:
        """Make every reader now, at the transaction's present snapshot."""
        for slot in range(len(self.slots)):
            self.reader(slot)

    def next_stage(self) -> None:
        """What the statement has written so far is to be seen by functions that begin from now on."""
        self.transaction.next_stage()
        self._readers.clear()
        self._kept = None

    def index(self, slot: int, index_oid: int) -> Index:
        """An index of a slot's table."""
        return self.tables.storage(self.slots[slot][1]).indexes[index_oid]

    def writer(self, table_oid: int) -> TableWriter:
        """A writer for the table."""
        return self.transaction.writer(self.tables.target(table_oid))

    def virtual(self, table_oid: int) -> list[Row]:
        """All rows of a system table, as of this statement."""
        key = f"virtual {table_oid}"
        once = self._once_made()
        rows = once.get(key)
        if rows is None:
            rows = once[key] = self.tables.virtual(table_oid)
        return rows  # type: ignore[return-value]

    def property_reader(self, name: str, type_oid: int) -> ValueProperties:
        """Reads a property of element values, or a field of records."""
        return ValueProperties(self.tables, name, type_oid)

    def label_reader(self, labels: LabelFormula) -> ValueLabels:
        """Tests the labels of element values."""
        return ValueLabels(self.tables, labels)

    def describe_row(self, table_oid: int, row: Row) -> str:
        return self.tables.describe_row(table_oid, row)

    @contextmanager
    def single_row(self, slot: int, row_id: int, row: Row) -> Iterator[None]:
        """While this lasts, the slot's table consists of one row:
        what rechecking a row in place runs the plan over."""
        singles = {} if self._singles is None else self._singles
        singles[slot] = SingleRowReader(row_id, row)
        self._singles = singles
        self._kept = None
        try:
            yield
        finally:
            del singles[slot]
            self._kept = None

    # --- the statement's memory ----------------------------------------

    def once(
        self, name: str, make: Callable[[], Generator[Step, None, object]]
    ) -> Generator[Step, None, object]:
        """What `make()` results in, computed once per execution."""
        once = self._once_made()
        value = once.get(name, _MISSING)
        if value is _MISSING:
            value = yield from make()
            once[name] = value
        return value

    def _once_made(self) -> dict[str, object]:
        if self._once is None:
            self._once = {}
        return self._once

    def check_memory(self, rows: int) -> None:
        """Raise OutOfMemory when a hash table, group table or sort of `rows` rows goes beyond work_mem."""
        self.budget.check(rows)

    # --- row locks ----------------------------------------

    def lock_row_ids(
        self, targets: tuple[tuple[int, str, str], ...], ids: tuple[int | None, ...]
    ) -> Generator[Step, None, bool]:
        """Lock the rows behind one result row; False when one is skipped.  Raises RestartStatement,
        WriteConflict."""
        for (slot, strength, wait), row_id in zip(targets, ids, strict=True):
            if row_id is None:
                continue
            kept = yield from self._lock_row(slot, row_id, _STRENGTHS[strength], wait)
            if not kept:
                return False
        return True

    def _lock_row(self, slot: int, row_id: int, mode: int, wait: str) -> Generator[Step, None, bool]:
        table_oid = self.slots[slot][1]
        storage = self.tables.storage(table_oid)
        return (
            yield from patiently(
                lambda: self.transaction.lock_row(
                    storage,
                    row_id,
                    mode,
                    nowait=wait == "nowait",
                    skip_locked=wait == "skip locked",
                    table_name=self.tables.table_name(table_oid),
                )
            )
        )


__all__ = ["ExecutionContext", "RestartStatement", "Tables"]
