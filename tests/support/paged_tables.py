"""Tables over a base, driven at random beside a model that remembers the rows of every epoch.

`World` is what an engine does with storages, without transactions, locks and sessions: commits (at once, or installed
ahead and committed or taken back later), snapshots, garbage collection, checkpoints in slices beside all that, pages
evicted, the base opened again.  Whatever is done, each open snapshot must read what the model says.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Generator
from pathlib import Path

from skerry_engine.base.environment import Base
from skerry_engine.base.writer import BaseWriter
from skerry_engine.storage.checkpointing import StorageCheckpoint, StorageState, storage_of_base
from skerry_engine.storage.heap import (
    EVICTED,
    PAGE_BITS,
    CachedPage,
    CommitStamp,
    Row,
    Version,
    is_frozen,
    newest_row,
)
from skerry_engine.storage.page_cache import PageCache
from skerry_engine.storage.paging import Paging
from skerry_engine.storage.reader import TableReader
from skerry_engine.storage.row_codec import unpack_rows
from skerry_engine.storage.table import TableStorage
from skerry_engine.txn.collector import Collector
from support.base_writing import CLUSTER, BlocksInMemory, begun, finished

Rows = dict[int, Row]
WIDTH = 3


def write_at_once(storage: TableStorage, epoch: int, blocks: BlocksInMemory) -> StorageState:
    """A checkpoint in one unit."""
    part = StorageCheckpoint(storage, epoch)
    for some in part.collect():
        blocks.blocks.update(some)
    for _ in part.settle():
        pass
    return part.state


class Table:
    """A storage, and its rows at every epoch: `history[i]` is what a commit made of them."""

    def __init__(self, storage: TableStorage) -> None:
        self.storage = storage
        self.history: list[tuple[int, Rows]] = [(0, {})]

    def at(self, epoch: int) -> Rows:
        return next(rows for since, rows in reversed(self.history) if since <= epoch)


class Ahead:
    """Rows installed under a stamp that is not committed."""

    def __init__(self, table: Table, changes: dict[int, Row | None]) -> None:
        self.table = table
        self.changes = changes
        self.stamp = CommitStamp()
        self.live_change = 0
        for row_id, row in changes.items():
            self.live_change += table.storage.install(row_id, row, self.stamp)


class World:
    """Random tables; `step` does one thing."""

    def __init__(self, directory: Path, rng: random.Random, budget_bytes: int) -> None:
        self.rng = rng
        self.directory = directory
        self.budget_bytes = budget_bytes
        self.last_epoch = 1
        self.tables: list[Table] = []
        self.snapshots: list[int] = []
        self.ahead: list[Ahead] = []
        self.checkpoint: Generator[None, None, None] | None = None
        self.checkpoint_epoch = 0
        self.base_states: list[tuple[Table, StorageState]] = []
        self.collector = Collector()
        self.done: dict[str, int] = {}
        self._open(0)
        self.tables = [Table(TableStorage(number, WIDTH, False, self.paging)) for number in (1, 2)]

    def _open(self, epoch: int) -> None:
        self.base = Base(str(self.directory / "base"), CLUSTER, epoch, map_bytes=1 << 28)
        self.cache = PageCache(self.budget_bytes)
        self.paging = Paging(self.base, self.cache)

    def step(self) -> None:
        """Do one random thing."""
        actions: list[tuple[int, Callable[[], None]]] = [
            (12, self.commit),
            (3, self.install_ahead),
            (3, self.end_ahead),
            (4, self.open_snapshot),
            (3, self.close_snapshot),
            (6, self.collect),
            (10, self.go_on_with_checkpoint),
            (5, self.make_room),
            (1, self.reopen),
        ]
        action = self.rng.choices([each for _, each in actions], [weight for weight, _ in actions])[0]
        self.done[action.__name__] = self.done.get(action.__name__, 0) + 1
        action()

    # --- writing --------------------------------------------------------------------------------------------

    def _value(self) -> object:
        rng = self.rng
        return rng.choice([None, rng.randrange(10**6), "text" * rng.randrange(9), rng.random(), b"\x00\xff"])

    def _changes(self, table: Table) -> dict[int, Row | None]:
        """New rows, changed rows, deletions; some of row ids far apart."""
        rng = self.rng
        locked = {row_id for each in self.ahead if each.table is table for row_id in each.changes}
        rows = table.at(self.last_epoch)
        changes: dict[int, Row | None] = {}
        if rng.random() < 0.5:
            first = table.storage.allocate(rng.choice([1, 3, 70]))
            if rng.random() < 0.2:
                table.storage.allocate(rng.choice([100, 500]))  # given out and never used
            for row_id in range(first, table.storage.next_row_id):
                if rng.random() < 0.8 and row_id < first + 70:
                    changes[row_id] = (row_id, self._value(), self._value())
        known = [row_id for row_id in rows if row_id not in locked]
        for row_id in rng.sample(known, min(len(known), rng.choice([0, 1, 4, 40]))):
            changes[row_id] = None if rng.random() < 0.4 else (row_id, self._value())
        return changes

    def commit(self) -> None:
        table = self.rng.choice(self.tables)
        changes = self._changes(table)
        self.last_epoch += 1
        storage = table.storage
        for row_id in changes:
            storage.heap.prepare(row_id)
        if not self.snapshots and not self.ahead and self.checkpoint is None and self.rng.random() < 0.5:
            for row_id, row in changes.items():
                storage.row_count += storage.install_frozen(row_id, row)
        else:
            stamp = CommitStamp(self.last_epoch)
            for row_id, row in changes.items():
                storage.row_count += storage.install(row_id, row, stamp)
            self.collector.add(self.last_epoch, storage, list(changes))
        self._remember(table, changes)

    def _remember(self, table: Table, changes: dict[int, Row | None]) -> None:
        rows = dict(table.at(self.last_epoch))
        for row_id, row in changes.items():
            if row is None:
                rows.pop(row_id, None)
            else:
                rows[row_id] = row
        table.history.append((self.last_epoch, rows))

    def install_ahead(self) -> None:
        table = self.rng.choice(self.tables)
        self.ahead.append(Ahead(table, self._changes(table)))

    def end_ahead(self) -> None:
        if not self.ahead:
            return
        ahead = self.ahead.pop(self.rng.randrange(len(self.ahead)))
        storage = ahead.table.storage
        if self.rng.random() < 0.5:
            for row_id in ahead.changes:
                storage.uninstall(row_id, ahead.stamp)
            return
        self.last_epoch += 1
        ahead.stamp.epoch = self.last_epoch
        storage.row_count += ahead.live_change
        self.collector.add(self.last_epoch, storage, list(ahead.changes))
        self._remember(ahead.table, ahead.changes)

    # --- snapshots and garbage ------------------------------------------------------------------------------

    def open_snapshot(self) -> None:
        self.snapshots.append(self.last_epoch)

    def close_snapshot(self) -> None:
        if self.snapshots:
            self.snapshots.pop(self.rng.randrange(len(self.snapshots)))

    def collect(self) -> None:
        horizon = min([self.last_epoch, *self.snapshots])
        if self.checkpoint is not None:
            horizon = min(horizon, self.checkpoint_epoch)
        self.collector.collect(horizon, self.rng.choice([1, 10, 1000]))

    def make_room(self) -> None:
        self.cache.budget_bytes = self.rng.choice([0, self.budget_bytes, 10 * self.budget_bytes])
        self.cache.make_room(self.rng.choice([1, 10, 1000]))
        self.cache.budget_bytes = self.budget_bytes

    # --- checkpoints ----------------------------------------------------------------------------------------

    def go_on_with_checkpoint(self) -> None:
        if self.checkpoint is None:
            self.checkpoint = self._run_checkpoint()
        for _ in range(self.rng.choice([1, 2, 10])):
            try:
                next(self.checkpoint)
            except StopIteration:
                self.checkpoint = None
                return

    def _run_checkpoint(self) -> Generator[None, None, None]:
        epoch = self.checkpoint_epoch = self.last_epoch
        parts = [StorageCheckpoint(table.storage, epoch) for table in self.tables]
        states = [(table, part.state) for table, part in zip(self.tables, parts, strict=True)]
        writer = begun(self.base)
        yield
        fails = self.rng.random() < 0.25
        for part in parts:
            for blocks in part.collect():
                assert writer.put_many(blocks) == len(blocks)
                yield
                if fails and self.rng.random() < 0.3:
                    break
        if fails:
            finished(writer.abort())
            self.base.adopt()
            for part in parts:
                part.give_back()
            return
        yield from self._finish(writer, epoch, parts, states)

    def _finish(
        self,
        writer: BaseWriter,
        epoch: int,
        parts: list[StorageCheckpoint],
        states: list[tuple[Table, StorageState]],
    ) -> Generator[None, None, None]:
        finished(writer.commit(epoch, ()))
        yield
        self.base.adopt()
        self.base_states = states
        for part in parts:
            for _ in part.settle():
                yield
            yield

    def reopen(self) -> None:
        """Begin anew with what the base has, and do again what was committed since."""
        if self.checkpoint is not None:
            for _ in self.checkpoint:
                pass
            self.checkpoint = None
        self.base.close()
        self._open(self.base.epoch)
        self.snapshots, self.ahead, self.collector = [], [], Collector()
        known = {id(table): state for table, state in self.base_states}
        for table in self.tables:
            state = known.get(id(table), StorageState(table.storage.storage_id, 0, 0, 1))
            assert state.row_count == len(table.at(self.base.epoch))
            next_row_id = table.storage.next_row_id
            table.storage = storage_of_base(state, WIDTH, self.paging)
            table.storage.next_row_id = next_row_id
            self._replay(table)

    def _replay(self, table: Table) -> None:
        before = table.at(self.base.epoch)
        for epoch, rows in table.history:
            if epoch <= self.base.epoch:
                continue
            for row_id in before.keys() | rows.keys():
                if before.get(row_id) is not rows.get(row_id):
                    table.storage.row_count += table.storage.install_frozen(row_id, rows.get(row_id))
            before = rows

    # --- what must hold -------------------------------------------------------------------------------------

    def check(self) -> None:
        """Compare every snapshot with the model, and the books with what they are about."""
        for table in self.tables:
            for epoch in {*self.snapshots, self.last_epoch}:
                self._check_reading(table, epoch)
            newest = table.at(self.last_epoch)
            assert table.storage.row_count == len(newest)
            self._check_pages(table, newest)
        self._check_cache()

    def _check_reading(self, table: Table, epoch: int) -> None:
        expected = table.at(epoch)
        reader = TableReader(table.storage, epoch, None, 1)
        full = {row_id: table.storage.padded(row) for row_id, row in expected.items()}
        for row_id in self.rng.sample(range(table.storage.next_row_id + 70), 20):
            assert reader.get(row_id) == full.get(row_id)
        if self.rng.random() < 0.3:
            ids: list[int] = []
            rows: list[Row] = []
            after = -1
            while True:
                some_ids, some_rows, after = reader.scan_ids_batch(after, 100)
                ids += some_ids
                rows += some_rows
                if after == -1:
                    break
            assert dict(zip(ids, rows, strict=True)) == full and ids == sorted(ids)

    def _check_pages(self, table: Table, newest: Rows) -> None:
        """A page that is not dirty has its newest content in the base; one with a version is in memory."""
        pager = table.storage.heap.pager
        assert pager is not None
        by_page: dict[int, Rows] = {}
        for row_id, row in newest.items():
            by_page.setdefault(row_id >> PAGE_BITS, {})[row_id] = row
        for number, place in enumerate(pager.pages):
            slots = place.page if isinstance(place, CachedPage) else place
            if isinstance(slots, list):
                assert len(slots) == 64
                rows = {(number << PAGE_BITS) + at: newest_row(slot) for at, slot in enumerate(slots)}
                assert {row_id: row for row_id, row in rows.items() if row} == by_page.get(number, {})
            if not isinstance(place, list):
                assert not isinstance(slots, list) or not any(isinstance(slot, Version) for slot in slots)
                assert place is None or (number not in pager.dirty and number not in pager.writing)
            if number not in pager.dirty and number not in pager.writing and self.rng.random() < 0.2:
                self._check_block(table, number, by_page.get(number, {}))

    def _check_block(self, table: Table, number: int, rows: Rows) -> None:
        pager = table.storage.heap.pager
        before = list(pager.pages) if pager is not None else []
        block = self.base.get(b"p" + table.storage.storage_id.to_bytes(8, "big") + number.to_bytes(8, "big"))
        slots = unpack_rows(block) if block else ()
        found = {(number << PAGE_BITS) + at: row for at, row in enumerate(slots) if row is not None}
        assert found == rows
        assert pager is not None and before == pager.pages

    def _check_cache(self) -> None:
        cache = self.cache
        pagers = [table.storage.heap.pager for table in self.tables]
        entries = [entry for pager in pagers if pager is not None for entry in pager.cached.values()]
        assert set(entries) == {*cache._active, *cache._inactive}
        assert len(entries) == len(cache._active) + len(cache._inactive)
        assert cache.clean_bytes == sum(entry.size_bytes for entry in entries)
        assert cache._inactive_bytes == sum(entry.size_bytes for entry in cache._inactive)
        sizes = [size for pager in pagers if pager is not None for size in pager.dirty.values()]
        sizes += [size for pager in pagers if pager is not None for size in pager.writing.values()]
        assert cache.dirty_bytes == sum(sizes)
        for entry in entries:
            place = entry.pager.pages[entry.number]
            assert place is not EVICTED
            assert (place is entry) == (entry in cache._inactive) == (entry.page is not None)

    def close(self) -> None:
        """Come to rest: then nothing is left but frozen rows."""
        if self.checkpoint is not None:
            for _ in self.checkpoint:
                pass
            self.checkpoint = None
        self.snapshots = []
        while self.ahead:
            self.end_ahead()
        self.collector.collect(self.last_epoch, 1 << 60)
        for table in self.tables:
            assert all(is_frozen(page) for page in table.storage.heap.pages if isinstance(page, list))
        self.check()
        self.base.close()
