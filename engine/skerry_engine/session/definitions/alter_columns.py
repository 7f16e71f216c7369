"""ALTER TABLE's actions on columns, but for types (`alter_type`).

ADD COLUMN with a default that is one value for all rows writes nothing: rows stay short and are read with
that value in the new place.  A default that differs from row to row (a volatile function, a sequence)
rewrites the table.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import replace

from skerry_engine import errors
from skerry_engine.algebra.expressions import Const
from skerry_engine.catalog import changes, drops
from skerry_engine.catalog.catalog import Catalog
from skerry_engine.catalog.objects import (
    CLASS_CONSTRAINT,
    CLASS_RELATION,
    Address,
    Column,
    IndexDef,
    Relation,
    SequenceDef,
    Table,
    new_version,
)
from skerry_engine.catalog.user_types import domain_default
from skerry_engine.plan.compile import compile_rows
from skerry_engine.session.definitions.alter_constraints import add_constraint
from skerry_engine.session.definitions.binding import bind_default, is_volatile
from skerry_engine.session.definitions.change import change_catalog
from skerry_engine.session.definitions.columns import (
    TableSite,
    identity_column,
    make_column,
    with_generation,
)
from skerry_engine.session.definitions.context import DefinitionContext
from skerry_engine.session.definitions.drop import drop_objects
from skerry_engine.session.definitions.names import current_table
from skerry_engine.session.definitions.options import storage_options, written_options
from skerry_engine.session.definitions.rewriting import rewrite
from skerry_engine.session.definitions.sequences import add_sequence, change_sequence
from skerry_engine.session.definitions.validation import contains_nulls, each_slice, validate_not_null
from skerry_engine.session.steps import Step
from skerry_engine.sql import statements as st
from skerry_engine.storage.heap import Row


def site_of(table: Table) -> TableSite:
    """An existing table as the place for new columns and constraints."""
    return TableSite(table.oid, table.name, table.schema_oid, table.persistence)


# --- ADD COLUMN ---------------------------------------------------------------------------------------------


def add_column(context: DefinitionContext, oid: int, action: st.AddColumn) -> Generator[Step, object, None]:
    """ADD COLUMN with its constraints.  Raises DuplicateColumn, NotNullViolation."""
    table = current_table(context, oid)
    written = action.column
    if table.column_named(written.name) is not None:
        message = f'column "{written.name}" of relation "{table.name}" already exists'
        if not action.if_not_exists:
            raise errors.DuplicateColumn(message)
        context.notice(f"{message}, skipping", sqlstate="42701")
        return
    changes.check_column_name(written.name)
    attnum = changes.next_attnum(table)
    new = yield from make_column(context, site_of(table), written, attnum, table.width)
    if written.generated is not None:
        yield from _add_generated(context, table, new.column, written.generated)
    elif new.sequence is not None:
        add_sequence(context, new.sequence)
        yield from _add_computed(context, table, new.column, _sequence_values(context, new.sequence))
    elif new.column.default is not None and is_volatile(new.column.default.expr):
        values = compile_rows((new.column.default.expr,))
        yield from _add_computed(context, table, new.column, lambda _row: values(context.functions, ())[0])
    else:
        yield from _add_constant(context, table, new.column)
    for constraint in written.constraints:
        yield from add_constraint(context, oid, st.AddConstraint(constraint))


def _sequence_values(context: DefinitionContext, sequence: SequenceDef) -> Callable[[Row], object]:
    sequences = context.sequences
    return lambda _row: sequences.nextval(sequence)


def _add_generated(
    context: DefinitionContext, table: Table, column: Column, written: st.SourceExpression
) -> Generator[Step, object, None]:
    widened = replace(table, columns=(*table.columns, column))
    column = with_generation(context, widened, column, written).column(column.attnum)
    assert column.default is not None
    values = compile_rows((column.default.expr,))
    yield from _add_computed(context, table, column, lambda row: values(context.functions, row)[0])


def _add_constant(context: DefinitionContext, table: Table, column: Column) -> Generator[Step, object, None]:
    """Add a column that has the same value in all rows there are."""
    value: object = None
    default = column.default or domain_default(context.database, column.type)
    if default is not None:
        expr = default.expr
        value = expr.value if isinstance(expr, Const) else compile_rows((expr,))(context.functions, ())[0]
    if value is None and column.not_null:
        yield from _refuse_rows(context, table, column)
    if column.type.domain:
        yield from _check_if_rows(context, table, column, value)
    storage = context.stores.get(table.storage_id)
    storage.add_column(value)
    context.transaction.on_rollback(storage.remove_last_column)
    added = replace(column, has_missing=value is not None, missing_value=value)
    database_oid, oid = context.database_oid, table.oid
    change_catalog(context, lambda catalog: changes.add_column(catalog, database_oid, oid, added))


def _check_if_rows(
    context: DefinitionContext, table: Table, column: Column, value: object
) -> Generator[Step, object, None]:
    """Raise what the column's domain has to say about a value that all rows would get, if there are any."""

    def visit(rows: list[Row]) -> None:
        if rows:
            context.functions.check_domain(column.type.domain, value)

    yield from each_slice(context, context.stores.get(table.storage_id), visit)


