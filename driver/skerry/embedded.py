"""A database in this process: engine sessions stepped by the calling thread.

The engine never blocks: a statement is a generator of steps.  This module is who blocks.  Between two steps
the engine's mutex is free, so that statements of several threads interleave; while a statement waits for a
lock its thread sleeps on an event and holds nothing.  Ctrl-C never breaks a step off (engine_mutex.py).

    thread A   [step][step]  wait ............ [step] convert rows
    thread B              [step][step: commit]           (B's commit ends A's wait)

A commit that waits for its log is not slept through: the thread writes the log itself (shared_engine.py).

A backend that is forgotten rather than closed gives its session back from a finaliser.  A finaliser can run
inside any step, the mutex held by its own thread; it then leaves the session to whoever gives the mutex back.

This module, embedded_values.py and shared_engine.py are the only ones of the driver that import the engine, and they
are imported only when a database is opened in-process.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import threading
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from typing import TypeVar

from skerry.abc import ColumnInfo, Notification, Outcome, Row, stream_tag
from skerry.embedded_values import NEED_THE_CATALOG, Converter, converter, engine_parameters
from skerry.engine_mutex import interrupts
from skerry.shared_engine import Closable, SharedEngine
from skerry.targets import EngineOptions, Target
from skerry_engine import errors
from skerry_engine.session.session import Session
from skerry_engine.session.steps import (
    Complete,
    CopyData,
    CopyFailed,
    CopyIn,
    CopyOut,
    Description,
    Finished,
    Notice,
    ResultColumn,
    Rows,
    Step,
    Wait,
)
from skerry_engine.values.io import IoContext

T = TypeVar("T")
Steps = Generator[Step, object, None]


_thread_numbers = itertools.count(1)


_THREAD = threading.local()


def _thread_number() -> int:
    """The current thread's number.  Python gives the idents of dead threads to new ones, and a lock that a
    dead thread took is not held by the one that waits for it."""
    number: int | None = getattr(_THREAD, "number", None)
    if number is None:
        number = _THREAD.number = next(_thread_numbers)
    return number


class _Forks:
    """How many forks this process is away from the first one."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count: int = 0

    def forked(self) -> None:
        """This process has been forked off another."""
        self.count += 1


_forks = _Forks()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forks.forked)


class EmbeddedSource:
    """One user's way to an engine of this process."""

    def __init__(
        self, target: Target, options: dict[str, str], engine_options: EngineOptions | None = None
    ) -> None:
        if target.path is None:
            raise errors.InterfaceError("an embedded database needs a path or ':memory:'")
        self._target = target
        self._options = options
        self._forks = _forks.count
        self.shared = SharedEngine.open(target.path, engine_options or EngineOptions())
        self.engine = self.shared.engine
        self.mutex = self.shared.mutex
        self.expiry = self.shared.expiry
        self.sessions: set[Session] = set()
        """Those of backends that were neither closed nor forgotten."""
        self.is_closed = False

    @property
    def user(self) -> str:
        """Whose sessions they are."""
        return self._target.user

    @property
    def database(self) -> str:
        """The database's name."""
        return self._target.database

    def open_backend(self) -> EmbeddedBackend:
        """Open a session."""
        self.check_process()
        with self.mutex:
            session = self.engine.open_session(self._target.database, self._target.user, dict(self._options))
        self.shared.close_abandoned()
        self.sessions.add(session)
        return EmbeddedBackend(self, session)

    def check_process(self) -> None:
        """Refuse use after a fork: parent and child would each hold half of one database."""
        if _forks.count != self._forks:
            raise errors.InterfaceError(
                "an embedded database can't be used in a forked process: open it there"
            )

    def close(self) -> None:
        """End this user's sessions; with the last user the engine is closed."""
        if self.is_closed:
            return
        self.is_closed = True
        for session in list(self.sessions):
            self.end(session)
        self.shared.release()

    def end(self, session: Session) -> None:
        """Close a session; twice is allowed."""
        if session not in self.sessions:
            return
        self.sessions.discard(session)
        with self.mutex:
            self.expiry.forget(session)
            session.close()
        self.shared.close_abandoned()


