"""Sessions of Skerry, embedded or over the network, for flows: those of a native Database.

Generated from aio/skerry_sessions.py by driver/unasync.py: change that one.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable

from skerry.backend import Backend
from skerry.flow.modes import Modes
from skerry.isolation import begin_sql
from skerry.native import Database
from skerry.parameters import Parameters, from_pyformat
from skerry.result import Result
from skerry_engine.errors import InFailedTransaction, InvalidTransactionState


class SkerrySession:
    """One session."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self._is_begun = False

    @property
    def connection(self) -> Backend:
        """The session itself."""
        return self.backend

    def _run(self, text: str) -> None:
        self.backend.execute(text, None)

    def begin(self, modes: Modes) -> None:
        """Begin a transaction; its snapshot is that of its first statement."""
        self._run(_begin_sql(modes))
        self._is_begun = True

    def commit(self) -> None:
        """Commit.  Raises InFailedTransaction when a statement had failed."""
        status = self.backend.transaction_status
        self._check_begun()
        self._run("COMMIT")
        self._is_begun = False
        if status == "E":
            raise InFailedTransaction("the transaction had failed and was rolled back, not committed")

    def _check_begun(self) -> None:
        if self._is_begun and self.backend.transaction_status == "I" and self.backend.is_open:
            raise InvalidTransactionState("the transaction was ended by a statement inside it")

    def rollback(self) -> None:
        """Roll back."""
        self._is_begun = False
        if self.backend.transaction_status != "I":
            self._run("ROLLBACK")

    def savepoint(self, name: str) -> None:
        """Mark this point."""
        self._run(f"SAVEPOINT {name}")

    def release_savepoint(self, name: str) -> None:
        """Forget the mark."""
        self._run(f"RELEASE SAVEPOINT {name}")

    def rollback_to_savepoint(self, name: str) -> None:
        """Undo what came after the mark."""
        self._run(f"ROLLBACK TO SAVEPOINT {name}")

    def prepare(self, name: str) -> None:
        """PREPARE TRANSACTION."""
        self._check_begun()
        self._run(f"PREPARE TRANSACTION '{name}'")
        self._is_begun = False

    def commit_prepared(self, name: str) -> None:
        """COMMIT PREPARED."""
        self._run(f"COMMIT PREPARED '{name}'")

    def rollback_prepared(self, name: str) -> None:
        """ROLLBACK PREPARED."""
        self._run(f"ROLLBACK PREPARED '{name}'")

    def execute(self, statement: str, parameters: Parameters | None) -> Result:
        """Execute a statement."""
        self._check_begun()
        text, values = from_pyformat(statement, parameters)
        return Result(self.backend.execute(text, values))

    def execute_many(self, statement: str, sets: Iterable[Parameters]) -> int:
        """Execute a statement for each set."""
        text = ""
        rows: list[list[object]] = []
        for parameters in sets:
            text, values = from_pyformat(statement, parameters)
            rows.append(values or [])
        if not rows:
            return 0
        self._check_begun()
        outcomes = self.backend.execute_many(text, rows, False)
        return sum(max(0, each.row_count) for each in outcomes)

    def cancel(self) -> None:
        """Cancel what runs."""
        self.backend.cancel()


class SkerryConnector:
    """The sessions of a Database, which is closed with it if it `owns` it."""

    dialect = "skerry"
    is_two_phase = True
    survives_interruption = True

    def __init__(self, database: Database, owns: bool) -> None:
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

    def take(self) -> SkerrySession:
        """A session."""
        session = SkerrySession(self._pool.take())
        with self._mutex:
            self._in_use += 1
        return session

    def give_back(self, session: SkerrySession, is_usable: bool) -> None:
        """Take it back."""
        with self._mutex:
            self._in_use -= 1
        if is_usable:
            self._pool.settle(session.backend)
        else:
            session.backend.close()

    def abandon(self, session: SkerrySession) -> None:
        """Forget it: a session that nobody has any more closes."""
        with self._mutex:
            self._in_use -= 1

    def close(self) -> None:
        """Close the database, if it is this one's."""
        if self._owns:
            self.database.close()


def _begin_sql(modes: Modes) -> str:
    return begin_sql(modes.isolation, modes.read_only, modes.deferrable)