def _refuse_rows(context: DefinitionContext, table: Table, column: Column) -> Generator[Step, object, None]:
    """Raise NotNullViolation if the table has rows, which would get NULL."""

    def visit(rows: list[Row]) -> None:
        if rows:
            raise contains_nulls(context.database, table, column)

    yield from each_slice(context, context.stores.get(table.storage_id), visit)


def _add_computed(
    context: DefinitionContext, table: Table, column: Column, value_of: Callable[[Row], object]
) -> Generator[Step, object, None]:
    """Add a column whose value is computed for each row, in a new storage generation."""
    widened = replace(table, columns=(*table.columns, column))

    def make_row(row: Row) -> Row:
        value = value_of(row)
        if value is None and column.not_null:
            raise contains_nulls(context.database, table, column)
        return (*row, value)

    storage = yield from rewrite(context, table, widened, make_row)
    database_oid, oid, storage_id = context.database_oid, table.oid, storage.storage_id
    change_catalog(
        context, lambda catalog: changes.add_column(catalog, database_oid, oid, column, storage_id)
    )


# --- DROP COLUMN --------------------------------------------------------------------------------------------


def drop_column(context: DefinitionContext, oid: int, action: st.DropColumn) -> Generator[Step, object, None]:
    """DROP COLUMN with what depends on it.  Raises UndefinedColumn, DependentObjectsStillExist."""
    table = current_table(context, oid)
    column = table.column_named(action.name)
    if column is None:
        if not action.if_exists:
            raise errors.UndefinedColumn(f'column "{action.name}" of relation "{table.name}" does not exist')
        context.notice(f'column "{action.name}" of relation "{table.name}" does not exist, skipping')
        return
    including = [i.constraint_oid for i in table.indexes if i.constraint_oid and column.attnum in i.included]
    targets = [Address(CLASS_RELATION, oid, column.attnum)]
    targets += [Address(CLASS_CONSTRAINT, constraint_oid) for constraint_oid in including]
    yield from drop_objects(context, targets, action.cascade)


# --- defaults, NOT NULL -------------------------------------------------------------------------------------


def set_default(context: DefinitionContext, oid: int, action: st.SetDefault) -> Generator[Step, object, None]:
    """SET DEFAULT, DROP DEFAULT.  Raises SyntaxError for an identity column."""
    yield from ()
    table = current_table(context, oid)
    column = changes.get_column(table, action.name)
    if column.identity:
        raise errors.SyntaxError(
            f'column "{column.name}" of relation "{table.name}" is an identity column',
            hint=None if action.default else "Use ALTER TABLE ... ALTER COLUMN ... DROP IDENTITY instead.",
        )
    if column.generated:
        raise errors.SyntaxError(
            f'column "{column.name}" of relation "{table.name}" is a generated column',
            hint=None if action.default else "Use ALTER TABLE ... ALTER COLUMN ... DROP EXPRESSION instead.",
        )
    default = None
    if action.default is not None:
        default = bind_default(context, action.default, column.name, column.type)
        if isinstance(default.expr, Const) and default.expr.value is None:
            default = None
    database_oid, attnum = context.database_oid, column.attnum
    default_oid = context.catalog.oids.allocate() if default is not None else 0
    change_catalog(
        context, lambda catalog: changes.set_default(catalog, database_oid, oid, attnum, default, default_oid)
    )


def drop_expression(
    context: DefinitionContext, oid: int, action: st.DropExpression
) -> Generator[Step, object, None]:
    """DROP EXPRESSION: the column is an ordinary one from now on.  Raises ObjectNotInPrerequisiteState."""
    yield from ()
    table = current_table(context, oid)
    column = changes.get_column(table, action.name)
    if not column.generated:
        message = f'column "{column.name}" of relation "{table.name}" is not a stored generated column'
        if not action.if_exists:
            raise errors.ObjectNotInPrerequisiteState(message)
        context.notice(f"{message}, skipping")
        return
    database_oid, attnum = context.database_oid, column.attnum

    def change(old: Column) -> Column:
        return replace(old, generated="", default=None, default_oid=0)

    change_catalog(context, lambda catalog: changes.alter_column(catalog, database_oid, oid, attnum, change))


def set_not_null(
    context: DefinitionContext, oid: int, action: st.SetNotNull
) -> Generator[Step, object, None]:
    """SET NOT NULL (the rows are checked), DROP NOT NULL."""
    table = current_table(context, oid)
    column = changes.get_column(table, action.name)
    if column.not_null == action.not_null:
        return
    if action.not_null:
        yield from validate_not_null(context, table, column)
    database_oid, attnum, wanted = context.database_oid, column.attnum, action.not_null
    change_catalog(context, lambda catalog: changes.set_not_null(catalog, database_oid, oid, attnum, wanted))


# --- identity -----------------------------------------------------------------------------------------------


