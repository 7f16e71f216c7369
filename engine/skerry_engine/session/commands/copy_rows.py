"""From COPY's fields to whole rows of the table: defaults, WHERE, NOT NULL and CHECK.

    fields by row ─> columns of values ─> + columns of defaults ─> rows ─> WHERE ─> constraints

WHERE and the constraints become one generated function each, a loop over the batch.  When anything is wrong
with a batch, its rows are gone through one by one to find the first bad one, so that the error names its
line, as PostgreSQL does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from skerry_engine import errors
from skerry_engine.algebra import expressions as ex
from skerry_engine.algebra import queries as q
from skerry_engine.catalog.objects import Column, Table
from skerry_engine.functions.namespace import NAMESPACE
from skerry_engine.plan.compile import compile_rows, execute_source
from skerry_engine.plan.expressions import ExpressionWriter, RowVariable, Subqueries
from skerry_engine.plan.source import Block, Module
from skerry_engine.plan.writing import check_violation, not_null_violation
from skerry_engine.session.commands.copy_values import (
    ColumnConverter,
    field_reader,
    present_reader,
    with_context,
    with_nulls,
)
from skerry_engine.session.copy_format import copy_context, copy_encoder
from skerry_engine.session.definitions.binding import is_volatile
from skerry_engine.session.plans import parse_stored_query
from skerry_engine.session.stores import default_value, generating
from skerry_engine.sql import statements as st
from skerry_engine.sql.binder.context import BindContext, Parameters
from skerry_engine.sql.binder.expressions import ExpressionBinder, Place
from skerry_engine.sql.binder.queries import QueryBinder
from skerry_engine.sql.binder.scope import Range, Scope, ScopeColumn
from skerry_engine.sql.bridge import position_of

if TYPE_CHECKING:
    from skerry_engine.session.environment import StatementCatalog
    from skerry_engine.session.session import Session

Row = tuple[object, ...]
Fields = Sequence[Any]
_WHERE = Place("COPY FROM WHERE conditions")


class RowMaker:
    """Makes rows of one table out of the fields of some of its columns."""

    def __init__(
        self,
        session: Session,
        here: StatementCatalog,
        table: Table,
        columns: Sequence[Column],
        statement: st.Copy,
    ) -> None:
        self.table = table
        self.columns = columns
        self.here = here
        self.functions = session.functions
        self.options = statement.options
        self.is_binary = statement.options.format == "binary"
        self._field_readers = [field_reader(c.type, session.io, self.is_binary) for c in columns]
        self._present_readers = [present_reader(c.type, session.io, self.is_binary) for c in columns]
        self._column_readers = [with_nulls(read) for read in self._present_readers]
        self._domains = [(c.position, c.type.domain) for c in columns if c.type.domain]
        self._defaults = _Defaults(here, table, columns)
        self._target = _target(here, table)
        self._generate = generating(table)
        self._first_bad = _compile_first_bad(self._target)
        self._kept: Callable[[Any, list[Row]], list[int]] | None = None
        if statement.where is not None:
            self._kept = _compile_kept(_bound_where(session, here, table, statement.where.tree), table.width)

    def make(self, fields: Sequence[Fields], lines: Sequence[int]) -> tuple[list[Row], Sequence[int]]:
        """The rows that `fields` (one sequence for each line) give, and their lines:
        those that WHERE lets pass.

        Raises what is wrong with the first bad line, with its context.
        """
        try:
            return self._passed(self._rows(fields), lines)
        except errors.DatabaseError:
            self._report(fields, lines)
            raise

    def make_columns(
        self, columns: Sequence[Sequence[str]], lines: Sequence[int]
    ) -> tuple[list[Row], Sequence[int]]:
        """As `make`, of fields that stand by column, none of them NULL."""
        try:
            return self._passed(self._of_columns(columns, self._present_readers, len(lines)), lines)
        except errors.DatabaseError:
            self._report(list(zip(*columns, strict=True)), lines)
            raise

    def _passed(self, rows: list[Row], lines: Sequence[int]) -> tuple[list[Row], Sequence[int]]:
        """What WHERE lets pass.  Raises what a constraint has to say to the first row that violates one."""
        if self._kept is not None:
            kept = self._kept(self.functions, rows)
            rows, lines = [rows[n] for n in kept], [lines[n] for n in kept]
        rows = self._generated(rows)
        if self._first_bad is not None:
            bad = self._first_bad(self.functions, rows)
            if bad >= 0:
                self._check(rows[bad])
                raise AssertionError("a row was bad, but none of its constraints is violated")
        return rows, lines

    def _generated(self, rows: list[Row]) -> list[Row]:
        """The rows with their generated columns."""
        generate = self._generate
        return rows if generate is None else [generate(self.functions, row) for row in rows]

    def _rows(self, fields: Sequence[Fields]) -> list[Row]:
        columns = list(zip(*fields, strict=True)) if self.columns else []
        return self._of_columns(columns, self._column_readers, len(fields))

    def _of_columns(
        self, given: Sequence[Sequence[Any]], readers: Sequence[ColumnConverter], count: int
    ) -> list[Row]:
        columns: list[Sequence[object]] = self._defaults.columns(self.functions, count)
        if count and self.columns:
            for column, read, fields in zip(self.columns, readers, given, strict=True):
                columns[column.position] = read(fields)
        for position, domain in self._domains:
            for value in columns[position]:
                self.functions.check_domain(domain, value)
        if not columns:
            return [()] * count
        return list(zip(*columns, strict=True))

    # --- errors ---------------------------------------------------------------------------------------------

    def _report(self, fields: Sequence[Fields], lines: Sequence[int]) -> None:
        """Raise what is wrong with the first bad line."""
        for line, row in zip(lines, fields, strict=True):
            self._read_row(line, row)
            try:
                rows = self._rows([row])
                if self._kept is None or self._kept(self.functions, rows):
                    self._check(self._generated(rows)[0])
            except errors.DatabaseError as error:
                raise with_context(error, self.line_context(line, row)) from None

    def _read_row(self, line: int, row: Fields) -> None:
        for column, read, field in zip(self.columns, self._field_readers, row, strict=True):
            if field is None and not column.type.domain:
                continue
            try:
                value = None if field is None else read(field)
                if column.type.domain:
                    self.functions.check_domain(column.type.domain, value)
            except errors.DatabaseError as error:
                if self.is_binary:
                    context = f"COPY {self.table.name}, line {line}, column {column.name}"
                else:
                    context = copy_context(self.table.name, line, column.name, field)
                raise with_context(error, context) from None

    def _check(self, row: Row) -> None:
        for position in self._target.not_null:
            if row[position] is None:
                not_null_violation(self.here, self._target, position, row)
        for name, check in self._target.checks:
            if compile_rows((check,))(self.functions, row)[0] is False:
                check_violation(self.here, self._target, name, row)

    def line_context(self, line: int, row: Fields) -> str:
        """`COPY t, line 3: "..."`; the line is written anew from its fields."""
        if self.is_binary:
            return copy_context(self.table.name, line)
        encoder = copy_encoder(self.options, [c.name for c in self.columns])
        return copy_context(self.table.name, line, None, encoder.encode([row]).decode()[:-1])


class _Defaults:
    """The columns that COPY was not given.  What is not volatile is computed once for the whole statement."""

    def __init__(self, here: StatementCatalog, table: Table, given: Sequence[Column]) -> None:
        exprs: list[ex.Expr | None] = [None] * table.width
        for column in table.live_columns:
            if column not in given:
                exprs[column.position] = default_value(here.database, table, column.attnum)
        found = [(position, expr) for position, expr in enumerate(exprs) if expr is not None]
        self._width = table.width
        self._stable = [
            (position, compile_rows((expr,))) for position, expr in found if not is_volatile(expr)
        ]
        self._volatile = [position for position, expr in found if is_volatile(expr)]
        self._make_volatile = compile_rows(tuple(expr for _, expr in found if is_volatile(expr)))
        self._values: list[object] | None = None

    def columns(self, functions: object, count: int) -> list[Sequence[object]]:
        """All columns of `count` rows: defaults, and NULLs where values are still to come."""
        if self._values is None:
            values: list[object] = [None] * self._width
            for position, make in self._stable:
                values[position] = make(functions, ())[0]
            self._values = values
        columns: list[Sequence[object]] = [[value] * count for value in self._values]
        if self._volatile and count:
            make_row = self._make_volatile
            made = [make_row(functions, ()) for _ in range(count)]
            for position, column in zip(self._volatile, zip(*made, strict=True), strict=True):
                columns[position] = column
        return columns


def _target(here: StatementCatalog, table: Table) -> q.Target:
    """The table's constraints on single rows, over range 0."""
    names = [""] * table.width
    for column in table.columns:
        names[column.position] = column.name
    checks = sorted(((c.name, c.check.expr) for c in table.checks if c.check is not None), key=lambda c: c[0])
    not_null = tuple(c.position for c in table.live_columns if c.not_null)
    schema = here.database.schema_of(table).name
    return q.Target(table.oid, table.name, schema, 0, table.width, tuple(names), not_null, tuple(checks))


