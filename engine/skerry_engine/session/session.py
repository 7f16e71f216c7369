"""A session: what one client talks to.  On top of running texts: prepared statements, portals, the implicit
transaction of an extended-protocol sequence.

The parts below it: `state` (settings, catalog, transaction, locks) and `running` (batches, queries,
commands).
"""

from __future__ import annotations

from collections.abc import Sequence

from skerry_engine import errors
from skerry_engine.catalog.user_types import behind_domain
from skerry_engine.session.execution import Execution, command_tag
from skerry_engine.session.plans import is_outgrown, same_types
from skerry_engine.session.portals import Portal, Prepared, Steps
from skerry_engine.session.running import StatementRunner, embedded_parameters
from skerry_engine.session.steps import (
    Complete,
    Description,
    EmptyQuery,
    Finished,
    ResultColumn,
    Rows,
    Suspended,
)
from skerry_engine.sql import statements as st
from skerry_engine.values.clock import wall_clock
from skerry_engine.values.io import binary_decoder, text_decoder
from skerry_engine.values.types import SqlType, find_type
from skerry_engine.values.user_types import is_domain_or_array


class Session(StatementRunner):
    """One client's session.  Everything is called under the engine's mutex, or from its one thread."""

    # --- extended query ----------------------------------------

    def parse(self, name: str, text: str, parameter_oids: Sequence[int]) -> None:
        """Prepare a statement under a name ('' for the unnamed one)."""
        self.check_open()
        if name and name in self.prepared:
            raise errors.DuplicatePreparedStatement(f'prepared statement "{name}" already exists')
        parameter_oids = [self._base_type(oid) for oid in parameter_oids]
        for oid in parameter_oids:
            if oid and find_type(oid) is None:
                raise errors.NotSupportedError(f"parameters of the type with OID {oid} are not supported")
        statement = self.engine.statements.statement(text, self.language())
        self.check_not_failed(statement)
        self.prepared[name] = self.prepare(name, text, statement, parameter_oids)

    def _base_type(self, oid: int) -> int:
        """A domain's type of values; any other type is itself.  Raises UndefinedObject for a domain that is gone."""
        if not is_domain_or_array(oid):
            return oid
        return behind_domain(self.statement_catalog().database, SqlType(oid)).oid

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
        if isinstance(statement, st.Historic) and isinstance(statement.statement, st.Query):
            return self._prepare_historic(name, text, statement, declared, from_sql)
        columns = None
        types = declared
        if statement is not None:
            from skerry_engine.session.commands.dispatch import command_columns, command_query

            columns = command_columns(self, statement)
            query = command_query(statement)
            if query is not None:
                types = self.plan_query(query, declared).parameter_types
        return Prepared(name, text, statement, declared, types, columns, None, now, from_sql)

    def _prepare_historic(
        self, name: str, text: str, statement: st.Historic, declared: tuple[int, ...], from_sql: bool
    ) -> Prepared:
        """A query AS OF an epoch: it is planned when it is run, and only described now."""
        from skerry_engine.session.commands.history import plan_historic

        plan = plan_historic(self, statement, declared)
        types = plan.parameter_types
        return Prepared(name, text, statement, types, types, plan.columns, None, wall_clock(), from_sql)

    def _prepared_named(self, name: str) -> Prepared:
        found = self.prepared.get(name)
        if found is None:
            self.check_open()
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
        if portal and (portal in self.portals or portal in self.cursors):
            raise errors.DuplicateCursor(f'cursor "{portal}" already exists')
        if prepared.plan is not None and is_outgrown(prepared.plan, self.statement_catalog()):
            self.refresh(prepared)
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
        self.portals[portal] = Portal(
            portal, prepared, decoded, result_formats, self.functions.statement_timestamp
        )

    def bind_values(
        self, portal: str, text: str, parameters: Sequence[object] | None
    ) -> tuple[ResultColumn, ...] | None:
        """Make a portal of a statement and Python's values, as `run` knows them; its columns.

        It becomes the unnamed statement; the same text is not planned again.  A failure is the transaction's, too.
        """
        self.check_open()
        try:
            types, values = embedded_parameters(parameters)
            prepared = self._prepared_for(text, types, values)
            wanted = prepared.parameter_oids
            if len(values) < len(wanted):
                raise errors.UndefinedParameter(f"there is no parameter ${len(values) + 1}")
            given = self.adapted(values, types, wanted)
        except Exception as error:
            self._failed_with(error)
            raise
        self.portals[portal] = Portal(portal, prepared, given, (), self.functions.statement_timestamp)
        return prepared.columns

    def _prepared_for(self, text: str, types: list[int], values: Sequence[object]) -> Prepared:
        """The unnamed statement if it is this one for these types, where NULL is of any; else a new one."""
        known = self.prepared.get("")
        if known is not None and known.text == text and len(types) == len(known.declared_oids):
            declared = known.declared_oids
            for number, value in enumerate(values):
                if value is None:
                    types[number] = declared[number]
            if tuple(types) == declared:
                self.check_not_failed(known.statement)
                if known.plan is not None and is_outgrown(known.plan, self.statement_catalog()):
                    self.refresh(known)
                return known
        statement = self.engine.statements.statement(text, self.language())
        self.check_not_failed(statement)
        made = self.prepared[""] = self.prepare("", text, statement, types)
        return made

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
        return prepared.shown_oids, prepared.columns

    def refresh(self, prepared: Prepared) -> None:
        """Plan a prepared statement anew.  Raises NotSupportedError when its result would change."""
        assert isinstance(prepared.statement, st.Query) and prepared.plan is not None
        prepared.plan = self._replanned(prepared.statement, prepared.plan, prepared.declared_oids, False)

    def portal(self, name: str) -> Portal:
        """The portal of that name.  Raises InvalidCursorName."""
        found = self.portals.get(name)
        if found is None:
            self.check_open()
            raise errors.InvalidCursorName(f'portal "{name}" does not exist')
        return found

    def describe_portal(self, name: str) -> tuple[tuple[ResultColumn, ...] | None, Sequence[int]]:
        """Result columns and the formats given to `bind`; those of a cursor, too, which are none."""
        if name in self.cursors:
            from skerry_engine.session.commands.cursors import cursor_columns

            self.check_not_failed(None)
            return cursor_columns(self, name), ()
        portal = self.portal(name)
        return portal.prepared.columns, portal.result_formats

    def execute(self, portal: str, max_rows: int) -> Steps:
        """Run a portal, for at most `max_rows` rows (0: all).  Yields no Description."""
        if portal in self.cursors:
            return self._execute_cursor(portal, max_rows)
        return self._execute_portal(self.portal(portal), max_rows)

    def _execute_portal(self, portal: Portal, max_rows: int, goes_on: bool = False) -> Steps:
        self._running_portal = portal
        portal.is_active = True
        try:
            yield from self._watched(self._execute(portal, max_rows), portal.prepared.text, goes_on=goes_on)
        finally:
            portal.is_active = False
            self._running_portal = None

    def _execute_cursor(self, name: str, max_rows: int) -> Steps:
        """Execute of a cursor that SQL has declared: it goes on from where it stands."""
        from skerry_engine.session.commands.cursors import execute_cursor, find_cursor

        text = find_cursor(self, name).text
        yield from self._watched(execute_cursor(self, name, max_rows), text)

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
        self.start(portal)
        try:
            if max_rows > 0 and portal.prepared.columns is not None:
                yield from self._limited(portal, max_rows)
            else:
                yield from self._unlimited(portal)
        except BaseException:
            if portal.steps is not None:
                portal.steps.close()
            raise

    def start(self, portal: Portal) -> None:
        """Let a portal have steps, if it has none yet."""
        if portal.steps is None:
            portal.steps = self._portal_steps(portal)

    def suspend(self, portal: Portal) -> None:
        """A portal has not come to its end: what it reads is to stay."""
        if portal.held_epoch is None and self.transaction is not None:
            portal.held_epoch = self.transaction.hold_snapshot()

    def _portal_steps(self, portal: Portal) -> Steps:
        prepared = portal.prepared
        if prepared.plan is not None:
            assert isinstance(prepared.statement, st.Query)
            return self.query_steps(
                prepared.statement, prepared.plan, prepared.declared_oids, portal.values, False
            )
        assert prepared.statement is not None
        if prepared.columns is not None and isinstance(prepared.statement, st.Historic):
            return self.prepared_historic_steps(prepared, portal.values, False)
        from skerry_engine.session.commands.dispatch import command_steps

        steps = _without_description(command_steps(self, prepared.statement, prepared.text))
        return self._with_parameters(steps, portal) if portal.values else steps

    def _with_parameters(self, steps: Steps, portal: Portal) -> Steps:
        """A command that runs with the portal's parameters."""
        self.bound_oids, self.bound_values = portal.prepared.parameter_oids, portal.values
        try:
            yield from steps
        finally:
            self.bound_oids, self.bound_values = (), ()

    def prepared_historic_steps(self, prepared: Prepared, values: Sequence[object], describe: bool) -> Steps:
        """A prepared query AS OF an epoch.  Raises NotSupportedError where its result is not as described."""
        from skerry_engine.session.commands.history import historic_steps

        assert isinstance(prepared.statement, st.Historic)
        types = prepared.parameter_oids
        sent: object = None
        steps = historic_steps(self, prepared.statement, types, values, True)
        try:
            while True:
                try:
                    step = steps.send(sent)
                except StopIteration:
                    return
                sent = None
                if isinstance(step, Description) and not same_types(step.columns, prepared.columns):
                    raise errors.CachedPlanChanged("cached plan must not change result type")
                if describe or not isinstance(step, Description):
                    sent = yield step
        finally:
            steps.close()

    def _unlimited(self, portal: Portal) -> Steps:
        assert portal.steps is not None
        given = portal.row_count
        if portal.pending:
            rows, portal.pending = portal.pending, []
            yield Rows(rows)
        sent: object = None
        steps = portal.steps
        while True:
            try:
                step = steps.send(sent)
            except StopIteration:
                break
            if given and isinstance(step, Complete) and step.tag.startswith("SELECT"):
                step = Complete(command_tag("select", step.row_count - given), step.row_count - given)
            sent = yield step
        self.finish(portal)

    def finish(self, portal: Portal) -> None:
        """A portal has come to its end."""
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
            self.suspend(portal)
            yield Suspended()
            return
        self.finish(portal)
        if complete is not None:
            is_select = complete.tag.startswith("SELECT")
            yield Complete(f"SELECT {given}", given) if is_select else complete

    def close_statement(self, name: str) -> None:
        """Drop a prepared statement, if there is one."""
        self.prepared.pop(name, None)

    def close_portal(self, name: str) -> None:
        """Drop a portal or a cursor, if there is one."""
        if name in self.cursors:
            from skerry_engine.session.commands.cursors import drop_cursor

            drop_cursor(self, name)
        portal = self.portals.pop(name, None)
        if portal is not None and portal.steps is not None:
            portal.steps.close()
            self.finish(portal)

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

    # --- answering in one unit ----------------------------------------
    #
    # Timeouts end a statement between two units.  One unit is over before they matter, save for a transaction
    # of many statements that has a deadline: its statements take steps.

    def answer_query(self, text: str, parameters: Sequence[object] | None = None) -> Finished | Steps:
        """As `run`: its outcome, if one unit was enough for all of it, else the steps to go on with."""
        if self.transaction_deadline_s is not None:
            return self.run(text, parameters)
        self._begin_unit(text)
        try:
            answer = self._query_outcome(text, parameters)
        except Exception as error:
            self._failed_with(error)
            raise
        finally:
            self._stop_running()
        if isinstance(answer, _Rest):
            return self._begun(self._watched(answer.steps, text, goes_on=True))
        return answer

    def answer_execute(self, portal: str, max_rows: int) -> Finished | Steps:
        """As `execute`: its outcome, if one unit was enough for all of it, else the steps to go on with."""
        if portal in self.cursors:
            return self._execute_cursor(portal, max_rows)
        found = self.portal(portal)
        is_limited = max_rows > 0 and found.prepared.columns is not None
        if found.steps is not None or found.is_done or is_limited or self.transaction_deadline_s is not None:
            return self._execute_portal(found, max_rows)
        self._begin_unit(found.prepared.text)
        try:
            finished = self._portal_outcome(found)
        except Exception as error:
            self._failed_with(error)
            raise
        finally:
            self._stop_running()
        if finished is not None:
            return finished
        has_begun = found.has_begun()
        rest = self._execute_portal(found, max_rows, goes_on=has_begun)
        return self._begun(rest) if has_begun else rest

    def answer_sync(self) -> Finished | Steps:
        """As `sync`: what there is to say, if one unit was enough for all of it, else the steps to go on with."""
        if self.in_block:
            return _NOTHING
        if self.transaction is None:
            self._close_portals()
            self.settings.commit()
            return _NOTHING
        self.engine.stores.functions = self.functions
        try:
            is_done = self.commit_at_once()
        except Exception:
            self._failed_statement()
            raise
        if is_done and not self._has_messages():
            return _NOTHING
        rest = self._decided(_replayed(_NOTHING)) if is_done else self.commit()
        return self._begun(self._watched(rest, self.current_query, goes_on=True))

    def _begin_unit(self, text: str) -> None:
        self._start_running(text)
        self.engine.stores.functions = self.functions

    def _query_outcome(self, text: str, parameters: Sequence[object] | None) -> Finished | Steps | _Rest:
        known = None if parameters else self.engine.statements.recognised(text, self.language())
        plan = None if known is None else self.cached_plan(known, ())
        statement: st.Statement
        if known is not None and plan is not None:
            statement = known
        else:
            batch = self.engine.statements.batch(text, self.language())
            if len(batch) != 1:
                return self.run(text, parameters)
            statement = batch[0][0]
        self.check_not_failed(statement)
        finished: Finished | None
        if isinstance(statement, st.Query):
            types, values = embedded_parameters(parameters)
            if plan is None:
                plan, values = self.plan_for(statement, types, values)
            if len(values) < len(plan.parameter_types):
                return self.run(text, parameters)
            begun = self.begin_at_once(statement, plan, values, True)
            if begun is None:
                return self._watched(
                    self._committed(self.query_steps(statement, plan, types, values, True)), text
                )
            if not begun.is_finished or (plan.is_change and begun.rows):
                return _Rest(self._committed(self.rest_of_query(begun, True)))
            finished = _finished(begun, plan.columns)
        else:
            finished = None if parameters else self._command_outcome(statement)
            if finished is None:
                return self.run(text, parameters)
        is_done = self.in_block or self.commit_at_once()
        if is_done and not self._has_messages():
            return finished
        replayed = _replayed(finished)
        return _Rest(self._decided(replayed) if is_done else self._committed(replayed))

    def _portal_outcome(self, portal: Portal) -> Finished | None:
        """A portal's statement; None where it needs steps: the portal has them then, if it has begun."""
        prepared = portal.prepared
        statement = prepared.statement
        self.check_not_failed(statement)
        plan = prepared.plan
        if plan is not None:
            assert isinstance(statement, st.Query)
            begun = self.begin_at_once(statement, plan, portal.values)
            if begun is None:
                return None
            if not begun.is_finished:
                portal.steps = self.rest_of_query(begun, False)
                return None
            finished = _finished(begun, None)
        else:
            made = None if statement is None else self._command_outcome(statement)
            if made is None:
                return None
            finished = made
        if self._has_messages():
            portal.steps = self._decided(_replayed(finished))
            return None
        portal.is_done = True
        return finished

    def _command_outcome(self, statement: st.Statement) -> Finished | None:
        from skerry_engine.session.commands.dispatch import command_at_once

        tag = command_at_once(self, statement)
        return None if tag is None else Finished(None, [], tag)


class _Rest:
    """What is left of a statement that one unit was not enough for, or that has messages to send."""

    __slots__ = ("steps",)

    def __init__(self, steps: Steps) -> None:
        self.steps: Steps = steps


_NOTHING = Finished(None, [], "")


def _finished(execution: Execution, columns: tuple[ResultColumn, ...] | None) -> Finished:
    row_count = execution.row_count
    return Finished(columns, execution.rows or [], command_tag(execution.plan.verb, row_count), row_count)


def _replayed(finished: Finished) -> Steps:
    """An outcome as steps, for when there are messages to send before it."""
    yield from finished.steps()


def _without_description(steps: Steps) -> Steps:
    sent: object = None
    try:
        while True:
            try:
                step = steps.send(sent)
            except StopIteration:
                return
            sent = None
            if not isinstance(step, Description):
                sent = yield step
    finally:
        steps.close()


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise errors.CharacterNotInRepertoire(
            f'invalid byte sequence for encoding "UTF8": 0x{value[error.start : error.start + 1].hex()}'
        ) from None
