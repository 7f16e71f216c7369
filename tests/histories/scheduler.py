"""Running a script: sessions are stepped one unit at a time, in the order that a schedule gives.

A *unit* is one `next()` of a session's generator.  A session whose unit ended in a wait is passed over until the
wait is over.  When the schedule is used up, the first session that can go on does, so that any schedule, also
a shortened one, runs any script to its end.  Nothing looks at the clock: no timeouts are set.

What can go wrong here, before anything is checked: an error that is no DatabaseError, and sessions that all
wait for each other with nobody chosen as the victim.
"""

from __future__ import annotations

import traceback
from collections.abc import Generator

from histories.script import (
    COMMITTED,
    ENDED,
    FINISHED,
    PREPARE_AND_COMMIT,
    PREPARE_AND_ROLL_BACK,
    READ_COMMITTED,
    RELEASED,
    UNDONE,
    Event,
    History,
    Line,
    Operation,
    Script,
    TransactionRecord,
    TransactionScript,
)
from histories.statements import GRAPH_TABLES, TABLES, Release, RollbackTo, Savepoint, Statement
from histories.world import World
from skerry_engine.errors import DatabaseError
from skerry_engine.session.session import Session
from skerry_engine.session.steps import Complete, Rows, Step, Wait, Waiting

MAX_UNITS = 100_000


def run_script(world: World, script: Script, schedule: list[int]) -> History:
    """Run a script under a schedule, in an engine made ready for it."""
    with world.units():
        return _run(world, script, schedule)


def _run(world: World, script: Script, schedule: list[int]) -> History:
    world.reset(script)
    initial = {
        name: {row[0]: row for row in script.tables.get(name, [])} for name in (*TABLES, *GRAPH_TABLES)
    }
    history = History(script, schedule, initial)
    _Scheduler(world, history).run()
    world.come_to_rest()
    if history.failure is None:
        history.final = world.final_rows(list(script.tables))
        left = world.leftovers()
        if left is not None:
            history.failure = ("leftovers", left)
    return history


class _Scheduler:
    """The sessions of one history, and who goes next."""

    def __init__(self, world: World, history: History) -> None:
        self.history = history
        self.world = world
        self.manager = world.engine.manager
        self.base = self.manager.published
        self.clients = [
            _Client(self, number, world.session(number), transactions)
            for number, transactions in enumerate(history.script.sessions)
        ]

    def run(self) -> None:
        """Run until every session is done, or something breaks."""
        clients = self.clients
        history = self.history
        schedule = iter(history.schedule)
        while history.failure is None:
            number = next(schedule, -1)
            if number < 0:
                client = next((c for c in clients if c.can_go_on()), None)
                if client is None:
                    break
            else:
                if number >= len(clients) or not clients[number].can_go_on():
                    continue
                client = clients[number]
            client.step()
            self.world.between_units()
            if len(history.units) > MAX_UNITS:
                history.failure = ("endless", f"not done after {MAX_UNITS} units")
        if history.failure is None and any(not client.is_done for client in clients):
            names = ", ".join(f"S{c.number}" for c in clients if not c.is_done)
            history.failure = ("stuck", f"{names} wait, and nobody can go on")

    def position(self) -> int:
        """How many commits there were."""
        return self.manager.published - self.base


