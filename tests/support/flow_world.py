"""A database for a test of flows: what it is really sent is recorded, and what other sessions see can be asked.

Generated from aio/flow_world.py by driver/unasync.py: change that one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from skerry.flow import stage
from skerry.flow.database import FlowDatabase
from skerry.flow.primitives import settled

TABLE = "flow_t"
CONTROL = ("BEGIN", "COMMIT", "ROLLBACK", "PREPARE", "COMMIT PREPARED", "ROLLBACK PREPARED")


class RecordedSession:
    """A session that tells the recorder what it is told, and fails where the recorder says so."""

    def __init__(self, inner: Any, recorder: Recorder) -> None:
        self.inner = inner
        self.recorder = recorder

    @property
    def connection(self) -> Any:
        """The driver's connection."""
        return self.inner.connection

    def _send(self, what: str, method: Callable[..., Any], *arguments: Any) -> Any:
        self.recorder.meet(self.recorder.before, what)
        self.recorder.sent.append(what)
        given = settled(method(*arguments))
        self.recorder.meet(self.recorder.after, what)
        return given

    def begin(self, modes: Any) -> None:
        """See `Session`, here and below."""
        self._send("BEGIN", self.inner.begin, modes)

    def commit(self) -> None:
        self._send("COMMIT", self.inner.commit)

    def rollback(self) -> None:
        self._send("ROLLBACK", self.inner.rollback)

    def savepoint(self, name: str) -> None:
        self._send("SAVEPOINT", self.inner.savepoint, name)

    def release_savepoint(self, name: str) -> None:
        self._send("RELEASE", self.inner.release_savepoint, name)

    def rollback_to_savepoint(self, name: str) -> None:
        self._send("ROLLBACK TO", self.inner.rollback_to_savepoint, name)

    def prepare(self, name: str) -> None:
        self._send("PREPARE", self.inner.prepare, name)

    def commit_prepared(self, name: str) -> None:
        self._send("COMMIT PREPARED", self.inner.commit_prepared, name)

    def rollback_prepared(self, name: str) -> None:
        self._send("ROLLBACK PREPARED", self.inner.rollback_prepared, name)

    def execute(self, statement: Any, parameters: Any) -> Any:
        return self._send("EXECUTE", self.inner.execute, statement, parameters)

    def execute_many(self, statement: Any, sets: Any) -> int:
        count: int = self._send("EXECUTE", self.inner.execute_many, statement, sets)
        return count

    def cancel(self) -> None:
        settled(self.inner.cancel())


class Recorder:
    """A connector around a real one."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.dialect = inner.dialect
        self.survives_interruption = inner.survives_interruption
        self.sent: list[str] = []
        self.taken = 0
        self.before: dict[str, Any] = {}
        self.after: dict[str, Any] = {}

    def meet(self, meetings: dict[str, Any], what: str) -> None:
        """Fail, or do something, once, where that is wanted."""
        met = meetings.pop(what, None)
        if isinstance(met, BaseException):
            raise met
        if met is not None:
            settled(met())

    def start_anew(self) -> None:
        """Forget what there was."""
        self.sent.clear()
        self.before.clear()
        self.after.clear()
        self.taken = 0

    @property
    def is_two_phase(self) -> bool:
        """Known when there is a session."""
        return bool(self.inner.is_two_phase)

    @property
    def in_use(self) -> int:
        """See `Connector`, here and below."""
        count: int = self.inner.in_use
        return count

    def check(self, modes: Any) -> None:
        self.inner.check(modes)

    def take(self) -> RecordedSession:
        self.taken += 1
        return RecordedSession(settled(self.inner.take()), self)

    def give_back(self, session: RecordedSession, is_usable: bool) -> None:
        settled(self.inner.give_back(session.inner, is_usable))

    def abandon(self, session: RecordedSession) -> None:
        self.inner.abandon(session.inner)

    def close(self) -> None:
        settled(self.inner.close())


class World:
    """See the module.  `look(sql)` gives the rows that another session sees."""

    def __init__(self, name: str, connector: Any, look: Callable[[str], Any]) -> None:
        self.name = name
        self.recorder = Recorder(connector)
        self.db = FlowDatabase(self.recorder, name)
        self._look = look
        db = self.db

        @stage(tx=True)
        def load(key: int, text: str = "x") -> None:
            db.execute(f"INSERT INTO {TABLE} VALUES (%s, %s)", (key, text))

        @stage
        def check() -> None:
            """Only its marking matters."""

        self.load = load
        self.check = check

    def look(self, sql: str) -> list[tuple[Any, ...]]:
        """What another session sees."""
        return list(settled(self._look(sql)))

    def insert(self, key: int, text: str = "x") -> None:
        """Insert a row, in whatever transaction surrounds."""
        self.db.execute(f"INSERT INTO {TABLE} VALUES (%s, %s)", (key, text))

    def ids(self) -> list[int]:
        """The keys that another session sees."""
        return [row[0] for row in self.look(f"SELECT id FROM {TABLE} ORDER BY id")]

    @property
    def sent(self) -> list[str]:
        """BEGIN, COMMIT and ROLLBACK, as they were sent."""
        return [each for each in self.recorder.sent if each in CONTROL]

    @property
    def savepoints(self) -> list[str]:
        """What was sent of savepoints."""
        return [each for each in self.recorder.sent if each in ("SAVEPOINT", "RELEASE", "ROLLBACK TO")]

    @property
    def commits(self) -> int:
        """How many were sent."""
        return Counter(self.recorder.sent)["COMMIT"]

    @property
    def is_sqlite(self) -> bool:
        """Which has no failed transactions, and one writer at a time."""
        return self.db.dialect == "sqlite"
