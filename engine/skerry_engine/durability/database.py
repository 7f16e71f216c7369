"""A database in a directory: what stands between an engine and its files.

    DIR/  skerry.lock    who owns it                                     log/lock_file.py
          control        format version, the cluster's identity          log/control.py
          log/           what has happened since the base                log/*, txn/durable_log.py
          base/          the state at a checkpoint                       base/*

Opening takes the lock, replays the log into the engine, with the past as far as history is to be kept, and leaves
the log ready to be written.  Closing writes what is left and seals the log, so that the next opening can tell every
damage from a write that was cut off.

What it does not do: flush while the database is open, which is the host's to do (txn/durable_log.py).
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Generator
from typing import TYPE_CHECKING, cast

from skerry_engine.abc import Disk
from skerry_engine.base.environment import Base
from skerry_engine.catalog.catalog import Catalog
from skerry_engine.catalog.codec import encode_delta
from skerry_engine.durability.backup import Backups
from skerry_engine.durability.checkpoint import (
    NOTHING,
    BaseState,
    Checkpointer,
    checkpoint_quietly,
    read_catalog,
    read_state,
)
from skerry_engine.durability.past import find_past
from skerry_engine.durability.prepared import encode_prepared
from skerry_engine.durability.recovery import Recovery
from skerry_engine.errors import DatabaseDamaged, DatabaseError
from skerry_engine.log.control import new_control, read_control, write_control
from skerry_engine.log.disk import OsDisk, make_directories
from skerry_engine.log.lock_file import DirectoryLock
from skerry_engine.log.reader import LogContents, open_log
from skerry_engine.log.spares import SpareMaker
from skerry_engine.log.writer import SEGMENT_BYTES, LogWriter
from skerry_engine.session.steps import Step, Wait
from skerry_engine.storage.row_codec import pack
from skerry_engine.txn.durable_log import DurableLog
from skerry_engine.txn.records import SEQUENCE, START, pack_sequence
from skerry_engine.txn.two_phase import PreparedTransaction
from skerry_engine.values.clock import wall_clock

if TYPE_CHECKING:
    from skerry_engine.engine import Engine

_logger = logging.getLogger("skerry.durability")

BASE_DIRECTORY = "base"
CHECKPOINT_COST = 64 << 20
"""So much to be replayed (txn/durable_log.py) since the last checkpoint makes another one due: a few seconds of it."""
CHECK_S = 0.2
"""How often it is looked at memory, and whether a checkpoint is due."""
CONGESTED = 1.5
"""So full of changes, memory takes no more of them until the checkpoint that is being made is over."""
REST = 3.0
URGENT_REST = 0.3
RETRY_S = 30.0
"""How long after a checkpoint that failed another one is tried."""
REPLAYED_COST = 4 << 20
"""So much is left to be replayed at the next opening after a clean stop: a part of a second."""


def open_directory(engine: Engine, path: str | os.PathLike[str]) -> DurableDatabase:
    """Open the database in a directory, which is made if it does not exist, into a new engine.

    Raises DatabaseInUse, DatabaseDamaged, IncompatibleFormat, OSError.
    """
    make_directories(path)
    lock = DirectoryLock(path)
    try:
        return open_disk(engine, OsDisk(path), lock, os.path.join(path, BASE_DIRECTORY))
    except BaseException:
        lock.release()
        raise


def open_disk(
    engine: Engine,
    disk: Disk,
    lock: DirectoryLock | None = None,
    base_directory: str | None = None,
    segment_bytes: int = SEGMENT_BYTES,
) -> DurableDatabase:
    """Open the database on a disk that nobody else uses, into a new engine; an empty disk gets a new database.

    Without a `base_directory` there are no checkpoints: everything is replayed, and everything is in memory.

    Raises DatabaseDamaged, IncompatibleFormat, OSError.
    """
    control = read_control(disk)
    if control is None:
        control = new_control(wall_clock())
        LogWriter.create(disk, control.cluster_id, segment_bytes).close()
        write_control(disk, control)
    engine.mock_secret = control.cluster_id
    base = None if base_directory is None else Base(base_directory, control.cluster_id)
    try:
        return _recovered(engine, disk, control.cluster_id, base, lock, segment_bytes)
    except BaseException:
        if base is not None:
            base.close()
        raise


def _recovered(
    engine: Engine,
    disk: Disk,
    cluster_id: bytes,
    base: Base | None,
    lock: DirectoryLock | None,
    segment_bytes: int,
) -> DurableDatabase:
    """Bring the engine to the state of base and log, with the past if its history is on."""
    epoch = 0 if base is None else base.epoch
    contents = open_log(disk, cluster_id, epoch)
    if contents.torn is not None:
        _logger.warning("cut off what was being written when the database stopped: %s", contents.torn)
    state = NOTHING
    read_after: int | None = None
    history = engine.manager.history
    past = None
    if history.is_on:
        now_us = wall_clock()
        records = contents.records(contents.first_epoch - 1)
        past = find_past(records, contents.first_epoch, epoch, now_us - history.retention_us, now_us)
        if past.floor < epoch:
            read_after = contents.first_epoch - 1
    recovery = Recovery(engine, past)
    if base is not None:
        engine.stores.page_from(base, engine.memory_limit_bytes)
        state = read_state(base)
        if base.epoch:
            recovery.restore_base(base.epoch, read_catalog(base), state)
        else:
            engine.stores.begin(engine.published_catalog())
    if contents.first_epoch > state.chunks_from + 1:
        raise DatabaseDamaged(
            f"the log begins at epoch {contents.first_epoch}; "
            f"the base needs it from epoch {state.chunks_from + 1} on"
        )
    recovery.replay(contents.records(state.chunks_from if read_after is None else read_after))
    recovery.finish()
    made = DurableDatabase(engine, contents, segment_bytes, base, state, lock, recovery.cost)
    made.log.chunks_of.update(recovery.chunks_of)
    return made


def _nobody() -> None:
    """Nobody is asked to flush."""


class DurableDatabase:
    """The files of an open database.  `log` is what the engine commits through."""

    def __init__(
        self,
        engine: Engine,
        contents: LogContents,
        segment_bytes: int,
        base: Base | None,
        state: BaseState,
        lock: DirectoryLock | None,
        cost_of_opening: int,
    ) -> None:
        self._engine = engine
        self._lock = lock
        self._base = base
        writer = contents.writer(segment_bytes)
        self.log = DurableLog(
            writer,
            engine.manager.last_epoch,
            self._encode_catalog,
            self._encode_prepared,
            self._sequences,
            engine.stores.journal,
        )
        engine.stores.journal.is_read = True
        engine.manager.log = self.log
        self.log.on_durable = self._tell_of_changes
        self.log.on_failure = self._tell_who_waits
        engine.sequences.on_change = self._note_sequence
        self.checkpointer = (
            None if base is None else Checkpointer(engine, base, self.log, state, cost_of_opening)
        )
        self.backups = None
        if base is not None and self.checkpointer is not None:
            self.backups = Backups(base, self.log, self.checkpointer)
        # A simulated disk has no threads.
        self._spares = None if lock is None else SpareMaker(writer)
        self.checkpoint_cost = CHECKPOINT_COST
        self._not_before_s = 0.0
        self._next_check_s = 0.0
        engine.stores.watch_changes(self._note_fullness)
        self.log.note(START, pack(wall_clock()))
        self.flush()

    @property
    def base_epoch(self) -> int:
        """The epoch of the last checkpoint; 0 before the first."""
        return 0 if self._base is None else self._base.epoch

    def flush(self) -> None:
        """Write and sync what the log has gathered, where nobody else does anything.  Raises DurabilityLost."""
        log = self.log
        flush = log.take()
        if flush is not None:
            try:
                log.write(flush)
            except (OSError, DatabaseError) as error:
                log.finish(flush, error)
            else:
                log.finish(flush)
        log.check()

    # --- checkpoints ------------------------------------------------------------------------------------------

    def maintain(self) -> Generator[Step, None, bool] | None:
        """Keep to the memory limit, and give the steps of a checkpoint, if it is time for one: the log since the last
        one, or what waits in memory to be written, has grown large.

        To be called between units as often as is convenient, and a few times a second at least.  The steps never
        fail: what goes wrong is logged, and tried again later.
        """
        checkpointer = self.checkpointer
        now_s = time.monotonic()
        if checkpointer is None or now_s < self._next_check_s:
            return None
        self._next_check_s = now_s + CHECK_S
        fullness = self._engine.stores.keep_to_memory_limit()
        checkpointer.is_urgent = fullness >= 1
        self._note_fullness(fullness)
        is_due = fullness >= 1 or checkpointer.replay_cost() >= self.checkpoint_cost
        if (
            not is_due
            or checkpointer.is_running
            or self.log.failure is not None
            or now_s < self._not_before_s
        ):
            return None
        return self._checkpoint(checkpointer)

    def _note_fullness(self, fullness: float) -> None:
        """Hold back writers while memory is full of what a checkpoint is writing; else have it begin soon."""
        checkpointer = self.checkpointer
        if checkpointer is None or fullness < 1:
            return
        if not checkpointer.is_running:
            self._next_check_s = min(self._next_check_s, time.monotonic())
        elif fullness >= CONGESTED:
            self._engine.manager.hold_back_writers()

    def checkpoint_rest(self) -> float:
        """After each unit of a checkpoint, for how many times as long as it took its host should leave the engine to
        others: for most of the time, unless memory is short."""
        is_urgent = self.checkpointer is not None and self.checkpointer.is_urgent
        return URGENT_REST if is_urgent else REST

    def _checkpoint(self, checkpointer: Checkpointer) -> Generator[Step, None, bool]:
        is_made = yield from checkpoint_quietly(checkpointer)
        if not is_made:
            self._not_before_s = time.monotonic() + RETRY_S
        self._give_back_memory()
        return is_made

    def _give_back_memory(self) -> None:
        """Have the base give back what checkpoints took, where that matters."""
        base = self._base
        if base is None or not self._engine.stores.is_much(base.unreturned_bytes):
            return
        try:
            base.give_back_memory()
        except (OSError, DatabaseError) as error:
            _logger.error("the base could not be opened again: %s", error)

    def announce(self, address: str | None) -> None:
        """Let those who find the directory locked know where it is served.  Raises OSError."""
        if self._lock is not None:
            self._lock.announce(address)

    def close(self) -> None:
        """Write what is left, seal the log, let others in.  Nothing uses the engine any more."""
        log = self.log
        # Who hosted the engine is not there any more: what is left is flushed here.
        log.on_pending = log.on_lazy = _nobody
        if self.backups is not None:
            self.backups.close()
        if self._spares is not None:
            self._spares.close()
        try:
            if log.failure is None:
                self._note_exact_sequences()
                self._checkpoint_at_the_end()
                self.flush()
                log.writer.seal()
        finally:
            log.writer.close()
            if self._base is not None:
                self._base.close()
            if self._lock is not None:
                self._lock.release()

    def _checkpoint_at_the_end(self) -> None:
        """Spare the next opening the replaying of a long log."""
        if self.checkpointer is None or self.checkpointer.replay_cost() < REPLAYED_COST:
            return
        for step in checkpoint_quietly(self.checkpointer):
            if isinstance(step, Wait):
                self.flush()
                over = threading.Event()
                step.waiting.on_over(over.set)
                over.wait()

    def _note_exact_sequences(self) -> None:
        """A clean stop loses no values that were logged ahead and not given out."""
        for state in self._engine.sequences.take_unlogged():
            self.log.note(SEQUENCE, pack_sequence(*state))

    def _tell_who_waits(self) -> None:
        """The log has failed."""
        for session in list(self._engine.sessions.values()):
            session.stop_waiting()

    # --- what the log asks ------------------------------------------------------------------------------------

    def _encode_catalog(self, catalog: object) -> bytes | None:
        newest = self._engine.manager.newest_catalog()
        return encode_delta(cast(Catalog, newest), cast(Catalog, catalog))

    def _encode_prepared(self, prepared: PreparedTransaction) -> bytes:
        return encode_prepared(self._engine, prepared)

    def _sequences(self, oids: list[int]) -> list[tuple[int, int, bool]]:
        return self._engine.sequences.take_pending(oids)

    def _tell_of_changes(self) -> None:
        manager = self._engine.manager
        if manager.feed.is_recording:
            manager.feed.advance(manager.newest_change())

    def _note_sequence(self, oid: int, last_value: int, is_called: bool) -> None:
        self.log.note(SEQUENCE, pack_sequence(oid, last_value, is_called))
