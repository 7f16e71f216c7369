"""AS OF: statements and transactions that read the state at an epoch of the past.

    BEGIN ... AS OF     the session's transaction is one that sees that epoch
    statement AS OF     runs in a transaction of its own, beside the session's

A statement's own transaction stands in the session's place for as long as a unit of the statement lasts, so that
whatever asks for the session's transaction or catalog finds those of the epoch; between two units the session is
as it was.  The value behind AS OF is computed before, in the session's present: its parameters are the statement's.

What is refused: writes, definitions and row locks (T003), as in every read-only transaction, but for CREATE TABLE AS,
whose query alone reads the past; subqueries in the value.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, cast

from sqlglot import exp

from skerry_engine import errors
from skerry_engine.algebra import expressions as ex
from skerry_engine.algebra.traversal import rewrite_all
from skerry_engine.plan.compile import compile_rows
from skerry_engine.session.beside import in_place_of
from skerry_engine.session.commands import cursors
from skerry_engine.session.plans import Plan
from skerry_engine.session.steps import Step, Wait
from skerry_engine.sql import statements as st
from skerry_engine.sql.binder import expressions as be
from skerry_engine.sql.binder.context import BindContext, Parameters
from skerry_engine.sql.binder.queries import QueryBinder
from skerry_engine.sql.binder.scope import Scope
from skerry_engine.values import oids
from skerry_engine.values.types import SqlType, format_type

if TYPE_CHECKING:
    from skerry_engine.session.session import Session
    from skerry_engine.txn.transaction import Transaction

Steps = Generator[Step, object, None]

_TYPES = {"epoch": SqlType(oids.INT8), "timestamp": SqlType(oids.TIMESTAMPTZ)}


# --- which epoch ----------------------------------------


class AsOfValue:
    """The value behind AS OF, bound: its expression, and the types of the parameters in it."""

    def __init__(self, session: Session, as_of: st.AsOf, declared: Sequence[int]) -> None:
        self.kind = as_of.kind
        self._name = f"AS OF {as_of.kind.upper()}"
        self._parameters = Parameters(None, declared)
        self._expr = self._bound(session, as_of)
        self.parameter_oids = tuple(self._parameters.client_types)

    def _bound(self, session: Session, as_of: st.AsOf) -> ex.Expr:
        here = session.statement_catalog()
        context = BindContext(here.database, here.search_path, self._parameters, None, _no_views)
        binder = QueryBinder(context, session.io)
        if any(isinstance(node, exp.Query) for node in as_of.tree.walk()):
            raise errors.NotSupportedError(f"a subquery in {self._name} is not supported")
        expr = be.ExpressionBinder(binder, Scope(), be.Place("AS OF")).bind(as_of.tree)
        wanted = _TYPES[as_of.kind]
        made = binder.coercer.coerce(expr, wanted, "a")
        if made is None:
            raise errors.DatatypeMismatch(
                f"argument of {self._name} must be type {format_type(wanted.oid)},"
                f" not type {format_type(expr.type.oid)}",
                position=as_of.position,
            )
        return made

    def is_constant(self) -> bool:
        """Whether it has no parameters."""
        return not self._parameters.client_types

    def value(self, session: Session, values: Sequence[object]) -> int:
        """The epoch, or the time in microseconds, that it comes to.  Raises NullValueNotAllowed."""

        def with_values(node: object) -> object | None:
            if not isinstance(node, ex.Param):
                return None
            return ex.Const(node.type, values[self._parameters.slots[node.index].number])

        session.functions.start_statement()
        value = compile_rows((rewrite_all(self._expr, with_values),))(session.functions, ())[0]
        if value is None:
            raise errors.NullValueNotAllowed(f"the value of {self._name} must not be null")
        return cast("int", value)


def _no_views(source: str) -> exp.Expression:
    raise AssertionError("the value of AS OF reads no view")


def epoch_now(session: Session, value: AsOfValue, values: Sequence[object]) -> int:
    """The epoch that AS OF means; it may be one that is not published yet."""
    found = value.value(session, values)
    return found if value.kind == "epoch" else session.engine.manager.epoch_at(found)


def _epoch(session: Session, value: AsOfValue, values: Sequence[object]) -> Generator[Step, object, int]:
    """The epoch that AS OF means, once it is published."""
    epoch = epoch_now(session, value, values)
    manager = session.engine.manager
    while manager.published < epoch <= manager.last_epoch:
        yield Wait(manager.log.progress())
    return epoch


# --- a statement ----------------------------------------


def historic(session: Session, statement: st.Historic) -> Steps:
    """A statement with AS OF that has no parameters, or (PREPARE) whose parameters are for later."""
    if isinstance(statement.statement, st.Prepare):
        from skerry_engine.session.commands.prepared import prepare

        yield from prepare(session, statement.statement, statement.as_of)
        return
    yield from historic_steps(session, statement, (), (), True)


def historic_steps(
    session: Session, statement: st.Historic, types: Sequence[int], values: Sequence[object], describe: bool
) -> Steps:
    """Run a statement with AS OF."""
    value = AsOfValue(session, statement.as_of, types)
    if len(values) < len(value.parameter_oids):
        raise errors.UndefinedParameter(f"there is no parameter ${len(values) + 1}")
    given = session.adapted(values, types, value.parameter_oids)
    epoch = yield from _epoch(session, value, given)
    beside = session.engine.manager.begin_as_of(epoch, session.owner, False)
    inner = statement.statement
    try:
        if isinstance(inner, st.Query):
            steps = _query_steps(
                session, inner, _merged(types, value.parameter_oids), values, types, describe
            )
            yield from in_place_of(session, beside, steps)
        elif isinstance(inner, st.DeclareCursor):
            yield from _declare(session, inner, beside)
        elif isinstance(inner, st.CreateTableAs):
            from skerry_engine.session.commands.definitions import definition_steps

            yield from definition_steps(session, inner, beside)
        else:
            from skerry_engine.session.commands.dispatch import command_steps

            yield from in_place_of(session, beside, command_steps(session, inner, session.current_query))
    finally:
        if not isinstance(inner, st.DeclareCursor) or not _is_kept(session, inner.name, beside):
            beside.close()


def _query_steps(
    session: Session,
    query: st.Query,
    wanted: Sequence[int],
    values: Sequence[object],
    given: Sequence[int],
    describe: bool,
) -> Steps:
    """A query, planned and run where the session stands."""
    plan = session.plan_query(query, wanted)
    if len(values) < len(plan.parameter_types):
        raise errors.UndefinedParameter(f"there is no parameter ${len(values) + 1}")
    made = session.adapted(values, given, plan.parameter_types)
    yield from session.query_steps(query, plan, wanted, made, describe)


def _merged(one: Sequence[int], other: Sequence[int]) -> tuple[int, ...]:
    """Declared types of parameters, and where none was declared those that the value of AS OF has given."""
    longest = max(len(one), len(other))
    first = [*one, *[0] * (longest - len(one))]
    second = [*other, *[0] * (longest - len(other))]
    return tuple(a or b for a, b in zip(first, second, strict=True))


def plan_historic(session: Session, statement: st.Historic, declared: Sequence[int]) -> Plan:
    """The plan by which a query with AS OF is described, before it is run.

    It is made for the epoch where that is known: the value of AS OF has no parameters.
    """
    inner = statement.statement
    assert isinstance(inner, st.Query)
    value = AsOfValue(session, statement.as_of, declared)
    wanted = _merged(declared, value.parameter_oids)
    if not value.is_constant():
        return session.plan_query(inner, wanted)
    epoch = min(epoch_now(session, value, ()), session.engine.manager.published)
    beside = session.engine.manager.begin_as_of(epoch, session.owner, False)
    own, session.transaction = session.transaction, beside
    try:
        return session.plan_query(inner, wanted)
    finally:
        session.transaction = own
        beside.close()


# --- cursors ----------------------------------------


def _declare(session: Session, statement: st.DeclareCursor, beside: Transaction) -> Steps:
    """A cursor over the past: it belongs to the session's transaction, and ends its own with itself."""
    own = session.need_transaction()
    yield from in_place_of(session, beside, cursors.declare(session, statement))
    cursors.hand_over(session, statement.name, own, beside)


def _is_kept(session: Session, name: str, beside: Transaction) -> bool:
    found = session.cursors.get(name)
    return isinstance(found, cursors.Cursor) and found.beside is beside


# --- a transaction ----------------------------------------


def begin_as_of(session: Session, statement: st.Begin) -> Steps:
    """BEGIN ... AS OF: a transaction that reads at an epoch."""
    assert statement.as_of is not None
    if session.in_block or session.transaction is not None:
        raise errors.ActiveTransaction("AS OF must be said when the transaction begins")
    modes = statement.modes
    if modes.isolation not in (None, "repeatable read"):
        raise errors.NotSupportedError(
            f"AS OF at isolation level {modes.isolation.upper()} is not supported",
            hint="A transaction AS OF reads one state: REPEATABLE READ.",
        )
    if modes.read_only is False:
        raise errors.ReadOnlyViolation("cannot begin a READ WRITE transaction AS OF an epoch")
    value = AsOfValue(session, statement.as_of, ())
    if not value.is_constant():
        raise errors.UndefinedParameter("there is no parameter $1")
    epoch = yield from _epoch(session, value, ())
    session.begin_as_of(epoch)
    session.in_block = True
