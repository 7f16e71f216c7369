"""Columns from their definitions: type, default, serial and identity.

A serial column is an integer column with a sequence of its own (`t_id_seq`), NOT NULL, and nextval of that
sequence as its default.  An identity column has a sequence too, but no default:
what its value is follows from `identity`.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field, replace

from skerry_engine import errors
from skerry_engine.algebra.expressions import Const, Expr
from skerry_engine.catalog import naming
from skerry_engine.catalog.changes import with_column
from skerry_engine.catalog.objects import (
    CLASS_RELATION,
    Address,
    Column,
    SequenceDef,
    StoredExpression,
    Table,
)
from skerry_engine.session.definitions.binding import bind_default, bind_generation
from skerry_engine.session.definitions.context import DefinitionContext
from skerry_engine.session.definitions.names import collation_of, column_type, creation_schema
from skerry_engine.session.definitions.sequence_options import new_sequence
from skerry_engine.session.definitions.waiting import lock_new_name
from skerry_engine.session.steps import Step
from skerry_engine.session.stores import nextval_call
from skerry_engine.sql.statements import ColumnDefinition, SequenceOptions, SourceExpression
from skerry_engine.values import oids

INTEGER_TYPES = frozenset((oids.INT2, oids.INT4, oids.INT8))


@dataclass(slots=True)
class TableSite:
    """The table that columns and constraints are made for: where it stands,
    and the names given out for it so far.

    `taken` holds names of relations and constraints
    that this statement chose but the catalog does not know yet.
    """

    oid: int
    name: str
    schema_oid: int
    persistence: str = "p"
    taken: set[str] = field(default_factory=set)


@dataclass(slots=True)
class NewColumn:
    """A column about to be, with the sequence it owns."""

    column: Column
    sequence: SequenceDef | None = None


def make_column(
    context: DefinitionContext, site: TableSite, written: ColumnDefinition, attnum: int, position: int
) -> Generator[Step, object, NewColumn]:
    """The column and its sequence.  Raises what is wrong with its type, default or options."""
    column_name = naming.truncate_name(written.name)
    sql_type = column_type(context, written.type, column_name)
    column = Column(
        column_name,
        attnum,
        position,
        sql_type,
        not_null=bool(written.not_null),
        collation_oid=collation_of(sql_type, written.collation),
        dimensions=written.type.dimensions,
    )
    _check_combination(site, written)
    if written.generated is not None:
        return NewColumn(replace(column, generated="s"))
    if written.serial:
        return (yield from _serial_column(context, site, column))
    if written.identity:
        options = written.identity_options or SequenceOptions()
        return (yield from identity_column(context, site, column, written.identity, options))
    if written.default is None:
        return NewColumn(column)
    default = bind_default(context, written.default, column_name, sql_type)
    return NewColumn(with_default(context, column, default))


def with_generation(
    context: DefinitionContext, table: Table, column: Column, written: SourceExpression
) -> Table:
    """The table with a column's generation expression, which may read all columns that are there.

    `make_column` leaves it out, as columns that it reads may follow.
    """
    stored = bind_generation(context, written, table, column)
    generated = replace(column, default=stored, default_oid=context.catalog.oids.allocate())
    return with_column(table, generated)


def with_default(context: DefinitionContext, column: Column, default: StoredExpression) -> Column:
    """The column with a default, unless that is a mere NULL."""
    if _is_null(default.expr):
        return column
    return replace(column, default=default, default_oid=context.catalog.oids.allocate())


def _is_null(expr: Expr) -> bool:
    return isinstance(expr, Const) and expr.value is None


def _check_combination(site: TableSite, written: ColumnDefinition) -> None:
    both = f'for column "{written.name}" of table "{site.name}"'
    if written.serial and written.default is not None:
        raise errors.SyntaxError(f"multiple default values specified {both}")
    if (written.default is not None or written.serial) and written.identity:
        raise errors.SyntaxError(f"both default and identity specified {both}", position=written.position)
    if written.generated is not None and (written.default is not None or written.serial):
        raise errors.SyntaxError(
            f"both default and generation expression specified {both}",
            position=None if written.serial else written.generated_position,
        )
    if written.generated is not None and written.identity:
        raise errors.SyntaxError(
            f"both identity and generation expression specified {both}", position=written.generated_position
        )
    if (written.serial or written.identity) and written.not_null is False:
        raise errors.SyntaxError(f"conflicting NULL/NOT NULL declarations {both}", position=written.position)


# --- columns with sequences ---------------------------------------------------------------------------------


def _serial_column(
    context: DefinitionContext, site: TableSite, column: Column
) -> Generator[Step, object, NewColumn]:
    sequence = yield from _owned_sequence(context, site, column, SequenceOptions(), False)
    context.notice(
        f'CREATE TABLE will create implicit sequence "{sequence.name}"'
        f' for serial column "{site.name}.{column.name}"',
        "DEBUG",
    )
    source = f"nextval('{sequence.name}'::regclass)"
    default = StoredExpression(source, nextval_call(sequence, column.type))
    made = replace(column, not_null=True, default=default, default_oid=context.catalog.oids.allocate())
    return NewColumn(made, sequence)


def identity_column(
    context: DefinitionContext, site: TableSite, column: Column, identity: str, options: SequenceOptions
) -> Generator[Step, object, NewColumn]:
    """The column as an identity column.  Raises InvalidParameterValue for a type that is no integer."""
    if column.type.oid not in INTEGER_TYPES:
        raise errors.InvalidParameterValue("identity column type must be smallint, integer, or bigint")
    sequence = yield from _owned_sequence(context, site, column, options, True)
    return NewColumn(replace(column, not_null=True, identity=identity), sequence)


def _owned_sequence(
    context: DefinitionContext, site: TableSite, column: Column, options: SequenceOptions, is_identity: bool
) -> Generator[Step, object, SequenceDef]:
    schema_oid, name = site.schema_oid, ""
    if options.sequence_name is not None:
        schema_oid = creation_schema(context, options.sequence_name).oid
        name = naming.truncate_name(options.sequence_name.name)
    while True:
        chosen = name or naming.sequence_name(
            context.database, schema_oid, site.name, column.name, site.taken
        )
        yield from lock_new_name(context, schema_oid, chosen)
        if name or chosen == naming.sequence_name(
            context.database, schema_oid, site.name, column.name, site.taken
        ):
            break
    site.taken.add(chosen)
    empty = SequenceDef(
        oid=context.catalog.oids.allocate(),
        name=chosen,
        schema_oid=schema_oid,
        owner_oid=context.user_oid,
        persistence=site.persistence,
        type_oid=column.type.oid,
        owner_column=Address(CLASS_RELATION, site.oid, column.attnum),
        is_identity=is_identity,
    )
    return new_sequence(context, empty, options)
