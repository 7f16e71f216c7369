"""Resources of flows that are not databases: files, SFTP, queues, HTTP.

    sftp = resource("sftp", open=connect, shared=True)      one per transaction, opened by the first call
    http = resource("http", open=connect, shared=False)     one per call

    with sftp.use() as handle: ...

A shared one takes part in the transaction with those of the methods begin, commit, rollback, savepoint, prepare that
its handle has, and is closed when the transaction has ended.  Outside any transaction each use opens and closes its
own.

Generated from aio/resources.py by driver/unasync.py: change that one.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar, cast

from skerry.flow.abc import Member
from skerry.flow.blocks import joinable_scope
from skerry.flow.modes import Modes
from skerry.flow.primitives import settled

T = TypeVar("T")


class Resource(Generic[T]):
    """See the module."""

    def __init__(self, name: str, opens: Callable[[], object], shared: bool) -> None:
        self.name = name
        self.shared = shared
        self._opens = opens

    def __repr__(self) -> str:
        return f"<{'shared ' if self.shared else ''}resource {self.name}>"

    @contextlib.contextmanager
    def use(self) -> Iterator[T]:
        """The transaction's handle, or one for this block."""
        scope = joinable_scope() if self.shared else None
        if scope is not None:
            member = scope.use(self)
            assert isinstance(member, _HandleMember)
            yield cast("T", member.handle)
            return
        handle = settled(self._opens())
        try:
            yield cast("T", handle)
        finally:
            _send(handle, "close")

    def enlist(self, modes: Modes, sends: bool) -> Member:
        """See `Participant`."""
        handle = settled(self._opens())
        if sends:
            try:
                _send(handle, "begin")
            except BaseException:
                _send(handle, "close")
                raise
        return _HandleMember(self.name, handle, sends)


class _HandleMember:
    """What was opened, within one transaction."""

    is_database = False
    survives_interruption = True

    def __init__(self, name: str, handle: object, sends: bool) -> None:
        self.name = name
        self.handle = handle
        self._sends = sends
        phases = ("prepare", "commit_prepared", "rollback_prepared")
        has_nothing = not sends or not hasattr(handle, "commit")
        self.is_two_phase = has_nothing or all(hasattr(handle, each) for each in phases)

    def _tell(self, method: str, *arguments: object) -> None:
        if self._sends:
            _send(self.handle, method, *arguments)

    def commit(self) -> None:
        """Commit, if the handle can."""
        self._tell("commit")

    def rollback(self) -> None:
        """Roll back, if the handle can."""
        self._tell("rollback")

    def savepoint(self, name: str) -> None:
        """Mark this point, if the handle can."""
        self._tell("savepoint", name)

    def release_savepoint(self, name: str) -> None:
        """Forget the mark."""
        self._tell("release_savepoint", name)

    def rollback_to_savepoint(self, name: str) -> None:
        """Undo what came after the mark, if the handle can."""
        self._tell("rollback_to_savepoint", name)

    def prepare(self, name: str) -> None:
        """The first phase."""
        self._tell("prepare", name)

    def commit_prepared(self, name: str) -> None:
        """The second phase."""
        self._tell("commit_prepared", name)

    def rollback_prepared(self, name: str) -> None:
        """Give up what was prepared."""
        self._tell("rollback_prepared", name)

    def cancel(self) -> None:
        """Cancel what runs, if the handle can."""
        self._tell("cancel")

    def close(self, is_usable: bool) -> None:
        """Close the handle."""
        _send(self.handle, "close")

    def abandon(self) -> None:
        """Close the handle, if that needs no waiting."""
        close = getattr(self.handle, "close", None)
        if close is not None:
            waiting = close()
            if hasattr(waiting, "close"):
                waiting.close()


def _send(handle: object, method: str, *arguments: object) -> None:
    """Call a method of a handle that has it."""
    found = getattr(handle, method, None)
    if found is not None:
        settled(found(*arguments))
