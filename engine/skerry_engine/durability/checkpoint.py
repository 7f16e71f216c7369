"""Checkpoints: the base is brought to the state at an epoch, while everybody goes on.

    one unit      E is the last epoch taken: a snapshot at E, index deltas frozen, dirty pages taken over,
                  the metadata of E made, a CHECKPOINT record appended
    slices        row pages as E sees them, index leaves with the frozen deltas merged in; what is gone is removed
    wait          until E is durable: the base never holds what the log may lose
    wait          LMDB's commit, in its thread
    one unit      the base is adopted: readers see the new blocks, frozen deltas and dirty marks go
    slices        memory is given back; log segments that nobody needs are recycled

A checkpoint that fails leaves base and engine as they were; the log has everything.

`run` is a generator of steps, as a statement is: whoever hosts the engine steps it between other things, or a
CHECKPOINT statement does.

What it does not do: decide when.  `is_due` says when it would be good.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Generator, Iterable, Iterator
from typing import TYPE_CHECKING, Final, NamedTuple, cast

from skerry_engine.base.blocks import leaf_prefix, meta_key, page_prefix
from skerry_engine.base.environment import Base
from skerry_engine.base.writer import BaseWriter, Block, Completion
from skerry_engine.catalog.catalog import Catalog
from skerry_engine.catalog.codec import decode_catalog, encode_catalog
from skerry_engine.durability.prepared import encode_prepared
from skerry_engine.errors import DatabaseDamaged, DatabaseError
from skerry_engine.session.steps import PAUSE, Step, Wait
from skerry_engine.storage.checkpointing import StorageCheckpoint
from skerry_engine.storage.paged_index import PagedIndex
from skerry_engine.storage.row_codec import pack, unpack
from skerry_engine.storage.shapes import ShapeRecord, packed_shape, shape_record
from skerry_engine.storage.table import TableStorage
from skerry_engine.txn.manager import GC_SLICE_ROWS
from skerry_engine.txn.records import CHECKPOINT
from skerry_engine.txn.two_phase import until_durable
from skerry_engine.txn.waiting import Gate

if TYPE_CHECKING:
    from skerry_engine.engine import Engine
    from skerry_engine.txn.durable_log import DurableLog
    from skerry_engine.txn.transaction import Transaction

_logger = logging.getLogger("skerry.durability")

SLICE_S: Final = 0.001
"""How long one unit puts blocks."""

REMOVE_BLOCKS: Final = 64
RELEASE_ENTRIES: Final = 500

CATALOG: Final = "catalog"
STATE: Final = "state"


class BaseState(NamedTuple):
    """What the base's metadata say besides the catalog, as of the base's epoch.

    `storages` are (storage id, pages, rows, next row id); `indexes` those that have leaves, by `leaf_id`;
    `lingering` are storages and indexes that are gone from the catalog, whose blocks may still be there;
    `sequences` are (oid, last value, is it used up?) as far as the log was told; `prepared` are bodies of PREPARE
    records.  Chunks of transactions that were under way stand in the log after epoch `chunks_from`.  `shapes` are
    those of all storages, also of such as only an uncommitted or an older catalog names.
    """

    storages: tuple[tuple[int, int, int, int], ...]
    indexes: tuple[int, ...]
    lingering: tuple[tuple[int, ...], tuple[int, ...]]
    sequences: tuple[tuple[int, int, bool], ...]
    prepared: tuple[bytes, ...]
    chunks_from: int
    shapes: tuple[ShapeRecord, ...]


NOTHING: Final = BaseState((), (), ((), ()), (), (), 0, ())


def read_state(base: Base) -> BaseState:
    """The state that the base's metadata give.  Raises DatabaseDamaged."""
    if not base.epoch:
        return NOTHING
    try:
        state = BaseState(*unpack(base.get(meta_key(STATE))))
        return state._replace(shapes=tuple(shape_record(each) for each in state.shapes))
    except (ValueError, TypeError) as error:
        raise DatabaseDamaged(f"the base's metadata can't be understood: {error}") from error


def pack_state(state: BaseState) -> bytes:
    """The state as metadata."""
    return pack((*state[:-1], [packed_shape(each) for each in state.shapes]))


def read_catalog(base: Base) -> Catalog:
    """The catalog as of the base's epoch.  Raises DatabaseDamaged, IncompatibleFormat."""
    return decode_catalog(base.get(meta_key(CATALOG)))