class _Client:
    """One session: runs its transactions one after the other."""

    def __init__(
        self, scheduler: _Scheduler, number: int, session: Session, transactions: list[TransactionScript]
    ) -> None:
        self.scheduler = scheduler
        self.history = scheduler.history
        self.number = number
        self.session = session
        self.steps: Generator[Step, object, None] | None = None
        self.waiting: Waiting | None = None
        self.transactions = iter(transactions)
        self.is_done = False
        self.record: TransactionRecord | None = None
        self.operation: Operation | None = None
        self.after = ""
        self.line: Line | None = None
        self.line_number = -1
        self.rest: list[Statement] = []
        self.savepoints: list[tuple[str, int]] = []
        self.is_ending = False
        self._next_transaction()

    def can_go_on(self) -> bool:
        """Whether a unit of it can be run."""
        if self.is_done:
            return False
        if self.waiting is not None:
            if not self.waiting.is_over():
                return False
            self.waiting = None
        return True

    # --- units ----------------------------------------

    def step(self) -> None:
        """Run one unit."""
        if self.steps is None:
            self._start_command()
        assert self.steps is not None
        scheduler = self.scheduler
        self.history.units.append((self.number, self.line_number))
        before = scheduler.position()
        try:
            step = next(self.steps)
        except StopIteration:
            self._note_commit(before)
            self._ended(None)
        except DatabaseError as error:
            self._note_commit(before)
            self._ended(error)
        except Exception:  # noqa: BLE001 - whatever breaks inside the engine is a finding
            self.history.failure = ("crash", traceback.format_exc())
        else:
            self._take(step)
            self._note_commit(before)

    def _take(self, step: Step) -> None:
        operation = self.operation
        if isinstance(step, Wait):
            if not step.waiting.is_over():
                self.waiting = step.waiting
                if operation is not None:
                    operation.waited = True
                if self.line is not None and not self.line.result:
                    self.line.result = "waits, then "
        elif operation is not None:
            if isinstance(step, Rows):
                operation.rows += step.rows
            elif isinstance(step, Complete):
                operation.count = step.row_count

    def _note_commit(self, before: int) -> None:
        """A unit that published made exactly this session's transaction visible."""
        now = self.scheduler.position()
        if now == before:
            return
        record = self.record
        if record is None or now != before + 1 or record.position >= 0:
            self.history.failure = ("publishing", f"one unit took `published` from {before} to {now}")
            return
        if self.operation is not None and not self.is_ending:
            self._note_end(self.operation, before)
        record.position = now
        self.history.events.append(Event(COMMITTED, record))

    # --- commands ----------------------------------------

    def _next_transaction(self) -> None:
        script = next(self.transactions, None)
        if script is None:
            self.is_done = True
            self.record = None
            return
        self.record = TransactionRecord(0, self.number, script, script.level or READ_COMMITTED)
        self.rest = list(script.statements)
        self.savepoints = []
        self.is_ending = False
        self.after = "begin" if script.level else ""

    def _start_command(self) -> None:
        record = self.record
        assert record is not None
        if record.number == 0:
            self.history.transactions.append(record)
            record.number = len(self.history.transactions)
        if self.after:
            if self.after == "rollback" or " prepared " in self.after:
                self.history.events.append(Event(RELEASED, record))
            text = {"begin": record.script.begin()}.get(self.after, self.after)
            self._start(text)
            return
        statement = self._next_statement()
        if statement is None:
            self.is_ending = True
            self._start(self._first_of_ending(record))
            return
        position = self.scheduler.position()
        self.operation = Operation(len(self.history.transcript), record, statement, position)
        record.operations.append(self.operation)
        if isinstance(statement, RollbackTo):
            kept = self.savepoints[self._savepoint(statement.name)][1]
            self.history.events.append(Event(RELEASED, record, kept=kept))
        self._start(statement.text)

    def _first_of_ending(self, record: TransactionRecord) -> str:
        if record.script.ending in (PREPARE_AND_COMMIT, PREPARE_AND_ROLL_BACK):
            return f"prepare transaction 'g{record.number}'"
        self.history.events.append(Event(RELEASED, record))
        return record.script.ending

    def _start(self, text: str) -> None:
        record, operation = self.record, self.operation
        assert record is not None
        statement = None if operation is None else operation.statement
        self.line = Line(self.number, record.script, statement, text)
        self.line_number = len(self.history.transcript)
        self.history.transcript.append(self.line)
        self.steps = self.session.simple_query(text)

    def _next_statement(self) -> Statement | None:
        """The next statement that makes sense; savepoints that do not exist (any more) are passed over."""
        names = [name for name, _ in self.savepoints]
        while self.rest:
            statement = self.rest.pop(0)
            if isinstance(statement, (RollbackTo, Release)) and statement.name not in names:
                continue
            return statement
        return None

    def _ended(self, error: DatabaseError | None) -> None:
        """A command is over."""
        self.steps = None
        self.waiting = None
        operation, self.operation = self.operation, None
        after, self.after = self.after, ""
        record = self.record
        assert record is not None and self.line is not None
        self.line.result += _shown(operation, error)
        if operation is not None:
            if error is not None:
                operation.error, operation.message = error.sqlstate, error.message
            if operation.end < 0:
                self._note_end(operation, self.scheduler.position())
        if error is not None:
            if self.is_ending:
                record.error, record.message = error.sqlstate, error.message
            self._failed(record, after)
        elif self.is_ending and self.line.text.startswith("prepare"):
            record.is_prepared = True
            self.after = f"{record.script.ending} 'g{record.number}'"
        elif self.is_ending or after == "rollback":
            is_committed = after != "rollback" and record.script.commits()
            self._finish(record, "committed" if is_committed else "aborted")
        elif operation is not None:
            self._went_well(record, operation)

    def _note_end(self, operation: Operation, position: int) -> None:
        operation.end = position
        record, transaction = operation.transaction, self.session.transaction
        if record.start < 0 and transaction is not None and transaction.snapshot >= 0:
            # DEFERRABLE may have taken snapshots in vain; definitions may take one: only the engine can tell
            if record.script.deferrable or self.history.script.has_definitions:
                record.start = transaction.snapshot - self.scheduler.base
        self.history.events.append(Event(ENDED, operation.transaction, operation))

    def _went_well(self, record: TransactionRecord, operation: Operation) -> None:
        statement = operation.statement
        if not record.script.level:
            self._finish(record, "committed")
        elif isinstance(statement, Savepoint):
            self.savepoints.append((statement.name, len(record.operations)))
        elif isinstance(statement, RollbackTo):
            self._undo(record, statement.name)
        elif isinstance(statement, Release):
            position = self._savepoint(statement.name)
            del self.savepoints[position:]

    def _savepoint(self, name: str) -> int:
        return max(n for n, (found, _) in enumerate(self.savepoints) if found == name)

    def _undo(self, record: TransactionRecord, name: str) -> None:
        position = self._savepoint(name)
        del self.savepoints[position + 1 :]
        self.history.events.append(Event(UNDONE, record, kept=self.savepoints[position][1]))

    def _failed(self, record: TransactionRecord, after: str) -> None:
        """After an error: back to a savepoint, or rolled back."""
        if self.is_ending or not record.script.level or after == "begin":
            self._finish(record, "aborted")
        elif self.savepoints:
            # a failed block is unwound to its last savepoint at once
            self.history.events.append(Event(UNDONE, record, kept=self.savepoints[-1][1]))
            self.after = f"rollback to {self.savepoints[-1][0]}" if record.script.recovers else "rollback"
        else:
            record.status = "aborted"
            self.history.events.append(Event(FINISHED, record))
            self.after = "rollback"

    def _finish(self, record: TransactionRecord, status: str) -> None:
        if record.status == "active":
            record.status = status
            self.history.events.append(Event(FINISHED, record))
        self._next_transaction()


def _shown(operation: Operation | None, error: DatabaseError | None) -> str:
    if error is not None:
        return f"{error.sqlstate} {error.message}"
    if operation is None:
        return "ok"
    rows = " ".join("(" + ",".join(map(str, row)) + ")" for row in operation.rows)
    if operation.count >= 0 and not rows:
        return f"{operation.count} rows"
    return rows or "ok"
