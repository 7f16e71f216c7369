"""The mutex under which an embedded engine runs, and what keeps Ctrl-C out of it.

What an engine does between two yields is atomic for everybody else only if nothing breaks it off in the middle: a
KeyboardInterrupt there would leave half a commit behind.  So on the main thread, while a statement runs, SIGINT
is taken here:

    inside the mutex     noted; KeyboardInterrupt is raised when the mutex is released, the unit being complete
    outside              KeyboardInterrupt at once, as ever: while waiting for a lock, or converting rows

Only Python's own handler is stood in for.  Who has installed another keeps it, and must not raise from it.
Whether ours is in place is asked of `signal`, not remembered: an interrupt may fall between the two.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from _signal import getsignal as _handler_of
from _signal import signal as _set_handler
from collections.abc import Iterator
from types import FrameType

# The functions below those of `signal`, which make an enum member of every handler: that takes longer than a unit.
_SIGINT = int(signal.SIGINT)


class _Interrupts:
    """SIGINT of the main thread, for all engines of the process: a thread is in one unit at a time."""

    __slots__ = ("main_thread_id", "depth", "was_interrupted")

    def __init__(self) -> None:
        self.main_thread_id = threading.main_thread().ident
        self.depth = 0
        self.was_interrupted = False

    @contextlib.contextmanager
    def shut_out(self) -> Iterator[None]:
        """What runs inside is as undivided as a unit: a write to the log, with what leads to it and follows it."""
        is_main = threading.get_ident() == self.main_thread_id
        is_own = is_main and self.hold_back()
        if is_main:
            self.depth += 1
        try:
            yield
        finally:
            if is_main:
                self.leave(is_own)

    def leave(self, is_own: bool) -> None:
        """The main thread leaves a unit; `is_own`: it was `hold_back` here that gave True."""
        self.depth -= 1
        if is_own:
            self.let_through()
        if self.was_interrupted and self.depth == 0:
            self.was_interrupted = False
            raise KeyboardInterrupt

    def hold_back(self) -> bool:
        """Take the place of Python's handler; False where there is nothing to do, or nothing to undo."""
        if threading.get_ident() != self.main_thread_id:
            return False
        if _handler_of(_SIGINT) is not signal.default_int_handler:
            return False
        _set_handler(_SIGINT, self._handle)
        return True

    def let_through(self) -> None:
        """Undo `hold_back`, if it gave True."""
        _set_handler(_SIGINT, signal.default_int_handler)

    def _handle(self, _number: int, _frame: FrameType | None) -> None:
        if self.depth == 0:
            raise KeyboardInterrupt
        self.was_interrupted = True


interrupts = _Interrupts()


class EngineMutex:
    """A lock, used as a context manager around each unit.

    `interrupts.hold_back()` around a whole statement spares its units the change of handlers.
    """

    __slots__ = ("_lock", "_is_own")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_own = False

    def __enter__(self) -> None:
        if threading.get_ident() == interrupts.main_thread_id:
            self._is_own = interrupts.hold_back()
            interrupts.depth += 1
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()
        if threading.get_ident() == interrupts.main_thread_id:
            is_own, self._is_own = self._is_own, False
            interrupts.leave(is_own)

    def locked(self) -> bool:
        """Whether some thread is inside."""
        return self._lock.locked()

    def acquire_if_free(self) -> bool:
        """Take the lock unless somebody (perhaps this very thread, further out) has it."""
        return self._lock.acquire(blocking=False)

    def release(self) -> None:
        """Give back what `acquire_if_free` took."""
        self._lock.release()