def add_identity(
    context: DefinitionContext, oid: int, action: st.AddIdentity
) -> Generator[Step, object, None]:
    """ADD GENERATED ... AS IDENTITY.  Raises ObjectNotInPrerequisiteState."""
    table = current_table(context, oid)
    column = changes.get_column(table, action.name)
    described = f'column "{column.name}" of relation "{table.name}"'
    if not column.not_null:
        raise errors.ObjectNotInPrerequisiteState(
            f"{described} must be declared NOT NULL before identity can be added"
        )
    if column.identity:
        raise errors.ObjectNotInPrerequisiteState(f"{described} is already an identity column")
    if column.default is not None:
        raise errors.ObjectNotInPrerequisiteState(f"{described} already has a default value")
    new = yield from identity_column(context, site_of(table), column, action.identity, action.options)
    assert new.sequence is not None
    add_sequence(context, new.sequence)
    _change_identity(context, oid, column.attnum, action.identity)


def _change_identity(context: DefinitionContext, oid: int, attnum: int, identity: str) -> None:
    database_oid = context.database_oid

    def change(catalog: Catalog) -> Catalog:
        return changes.alter_column(
            catalog, database_oid, oid, attnum, lambda column: replace(column, identity=identity)
        )

    change_catalog(context, change)


def set_identity(
    context: DefinitionContext, oid: int, action: st.SetIdentity
) -> Generator[Step, object, None]:
    """SET GENERATED, SET of the sequence's options, RESTART.  Raises ObjectNotInPrerequisiteState."""
    yield from ()
    table = current_table(context, oid)
    column = changes.get_column(table, action.name)
    sequence = context.database.owned_sequence(oid, column.attnum)
    if not column.identity or sequence is None:
        raise _no_identity(table, column)
    if action.identity:
        _change_identity(context, oid, column.attnum, action.identity)
    if action.options != st.SequenceOptions():
        change_sequence(context, sequence, action.options)


def drop_identity(
    context: DefinitionContext, oid: int, action: st.DropIdentity
) -> Generator[Step, object, None]:
    """DROP IDENTITY, and its sequence."""
    yield from ()
    table = current_table(context, oid)
    column = changes.get_column(table, action.name)
    sequence = context.database.owned_sequence(oid, column.attnum)
    if not column.identity or sequence is None:
        if not action.if_exists:
            raise _no_identity(table, column)
        context.notice(
            f'column "{column.name}" of relation "{table.name}" is not an identity column, skipping'
        )
        return
    _change_identity(context, oid, column.attnum, "")
    database_oid, address = context.database_oid, Address(CLASS_RELATION, sequence.oid)
    change_catalog(context, lambda catalog: drops.remove_objects(catalog, database_oid, (address,)))
    sequences, sequence_oid, manager = context.sequences, sequence.oid, context.manager
    context.transaction.on_commit(lambda: manager.retire(lambda: sequences.forget(sequence_oid)))


def _no_identity(table: Table, column: Column) -> errors.ObjectNotInPrerequisiteState:
    return errors.ObjectNotInPrerequisiteState(
        f'column "{column.name}" of relation "{table.name}" is not an identity column'
    )


# --- tuning -------------------------------------------------------------------------------------------------


def tune_column(
    context: DefinitionContext, oid: int, action: st.ColumnTuning
) -> Generator[Step, object, None]:
    """SET STATISTICS is kept for the catalogs; other storage advice means nothing to rows in memory."""
    yield from ()
    table = current_table(context, oid)
    if action.what == "cluster on" and all(index.name != action.value for index in table.indexes):
        raise errors.UndefinedObject(f'index "{action.value}" for table "{table.name}" does not exist')
    if action.column is None:
        if action.what in ("set", "reset"):
            change_options(context, oid, action)
        return
    column = changes.get_column(table, action.column)
    if action.what != "statistics":
        return
    database_oid, attnum, target = context.database_oid, column.attnum, int(action.value)

    def change(catalog: Catalog) -> Catalog:
        return changes.alter_column(
            catalog, database_oid, oid, attnum, lambda old: replace(old, statistics_target=target)
        )

    change_catalog(context, change)


def change_options(context: DefinitionContext, oid: int, action: st.ColumnTuning) -> None:
    """SET (...) and RESET (...) of a table's or an index's storage options, kept for pg_class.reloptions."""
    written = written_options(action.value)
    named = {option.name for option in written}
    set_now = storage_options(written) if action.what == "set" else ()
    database_oid = context.database_oid

    def change(catalog: Catalog) -> Catalog:
        database = catalog.database(database_oid)
        relation = database.relations[oid]
        assert isinstance(relation, (Table, IndexDef))
        kept = tuple(option for option in relation.options if option.partition("=")[0] not in named)
        altered = replace(relation, options=(*kept, *set_now), version=new_version())
        put: tuple[Relation, ...] = (altered,)
        if isinstance(altered, IndexDef):
            table = changes.with_index(database.table(altered.table_oid), altered)
            put = (replace(table, version=new_version()), altered)
        return catalog.with_database(database.with_relations(put))

    change_catalog(context, change)
