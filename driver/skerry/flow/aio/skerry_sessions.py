"""Sessions of Skerry, embedded or over the network, for flows: those of a native Database."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from skerry.aio.backend import AsyncBackend
from skerry.aio.native import AsyncDatabase
from skerry.flow.modes import Modes
from skerry.isolation import begin_sql
from skerry.parameters import Parameters, from_pyformat
from skerry.result import Result
from skerry_engine.errors import InFailedTransaction, InvalidTransactionState


class AsyncSkerrySession:
    """One session."""

    def __init__(self, backend: AsyncBackend) -> None:
        self.backend = backend
        self._is_begun = False

    @property
    def connection(self) -> AsyncBackend:
        """The session itself."""
        return self.backend

    async def _run(self, text: str) -> None:
        await self.backend.execute(text, None)

    async def begin(self, modes: Modes) -> None:
        """Begin a transaction; its snapshot is that of its first statement."""
        await self._run(_begin_sql(modes))
        self._is_begun = True

    async def commit(self) -> None:
        """Commit.  Raises InFailedTransaction when a statement had failed."""
        status = self.backend.transaction_status
        self._check_begun()
        await self._run("COMMIT")
        self._is_begun = False
        if status == "E":
            raise InFailedTransaction("the transaction had failed and was rolled back, not committed")

    def _check_begun(self) -> None:
        if self._is_begun and self.backend.transaction_status == "I" and self.backend.is_open:
            raise InvalidTransactionState("the transaction was ended by a statement inside it")

    async def rollback(self) -> None:
        """Roll back."""
        self._is_begun = False
        if self.backend.transaction_status != "I":
            await self._run("ROLLBACK")

    async def savepoint(self, name: str) -> None:
        """Mark this point."""
        await self._run(f"SAVEPOINT {name}")

    async def release_savepoint(self, name: str) -> None:
        """Forget the mark."""
        await self._run(f"RELEASE SAVEPOINT {name}")

    async def rollback_to_savepoint(self, name: str) -> None:
        """Undo what came after the mark."""
        await self._run(f"ROLLBACK TO SAVEPOINT {name}")

    async def prepare(self, name: str) -> None:
        """PREPARE TRANSACTION."""
        self._check_begun()
        await self._run(f"PREPARE TRANSACTION '{name}'")
        self._is_begun = False

    async def commit_prepared(self, name: str) -> None:
        """COMMIT PREPARED."""
        await self._run(f"COMMIT PREPARED '{name}'")

    async def rollback_prepared(self, name: str) -> None:
        """ROLLBACK PREPARED."""
        await self._run(f"ROLLBACK PREPARED '{name}'")

    async def execute(self, statement: str, parameters: Parameters | None) -> Result:
        """Execute a statement."""
        self._check_begun()
        text, values = from_pyformat(statement, parameters)
        return Result(await self.backend.execute(text, values))

    async def execute_many(self, statement: str, sets: Iterable[Parameters]) -> int:
        """Execute a statement for each set."""
        text = ""
        rows: list[list[object]] = []
        for parameters in sets:
            text, values = from_pyformat(statement, parameters)
            rows.append(values or [])
        if not rows:
            return 0
        self._check_begun()
        outcomes = await self.backend.execute_many(text, rows, False)
        return sum(max(0, each.row_count) for each in outcomes)

    async def cancel(self) -> None:
        """Cancel what runs."""
        await self.backend.cancel()


class AsyncSkerryConnector:
    """The sessions of a Database, which is closed with it if it `owns` it."""

    dialect = "skerry"
    is_two_phase = True
    survives_interruption = True

    def __init__(self, database: AsyncDatabase, owns: bool) -> None:
        self.database = database
        self._owns = owns
        self._pool = database._sessions
        self._mutex = threading.Lock()
        self._in_use = 0

    @property
    def in_use(self) -> int:
        """How many sessions are in use."""
        return self._in_use

    def check(self, modes: Modes) -> None:
        """Skerry can do them all."""

    async def take(self) -> AsyncSkerrySession:
        """A session."""
        session = AsyncSkerrySession(await self._pool.take())
        with self._mutex:
            self._in_use += 1
        return session

    async def give_back(self, session: AsyncSkerrySession, is_usable: bool) -> None:
        """Take it back."""
        with self._mutex:
            self._in_use -= 1
        if is_usable:
            await self._pool.settle(session.backend)
        else:
            await session.backend.close()

    def abandon(self, session: AsyncSkerrySession) -> None:
        """Forget it: a session that nobody has any more closes."""
        with self._mutex:
            self._in_use -= 1

    async def close(self) -> None:
        """Close the database, if it is this one's."""
        if self._owns:
            await self.database.close()


def _begin_sql(modes: Modes) -> str:
    return begin_sql(modes.isolation, modes.read_only, modes.deferrable)
