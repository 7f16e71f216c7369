"""Databases in directories: what they hold, and what is there when they are opened again."""

from __future__ import annotations

import re
import shutil
import threading
from pathlib import Path
from typing import cast

from skerry_engine.catalog.catalog import Catalog
from skerry_engine.catalog.codec import encode_catalog
from skerry_engine.engine import Engine
from skerry_engine.session.steps import Wait
from skerry_engine.storage.heap import INFINITY, newest_row
from skerry_engine.storage.reader import TableReader
from skerry_engine.storage.table import TableStorage
from support.sessions import SqlDatabase

State = dict[str, object]


class DurableSqlDatabase(SqlDatabase):
    """An engine on a directory with its sessions.  Its log is flushed when a commit waits for it."""

    def __init__(self, directory: Path, *setup: str) -> None:
        self.directory = directory
        self.checkpoints = 0
        super().__init__(*setup)

    def open_engine(self) -> Engine:
        """The engine that is durable."""
        return Engine.open(str(self.directory))

    def checkpoint(self) -> None:
        """Make a checkpoint, all of it now."""
        durable = self.engine.durable
        assert durable is not None and durable.checkpointer is not None
        for step in durable.checkpointer.run():
            if isinstance(step, Wait):
                self.flush()
                over = threading.Event()
                step.waiting.on_over(over.set)
                assert over.wait(10)
        self.checkpoints = durable.checkpointer.count

    def close(self) -> None:
        """A clean stop."""
        self.engine.close()

    def copy(self, to: Path) -> Path:
        """What a kill would leave on the disk now, elsewhere."""
        shutil.copytree(self.directory, to)
        return to


def state_of(engine: Engine) -> State:
    """Everything that a restart has to bring back: the catalog, rows by row id, index entries, prepared
    transactions.  Sessions are closed and garbage is collected first."""
    for session in list(engine.sessions.values()):
        session.close()
    engine.manager.gc()
    catalog = engine.manager.newest_catalog()
    assert isinstance(catalog, Catalog)
    tables = [
        (table, engine.stores.get(table.storage_id))
        for database in catalog.databases.values()
        for table in database.tables()
        if not table.is_temporary
    ]
    state: State = {
        f"table {table.oid}": (storage.row_count, rows_of(storage), indexes_of(storage), shapes_of(storage))
        for table, storage in tables
    }
    # OIDs that were given to what was rolled back may be given again.
    state["catalog"] = re.sub(rb'"next_oid":\d+', b"", encode_catalog(catalog))
    state["prepared"] = sorted(prepared.gid for prepared in engine.manager.prepared.all())
    return state


def rows_of(storage: TableStorage) -> dict[int, tuple[object, ...]]:
    """The newest committed rows at full width, by row id."""
    found: dict[int, tuple[object, ...]] = {}
    for row_id in range(storage.next_row_id):
        row = newest_row(storage.heap.slot(row_id))
        if row is not None:
            found[row_id] = storage.padded(row)
    return found


def shapes_of(storage: TableStorage) -> dict[int, tuple[object, ...]]:
    """What the shapes mean that rows of a graph's elements have."""
    shapes = storage.shapes
    if shapes is None:
        return {}
    used = {cast(int, row[0]) for row in rows_of(storage).values()}
    found = [shapes.by_id(shape_id) for shape_id in sorted(used)]
    return {shape.id: (sorted(shape.labels), shape.names, shape.types) for shape in found}


def indexes_of(storage: TableStorage) -> dict[int, list[tuple[object, ...]]]:
    """What each index finds: the rows' ids and values in key order."""
    reader = TableReader(storage, INFINITY - 1, None, 0)
    found: dict[int, list[tuple[object, ...]]] = {}
    for oid, index in storage.indexes.items():
        entries: list[tuple[object, ...]] = []
        after: bytes | None = None
        while True:
            ids, rows, after = reader.index_batch(index, None, None, after, 1000)
            entries += [(row_id, *row) for row_id, row in zip(ids, rows, strict=True)]
            if after is None:
                break
        found[oid] = entries
    return found


def reopened(database: DurableSqlDatabase, directory: Path | None = None) -> DurableSqlDatabase:
    """The database after its sessions have left and it was closed and opened again; or a copy in `directory`."""
    for session in list(database.sessions.values()):
        session.session.close()
    database.engine.close()
    return DurableSqlDatabase(directory or database.directory)


def checkpoint(database: DurableSqlDatabase) -> None:
    """Make a checkpoint while nothing else goes on.  Raises what it fails with."""
    durable = database.engine.durable
    assert durable is not None and durable.checkpointer is not None
    durable.flush()
    for step in durable.checkpointer.run():
        if isinstance(step, Wait):
            durable.flush()
            over = threading.Event()
            step.waiting.on_over(over.set)
            assert over.wait(60)