class _Mailbox:
    """What a session tells whoever waits for its notifications; called in the middle of another's step."""

    def __init__(self) -> None:
        self.arrived = threading.Event()

    def notified(self) -> None:
        """There is one, or the session has ended."""
        self.arrived.set()

    def interrupted(self, error: errors.DatabaseError) -> None:
        """What runs is stepped by its own thread, which looks."""

    def session_ended(self, error: errors.DatabaseError) -> None:
        """The next statement learns of it."""
        self.arrived.set()


class EmbeddedBackend:
    """A session of an embedded engine, driven to completion by the calling thread."""

    def __init__(self, source: EmbeddedSource, session: Session) -> None:
        self._source = source
        self._session: Session | None = session
        self._mailbox = _Mailbox()
        session.client = self._mailbox
        session.on_close(self._mailbox.notified)
        self._notifications: list[Notification] = []
        self._columns: tuple[ResultColumn, ...] = ()
        self._column_infos: tuple[ColumnInfo, ...] = ()
        self._converters: list[tuple[int, Converter]] = []
        self._converted: tuple[ColumnInfo, ...] | None = None
        self._converted_io: IoContext | None = None
        self._names_wanted = False
        self._streams = 0
        self._stops_waiting = False
        self.notices: list[str] = []

    def __del__(self) -> None:
        session, self._session = getattr(self, "_session", None), None
        if session is not None and session in self._source.sessions:
            self._source.sessions.discard(session)
            self._source.shared.abandoned.append(session)
            self._source.shared.close_abandoned()

    @property
    def transaction_status(self) -> str:
        """'I', 'T' or 'E'."""
        return "I" if self._session is None else self._session.transaction_status

    @property
    def is_open(self) -> bool:
        """Whether the session was neither closed nor terminated."""
        return self._session is not None and not self._session.closed

    @property
    def settings(self) -> dict[str, str]:
        """What a server would report."""
        return {} if self._session is None else self._session.reported_settings()

    @property
    def backend_pid(self) -> int:
        """The session's number."""
        return 0 if self._session is None else self._session.backend_pid

    @property
    def address(self) -> tuple[str, int]:
        """No server's."""
        return "", 0

    def is_alive(self) -> bool:
        """Raises what has ended the session."""
        session = self._open_session()
        if session.closed:
            with self._source.mutex:
                session.check_open()
        return True

    @property
    def notifications(self) -> list[Notification]:
        """What has arrived, oldest first; the reader may clear the list."""
        session = self._session
        if session is not None and session.has_notifications:
            with self._source.mutex:
                found = session.take_notifications(session.notifications.waiting)
            self._source.shared.close_abandoned()
            self._notifications += [Notification(each.channel, each.payload, each.pid) for each in found]
        return self._notifications

    def wait_for_notifications(self, timeout_s: float | None) -> None:
        """Sleep until something arrives, the session is closed, or the time is up."""
        self._source.check_process()
        deadline_s = None if timeout_s is None else time.monotonic() + timeout_s
        arrived = self._mailbox.arrived
        self._stops_waiting = False
        while not self._stops_waiting:
            arrived.clear()
            session = self._open_session()
            if session.closed:
                with self._source.mutex:
                    session.check_open()
            if self.notifications:
                return
            _sleep_until(arrived, deadline_s)
            if deadline_s is not None and time.monotonic() >= deadline_s:
                return

    def stop_waiting(self) -> None:
        """Have `wait_for_notifications` return, in the thread where it waits."""
        self._stops_waiting = True
        self._mailbox.arrived.set()

    def execute(
        self, text: str, parameters: Sequence[object] | None = None, begin: str | None = None
    ) -> Outcome:
        """Run to the end; raises what the engine raises."""
        if begin is not None:
            self._run(begin, None, _ignore)
        values = None if parameters is None else engine_parameters(text, parameters)
        return self._run(text, values, _ignore)

    def execute_many(
        self, text: str, sets: Iterable[Sequence[object]], keeps_rows: bool = False
    ) -> list[Outcome]:
        """Run it for each set of parameters, planned once."""
        outcomes: list[Outcome] = []
        total = Outcome(None, [], "", 0)
        for parameters in sets:
            outcome = self._run_again(text, engine_parameters(text, parameters))
            if keeps_rows:
                outcomes.append(outcome)
            else:
                total.tag = outcome.tag
                total.row_count += max(outcome.row_count, 0)
        return outcomes if keeps_rows else [total]

    def _run_again(self, text: str, values: list[object]) -> Outcome:
        """Run a statement that was perhaps run just now, with other values."""
        session = self._open_session()
        holds_back = interrupts.hold_back()
        try:
            steps: Steps | None = None
            outcome = Outcome()
            with self._source.mutex:
                self._source.expiry.forget(session)
                session.owner.thread_id = _thread_number()
                columns = session.bind_values("", text, values)
                answer = session.answer_execute("", 0)
                if not isinstance(answer, Finished):
                    steps = answer
            if columns is not None:
                outcome.columns = self._infos(columns)
            if isinstance(answer, Finished):
                outcome.rows, outcome.tag, outcome.row_count = answer.rows, answer.tag, answer.row_count
            elif steps is not None:
                self._drive_guarded(session, steps, outcome)
            self._convert_rows(session, outcome)
            return outcome
        finally:
            if session.in_block:
                self._watch_idling(session)
            if holds_back:
                interrupts.let_through()
            self._source.shared.close_abandoned()

    def _drive_guarded(self, session: Session, steps: Steps, outcome: Outcome) -> None:
        """Step to the end; what breaks it off cancels the statement first."""
        try:
            self._drive_into(session, steps, _ignore, outcome)
        except errors.DatabaseError:
            raise
        except BaseException:
            self._interrupt(session, steps)
            raise

    def open_stream(
        self, text: str, parameters: Sequence[object] | None, size: int, begin: str | None = None
    ) -> EmbeddedStream:
        """Begin to read a statement's rows."""
        if begin is not None:
            self._run(begin, None, _ignore)
        values = engine_parameters(text, parameters or ())
        session = self._open_session()
        self._source.check_process()
        self._streams += 1
        portal = f"skerry_{self._streams}"
        with self._source.mutex:
            session.owner.thread_id = _thread_number()
            columns = session.bind_values(portal, text, values)
        stream = EmbeddedStream(self, portal, None if columns is None else self._infos(columns))
        stream.begin(size)
        return stream

    def run_portal(self, portal: str, size: int, columns: tuple[ColumnInfo, ...] | None) -> Outcome:
        """Run a portal for at most so many rows; `is_complete` in the outcome says whether it was to the end."""
        session = self._open_session()
        holds_back = interrupts.hold_back()
        try:
            steps = self._begun(session, portal, size)
            outcome = Outcome(columns)
            self._drive_guarded(session, steps, outcome)
            self._convert_rows(session, outcome)
            return outcome
        finally:
            if session.in_block:
                self._watch_idling(session)
            if holds_back:
                interrupts.let_through()
            self._source.shared.close_abandoned()

    def _begun(self, session: Session, portal: str, size: int) -> Steps:
        with self._source.mutex:
            self._source.expiry.forget(session)
            session.owner.thread_id = _thread_number()
            return session.execute(portal, size)

    def close_portal(self, portal: str) -> None:
        """Let go of a portal."""
        session = self._session
        if session is not None and not session.closed:
            with self._source.mutex:
                session.close_portal(portal)
            self._source.shared.close_abandoned()

    def copy(self, text: str) -> EmbeddedCopy:
        """Begin a COPY FROM STDIN or TO STDOUT."""
        session = self._open_session()
        self._source.check_process()
        with self._source.mutex:
            self._source.expiry.forget(session)
            session.owner.thread_id = _thread_number()
            steps: Steps = session.run(text)
        copying = EmbeddedCopy(self, session, steps)
        copying.begin()
        if not copying.direction:
            raise errors.ProgrammingError("this is no COPY FROM STDIN or COPY TO STDOUT")
        return copying

    def copy_out(self, text: str, write: Callable[[bytes], object]) -> None:
        """Run COPY TO STDOUT; `write` is called between two steps."""
        self._run(text, None, write)

    def in_unit(self, call: Callable[[Session], T]) -> T:
        """Call something of the session's in one unit, whatever else the session is about; it does not idle then."""
        session = self._open_session()
        self._source.check_process()
        try:
            with self._source.mutex:
                self._source.expiry.prolong(session, session.idle_limit)
                return call(session)
        finally:
            self._source.shared.close_abandoned()

    def run_steps(self, begin: Callable[[Session], Steps]) -> None:
        """Run steps of the session's, which has nothing else to do, to their end."""
        session = self._open_session()
        self._source.check_process()
        holds_back = interrupts.hold_back()
        try:
            with self._source.mutex:
                self._source.expiry.forget(session)
                session.owner.thread_id = _thread_number()
                steps = begin(session)
            self._drive_guarded(session, steps, Outcome())
        finally:
            if session.in_block:
                self._watch_idling(session)
            if holds_back:
                interrupts.let_through()
            self._source.shared.close_abandoned()

    def abandon(self, what: Closable) -> None:
        """Close something of the session's as soon as nobody holds the mutex: for finalisers."""
        self._source.shared.abandoned.append(what)
        self._source.shared.close_abandoned()

    def _run(self, text: str, values: list[object] | None, write: Callable[[bytes], object]) -> Outcome:
        session = self._open_session()
        self._source.check_process()
        holds_back = interrupts.hold_back()
        steps: Steps | None = None
        try:
            try:
                with self._source.mutex:
                    self._source.expiry.forget(session)
                    session.owner.thread_id = _thread_number()
                    answer = session.answer_query(text, values)
                    if not isinstance(answer, Finished):
                        steps = answer
                if steps is not None:
                    outcome = self._drive(session, steps, write)
                else:
                    assert isinstance(answer, Finished)
                    outcome = self._finished(answer)
            except errors.DatabaseError:
                raise
            except BaseException:  # Ctrl-C, or what `write` raises
                if steps is not None:
                    self._interrupt(session, steps)
                raise
            self._convert_rows(session, outcome)
            return outcome
        finally:
            if session.in_block:
                self._watch_idling(session)
            if holds_back:
                interrupts.let_through()
            self._source.shared.close_abandoned()

    def _finished(self, answer: Finished) -> Outcome:
        """The outcome of what ran in one unit."""
        self._source.shared.flush_if_waited_for()
        columns = None if answer.columns is None else self._infos(answer.columns)
        return Outcome(columns, answer.rows, answer.tag, answer.row_count)

    def _infos(self, columns: tuple[ResultColumn, ...]) -> tuple[ColumnInfo, ...]:
        """What is told of the columns; the same statement's are known from the last time."""
        if columns is not self._columns:
            self._columns = columns
            self._column_infos = tuple(
                [ColumnInfo(column.name, column.type.oid, column.type.typmod) for column in columns]
            )
        return self._column_infos

    def _watch_idling(self, session: Session) -> None:
        """Have the open transaction rolled back when it idles or lasts too long."""
        limit = session.idle_limit()
        if limit is not None:
            with self._source.mutex:
                self._source.expiry.watch(session, limit, self._source.shared.close_abandoned)

    def cancel(self) -> None:
        """Cancel what runs in another thread."""
        session = self._session
        if session is not None:
            with self._source.mutex:
                session.cancel()
            self._source.shared.close_abandoned()

    def close(self) -> None:
        """Close the session."""
        session, self._session = self._session, None
        if session is not None:
            self._source.end(session)

    def _open_session(self) -> Session:
        session = self._session
        if session is None or self._source.is_closed:
            raise errors.InterfaceError("the connection is closed")
        return session

    def _drive(self, session: Session, steps: Steps, write: Callable[[bytes], object]) -> Outcome:
        """Step until the end, sleeping through waits."""
        outcome = Outcome()
        self._drive_into(session, steps, write, outcome)
        return outcome

    def _drive_into(
        self, session: Session, steps: Steps, write: Callable[[bytes], object], outcome: Outcome
    ) -> None:
        to_send: object = None
        while True:
            step = self.next_step(steps, to_send)
            to_send = None
            if step is None:
                return
            if isinstance(step, CopyIn):
                to_send = CopyFailed("COPY FROM STDIN needs a client that sends data")
            elif isinstance(step, CopyData):
                write(step.data if isinstance(step.data, bytes) else b"".join(step.data))
            else:
                self._take(step, outcome)

    def next_step(self, steps: Steps, to_send: object) -> Step | None:
        """The next step that is no wait; None at the end."""
        shared = self._source.shared
        mutex = shared.mutex
        while True:
            over: threading.Event | None = None
            with mutex:
                try:
                    step = steps.send(to_send)
                except StopIteration:
                    return None
                if isinstance(step, Wait):
                    over = threading.Event()
                    step.waiting.on_over(over.set)
            if shared.abandoned:
                shared.close_abandoned()
            to_send = None
            if over is None or not isinstance(step, Wait):
                shared.flush_if_waited_for()
                return step
            deadline_s = step.waiting.deadline_s()
            shared.flush_if_waited_for(over, deadline_s)
            _sleep_until(over, deadline_s)

    def _take(self, step: Step, outcome: Outcome) -> None:
        if isinstance(step, Rows):
            outcome.rows += step.rows
        elif isinstance(step, Description):
            _make_room(outcome)
            outcome.columns = self._infos(step.columns)
        elif isinstance(step, Complete):
            _make_room(outcome)
            outcome.tag, outcome.row_count = step.tag, step.row_count
            outcome.is_complete = True
        elif isinstance(step, Notice):
            self.notices.append(f"{step.severity}:  {step.message}")

    def _convert_rows(self, session: Session, outcome: Outcome) -> None:
        """Turn the engine's atoms into Python objects, column by column; most columns need nothing."""
        for each in outcome.earlier:
            self._convert_rows(session, each)
        columns = outcome.columns
        if columns is None or not outcome.rows:
            return
        if columns is not self._converted or session.io is not self._converted_io:
            self._find_converters(columns, session.io)
        converters = self._converters
        if not converters:
            return
        with self._source.mutex if self._names_wanted else contextlib.nullcontext():
            outcome.rows = [_convert_row(row, converters) for row in outcome.rows]

    def _find_converters(self, columns: tuple[ColumnInfo, ...], io: IoContext) -> None:
        found = [
            (place, converter(each.type_oid, each.type_modifier, io)) for place, each in enumerate(columns)
        ]
        self._converters = [(place, convert) for place, convert in found if convert is not None]
        self._names_wanted = any(each.type_oid in NEED_THE_CATALOG for each in columns)
        self._converted = columns
        self._converted_io = io

    def _interrupt(self, session: Session, steps: Steps) -> None:
        """Cancel the statement and let it unwind before the exception goes on.

        A cancel counts only for what runs: what has not begun to be stepped is, for one step.
        """
        try:
            with self._source.mutex:
                if not session.is_running and next(steps, None) is None:
                    return
                session.cancel()
            self._drive(session, steps, _ignore)
        except errors.DatabaseError:
            return


