"""A session: what one client talks to.  On top of running texts: prepared statements, portals, the implicit
transaction of an extended-protocol sequence.

The parts below it: `state` (settings, catalog, transaction, locks) and `running` (batches, queries,
commands).
"""

from __future__ import annotations

from collections.abc import Sequence

from skerry_engine import errors
from skerry_engine.session.execution import command_tag
from skerry_engine.session.plans import Plan
from skerry_engine.session.portals import Portal, Prepared, Steps
from skerry_engine.session.running import StatementRunner
from skerry_engine.session.steps import Complete, Description, EmptyQuery, ResultColumn, Rows, Suspended
from skerry_engine.sql import statements as st
from skerry_engine.values.io import binary_decoder, text_decoder, wall_clock
from skerry_engine.values.types import SqlType


class Session(StatementRunner):
    """One client's session.  Everything is called under the engine's mutex, or from its one thread."""

    # --- extended query ----------------------------------------

    def parse(self, name: str, text: str, parameter_oids: Sequence[int]) -> None:
        """Prepare a statement under a name ('' for the unnamed one)."""
        if name and name in self.prepared:
            raise errors.DuplicatePreparedStatement(f'prepared statement "{name}" already exists')
        statement = self.engine.statements.statement(text)
        self.check_not_failed(statement)
        self.prepared[name] = self.prepare(name, text, statement, parameter_oids)

    def prepare(
        self,
        name: str,
        text: str,
        statement: st.Statement | None,
        parameter_oids: Sequence[int],
        from_sql: bool = False,
    ) -> Prepared:
        """Plan a statement for later execution."""
        declared = tuple(parameter_oids)
        now = wall_clock()
        if isinstance(statement, st.Query):
            plan = self.plan_query(statement, declared)
            return Prepared(
                name, text, statement, declared, plan.parameter_types, plan.columns, plan, now, from_sql
            )
        columns = None
        if statement is not None:
            from skerry_engine.session.commands.dispatch import command_columns

            columns = command_columns(self, statement)
        return Prepared(name, text, statement, declared, declared, columns, None, now, from_sql)

    def _prepared_named(self, name: str) -> Prepared:
        found = self.prepared.get(name)
        if found is None:
            shown = f'prepared statement "{name}"' if name else "unnamed prepared statement"
            raise errors.InvalidStatementName(f"{shown} does not exist")
        return found

    def bind(
        self,
        portal: str,
        statement: str,
        values: Sequence[bytes | None],
        formats: Sequence[int],
        result_formats: Sequence[int],
    ) -> None:
        """Make a portal out of a prepared statement and parameter values."""
        prepared = self._prepared_named(statement)
        self.check_not_failed(prepared.statement)
        if portal and portal in self.portals:
            raise errors.DuplicateCursor(f'cursor "{portal}" already exists')
        wanted = prepared.parameter_oids
        if len(values) != len(wanted):
            raise errors.ProtocolViolation(
                f"bind message supplies {len(values)} parameters,"
                f' but prepared statement "{statement}" requires {len(wanted)}'
            )
        old = self.portals.pop(portal, None)
        if old is not None and old.steps is not None:
            old.steps.close()
        decoded: list[object] = []
        if wanted:
            decoded = (
                self._decode_text(prepared, values)
                if not any(formats)
                else self._decode(values, formats, wanted)
            )
        self.portals[portal] = Portal(portal, prepared, decoded, result_formats)

    def _decode_text(self, prepared: Prepared, values: Sequence[bytes | None]) -> list[object]:
        """Parameters in text form, by readers that are kept with the statement."""
        io = self.io
        decoders = prepared.decoders
        if decoders is None or prepared.decoders_io is not io:
            decoders = [text_decoder(SqlType(oid), io) for oid in prepared.parameter_oids]
            prepared.decoders, prepared.decoders_io = decoders, io
        decoded: list[object] = []
        for decoder, value in zip(decoders, values, strict=True):
            decoded.append(None if value is None else decoder(_text(value)))
        return decoded

    def _decode(
        self, values: Sequence[bytes | None], formats: Sequence[int], oids: Sequence[int]
    ) -> list[object]:
        io = self.io
        decoded: list[object] = []
        for number, (value, oid) in enumerate(zip(values, oids, strict=True)):
            if value is None:
                decoded.append(None)
                continue
            code = 0 if not formats else formats[0] if len(formats) == 1 else formats[number]
            if code == 0:
                decoded.append(text_decoder(SqlType(oid), io)(_text(value)))
            elif code == 1:
                decoded.append(binary_decoder(SqlType(oid), io)(value))
            else:
                raise errors.InvalidParameterValue(f"unsupported format code: {code}")
        return decoded

    def describe_statement(self, name: str) -> tuple[Sequence[int], tuple[ResultColumn, ...] | None]:
        """Parameter types and result columns (None: returns no rows)."""
        prepared = self._prepared_named(name)
        self.check_not_failed(prepared.statement)
        if prepared.plan is not None and not self.is_current(prepared.plan):
            self.refresh(prepared)
        return prepared.parameter_oids, prepared.columns

    def refresh(self, prepared: Prepared) -> None:
        """Plan a prepared statement anew.  Raises NotSupportedError when its result would change."""
        assert isinstance(prepared.statement, st.Query) and prepared.plan is not None
        prepared.plan = self._replanned(prepared.statement, prepared.plan, prepared.declared_oids, False)

    def portal(self, name: str) -> Portal:
        """The portal of that name.  Raises InvalidCursorName."""
        found = self.portals.get(name)
        if found is None:
            raise errors.InvalidCursorName(f'portal "{name}" does not exist')
        return found

    def describe_portal(self, name: str) -> tuple[tuple[ResultColumn, ...] | None, Sequence[int]]:
        """Result columns and the formats given to `bind`."""
        portal = self.portal(name)
        return portal.prepared.columns, portal.result_formats

    def execute(self, portal: str, max_rows: int) -> Steps:
        """Run a portal, for at most `max_rows` rows (0: all).  Yields no Description."""
        found = self.portal(portal)
        plan = found.prepared.plan
        if plan is not None and plan.compiled.point is not None and found.steps is None and max_rows == 0:
            if not plan.is_spooled and not found.is_done and not self.failed:
                return self._execute_point(found, plan)
        return self._execute_portal(found, max_rows)

    def _execute_point(self, portal: Portal, plan: Plan) -> Steps:
        """A point statement in one unit, with no generator but this; the long way where a table is locked."""
        statement = portal.prepared.statement
        assert isinstance(statement, st.Query)
        self._start_running(portal.prepared.text)
        self.engine.stores.functions = self.functions
        try:
            rows = self._point_rows(statement, plan, portal.values)
        except Exception:
            self._failed_statement()
            raise
        finally:
            self._stop_running()
        if rows is None:
            yield from self._execute_portal(portal, 0)
            return
        portal.is_done = True
        if rows:
            yield Rows(rows)
        yield Complete(command_tag(plan.verb, len(rows)), len(rows))

    def _execute_portal(self, portal: Portal, max_rows: int) -> Steps:
        self._running_portal = portal
        try:
            yield from self._watched(self._execute(portal, max_rows), portal.prepared.text)
        finally:
            self._running_portal = None

    def _execute(self, portal: Portal, max_rows: int) -> Steps:
        if portal.prepared.statement is None:
            yield EmptyQuery()
            return
        self.check_not_failed(portal.prepared.statement)
        if portal.is_done:
            if portal.prepared.columns is None:
                raise errors.ObjectNotInPrerequisiteState(f'portal "{portal.name}" cannot be run')
            yield Complete(command_tag("select", 0), 0)
            return
        if portal.steps is None:
            portal.steps = self._portal_steps(portal)
        if max_rows > 0 and portal.prepared.columns is not None:
            yield from self._limited(portal, max_rows)
        else:
            yield from self._unlimited(portal)

    def _portal_steps(self, portal: Portal) -> Steps:
        prepared = portal.prepared
        if prepared.plan is not None:
            assert isinstance(prepared.statement, st.Query)
            return self.query_steps(
                prepared.statement, prepared.plan, prepared.declared_oids, portal.values, False
            )
        from skerry_engine.session.commands.dispatch import command_steps

        assert prepared.statement is not None
        return _without_description(command_steps(self, prepared.statement, prepared.text))

    def _unlimited(self, portal: Portal) -> Steps:
        assert portal.steps is not None
        if portal.pending:
            rows, portal.pending = portal.pending, []
            portal.row_count += len(rows)
            yield Rows(rows)
        sent: object = None
        steps = portal.steps
        while True:
            try:
                step = steps.send(sent)
            except StopIteration:
                break
            sent = yield step
        self._finish_portal(portal)

    def _finish_portal(self, portal: Portal) -> None:
        portal.is_done = True
        portal.steps = None
        if portal.held_epoch is not None and self.transaction is not None:
            self.transaction.release_snapshot(portal.held_epoch)
            portal.held_epoch = None

    def _limited(self, portal: Portal, max_rows: int) -> Steps:
        """Give out rows up to the limit; what is left of a batch waits in the portal."""
        assert portal.steps is not None
        given = 0
        complete: Complete | None = None
        while given < max_rows:
            if portal.pending:
                rows = portal.pending[: max_rows - given]
                del portal.pending[: len(rows)]
                given += len(rows)
                yield Rows(rows)
                continue
            try:
                step = next(portal.steps)
            except StopIteration:
                break
            if isinstance(step, Rows):
                portal.pending = list(step.rows)
            elif isinstance(step, Complete):
                complete = step
            else:
                yield step
        portal.row_count += given
        if given == max_rows and complete is None:
            if portal.held_epoch is None and self.transaction is not None:
                portal.held_epoch = self.transaction.hold_snapshot()
            yield Suspended()
            return
        self._finish_portal(portal)
        if complete is not None:
            is_select = complete.tag.startswith("SELECT")
            yield Complete(f"SELECT {given}", given) if is_select else complete

    def close_statement(self, name: str) -> None:
        """Drop a prepared statement, if there is one."""
        self.prepared.pop(name, None)

    def close_portal(self, name: str) -> None:
        """Drop a portal, if there is one."""
        portal = self.portals.pop(name, None)
        if portal is not None and portal.steps is not None:
            portal.steps.close()
            self._finish_portal(portal)

    def sync(self) -> Steps:
        """End the implicit transaction of an extended-protocol sequence, if there is one."""
        if self.in_block:
            return
        if self.transaction is None:
            self._close_portals()
            self.settings.commit()
            return
        yield from self._watched(self.commit(), self.current_query)

    def fail(self) -> None:
        """A message of the extended protocol failed: the transaction has, too."""
        self._failed_statement()


def _without_description(steps: Steps) -> Steps:
    sent: object = None
    while True:
        try:
            step = steps.send(sent)
        except StopIteration:
            return
        sent = None
        if not isinstance(step, Description):
            sent = yield step


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise errors.CharacterNotInRepertoire(
            f'invalid byte sequence for encoding "UTF8": 0x{value[error.start : error.start + 1].hex()}'
        ) from None
