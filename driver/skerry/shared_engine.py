"""The engines of this process: one for each open database, shared by all who open the same path.

    open("./data") ─┐
    open("./data") ─┴─> SharedEngine ── engine, its mutex, the flushing of its log
    open(":memory:") ──> SharedEngine       private to the call

The log is flushed by the threads that commit: the first that finds a commit waiting writes and syncs for all that
wait by then, without the mutex; those that come meanwhile wait, and one of them flushes for all of them
(flush_turn.py).

    thread A   [append]  its turn  [take]  write, sync  [finish: publish A]
    thread B                  [append] ................. its turn  [take]  write, sync  [finish: publish B, C]
    thread C                     [append] ........................................................ covered

With synchronous_commit = off nobody waits: a timer flushes after `LAZY_FLUSH_S`.
"""

from __future__ import annotations

import atexit
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Generator
from typing import Final, Protocol

from skerry.deferred_work import DeferredWork
from skerry.engine_mutex import EngineMutex, interrupts
from skerry.expiry import Expiry
from skerry.flush_turn import FlushTurn
from skerry.targets import EngineOptions
from skerry_engine.engine import MEMORY, Engine
from skerry_engine.session.steps import Step, Wait
from skerry_engine.txn.durable_log import Flush

MAINTENANCE_S: Final = 0.25

LAZY_FLUSH_S: Final = 0.2
"""How long a commit that does not wait may stay in memory."""


class Log(Protocol):
    """What is flushed here: a durable engine's log (`DurableLog`)."""

    on_lazy: Callable[[], None]

    def is_waited_for(self) -> bool:
        """Whether a commit waits that no flush covers yet."""
        ...

    def is_full(self) -> bool:
        """Whether so much has gathered that it must be written before there is more."""
        ...

    def take(self) -> Flush | None:
        """What is to be written now."""
        ...

    def write(self, flush: Flush) -> None:
        """Write and sync it."""
        ...

    def finish(self, flush: Flush, error: Exception | None) -> None:
        """Publish what is durable now, or fail all that waits."""
        ...


class Closable(Protocol):
    """What finalisers leave here to be closed: a session, a flow branch."""

    def close(self) -> None:
        """Close it."""
        ...


_registry_lock = threading.Lock()
_by_path: dict[str, SharedEngine] = {}