class EmbeddedStream:
    """The rows of a statement, read as they are asked for; made by `open_stream`."""

    def __init__(self, backend: EmbeddedBackend, portal: str, columns: tuple[ColumnInfo, ...] | None) -> None:
        self._backend = backend
        self._portal = portal
        self.columns: tuple[ColumnInfo, ...] | None = columns
        self.is_over: bool = False
        self.tag: str = ""
        self.row_count: int = -1
        self._ready: list[Row] = []
        self._given = 0

    def begin(self, size: int) -> None:
        """Run it until there are rows."""
        self._ready = self._run(size)

    def fetch(self, size: int) -> list[Row]:
        """The next rows; none when there are no more."""
        if self._ready or self.is_over:
            ready, self._ready = self._ready, []
            return ready
        return self._run(size)

    def _run(self, size: int) -> list[Row]:
        outcome = self._backend.run_portal(self._portal, size, self.columns)
        self._given += len(outcome.rows)
        if outcome.is_complete:
            self.is_over = True
            self.tag = stream_tag(outcome.tag, self._given)
            self.row_count = self._given if self.columns is not None else outcome.row_count
        return outcome.rows

    def close(self) -> None:
        """Let go of the rows that were not read."""
        self._ready = []
        if not self.is_over:
            self.is_over = True
            self._backend.close_portal(self._portal)