def _standing_indexes(storage: TableStorage) -> list[PagedIndex]:
    found: list[PagedIndex] = []
    for index in storage.indexes.values():
        assert isinstance(index, PagedIndex), "what is written has paged indexes"
        found.append(index.standing())
    return found


class Checkpointer:
    """Makes checkpoints, one at a time.  `is_urgent`: memory is short, so that hosts had better not rest."""

    def __init__(
        self, engine: Engine, base: Base, log: DurableLog, state: BaseState, cost_of_opening: int
    ) -> None:
        self._engine = engine
        self._base = base
        self._log = log
        self._state = state
        self._cost_before = log.replay_cost - cost_of_opening
        self._holds: dict[int, int] = {}
        self._holds_made = 0
        self.is_running = False
        self.is_urgent = False
        self.count = 0
        self._waiting: list[Gate] = []

    def replay_cost(self) -> int:
        """What replaying all that was logged since the last checkpoint began would take (txn/durable_log.py)."""
        return self._log.replay_cost - self._cost_before

    def hold_log(self) -> int:
        """Keep what the log holds after the base, whatever checkpoints are made; the number is for `let_log_go`."""
        self._holds_made += 1
        self._holds[self._holds_made] = self._state.chunks_from
        return self._holds_made

    def let_log_go(self, hold: int) -> None:
        """What `hold_log` kept is not needed any more: the next checkpoint gives it up."""
        del self._holds[hold]

    def _kept_for_history(self) -> int:
        """The epoch after which the log is the history, which begins with the record of its oldest epoch: that says
        since when it was the state."""
        manager = self._engine.manager
        if not manager.history.is_on:
            return manager.last_epoch
        return self._log.keeps_for_history(manager.oldest_retained_epoch() - 1)

    def run(self) -> Generator[Step, None, None]:
        """Make a checkpoint, after the one that is being made.  Raises OSError, DatabaseError when it could not be
        made; nothing is lost then."""
        while self.is_running:
            gate = Gate()  # one's own: a cancelled statement ends what it waits for
            self._waiting.append(gate)
            yield Wait(gate)
        self.is_running = True
        began_s = time.monotonic()
        replay_cost, self._cost_before = self.replay_cost(), self._log.replay_cost
        checkpoint = _Checkpoint(self._engine, self._base, self._log, self._state)
        try:
            yield from checkpoint.write()
            yield from checkpoint.release()
        finally:
            if checkpoint.end():
                self._state = checkpoint.state
                self.count += 1
            else:
                self._cost_before -= replay_cost
            self.is_running = False
            self._engine.manager.let_writers_go_on()
            waiting, self._waiting = self._waiting, []
            for each in waiting:
                each.end()
        kept = [checkpoint.state.chunks_from, self._kept_for_history(), *self._holds.values()]
        self._log.writer.release_through(min(kept))
        while self._engine.manager.gc(GC_SLICE_ROWS) >= GC_SLICE_ROWS:  # what its snapshot has kept
            yield PAUSE
        _logger.info(
            "checkpoint",
            extra={
                "fields": {
                    "epoch": checkpoint.epoch,
                    "blocks_bytes": checkpoint.writer.bytes_put,
                    "replay_cost": replay_cost,
                    "seconds": round(time.monotonic() - began_s, 3),
                }
            },
        )