class SharedEngine:
    """An engine, the mutex under which everything in it runs, and its users."""

    def __init__(self, engine: Engine, path: str | None) -> None:
        self.engine = engine
        self.mutex = EngineMutex()
        self.expiry = Expiry(self.mutex)
        self.abandoned: deque[Closable] = deque()
        self._path = path
        self._users = 1
        self._flush_turn = FlushTurn()
        self._lazy_flush: threading.Timer | None = None
        self._checkpoint_thread: threading.Thread | None = None
        self._is_closed = False
        self.log: Log | None = engine.durable_log
        self._closing = threading.Event()
        views = engine.deferred_views
        self._deferred_work = DeferredWork(views, self.mutex, self.flush_if_waited_for, path is not None)
        with self.mutex:
            views.look_at_once()
        if self.log is not None:
            self.log.on_lazy = self._flush_later
            threading.Thread(target=self._maintain_regularly, name="skerry maintenance", daemon=True).start()

    @classmethod
    def open(cls, path: str, options: EngineOptions) -> SharedEngine:
        """The engine of a path, opened if nobody in this process has it open.

        Raises what `Engine.open` raises.
        """
        if path == MEMORY:
            return cls(_open(MEMORY, options), None)
        key = os.path.realpath(path)
        with _registry_lock:
            found = _by_path.get(key)
            if found is not None:
                found._users += 1
                return found
            made = _by_path[key] = cls(_open(path, options), key)
            return made

    def release(self) -> None:
        """One user fewer; with the last one the engine is closed."""
        with _registry_lock:
            self._users -= 1
            if self._users > 0:
                return
            if self._path is not None:
                del _by_path[self._path]
            self._close()

    def _close(self) -> None:
        self._closing.set()
        self._deferred_work.close()
        self.flush()
        thread = self._checkpoint_thread
        if thread is not None:
            thread.join()
        self._flush_turn.take()
        try:
            with self.mutex:
                self._is_closed = True
                self.engine.close()
        finally:
            self._flush_turn.give_back()
        if self._lazy_flush is not None:
            self._lazy_flush.cancel()  # if it flushes already, it finds the database closed

    # --- the log --------------------------------------------------------------------------------------------

    def flush_if_waited_for(
        self, over: threading.Event | None = None, deadline_s: float | None = None
    ) -> None:
        """Flush the log if a commit waits that no flush covers yet, or be there while another does.

        `over`, `deadline_s`: what the caller waits for, and until when; who waits for nothing leaves it to whoever
        flushes, unless so much has gathered that it must be written before there is more.
        """
        log = self.log
        if log is None or not log.is_waited_for():
            return
        if over is not None or not self._flush_turn.is_taken() or log.is_full():
            self.flush(over, deadline_s)

    def flush(self, over: threading.Event | None = None, deadline_s: float | None = None) -> None:
        """Write and sync what the log has gathered, for everybody who waits, unless another flush ends what the
        caller waits for.  Ctrl-C comes through afterwards."""
        log = self.log
        if log is None:
            return
        with interrupts.shut_out():
            if not self._flush_turn.take(over, deadline_s):
                return
            try:
                if self._is_closed or not self._flush(log):
                    return
            finally:
                self._flush_turn.give_back()
        self._maintain()

    def _flush(self, log: Log) -> bool:
        """One flush; False where there is nothing to do."""
        with self.mutex:
            flush = log.take()
        if flush is None:
            return False
        error: Exception | None = None
        try:
            log.write(flush)
        except Exception as failure:  # noqa: BLE001 - whatever it was, the log has failed
            error = failure
        with self.mutex:
            log.finish(flush, error)
        return True

    def _flush_later(self) -> None:
        timer = threading.Timer(LAZY_FLUSH_S, self.flush)
        timer.daemon = True
        self._lazy_flush = timer
        timer.start()

    # --- checkpoints ------------------------------------------------------------------------------------------

    def _maintain(self) -> None:
        """Keep to the memory limit, and have a thread make a checkpoint, if it is time for one."""
        with self.mutex:
            durable = self.engine.durable
            steps = None if durable is None else durable.maintain()
        if steps is not None and self._checkpoint_thread is None:
            thread = threading.Thread(
                target=self._make_checkpoint, args=(steps,), name="skerry checkpoint steps"
            )
            thread.daemon = True
            self._checkpoint_thread = thread
            thread.start()

    def _maintain_regularly(self) -> None:
        """Reading takes memory, too, and flushes nothing."""
        while not self._closing.wait(MAINTENANCE_S):
            self._maintain()

    def _make_checkpoint(self, steps: Generator[Step, None, bool]) -> None:
        """Step a checkpoint to its end, leaving most of the time to the sessions."""
        try:
            while True:
                with self.mutex:
                    began_s = time.monotonic()  # the wait for the mutex was others' turn
                    step = next(steps, None)
                if step is None:
                    return
                if isinstance(step, Wait):
                    over = threading.Event()
                    step.waiting.on_over(over.set)
                    self.flush_if_waited_for(over)
                    over.wait()
                else:
                    durable = self.engine.durable
                    rest = 0.0 if durable is None else durable.checkpoint_rest()
                    time.sleep(rest * (time.monotonic() - began_s))
        finally:
            self._checkpoint_thread = None

    # --- sessions that were forgotten -------------------------------------------------------------------------

    def close_abandoned(self) -> None:
        """Close sessions that were forgotten, unless somebody holds the mutex.

        Whoever holds it calls this after giving it back: so no session stays here, and no finaliser waits.
        """
        while self.abandoned and self.mutex.acquire_if_free():
            try:
                while self.abandoned:
                    self.abandoned.popleft().close()
            finally:
                self.mutex.release()


def _open(path: str, options: EngineOptions) -> Engine:
    return Engine.open(
        path, options.gc_interval, options.retention, options.retention_bytes, options.memory_limit
    )


@atexit.register
def _close_what_is_open() -> None:
    """The process ends: what was committed without waiting goes to the disk, and logs are sealed."""
    with _registry_lock:
        left = list(_by_path.values())
        _by_path.clear()
    for each in left:
        each._close()
