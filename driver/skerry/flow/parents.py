"""What branches can be made of: the transactions of this process, in whichever of their forms."""

from __future__ import annotations

import contextlib
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, TypeAlias, cast

from skerry.aio.transactions import AsyncTransaction
from skerry.flow.aio.scope import AsyncTransactionScope
from skerry.flow.scope import TransactionScope
from skerry.transactions import Transaction
from skerry_engine.errors import InterfaceError, NotSupportedError

if TYPE_CHECKING:
    from skerry.embedded import EmbeddedBackend


class AsyncMember:
    """The session that a transaction of asyncio has in this process, for threads that work for it."""

    def __init__(self, backend: object) -> None:
        self.backend = backend

    @classmethod
    async def of(cls, scope: AsyncTransactionScope) -> AsyncMember:
        """The session of a scope's own database, where it takes part from now on.  Raises as `backend_of`."""
        if scope.primary is None:
            raise InterfaceError("the transaction has no database of its own")
        session = getattr(await scope.use(scope.primary), "session", None)
        return cls(getattr(getattr(session, "backend", None), "_backend", None))


Parent: TypeAlias = Transaction | TransactionScope | AsyncTransaction | AsyncMember
"""What a branch can belong to.  A TransactionScope stands for the session of its own database."""


def backend_of(parent: Parent) -> EmbeddedBackend:
    """The session of a transaction in this process.

    Raises NotSupportedError over the network and for other databases, InvalidTransactionState (T004) for a transaction
    that has ended, InterfaceError for what is none.
    """
    found: object
    if isinstance(parent, Transaction):
        found = parent._active_backend()
    elif isinstance(parent, AsyncTransaction):
        found = getattr(parent._active_backend(), "_backend", None)
    elif isinstance(parent, AsyncMember):
        found = parent.backend
    elif isinstance(parent, TransactionScope):
        if parent.primary is None:
            raise InterfaceError("the transaction has no database of its own")
        member = parent.use(parent.primary)
        session = getattr(member, "session", None)
        found = getattr(session, "backend", None)
    else:
        raise InterfaceError(f"a flow branch is made of a transaction, not of {type(parent).__name__}")
    if (
        type(found).__name__ != "EmbeddedBackend"
    ):  # whose module a program that only uses servers never imports
        raise NotSupportedError(
            "flow branches are for databases in this process",
            hint="Open the database by its path, or ':memory:'.",
        )
    return cast("EmbeddedBackend", found)


def guard_of(parent: Parent) -> AbstractContextManager[object]:
    """What keeps others from running a statement in the transaction meanwhile."""
    if isinstance(parent, Transaction):
        return parent._lock
    if isinstance(parent, TransactionScope):
        return parent._turn
    return contextlib.nullcontext()


class Marked:
    """A savepoint of the parent around a block, which an exception rolls back to."""

    def __init__(self, parent: Parent, name: str) -> None:
        self._backend = backend_of(parent)
        self._guard = guard_of(parent)
        self._name = '"' + name.replace('"', '""') + '"'

    def __enter__(self) -> None:
        self._run(f"SAVEPOINT {self._name}")

    def __exit__(self, *exception: object) -> None:
        if exception[0] is not None:
            if self._backend.transaction_status == "I":
                return  # a hook has ended the whole
            self._run(f"ROLLBACK TO SAVEPOINT {self._name}")
        self._run(f"RELEASE SAVEPOINT {self._name}")

    def _run(self, text: str) -> None:
        with self._guard:
            self._backend.execute(text, None)
