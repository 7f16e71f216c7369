"""ALTER COLUMN TYPE: other values in every row, and all that is bound over them bound anew.

    default                                cast to the new type
    checks, index expressions, predicates  printed, parsed, bound again
    indexes                                built over the rewritten rows, unique ones checked
    foreign keys                           types and rows checked again
    views                                  refused: they would change

Where old values are values of the new type as they are (a longer varchar, varchar to text) the rows stay.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field, replace

from skerry_engine import errors
from skerry_engine.algebra import expressions as ex
from skerry_engine.catalog import changes, naming
from skerry_engine.catalog.catalog import Catalog
from skerry_engine.catalog.definitions import DefinitionPrinter
from skerry_engine.catalog.dependencies import KIND_WORDS
from skerry_engine.catalog.graphs import PropertyGraph
from skerry_engine.catalog.objects import (
    CLASS_RELATION,
    Address,
    Column,
    Constraint,
    IndexDef,
    IndexKey,
    StoredExpression,
    Table,
)
from skerry_engine.plan.compile import compile_rows
from skerry_engine.session.definitions.binding import (
    bind_check,
    bind_index_expression,
    bind_predicate,
    bind_transform,
    cast_column,
    cast_expression,
)
from skerry_engine.session.definitions.change import change_catalog
from skerry_engine.session.definitions.columns import INTEGER_TYPES
from skerry_engine.session.definitions.constraints import require_comparable, require_orderable
from skerry_engine.session.definitions.context import DefinitionContext
from skerry_engine.session.definitions.names import collation_of, column_type, current_table
from skerry_engine.session.definitions.rewriting import rewrite
from skerry_engine.session.definitions.validation import validate_check, validate_foreign_key, validate_unique
from skerry_engine.session.definitions.waiting import lock_relation
from skerry_engine.session.steps import Step
from skerry_engine.sql import statements as st
from skerry_engine.sql.bridge import parse_expression
from skerry_engine.storage.heap import Row
from skerry_engine.txn.modes import SHARE_ROW_EXCLUSIVE
from skerry_engine.values import oids
from skerry_engine.values.types import SqlType, format_type


@dataclass(slots=True)
class _Rebound:
    """What was bound over the column, bound anew: by constraint OID, and whole indexes by OID."""

    checks: dict[int, StoredExpression] = field(default_factory=dict)
    indexes: dict[int, IndexDef] = field(default_factory=dict)


def alter_column_type(
    context: DefinitionContext, oid: int, action: st.AlterColumnType
) -> Generator[Step, object, None]:
    """ALTER COLUMN TYPE.  Raises DatatypeMismatch, NotSupportedError for views,
    and what a row or key violates."""
    table = current_table(context, oid)
    old = changes.get_column(table, action.name)
    sql_type = column_type(context, action.type, old.name)
    if old.identity and sql_type.oid not in INTEGER_TYPES:
        raise errors.InvalidParameterValue("identity column type must be smallint, integer, or bigint")
    _refuse_views(context, table, old)
    _refuse_generated(table, old, action)
    if action.using is not None:
        value = bind_transform(context, action.using, table, old, sql_type)
    else:
        value = cast_column(context, table, old, sql_type)
    new = _new_column(context, action, old, sql_type)
    retyped = changes.with_column(table, new)
    try:
        rebound = _rebind(context, table, retyped, new)
    except errors.DatabaseError as error:
        error.position = None  # it is one in the printed expression, not in the statement
        raise
    retyped = _with_rebound(retyped, rebound)
    storage_id = table.storage_id
    if not _keeps_values(old.type, new.type, value):
        storage_id = yield from _rewritten(context, table, retyped, new, value)
    _enter(context, retyped, new, rebound, storage_id)
    yield from _check_foreign_keys(context, oid, new)


def _new_column(
    context: DefinitionContext, action: st.AlterColumnType, old: Column, sql_type: SqlType
) -> Column:
    default = old.default
    if default is not None:
        expr = cast_expression(context, _without_implicit_casts(default.expr), sql_type)
        if expr is None:
            raise errors.DatatypeMismatch(
                f'default for column "{old.name}" cannot be cast automatically to type '
                f"{format_type(sql_type.oid, sql_type.typmod)}"
            )
        default = StoredExpression(default.source, expr)
    return replace(
        old,
        type=sql_type,
        default=default,
        collation_oid=collation_of(sql_type, action.collation),
        dimensions=action.type.dimensions,
    )


def _without_implicit_casts(expr: ex.Expr) -> ex.Expr:
    """A default as it was written: the casts to the old type go."""
    while isinstance(expr, ex.Cast) and not expr.explicit:
        expr = expr.arg
    return expr


def _refuse_views(context: DefinitionContext, table: Table, column: Column) -> None:
    address = Address(CLASS_RELATION, table.oid, column.attnum)
    for view in context.database.with_queries():
        if address in view.references:
            raise errors.NotSupportedError(
                "cannot alter type of a column used by a view or rule",
                detail=f'rule _RETURN on {KIND_WORDS[view.kind]} {view.name} depends on column "{column.name}"',
            )
    for graph in context.database.of_type(PropertyGraph):
        if address in graph.references:
            raise errors.NotSupportedError(
                "cannot alter type of a column used by a property graph",
                detail=f'property graph {graph.name} depends on column "{column.name}"',
            )


def _refuse_generated(table: Table, column: Column, action: st.AlterColumnType) -> None:
    if column.generated and action.using is not None:
        raise errors.InvalidColumnDefinition(
            "cannot specify USING when altering type of generated column",
            detail=f'Column "{column.name}" is a generated column.',
        )
    for other in table.live_columns:
        if other.generated and other is not column and other.default is not None:
            if _reads(table, other.default, column):
                raise errors.NotSupportedError(
                    "cannot alter type of a column used by a generated column",
                    detail=f'Column "{column.name}" is used by generated column "{other.name}".',
                )


def _keeps_values(old: SqlType, new: SqlType, value: ex.Expr) -> bool:
    """Whether stored values are values of the new type as they stand,
    and the expression is the column itself."""
    while isinstance(value, ex.Cast):
        value = value.arg
    if not isinstance(value, ex.Column):
        return False
    if old == new:
        return True
    if new.domain:
        return False
    strings = (oids.TEXT, oids.VARCHAR)
    if old.oid in strings and new.oid in strings:
        return new.typmod == -1 or (old.oid == new.oid and 0 <= old.typmod <= new.typmod)
    return old.oid == new.oid and new.typmod == -1


# --- binding anew -------------------------------------------------------------------------------------------


def _rebind(context: DefinitionContext, old: Table, retyped: Table, column: Column) -> _Rebound:
    rebound = _Rebound()
    for constraint in old.checks:
        if column.attnum in constraint.columns and constraint.check is not None:
            source = _printed(context, old, constraint.check)
            rebound.checks[constraint.oid] = bind_check(context, source, old.name, retyped.live_columns)
    for index in old.indexes:
        changed = _rebound_index(context, old, retyped, index, column)
        if changed is not index:
            rebound.indexes[index.oid] = replace(changed, version=index.version + 1)
    return rebound


def _rebound_index(
    context: DefinitionContext, old: Table, retyped: Table, index: IndexDef, column: Column
) -> IndexDef:
    keys = tuple(_rebound_key(context, old, retyped, key, column) for key in index.keys)
    predicate = index.predicate
    if predicate is not None and _reads(old, predicate, column):
        predicate = bind_predicate(context, _printed(context, old, predicate), retyped)
    if keys == index.keys and predicate is index.predicate:
        return index
    return replace(index, keys=keys, predicate=predicate)


def _rebound_key(
    context: DefinitionContext, old: Table, retyped: Table, key: IndexKey, column: Column
) -> IndexKey:
    if key.attnum == column.attnum:
        require_orderable(column.type)
        return replace(key, type=column.type, collation_oid=column.collation_oid)
    if key.expression is None or not _reads(old, key.expression, column):
        return key
    stored = bind_index_expression(context, _printed(context, old, key.expression), retyped)
    require_orderable(stored.expr.type)
    return replace(key, type=stored.expr.type, expression=stored)


def _reads(table: Table, stored: StoredExpression, column: Column) -> bool:
    return column.attnum in naming.columns_read(table, stored)


def _printed(context: DefinitionContext, table: Table, stored: StoredExpression) -> st.SourceExpression:
    """The expression as text with present names, parsed again."""
    printer = DefinitionPrinter(context.database, context.search_path)
    text = printer.expression(table, stored)
    return st.SourceExpression(text, parse_expression(text))


def _with_rebound(table: Table, rebound: _Rebound) -> Table:
    constraints = tuple(_with_check(constraint, rebound) for constraint in table.constraints)
    indexes = tuple(rebound.indexes.get(index.oid, index) for index in table.indexes)
    return replace(table, constraints=constraints, indexes=indexes)


def _with_check(constraint: Constraint, rebound: _Rebound) -> Constraint:
    check = rebound.checks.get(constraint.oid)
    return constraint if check is None else replace(constraint, check=check)


# --- rows ---------------------------------------------------------------------------------------------------


def _rewritten(
    context: DefinitionContext, old: Table, retyped: Table, column: Column, value: ex.Expr
) -> Generator[Step, object, int]:
    """The id of a storage with the new values, its unique keys checked."""
    compute, functions, position = compile_rows((value,)), context.functions, column.position

    def make_row(row: Row) -> Row:
        computed = compute(functions, row)[0]
        if computed is None and column.not_null:
            raise errors.NotNullViolation(
                f'column "{column.name}" of relation "{old.name}" contains null values',
                table=old.name,
                column=column.name,
            )
        return (*row[:position], computed, *row[position + 1 :])

    storage = yield from rewrite(context, old, retyped, make_row)
    moved = replace(retyped, storage_id=storage.storage_id)
    for index in retyped.indexes:
        if index.unique:
            yield from validate_unique(context, moved, index, storage.indexes[index.oid])
    for constraint in retyped.checks:
        if column.attnum in constraint.columns and constraint.validated:
            yield from validate_check(context, moved, constraint)
    return storage.storage_id


def _enter(
    context: DefinitionContext, retyped: Table, column: Column, rebound: _Rebound, storage_id: int
) -> None:
    database_oid, oid = context.database_oid, retyped.oid

    def change(catalog: Catalog) -> Catalog:
        database = catalog.database(database_oid)
        table = _with_rebound(changes.with_column(database.table(oid), column), rebound)
        table = replace(table, storage_id=storage_id, version=table.version + 1)
        indexes = [index for index in table.indexes if index.oid in rebound.indexes]
        return catalog.with_database(database.with_relations((table, *indexes)))

    change_catalog(context, change)


def _check_foreign_keys(
    context: DefinitionContext, oid: int, column: Column
) -> Generator[Step, object, None]:
    """Check foreign keys over the column, from and to the table, with the new type and values."""
    database = context.database
    outgoing = [c for c in database.table(oid).foreign_keys if column.attnum in c.columns]
    incoming = [c for c in database.referencing(oid) if column.attnum in c.referenced_columns]
    for constraint in {c.oid: c for c in (*outgoing, *incoming)}.values():
        for table_oid in (constraint.table_oid, constraint.referenced_table_oid):
            yield from lock_relation(context, table_oid, SHARE_ROW_EXCLUSIVE)
        child = context.database.table(constraint.table_oid)
        parent = context.database.table(constraint.referenced_table_oid)
        for attnum, referenced in zip(constraint.columns, constraint.referenced_columns, strict=True):
            require_comparable(constraint.name, child.column(attnum), parent.column(referenced))
        if constraint.validated:
            yield from validate_foreign_key(context, constraint)
