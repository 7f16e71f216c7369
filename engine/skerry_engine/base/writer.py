"""Writing the base: one checkpoint, one LMDB write transaction.

    who has the engine    begin() ·· put_many() put_many() ·· commit() ·· adopt the base
    a thread               └ takes the write lock                └ writes and syncs the file

The write transaction belongs to a thread that begins and ends it, since LMDB's lock belongs to a thread and writing
the file takes long.  The blocks, though, are put by whoever has the engine, in slices: LMDB's calls give up Python's
lock and then wait to get it back.  (Measured with the engine busy: a block put by another thread took 5.8 ms, 0.7 ms
at a switch interval of 0.5 ms; put in place, 8 us.)  While blocks are put the thread sleeps, so one thread at a time
uses the transaction, as LMDB wants it.

An error ends the checkpoint and nothing else: the base stays what the last commit made it, and the next checkpoint
writes everything again, so that a failed sync leaves nothing behind that anybody relies on.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Iterable, Sequence
from queue import SimpleQueue
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Final

import lmdb

from skerry_engine.base.blocks import FORMAT_VERSION, ROOT_KEY, RootRecord, block_sum, meta_key
from skerry_engine.base.environment import Base, os_error

if TYPE_CHECKING:
    from lmdb import Cursor, Transaction

Block = tuple[bytes, "bytes | None"]
"""A key and what is to stand there; None removes it."""

ABORT: Final = b""


class Completion:
    """The end of what a writer's thread does (it implements `steps.Waiting`).

    Callbacks run in that thread, or at once when it is over: they may only wake somebody.
    """

    __slots__ = ("_callbacks", "_error", "_event", "_lock")

    def __init__(self) -> None:
        self._event: Event = Event()
        self._lock: Lock = Lock()
        self._callbacks: list[Callable[[], None]] = []
        self._error: OSError | None = None

    def is_over(self) -> bool:
        """Whether it has ended, well or not."""
        return self._event.is_set()

    def on_over(self, callback: Callable[[], None]) -> None:
        """Call `callback` once it has ended (at once if it has)."""
        with self._lock:
            if not self._event.is_set():
                self._callbacks.append(callback)
                return
        callback()

    def deadline_s(self) -> float | None:
        """It has none."""
        return None

    def wait(self, timeout_s: float | None = None) -> bool:
        """Block until it has ended; False when the time was up before."""
        return self._event.wait(timeout_s)

    def check(self) -> None:
        """Raise what it failed with: OSError.  It must be over."""
        assert self.is_over(), "not over yet"
        if self._error is not None:
            raise self._error

    def end(self, error: OSError | None = None) -> None:
        """Be over; called by the writer's thread."""
        self._error = error
        with self._lock:
            self._event.set()
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback()


