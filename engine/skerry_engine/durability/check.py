"""`skerry check`: is everything in a database's directory as it was written?  All that is not is told.

    control    magic, version, checksum                                         log/control.py
    log        every group of every segment, what vouches for what              log/walk.py
    base       every block against its checksum                                 base/environment.py
    contents   metadata and catalog are understood; every table has as many rows as it should; every index is in order
               and has one entry for each row that belongs into it; the records after the base are understood

Base and contents are read in a process of their own, because LMDB stops the process at some kinds of damage: then that
is what is told.

A torn tail of the log is no damage, but a note: it was being written when the machine stopped, and promised to nobody.

What it does not do: change anything, or mend.  The database must not be open elsewhere.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Generator, Iterator, Sequence
from typing import TYPE_CHECKING, Final

from skerry_engine.base.environment import FILE_NAME, Base
from skerry_engine.catalog.catalog import Catalog
from skerry_engine.catalog.objects import Table
from skerry_engine.durability.checkpoint import NOTHING, BaseState, read_catalog, read_state
from skerry_engine.durability.database import BASE_DIRECTORY
from skerry_engine.durability.recovery import Recovery
from skerry_engine.errors import DatabaseDamaged, DatabaseError, IncompatibleFormat
from skerry_engine.log.control import CONTROL_NAME, Control, read_control
from skerry_engine.log.disk import OsDisk
from skerry_engine.log.format import LOG_DIRECTORY, Record
from skerry_engine.log.lock_file import DirectoryLock
from skerry_engine.log.reader import check_log, open_log
from skerry_engine.storage.heap import PAGE_BITS, Row
from skerry_engine.storage.index import Index
from skerry_engine.storage.leaf_merge import check_leaves
from skerry_engine.storage.paged_index import PagedIndex
from skerry_engine.storage.paging import BasePager
from skerry_engine.storage.row_codec import unpack
from skerry_engine.storage.table import TableStorage
from skerry_engine.storage.trees import entry_order_key, entry_row_id
from skerry_engine.txn.records import (
    CHUNK,
    COMMIT,
    SEQUENCE,
    SHAPES,
    unpack_chunk,
    unpack_commit,
    unpack_sequence,
    unpack_shapes,
)

if TYPE_CHECKING:
    from skerry_engine.engine import Engine

CACHE_BYTES: Final = 256 << 20
"""How much of the base's pages is in memory at a time."""


class Finding:
    """A line of the report; `is_damage` False for what is worth a note only."""

    def __init__(self, text: str, is_damage: bool = True) -> None:
        self.text = text
        self.is_damage = is_damage


# --- the files --------------------------------------------------------------------------------------------------------


def check_directory(path: str | os.PathLike[str], contents: Sequence[str]) -> Iterator[Finding]:
    """Check the database in a directory.

    `contents` is the command of a process that calls `tell_contents` with what is appended to it.

    Raises DatabaseInUse, IncompatibleFormat, and OSError, also when there is no database.
    """
    if not any(os.path.exists(os.path.join(path, name)) for name in (CONTROL_NAME, LOG_DIRECTORY)):
        raise FileNotFoundError(f"there is no database in {os.fspath(path)!r}")
    lock = DirectoryLock(path)
    try:
        control = yield from _check_control(OsDisk(path))
        if control is not None:
            findings = check_log(OsDisk(path), control.cluster_id)
            for finding in findings:
                yield Finding(str(finding), finding.is_damage)
            with_records = not any(finding.is_damage for finding in findings)
            yield from _check_apart(
                [*contents, os.fspath(path), control.cluster_id.hex(), with_records * "records"]
            )
    finally:
        lock.release()


def _check_control(disk: OsDisk) -> Generator[Finding, None, Control | None]:
    try:
        control = read_control(disk)
    except IncompatibleFormat:
        raise
    except DatabaseError as error:
        yield Finding(error.message)
        return None
    if control is None:
        yield Finding(f"{CONTROL_NAME} is missing")
    return control


