r"""SQL sessions for tests: one engine in memory, stepped in one thread,
or the same script by threads or over the wire.

    rows = SqlDatabase().session().rows("select 1")          # one session, driven to the end

    run_goldenscript(path, SqlDatabase().open_session)       # several, stepped: see `stepper`

The command language of SQL goldenscripts is SQL, one statement (or batch) a line,
and a few commands of its own:

    A: \cancel B         cancel what B runs or waits for
    A: \kill B           B's client is gone
    A: \start TEXT       begin a statement and run its first unit only; then
    A: \step N           run N more units, or
    A: \finish           run it to the end
    A: \status           I, T or E

A wait is shown as `waits`; what came out of it later begins with `goes on`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from unittest.mock import patch

from stepper import Output, describe_error

from skerry_engine.engine import Engine
from skerry_engine.errors import DatabaseError
from skerry_engine.session import execution
from skerry_engine.session.session import Session
from skerry_engine.session.steps import (
    Complete,
    Description,
    Finished,
    Notice,
    ParameterStatus,
    ResultColumn,
    Rows,
    Step,
    Wait,
)
from skerry_engine.values.io import text_encoder

Row = tuple[object, ...]
Steps = Generator[Step, object, None]


def answered(session: Session, text: str) -> Steps:
    """A text's steps as a server has them: those of a statement that is finished in one unit are made up."""
    answer = session.answer_query(text)
    if isinstance(answer, Finished):
        yield from answer.steps()
    else:
        yield from answer


class SqlDatabase:
    """An engine in memory with its sessions."""

    def __init__(self, *setup: str) -> None:
        self.engine = self.open_engine()
        self.sessions: dict[str, SqlSession] = {}
        for text in setup:
            self.session().run_all(text)

    def open_engine(self) -> Engine:
        """The engine that the sessions are sessions of."""
        return Engine.open(":memory:")

    def flush(self) -> None:
        """Write the log, where there is one: a commit may wait for it."""
        log = self.engine.durable_log
        if log is not None and log.is_waited_for():
            assert self.engine.durable is not None
            self.engine.durable.flush()

    def session(self, name: str = "main") -> SqlSession:
        """The session of that name, opened when it is first asked for."""
        found = self.sessions.get(name)
        if found is None:
            session = self.engine.open_session("postgres", "skerry", {})
            found = self.sessions[name] = SqlSession(self, name, session)
        return found

    def open_session(self, name: str) -> SqlSession:
        """What `stepper.run_goldenscript` asks for."""
        return self.session(name)

    def rows(self, text: str) -> list[Row]:
        """Rows of a query, as run-time values."""
        return self.session().rows(text)


class SqlSession:
    """One session: as a goldenscript's (`run`), or driven to the end (`run_all`, `rows`, `lines`)."""

    def __init__(self, database: SqlDatabase, name: str, session: Session) -> None:
        self.database = database
        self.name = name
        self.session = session
        self._steps: Steps | None = None
        self._printer = Printer(session)

    # --- driven to the end ----------------------------------------

    def run_all(self, text: str) -> list[Step]:
        """Every step of a text.  A wait is a failure: nobody could end it."""
        steps: list[Step] = []
        for step in answered(self.session, text):
            if isinstance(step, Wait):
                self.database.flush()
            if isinstance(step, Wait) and not step.waiting.is_over():
                raise AssertionError(f"waits for ever: {text}")
            steps.append(step)
        return steps

    def rows(self, text: str) -> list[Row]:
        """The rows of a text, as run-time values."""
        return [row for step in self.run_all(text) if isinstance(step, Rows) for row in step.rows]

    def lines(self, text: str) -> list[str]:
        """What a goldenscript would print."""
        printer = Printer(self.session)
        for step in self.run_all(text):
            printer.take(step)
        return printer.lines

    # --- as a script's session ----------------------------------------

    def run(self, command: str) -> Output:
        """Run a line of a goldenscript."""
        if not command.startswith("\\"):
            self._begin(command)
            return (yield from self._drive(None))
        word, _, rest = command[1:].partition(" ")
        if word == "start":
            self._begin(rest)
            # How far a statement gets at once hangs on a clock, which a script must not.
            with patch.object(execution, "AT_ONCE_S", 0.0):
                return (yield from self._drive(1))
        if word == "step":
            return (yield from self._drive(int(rest)))
        if word == "finish":
            return (yield from self._drive(None))
        return self._control(word, rest)

    def _control(self, word: str, rest: str) -> list[str]:
        if word == "status":
            return [self.session.transaction_status]
        other = self.database.session(rest.strip())
        if word == "cancel":
            other.session.cancel()
        elif word == "kill":
            other.kill()
        else:
            raise AssertionError(f"unknown command \\{word}")
        return []

    def kill(self) -> None:
        """The client is gone: what a shell does then."""
        if self._steps is not None:
            self._steps.close()
        self.session.close()
        self.session = self.database.engine.open_session("postgres", "skerry", {})

    def _begin(self, text: str) -> None:
        self._printer = Printer(self.session)
        self._steps = answered(self.session, text)

    def _drive(self, units: int | None) -> Output:
        """Run so many units, or all; returns what they printed."""
        assert self._steps is not None, "nothing runs"
        printer, waited = self._printer, False
        session = self.session
        try:
            for step in self._steps:
                printer.take(step)
                if isinstance(step, ParameterStatus):
                    continue
                if isinstance(step, Wait):
                    self.database.flush()
                if isinstance(step, Wait) and not step.waiting.is_over():
                    waited = True
                    yield step
                if units is not None:
                    units -= 1
                    if units == 0:
                        return [*printer.take_lines(), "(to be continued)"]
        except DatabaseError as error:
            printer.lines += describe_error(error)
        self._steps = None
        if session is not self.session:  # killed meanwhile
            return []
        return (["(goes on)"] if waited else []) + printer.take_lines()


class Printer:
    """Turns steps into lines: rows as psql's unaligned output has them, then the command tag."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._encoders: list[Callable[[object], str]] = []
        self.lines: list[str] = []

    def take(self, step: Step) -> None:
        """Print a step."""
        if isinstance(step, Description):
            self._encoders = [self._encoder(column) for column in step.columns]
        elif isinstance(step, Rows):
            self.lines += [self._shown(row) for row in step.rows]
        elif isinstance(step, Complete):
            self.lines.append(step.tag)
        elif isinstance(step, Notice):
            self.lines.append(f"{step.severity}: {step.message}")

    def take_lines(self) -> list[str]:
        """The lines so far, which are then forgotten."""
        lines, self.lines = self.lines, []
        return lines

    def _encoder(self, column: ResultColumn) -> Callable[[object], str]:
        return text_encoder(column.type, self._session.io)

    def _shown(self, row: Row) -> str:
        return "|".join(
            "NULL" if value is None else encode(value)
            for value, encode in zip(row, self._encoders, strict=True)
        )