class _Checkpoint:
    """One checkpoint, from the unit in which it is made."""

    def __init__(self, engine: Engine, base: Base, log: DurableLog, before: BaseState) -> None:
        manager = engine.manager
        self._engine = engine
        self._base = base
        self._log = log
        self._before = before
        self._is_begun = False
        self._is_adopted = False
        self._commit: Completion | None = None
        self.writer = BaseWriter(base)
        self.epoch: int = manager.last_epoch
        self._reader: Transaction = manager.hold(self.epoch)
        catalog = cast(Catalog, manager.newest_catalog())
        self._catalog = encode_catalog(catalog)
        storages = engine.stores.persistent(catalog)
        self._storages = [StorageCheckpoint(storage, self.epoch) for storage in storages]
        self._indexes: list[PagedIndex] = []
        indexes: list[int] = []
        for storage in storages:
            for index in _standing_indexes(storage):
                indexes.append(index.leaf_id)
                if index.begin_checkpoint():
                    self._indexes.append(index)
        states = [each.state for each in self._storages]
        self._gone: list[bytes] = []
        self.state = BaseState(
            tuple((s.storage_id, s.page_count, s.row_count, s.next_row_id) for s in states),
            tuple(indexes),
            self._lingering({s.storage_id for s in states}, set(indexes)),
            tuple(engine.sequences.logged_states()),
            tuple(encode_prepared(engine, prepared) for prepared in manager.prepared.all()),
            min(self.epoch, log.keeps_from()),
            tuple(engine.stores.kept_shapes()),
        )
        log.note(CHECKPOINT, pack(self.epoch))

    def _lingering(self, storages: set[int], indexes: set[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """What the catalog has no more but a snapshot may still read; what nobody reads is `_gone`."""
        before = self._before
        alive = {storage.storage_id: storage for storage in self._engine.stores.all()}
        alive_indexes = {
            index.leaf_id
            for storage in alive.values()
            if storage.heap.pager is not None
            for index in _standing_indexes(storage)
        }
        old = {storage[0] for storage in before.storages} | set(before.lingering[0])
        old_indexes = set(before.indexes) | set(before.lingering[1])
        self._gone += [page_prefix(number) for number in sorted(old - storages - alive.keys())]
        self._gone += [leaf_prefix(number) for number in sorted(old_indexes - indexes - alive_indexes)]
        kept = sorted((old - storages) & alive.keys())
        return tuple(kept), tuple(sorted((old_indexes - indexes) & alive_indexes))

    # --- writing ----------------------------------------------------------------------------------------------

    def write(self) -> Generator[Step, None, None]:
        """Write and adopt the base."""
        begun = self.writer.begin()
        self._is_begun = True
        yield Wait(begun)
        begun.check()
        for blocks in self._blocks():
            yield from self._put(blocks)
        yield from self._remove_what_is_gone()
        yield from until_durable(self._log)
        metadata = ((CATALOG, self._catalog), (STATE, pack_state(self.state)))
        self._commit = self.writer.commit(self.epoch, metadata)
        yield Wait(self._commit)
        self._commit.check()
        self._adopt()

    def _blocks(self) -> Iterator[Iterable[Block]]:
        for storage in self._storages:
            yield from storage.collect()
        for index in self._indexes:
            yield from index.checkpoint_blocks()

    def _put(self, blocks: Iterable[Block]) -> Generator[Step, None, None]:
        left = list(blocks)
        while left:
            done = self.writer.put_many(left, time.perf_counter() + SLICE_S)
            del left[:done]
            yield PAUSE

    def _remove_what_is_gone(self) -> Generator[Step, None, None]:
        for prefix in self._gone:
            while not self.writer.remove(prefix, REMOVE_BLOCKS):
                yield PAUSE

    def _adopt(self) -> None:
        """The base is what it was made to be: from this unit on it is read."""
        self._base.adopt()
        self._is_adopted = True
        for index in self._indexes:
            index.end_checkpoint(True)

    # --- the end ----------------------------------------------------------------------------------------------

    def end(self) -> bool:
        """However it went: give back what it held.  Whether the base was adopted."""
        if self._commit is not None and not self._is_adopted:
            self._await_commit(self._commit)
        if self._is_adopted:
            for _ in self.release():
                pass
        else:
            if self._is_begun and self._commit is None:
                self.writer.abort()
            for index in self._indexes:
                index.end_checkpoint(False)
            for storage in self._storages:
                storage.give_back()
        self._reader.close()
        return self._is_adopted

    def _await_commit(self, commit: Completion) -> None:
        """Nobody steps the checkpoint any more, or LMDB's commit has failed: see which."""
        commit.wait()
        try:
            commit.check()
        except OSError:
            return
        self._adopt()

    def release(self) -> Generator[Step, None, None]:
        """Give back memory, slice by slice."""
        for storage in self._storages:
            for _ in storage.settle():
                yield PAUSE
        for index in self._indexes:
            while index.release_some(RELEASE_ENTRIES):
                yield PAUSE


def checkpoint_quietly(checkpointer: Checkpointer) -> Generator[Step, None, bool]:
    """As `Checkpointer.run`, for those whom nobody asked: a failure is logged, and False."""
    try:
        yield from checkpointer.run()
    except (OSError, DatabaseError) as error:
        failure = error
    else:
        return True
    _logger.error("the checkpoint failed: %s", failure)
    return False