def _check_apart(command: Sequence[str]) -> Iterator[Finding]:
    """Check base and contents in a process of their own."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(each for each in sys.path if each)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        for line in process.stdout:
            text, is_damage = json.loads(line)
            yield Finding(text, is_damage)
    if process.returncode:
        yield Finding(f"{FILE_NAME} is damaged: reading it stops the process (status {process.returncode})")


# --- base and contents ------------------------------------------------------------------------------------------------


def tell_contents(engine: Engine, arguments: Sequence[str]) -> None:
    """Check contents with a new engine, as `check_directory` has asked, and tell it what is found."""
    path, cluster_id, with_records = arguments
    for finding in check_contents(engine, path, bytes.fromhex(cluster_id), bool(with_records)):
        print(json.dumps([finding.text, finding.is_damage]), flush=True)


def check_contents(engine: Engine, path: str, cluster_id: bytes, with_records: bool) -> Iterator[Finding]:
    """Check the base, and what is in base and log, with a new engine; each finding once."""
    try:
        base = Base(os.path.join(path, BASE_DIRECTORY), cluster_id)
    except DatabaseError as error:
        yield Finding(error.message)
        return
    told: set[str] = set()
    try:
        for finding in _findings_of(engine, path, base, cluster_id, with_records):
            if finding.text not in told:
                told.add(finding.text)
                yield finding
    finally:
        base.close()


def _findings_of(
    engine: Engine, path: str, base: Base, cluster_id: bytes, with_records: bool
) -> Iterator[Finding]:
    for lines in base.verify():
        for line in lines:
            yield Finding(line)
    state = NOTHING
    if base.epoch:
        try:
            state = read_state(base)
            catalog = read_catalog(base)
            storages = _opened(engine, base, catalog, state)
        except DatabaseError as error:
            yield Finding(error.message)
            return
        rows = {storage[0]: storage[2] for storage in state.storages}
        for database in catalog.databases.values():
            for table in database.tables():
                storage = storages[table.storage_id]
                yield from _check_table(base, table, storage, rows[table.storage_id])
    if with_records:
        yield from _check_records(OsDisk(path), cluster_id, base.epoch, state)


def _opened(engine: Engine, base: Base, catalog: Catalog, state: BaseState) -> dict[int, TableStorage]:
    """The tables, as opening the database has them before it reads the log.  Raises DatabaseDamaged."""
    engine.stores.page_from(base, engine.memory_limit_bytes)
    Recovery(engine).restore_base(base.epoch, catalog, state)
    storages = {storage.storage_id: storage for storage in engine.stores.all()}
    for storage in storages.values():
        pager = storage.heap.pager
        if isinstance(pager, BasePager):
            pager.cache.budget_bytes = CACHE_BYTES
    return storages


def _check_table(base: Base, table: Table, storage: TableStorage, expected_rows: int) -> Iterator[Finding]:
    """Check a table's pages and the indexes over them."""
    tally = _Tally(table, storage)
    yield from tally.count()
    if tally.is_whole and tally.rows != expected_rows:
        yield Finding(f"{tally.name} has {tally.rows} rows instead of {expected_rows}")
    for definition in table.indexes:
        try:
            found = _count_entries(base, storage, storage.indexes[definition.oid])
        except DatabaseError as error:
            yield Finding(error.message)
            continue
        expected = tally.indexed[definition.oid]
        if tally.is_whole and found != expected:
            yield Finding(
                f'index "{definition.name}" of {tally.name} has entries for {found} of {expected} rows'
            )


class _Tally:
    """A table's rows, counted; and how many belong into each index."""

    def __init__(self, table: Table, storage: TableStorage) -> None:
        self.name = f'table "{table.name}" (storage {storage.storage_id})'
        self.rows = 0
        self.indexed = dict.fromkeys(storage.indexes, 0)
        self.is_whole = True
        self._storage = storage

    def count(self) -> Iterator[Finding]:
        """Read all pages; what can't be read is told."""
        heap = self._storage.heap
        for number in range(len(heap.pages)):
            try:
                page = heap.fetch(number) or []
            except DatabaseError as error:
                self.is_whole = False
                yield Finding(error.message)
                continue
            for position, slot in enumerate(page):
                if isinstance(slot, tuple):
                    yield from self._count_row((number << PAGE_BITS) + position, slot)

    def _count_row(self, row_id: int, row: Row) -> Iterator[Finding]:
        storage = self._storage
        self.rows += 1
        if not _can_have(storage, row) or row_id >= storage.next_row_id:
            self.is_whole = False
            yield Finding(f"{self.name} has a row {row_id} that it can't have")
            return
        full = storage.padded(row)
        for oid, index in storage.indexes.items():
            self.indexed[oid] += index.values(full) is not None


def _can_have(storage: TableStorage, row: Row) -> bool:
    """Whether a row is as long as the storage's rows may be: elements of graphs as their shape says."""
    if storage.shapes is None:
        return len(row) <= storage.width
    try:
        return len(row) == storage.shapes.first_position + len(storage.shapes.by_id(row[0]).names)
    except (DatabaseDamaged, IndexError):
        return False


def _count_entries(base: Base, storage: TableStorage, index: Index) -> int:
    """How many rows an index has an entry for: entries that belong to no row are harmless, and a row has one key.

    Raises DatabaseDamaged.
    """
    found = 0
    assert isinstance(index, PagedIndex)
    for entries in check_leaves(base, index.leaf_id):
        for entry in entries:
            slot = storage.heap.slot(entry_row_id(entry))
            if isinstance(slot, tuple):
                found += index.matches_order(storage.padded(slot), entry_order_key(entry))
    return found


def _check_records(disk: OsDisk, cluster_id: bytes, epoch: int, state: BaseState) -> Iterator[Finding]:
    """Whether the log goes on where the base ends, and its records can be understood."""
    try:
        contents = open_log(disk, cluster_id, epoch)
        if contents.first_epoch > state.chunks_from + 1:
            yield Finding(
                f"the log begins at epoch {contents.first_epoch}; "
                f"the base needs it from epoch {state.chunks_from + 1} on"
            )
            return
        for record in contents.records(state.chunks_from):
            try:
                _understand(record)
            except (ValueError, TypeError, LookupError) as error:
                yield Finding(
                    f"a record of kind {record.kind} at epoch {record.epoch} can't be understood: {error}"
                )
    except DatabaseError as error:
        yield Finding(error.message)


def _understand(record: Record) -> None:
    """Raise ValueError, TypeError or LookupError for a body that says nothing."""
    if record.kind == COMMIT:
        unpack_commit(record.body)
    elif record.kind == CHUNK:
        unpack_chunk(record.body)
    elif record.kind == SEQUENCE:
        unpack_sequence(record.body)
    elif record.kind == SHAPES:
        unpack_shapes(record.body)
    else:
        unpack(record.body)