class EmbeddedCopy:
    """A COPY under way; made by `copy`.  `direction` is 'in' or 'out'."""

    def __init__(self, backend: EmbeddedBackend, session: Session, steps: Steps) -> None:
        self._backend = backend
        self._session = session
        self._steps = steps
        self._outcome = Outcome()
        self._wants_data = False
        self._pieces: list[bytes] = []
        self.direction: str = ""
        self.is_binary: bool = False
        self.is_over: bool = False

    def begin(self) -> None:
        """Run it until data can flow, or it is over without."""
        while not self.direction and not self.is_over:
            self._advance(None)

    def _advance(self, to_send: object) -> None:
        try:
            step = self._backend.next_step(self._steps, to_send)
        except BaseException:
            self.is_over = True
            raise
        self._wants_data = isinstance(step, CopyIn)
        if step is None:
            self.is_over = True
        elif isinstance(step, CopyIn):
            self.direction, self.is_binary = "in", step.binary
        elif isinstance(step, CopyOut):
            self.direction, self.is_binary = "out", step.binary
        elif isinstance(step, CopyData):
            self._pieces += [step.data] if isinstance(step.data, bytes) else step.data
        else:
            self._backend._take(step, self._outcome)

    def write(self, data: bytes) -> None:
        """Give a piece."""
        if not self.is_over:
            self._advance(data)
        while not self.is_over and not self._wants_data:
            self._advance(None)

    def read(self) -> list[bytes]:
        """The next pieces; none when there are no more."""
        while not self._pieces and not self.is_over:
            self._advance(None)
        pieces, self._pieces = self._pieces, []
        return pieces

    def finish(self, failure: str | None = None) -> Outcome:
        """End it; see `CopyChannel`."""
        if failure is not None:
            self._give_up(failure)
        elif not self.is_over:
            self._advance(None)
            while not self.is_over:
                self._advance(None)
        self._pieces = []
        return self._outcome

    def _give_up(self, failure: str) -> None:
        try:
            if not self.is_over and self.direction == "in":
                self._advance(CopyFailed(failure))
            elif not self.is_over:
                self._backend.cancel()
            while not self.is_over:
                self._advance(None)
        except errors.DatabaseError:
            return  # that is what was wanted


def _make_room(outcome: Outcome) -> None:
    """Another statement of the text begins: what the last one brought is an earlier outcome."""
    if outcome.is_complete:
        outcome.earlier.append(Outcome(outcome.columns, outcome.rows, outcome.tag, outcome.row_count))
        outcome.columns, outcome.rows, outcome.is_complete = None, [], False


def _ignore(_data: bytes) -> None:
    """For the data of a COPY that nobody asked for."""


def _sleep_until(over: threading.Event, deadline_s: float | None) -> None:
    if deadline_s is None:
        over.wait()
    else:
        over.wait(max(0.0, deadline_s - time.monotonic()))


def _convert_row(row: Row, converters: list[tuple[int, Converter]]) -> Row:
    values = list(row)
    for position, convert in converters:
        value = values[position]
        if value is not None:
            values[position] = convert(value)
    return tuple(values)