class BaseWriter:
    """Writes one checkpoint into the base: begin, put, then commit or abort; then it is used up.

    After a failed `put_many`, `remove` or `begin` only `abort` is left.
    """

    __slots__ = ("_base", "_blocks", "_orders", "_sums", "_worker", "_transaction", "bytes_put")

    def __init__(self, base: Base) -> None:
        self._base: Base = base
        self._orders: SimpleQueue[tuple[bytes, Completion]] = SimpleQueue()
        self._transaction: Transaction[bytes] | None = None
        self._blocks: Cursor[bytes] | None = None
        self._sums: Cursor[bytes] | None = None
        self._worker: Thread | None = None
        self.bytes_put: int = 0

    def begin(self) -> Completion:
        """Take the write transaction; put blocks when that is over.  Grows the map first if it was too small.

        Raises OSError when the map can't grow or no thread can be started: then nothing has begun.
        """
        assert self._worker is None, "a writer writes one checkpoint"
        if self._base.needs_growth:
            self._base.grow()
        begun = Completion()
        self._worker = Thread(target=self._run, args=(begun,), name="skerry checkpoint", daemon=True)
        try:
            self._worker.start()
        except RuntimeError as error:
            raise OSError(errno.EAGAIN, str(error), self._base.directory) from error
        return begun

    # --- in the thread --------------------------------------------------------------------------------------

    def _run(self, begun: Completion) -> None:
        base = self._base
        try:
            self._transaction = transaction = base.environment.begin(write=True)
        except lmdb.Error as error:
            begun.end(os_error(error, base.directory))
            self._orders.get()[1].end()
            return
        begun.end()
        root, ended = self._orders.get()
        self._blocks = self._sums = None
        failure: OSError | None = OSError(errno.EIO, "the checkpoint's thread broke off", base.directory)
        try:
            if root == ABORT:
                transaction.abort()
            else:
                transaction.put(ROOT_KEY, root, db=base.root)
                transaction.commit()
            failure = None
            base.unreturned_bytes += self.bytes_put
        except lmdb.Error as error:
            failure = self._failure(error)
            self._give_up(transaction)
        finally:
            self._transaction = None
            del transaction
            ended.end(failure)

    def _give_up(self, transaction: Transaction[bytes]) -> None:
        """Abort a transaction whose commit failed, unless LMDB has done so."""
        try:
            transaction.abort()
        except lmdb.Error:
            return

    def _failure(self, error: lmdb.Error) -> OSError:
        if isinstance(error, lmdb.MapFullError):
            self._base.needs_growth = True
        return os_error(error, self._base.directory)

    # --- with the engine ------------------------------------------------------------------------------------

    def put_many(self, blocks: Sequence[Block], deadline_s: float | None = None) -> int:
        """Put blocks, in order, until all are put or `time.perf_counter()` is past `deadline_s`.

        Returns how many it did, at least one.  Raises OSError: then abort.
        """
        if self._blocks is None or self._sums is None:
            self._open_cursors()
        done = 0
        try:
            for key, block in blocks:
                self._put(key, block)
                done += 1
                if deadline_s is not None and time.perf_counter() >= deadline_s:
                    break
        except lmdb.Error as error:
            raise self._failure(error) from error
        return done

    def _open_cursors(self) -> None:
        transaction = self._transaction
        assert transaction is not None, "begin has not ended, or failed"
        self._blocks = transaction.cursor(db=self._base.blocks)
        self._sums = transaction.cursor(db=self._base.sums)

    def _put(self, key: bytes, block: bytes | None) -> None:
        blocks, sums = self._blocks, self._sums
        assert blocks is not None and sums is not None
        if block is None:
            for cursor in (blocks, sums):
                if cursor.set_key(key):
                    cursor.delete()
            return
        blocks.put(key, block)
        sums.put(key, block_sum(key, block))
        self.bytes_put += len(key) + len(block)

    def remove(self, prefix: bytes, limit: int) -> bool:
        """Remove up to `limit` blocks whose keys begin with `prefix`; whether none is left.

        Raises OSError: then abort.
        """
        if self._blocks is None or self._sums is None:
            self._open_cursors()
        try:
            return self._remove(self._blocks, prefix, limit) and self._remove(self._sums, prefix, limit)
        except lmdb.Error as error:
            raise self._failure(error) from error

    def _remove(self, cursor: Cursor[bytes] | None, prefix: bytes, limit: int) -> bool:
        assert cursor is not None
        if not cursor.set_range(prefix):
            return True
        for _ in range(limit):
            if not cursor.key().startswith(prefix):
                return True
            cursor.delete()
        return not cursor.key().startswith(prefix)

    def commit(self, epoch: int, metadata: Iterable[tuple[str, bytes]]) -> Completion:
        """Make the blocks put the base, as the state at `epoch`; call `Base.adopt` when that has ended well.

        Metadata replaces what stands under the same names.  Raises OSError: then abort.
        """
        self.put_many([(meta_key(name), data) for name, data in metadata])
        root = RootRecord(FORMAT_VERSION, self._base.cluster_id, epoch)
        return self._order(root.pack())

    def abort(self) -> Completion:
        """Leave the base as it was."""
        return self._order(ABORT)

    def _order(self, order: bytes) -> Completion:
        ended = Completion()
        self._orders.put((order, ended))
        return ended