def _bound_where(session: Session, here: StatementCatalog, table: Table, tree: exp.Expression) -> ex.Expr:
    """The condition of COPY FROM ... WHERE over the new row, range 0."""
    for node in tree.find_all(exp.Subquery, exp.Exists, exp.Select):
        raise errors.NotSupportedError(
            "cannot use subquery in COPY FROM WHERE condition", position=position_of(node)
        )
    context = BindContext(here.database, here.search_path, Parameters(None, ()), None, parse_stored_query)
    offered = [ScopeColumn(c.name, c.type, c.position, not c.not_null, c.attnum) for c in table.live_columns]
    scope = Scope(None, [Range(table.name, 0, offered, table.oid)])
    condition = ExpressionBinder(QueryBinder(context, session.io), scope, _WHERE).condition(
        tree.copy(), "WHERE"
    )
    read = {node.position for node in ex.walk(condition) if isinstance(node, ex.Column)}
    for column in table.live_columns:
        if column.generated and column.position in read:
            raise errors.InvalidColumnReference(
                "generated columns are not supported in COPY FROM WHERE conditions",
                detail=f'Column "{column.name}" is a generated column.',
            )
    return condition


# --- generated loops ------------------------------------------------------------------------------


class _NoSubqueries(Subqueries):
    """Constraints and COPY's WHERE hold no subqueries."""


