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

import signal
import threading
from types import FrameType


class _Interrupts:
    """SIGINT of the main thread, for all engines of the process: a thread is in one unit at a time."""

    __slots__ = ("main_thread_id", "is_inside", "was_interrupted")

    def __init__(self) -> None:
        self.main_thread_id = threading.main_thread().ident
        self.is_inside = False
        self.was_interrupted = False

    def hold_back(self) -> bool:
        """Take the place of Python's handler; False where there is nothing to do, or nothing to undo."""
        if threading.get_ident() != self.main_thread_id:
            return False
        if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
            return False
        signal.signal(signal.SIGINT, self._handle)
        return True

    def let_through(self) -> None:
        """Undo `hold_back`, if it gave True."""
        signal.signal(signal.SIGINT, signal.default_int_handler)

    def _handle(self, _number: int, _frame: FrameType | None) -> None:
        if not self.is_inside:
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
            interrupts.is_inside = True
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()
        if threading.get_ident() == interrupts.main_thread_id:
            interrupts.is_inside = False
            if self._is_own:
                self._is_own = False
                interrupts.let_through()
            if interrupts.was_interrupted:
                interrupts.was_interrupted = False
                raise KeyboardInterrupt

    def locked(self) -> bool:
        """Whether some thread is inside."""
        return self._lock.locked()

    def acquire_if_free(self) -> bool:
        """Take the lock unless somebody (perhaps this very thread, further out) has it."""
        return self._lock.acquire(blocking=False)

    def release(self) -> None:
        """Give back what `acquire_if_free` took."""
        self._lock.release()
