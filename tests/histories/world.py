"""The engine that histories run in: opened once, emptied in place before each history.

A history must depend on its seed alone.  So each begins with new heaps and indexes, row ids from 1, no
garbage and a fresh count of commits, and plans must not depend on what ran before: the planner looks at row
counts when it first meets a statement, so the tables always claim `CLAIMED_ROWS` more rows than they have,
far beyond every threshold.  `item` and `child` are therefore read by their indexes, `heap` by sequential
scans.

Engines with the same tables share their plans, since planning takes longer than most histories.  Histories with
definitions get an engine of their own that shares nothing.

A *fine-grained* world has tiny units: batches, slices and the bounds beyond which work is done in slices are a
few rows.  So what otherwise takes hundreds of rows happens with six: a scan's snapshot outlives others'
commits, and commits install ahead of their epoch.  (Compiled modules have some of these numbers built in; there
such histories are coarser.)
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from unittest.mock import patch

from histories import graph_statements as gs
from histories.paging import BaseBeneath, entries_of, leaves_differ
from histories.script import Script
from histories.statements import COLUMNS, TABLES, Row
from skerry_engine.engine import Engine
from skerry_engine.plan import graph_writing, runtime, writing
from skerry_engine.session import execution
from skerry_engine.session.plans import PlanCache, StatementCache
from skerry_engine.session.session import Session
from skerry_engine.session.steps import Rows, Wait
from skerry_engine.storage.heap import Heap
from skerry_engine.storage.table import TableStorage
from skerry_engine.txn import commit, manager, transaction, validation, writer
from skerry_engine.values import oids

CLAIMED_ROWS = 1000

_FINE_GRAINED = {
    (runtime, "BATCH"): 3,
    (writing, "ROWS_PER_UNIT"): 2,
    (graph_writing, "ROWS_PER_UNIT"): 2,
    (execution, "ROWS_PER_STEP"): 2,
    (execution, "CHECKS_PER_UNIT"): 1,
    (commit, "SLICE_ROWS"): 2,
    (transaction, "SLICE_ROWS"): 2,
    (validation, "SLICE_ROWS"): 2,
    (validation, "BULK_KEYS"): 3,
    (writer, "BULK_KEYS"): 3,
    (manager, "GC_SLICE_ROWS"): 2,
}


_SHARED: dict[bool, tuple[PlanCache, StatementCache]] = {}
"""Plans and parsed statements, by whether units are tiny (batch sizes are part of a plan)."""


class World:
    """An engine with the tables of `statements.TABLES` and sessions by number."""

    def __init__(
        self, is_fine_grained: bool = False, shares_plans: bool = True, base: BaseBeneath | None = None
    ) -> None:
        self._is_fine_grained = is_fine_grained
        self.base = base
        self.engine = Engine.open()
        if base is not None:
            self.engine.stores.page_indexes(base.blocks, base.leaf_cache)
        self.sessions: list[Session] = []
        if base is not None:
            self._page_graph()
        for text in (*TABLES.values(), gs.SETUP):
            self.run(text)
        if shares_plans:
            engine = self.engine
            shared = _SHARED.setdefault(is_fine_grained, (engine.plans, engine.statements))
            engine.plans, engine.statements = shared

    def _page_graph(self) -> None:
        """The graph is older than the base: its indexes are made once more."""
        catalog = self.engine.published_catalog()
        for table in catalog.database(self.session(0).database_oid).tables():
            if table.name in ("home.nodes", "home.edges"):
                storage = self.engine.stores.get(table.storage_id)
                for index in table.indexes:
                    storage.remove_index(index.oid)
                    storage.indexes[index.oid] = self.engine.stores.make_index(index, table)

    @contextmanager
    def units(self) -> Iterator[None]:
        """While a script runs: units of this world's size."""
        with ExitStack() as stack:
            # How far a statement gets at once hangs on a clock, which a history must not.
            stack.enter_context(patch.object(execution, "AT_ONCE_S", 0.0))
            if self._is_fine_grained:
                for (module, name), value in _FINE_GRAINED.items():
                    stack.enter_context(patch.object(module, name, value))
            yield

    def session(self, number: int) -> Session:
        """The session of that number, opened when it is first asked for."""
        while number >= len(self.sessions):
            self.sessions.append(
                self.engine.open_session("postgres", "skerry", {"skerry.conflict_wait": "0"})
            )
        return self.sessions[number]

    def run(self, text: str) -> list[tuple[object, ...]]:
        """Run a text to its end in session 0; nobody else may be in its way."""
        rows: list[tuple[object, ...]] = []
        for step in self.session(0).simple_query(text):
            assert not (isinstance(step, Wait) and not step.waiting.is_over()), f"waits for ever: {text}"
            if isinstance(step, Rows):
                rows += step.rows
        return rows

    def storages(self) -> dict[str, TableStorage]:
        """The tables' present storages."""
        catalog = self.engine.published_catalog()
        database = catalog.database(self.session(0).database_oid)
        stores = self.engine.stores
        names = {name: name for name in TABLES} | {"home.nodes": gs.VERTEX, "home.edges": gs.LINK}
        return {
            names[table.name]: stores.get(table.storage_id)
            for table in database.tables()
            if table.name in names
        }

    def reset(self, script: Script) -> None:
        """Empty everything and put the script's first rows in."""
        manager = self.engine.manager
        manager.gc()
        manager.gc_interval_commits = script.gc_interval_commits
        manager._commits_since_gc = 0
        limits = manager.serializable.limits
        limits.rows = limits.keys = limits.ranges = limits.retained = script.siread_limit
        limits.records = max(1, script.siread_limit)
        storages = self.storages()
        if self.base is not None:
            self.base.reset(script.tables, storages.values())
        for name, storage in storages.items():
            storage.next_row_id = 1
            storage.row_count = CLAIMED_ROWS
            if self.base is None:
                storage.heap = Heap()
                for index in storage.indexes.values():
                    index.clear()
            rows = script.tables.get(name, [])
            if name in gs.TABLES:
                rows = self._elements(name, rows, script)  # type: ignore[assignment]
            row_id = storage.allocate(len(rows))
            for row in rows:
                storage.row_count += storage.install_frozen(row_id, row)
                row_id += 1

    def _elements(self, name: str, rows: list[Row], script: Script) -> list[tuple[object, ...]]:
        """Rows as those of nodes and edges; the hub, to which links lead, is node 1, and vertices follow."""
        registry = self.storages()[name].shapes
        assert registry is not None
        made: list[tuple[object, ...]] = []
        if name == gs.VERTEX:
            made.append((registry.shape(frozenset({"Hub"}), (), ()).id,))
        ids = {row[0]: number for number, row in enumerate(script.tables.get(gs.VERTEX, []), 2)}
        for row in rows:
            k, g, n, tag, prev, log = row
            values: dict[str, object] = {"k": k, "g": g, "n": n, "tag": tag, "prev": prev, "log": log}
            labels = {"V"} if g is None else {"V", f"G{g}"}
            ends: tuple[int, ...] = ()
            if name == gs.LINK:
                assert g is not None
                del values["g"]
                labels, ends = {"L"}, (ids[g], 1)
            kept = {name: value for name, value in values.items() if value is not None}
            types = tuple(oids.TEXT if isinstance(value, str) else oids.INT8 for value in kept.values())
            shape = registry.shape(frozenset(labels), tuple(kept), types)
            made.append((shape.id, *ends, *kept.values()))
        return made

    def between_units(self) -> None:
        """What goes on in the background."""
        if self.base is not None:
            self.base.between_units(self.engine.manager, self.storages().values())

    def come_to_rest(self) -> None:
        """What goes on in the background has come to its end."""
        if self.base is not None:
            self.base.come_to_rest(self.engine.manager, self.storages().values())

    def final_rows(self, tables: list[str]) -> dict[str, list[tuple[object, ...]]]:
        """All rows of the tables."""
        return {name: self.run(_all_of(name)) for name in tables}

    def leftovers(self) -> str | None:
        """What an engine at rest should not have: open transactions, snapshots, locks, garbage; None if clean."""
        manager = self.engine.manager
        if manager.active or manager.readers:
            return f"{len(manager.active)} transactions and {len(manager.readers)} snapshots are left"
        registry = manager.serializable
        if registry.running or registry.readers or registry.retained or registry.records.epochs:
            return "SSI remembers transactions that nobody runs beside"
        if manager.prepared.all():
            return "prepared transactions are left"
        locks = list(manager.locks.all_locks())
        if locks:
            return f"{len(locks)} locks are left"
        manager.gc()
        if manager.collector.rows_waiting:
            return f"{manager.collector.rows_waiting} rows wait for the collector"
        storages = self.storages()
        for name, storage in storages.items():
            problem = _disorder(name, storage)
            if problem:
                return problem
        if self.base is not None:
            self.base.come_to_rest(manager, storages.values())
            for name, storage in storages.items():
                if any(leaves_differ(index, self.base.blocks) for index in storage.indexes.values()):
                    return f"the leaves of an index of {name} have other entries than the index"
        return None


def _all_of(name: str) -> str:
    """The text of a query for all rows of a table."""
    if name in gs.TABLES:
        return gs.LISTED[name].format(where=gs.everything(name).text)
    return f"select {COLUMNS} from {name}"


def _disorder(name: str, storage: TableStorage) -> str | None:
    found = [storage.heap.slot(row_id) for row_id in range(storage.next_row_id)]
    slots = [slot for slot in found if slot is not None]
    chains = [slot for slot in slots if not isinstance(slot, tuple)]
    if chains:
        return f"{name} keeps {len(chains)} version chains that nobody can see"
    for index in storage.indexes.values():
        count = len(entries_of(index))
        rows = [slot for slot in slots if isinstance(slot, tuple) and index.values(slot) is not None]
        if count != len(rows):
            return f"an index of {name} has {count} entries for {len(rows)} rows"
    return None