def _writer(width: int) -> ExpressionWriter:
    module = Module()
    module.namespace.update(NAMESPACE)
    return ExpressionWriter(Block(module, "batch", ["rows"]), {0: RowVariable("row", width)}, _NoSubqueries())


def _finished(writer: ExpressionWriter, body: list[str]) -> Callable[[Any, list[Row]], Any]:
    prologue = [line for line in writer.block.prologue if "ctx." not in line]
    text = "\n".join(["def batch(fc, rows):", *prologue, *body]) + "\n"
    function: Callable[[Any, list[Row]], Any] = execute_source(text, writer.module.namespace)["batch"]
    return function


def _compile_first_bad(target: q.Target) -> Callable[[Any, list[Row]], int] | None:
    """A function that gives the number of the first row that violates a constraint, -1 for none."""
    writer = _writer(target.width)
    conditions = [f"row[{position}] is None" for position in target.not_null]
    conditions += [writer.is_false(check) for _, check in target.checks]
    if not conditions:
        return None
    return _finished(
        writer,
        [
            "    for number, row in enumerate(rows):",
            f"        if {' or '.join(conditions)}:",
            "            return number",
            "    return -1",
        ],
    )


def _compile_kept(condition: ex.Expr, width: int) -> Callable[[Any, list[Row]], list[int]]:
    """A function that gives the numbers of the rows for which the condition holds."""
    writer = _writer(width)
    text = writer.is_true(condition)
    return _finished(writer, [f"    return [number for number, row in enumerate(rows) if {text}]"])
