"""Making a failing history small: what can be left out and still fail the same way is left out.

First sessions, transactions and statements go, then rows, then what can be simpler about a transaction; at
last the order of units is made plainer, with fewer changes from one session to another.  The units of what is
left out are taken out of the schedule too, so that the rest runs in the order it had.  Only where that mends
the history a few other schedules are tried.

"The same way" is the same rule.  The number of runs is bounded, so that a failure is always told soon.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from random import Random

from histories.checker import Verdict
from histories.graph_statements import LINK, VERTEX
from histories.script import Line, Script, TransactionScript
from histories.statements import Insert, Row, Statement
from histories.workload import make_schedule

Run = Callable[[Script, list[int]], Verdict]
"""Runs a script under a schedule, in an engine that nothing was run in, or that has been emptied."""

MAX_RUNS = 2000
OTHER_SCHEDULES = 12


def shrink(verdict: Verdict, run: Run, max_runs: int = MAX_RUNS) -> Verdict:
    """A smaller history with the same failure."""
    return _Shrinker(verdict, run, max_runs).shrink()


class _Shrinker:
    """The smallest failure so far, and what was tried."""

    def __init__(self, verdict: Verdict, run: Run, max_runs: int) -> None:
        self.best = verdict
        self.rule = verdict.rule
        self.run = run
        self.runs_left = max_runs
        self.random = Random(1)

    def shrink(self) -> Verdict:
        """Leave out until nothing can be left out any more."""
        improved = True
        while improved and self.runs_left > 0:
            improved = False
            for attempts in (
                self._fewer_transactions,
                self._fewer_statements,
                self._fewer_rows,
                self._plainer,
            ):
                while self._first_success(attempts()):
                    improved = True
        while self._first_success(self._plainer_schedules()):
            pass
        return self.best

    def _first_success(self, attempts: Iterator[bool]) -> bool:
        return any(attempts)

    # --- trying ----------------------------------------

    def _try(self, script: Script, schedule: list[int], others: int = 0) -> bool:
        """Run it; keep it if it fails in the same way."""
        for number in range(others + 1):
            if self.runs_left <= 0:
                return False
            self.runs_left -= 1
            if number:
                schedule = make_schedule(self.random, len(script.sessions), 200)
            verdict = self.run(script, schedule)
            if verdict.rule == self.rule:
                self.best = verdict
                return True
        return False

    def _schedule_without(self, gone: Callable[[Line], bool]) -> list[int]:
        """The units that were run, but for those of some lines of the transcript."""
        history = self.best.history
        kept = [not gone(line) for line in history.transcript]
        return [session for session, number in history.units if kept[number]]

    # --- what can be left out ----------------------------------------

    def _fewer_transactions(self) -> Iterator[bool]:
        script = self.best.history.script
        for transactions in script.sessions:
            if transactions:
                yield self._without_transactions(transactions)
        for transactions in script.sessions:
            if len(transactions) > 1:
                for transaction in transactions:
                    yield self._without_transactions([transaction])

    def _without_transactions(self, gone: list[TransactionScript]) -> bool:
        script = self.best.history.script
        names = {id(each) for each in gone}
        sessions = [[t for t in session if id(t) not in names] for session in script.sessions]
        schedule = self._schedule_without(lambda line: id(line.transaction) in names)
        return self._try(replace(script, sessions=sessions), schedule, OTHER_SCHEDULES)

    def _fewer_statements(self) -> Iterator[bool]:
        for session in self.best.history.script.sessions:
            for transaction in session:
                for statement in transaction.statements if transaction.level else []:
                    yield self._without_statement(transaction, statement)

    def _without_statement(self, transaction: TransactionScript, gone: Statement) -> bool:
        kept = [each for each in transaction.statements if each is not gone]
        schedule = self._schedule_without(lambda line: line.statement is gone)
        return self._try(
            self._with_transaction(transaction, replace(transaction, statements=kept)),
            schedule,
            OTHER_SCHEDULES,
        )

    def _with_transaction(self, old: TransactionScript, new: TransactionScript) -> Script:
        script = self.best.history.script
        sessions = [[new if each is old else each for each in session] for session in script.sessions]
        return replace(script, sessions=sessions)

    def _fewer_rows(self) -> Iterator[bool]:
        script = self.best.history.script
        for table, rows in script.tables.items():
            step = max(1, len(rows) // 4)
            while True:
                for start in range(0, len(rows), step):
                    fewer = rows[:start] + rows[start + step :]
                    tables = _connected({**script.tables, table: fewer})
                    yield self._try(replace(script, tables=tables), self._as_run())
                if step == 1:
                    break
                step = max(1, step // 2)

    def _plainer(self) -> Iterator[bool]:
        for session in self.best.history.script.sessions:
            for transaction in session:
                for changed in _plainer_forms(transaction):
                    yield self._try(self._with_transaction(transaction, changed), self._as_run())

    def _as_run(self) -> list[int]:
        return [session for session, _ in self.best.history.units]

    # --- the order of units ----------------------------------------

    def _plainer_schedules(self) -> Iterator[bool]:
        """Move a run of units to the end of the session's run before it."""
        units = self._as_run()
        runs = _runs(units)
        for position in range(2, len(runs)):
            session = runs[position][0]
            for earlier in range(position - 2, -1, -1):
                if runs[earlier][0] == session:
                    moved = [
                        *runs[: earlier + 1],
                        runs[position],
                        *runs[earlier + 1 : position],
                        *runs[position + 1 :],
                    ]
                    schedule = [number for run in moved for number in run]
                    if len(_runs(schedule)) < len(runs):
                        yield self._try(self.best.history.script, schedule)
                    break


def _plainer_forms(transaction: TransactionScript) -> Iterator[TransactionScript]:
    if transaction.read_only:
        yield replace(transaction, read_only=False)
    if transaction.recovers:
        yield replace(transaction, recovers=False)
    for position, statement in enumerate(transaction.statements):
        if isinstance(statement, Insert) and len(statement.rows) > 1:
            for row in statement.rows:
                single = Insert(
                    statement.table, (row,), statement.tag, statement.conflict, statement.returning
                )
                statements = list(transaction.statements)
                statements[position] = single
                yield replace(transaction, statements=statements)


def _runs(units: list[int]) -> list[list[int]]:
    runs: list[list[int]] = []
    for number in units:
        if runs and runs[-1][0] == number:
            runs[-1].append(number)
        else:
            runs.append([number])
    return runs


def _connected(tables: dict[str, list[Row]]) -> dict[str, list[Row]]:
    """The tables without edges whose nodes are gone."""
    if LINK not in tables:
        return tables
    keys = {row[0] for row in tables[VERTEX]}
    return {**tables, LINK: [row for row in tables[LINK] if row[1] in keys]}
