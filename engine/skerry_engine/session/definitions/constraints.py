"""Constraints from their definitions: checks, keys with their indexes, foreign keys.

Each function takes the table as it is so far and gives the constraint; nothing is changed and no row is
looked at here.  Names that are not written are chosen as PostgreSQL does,
and index names are locked as all new names are.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace

from skerry_engine import errors
from skerry_engine.catalog import naming
from skerry_engine.catalog.changes import check_constraint_name, with_column
from skerry_engine.catalog.objects import Column, Constraint, IndexDef, IndexKey, SystemTable, Table
from skerry_engine.catalog.opclasses import default_class
from skerry_engine.catalog.privileges import REFERENCES
from skerry_engine.functions.resolve import resolve_operator
from skerry_engine.session.definitions.binding import bind_check
from skerry_engine.session.definitions.columns import TableSite
from skerry_engine.session.definitions.context import DefinitionContext
from skerry_engine.session.definitions.guards import check_privilege_or_columns
from skerry_engine.session.definitions.names import as_kind, get_relation
from skerry_engine.session.definitions.waiting import lock_new_name
from skerry_engine.session.steps import Step
from skerry_engine.sql.statements import ConstraintDefinition, References
from skerry_engine.txn.modes import SHARE_ROW_EXCLUSIVE
from skerry_engine.values import oids
from skerry_engine.values.types import SqlType, format_type

ACTIONS = {"no action": "a", "restrict": "r", "cascade": "c", "set null": "n", "set default": "d"}
COMPARABLE: tuple[frozenset[int], ...] = (
    frozenset((oids.INT2, oids.INT4, oids.INT8)),
    frozenset((oids.TEXT, oids.VARCHAR)),
    frozenset((oids.FLOAT4, oids.FLOAT8)),
)
"""Types whose values are equal as keys when they are equal in SQL, so that one can reference another."""


# --- CHECK --------------------------------------------------------------------------------------------------


def make_check(
    context: DefinitionContext, site: TableSite, table: Table, written: ConstraintDefinition
) -> Constraint:
    """A CHECK constraint.  Raises DuplicateObject, and what is wrong with the condition."""
    assert written.expression is not None
    stored = bind_check(context, written.expression, table.name, table.live_columns)
    columns = tuple(naming.columns_read(table, stored))
    if written.name is not None:
        name = naming.truncate_name(written.name)
        if name in site.taken and table.constraint_named(name) is not None:
            raise errors.DuplicateObject(f'check constraint "{name}" already exists')
        _check_name_free(table, name)
    else:
        names = [table.column(attnum).name for attnum in columns]
        name = naming.check_name(context.database, site.schema_oid, site.name, names, site.taken)
    site.taken.add(name)
    return Constraint(
        context.catalog.oids.allocate(),
        name,
        "c",
        table.oid,
        columns,
        check=stored,
        validated=not written.not_valid,
        no_inherit=written.no_inherit,
    )


def _check_name_free(table: Table, name: str) -> None:
    check_constraint_name(table, name)


# --- PRIMARY KEY and UNIQUE ---------------------------------------------------------------------------------


def make_key(
    context: DefinitionContext, site: TableSite, table: Table, written: ConstraintDefinition
) -> Generator[Step, object, tuple[Constraint, IndexDef]]:
    """A key constraint with its index.  Raises UndefinedColumn, DuplicateColumn, DuplicateTable."""
    if written.kind == "primary" and table.primary_key is not None:
        raise errors.InvalidTableDefinition(f'multiple primary keys for table "{table.name}" are not allowed')
    columns = _key_columns(table, written)
    included = tuple(_key_column(table, name, written).attnum for name in written.include)
    name = yield from _lock_key_name(context, site, table, written)
    oids_ = context.catalog.oids
    constraint_oid, index_oid = oids_.allocate(), oids_.allocate()
    index = IndexDef(
        oid=index_oid,
        name=name,
        schema_oid=site.schema_oid,
        owner_oid=context.user_oid,
        persistence=site.persistence,
        table_oid=table.oid,
        keys=tuple(column_key(column) for column in columns),
        included=included,
        unique=True,
        primary=written.kind == "primary",
        nulls_not_distinct=not written.nulls_distinct,
        constraint_oid=constraint_oid,
        deferrable=written.deferrable,
    )
    kind = "PRIMARY KEY" if written.kind == "primary" else "UNIQUE"
    command = "CREATE TABLE /" if context.database.relation(table.oid) is None else "ALTER TABLE / ADD"
    context.notice(f'{command} {kind} will create implicit index "{name}" for table "{table.name}"', "DEBUG")
    constraint = Constraint(
        constraint_oid,
        name,
        "p" if written.kind == "primary" else "u",
        table.oid,
        tuple(column.attnum for column in columns),
        index_oid=index_oid,
        deferrable=written.deferrable,
        initially_deferred=written.initially_deferred,
    )
    return constraint, index


def with_key(table: Table, constraint: Constraint, index: IndexDef) -> Table:
    """The table with a key constraint; a primary key makes its columns NOT NULL."""
    if constraint.kind == "p":
        for attnum in constraint.columns:
            table = with_column(table, replace(table.column(attnum), not_null=True))
    return replace(table, constraints=(*table.constraints, constraint), indexes=(*table.indexes, index))


def column_key(column: Column) -> IndexKey:
    """An index key that is a plain column.  Raises UndefinedObject for a type without an order."""
    require_orderable(column.type)
    return IndexKey(type=column.type, attnum=column.attnum, collation_oid=column.collation_oid)


def require_orderable(sql_type: SqlType, method: str = "btree") -> None:
    """Raise UndefinedObject when values of the type can't be index keys."""
    if default_class(sql_type.oid, method) is None:
        raise errors.UndefinedObject(
            f'data type {format_type(sql_type.oid)} has no default operator class for access method "{method}"',
            hint="You must specify an operator class for the index or "
            "define a default operator class for the data type.",
        )


def _key_columns(table: Table, written: ConstraintDefinition) -> list[Column]:
    found: list[Column] = []
    for name in written.columns:
        column = _key_column(table, name, written)
        if column in found:
            what = "primary key" if written.kind == "primary" else "unique"
            raise errors.DuplicateColumn(
                f'column "{name}" appears twice in {what} constraint', position=written.position
            )
        found.append(column)
    return found


def _key_column(table: Table, name: str, written: ConstraintDefinition) -> Column:
    column = table.column_named(name)
    if column is None:
        raise errors.UndefinedColumn(
            f'column "{name}" named in key does not exist', position=written.position
        )
    return column


def _lock_key_name(
    context: DefinitionContext, site: TableSite, table: Table, written: ConstraintDefinition
) -> Generator[Step, object, str]:
    """The constraint's name, which is also its index's: as written, or chosen."""
    if written.name is not None:
        name = naming.truncate_name(written.name)
        yield from lock_new_name(context, site.schema_oid, name)
        if name in site.taken or context.database.relation_named(site.schema_oid, name) is not None:
            raise errors.DuplicateTable(f'relation "{name}" already exists')
        _check_name_free(table, name)
        site.taken.add(name)
        return name
    while True:
        name = _chosen_key_name(context, site, written)
        yield from lock_new_name(context, site.schema_oid, name)
        if name == _chosen_key_name(context, site, written):
            site.taken.add(name)
            return name


def _chosen_key_name(context: DefinitionContext, site: TableSite, written: ConstraintDefinition) -> str:
    if written.kind == "primary":
        return naming.primary_key_name(context.database, site.schema_oid, site.name, site.taken)
    names = [*written.columns, *written.include]
    return naming.unique_name(context.database, site.schema_oid, site.name, names, site.taken)


def make_key_of_index(
    context: DefinitionContext, table: Table, written: ConstraintDefinition
) -> Generator[Step, object, tuple[Constraint, IndexDef]]:
    """ADD CONSTRAINT ... USING INDEX: an existing unique index becomes a key's."""
    assert written.using_index is not None
    if written.kind == "primary" and table.primary_key is not None:
        raise errors.InvalidTableDefinition(f'multiple primary keys for table "{table.name}" are not allowed')
    index = _index_for_key(table, written.using_index, written)
    name = naming.truncate_name(written.name or index.name)
    if name != index.name:
        yield from lock_new_name(context, index.schema_oid, name)
        context.notice(
            f'ALTER TABLE / ADD CONSTRAINT USING INDEX will rename index "{index.name}" to "{name}"'
        )
    constraint_oid = context.catalog.oids.allocate()
    primary = written.kind == "primary"
    changed = replace(
        index,
        name=name,
        primary=primary,
        constraint_oid=constraint_oid,
        deferrable=written.deferrable,
        version=index.version + 1,
    )
    constraint = Constraint(
        constraint_oid,
        name,
        "p" if primary else "u",
        table.oid,
        tuple(key.attnum for key in index.keys),
        index_oid=index.oid,
        deferrable=written.deferrable,
        initially_deferred=written.initially_deferred,
    )
    return constraint, changed


def _index_for_key(table: Table, name: str, written: ConstraintDefinition) -> IndexDef:
    index = next((i for i in table.indexes if i.name == name), None)
    if index is None:
        raise errors.UndefinedObject(f'index "{name}" does not exist', position=written.position)
    if index.constraint_oid:
        raise errors.ObjectNotInPrerequisiteState(
            f'index "{name}" is already associated with a constraint', position=written.position
        )
    detail = "Cannot create a primary key or unique constraint using such an index."
    if not index.unique:
        raise errors.WrongObjectType(
            f'"{name}" is not a unique index', detail=detail, position=written.position
        )
    if any(key.expression is not None for key in index.keys):
        raise errors.WrongObjectType(
            f'index "{name}" contains expressions', detail=detail, position=written.position
        )
    if index.predicate is not None:
        raise errors.WrongObjectType(f'"{name}" is a partial index', detail=detail, position=written.position)
    return index


# --- FOREIGN KEY --------------------------------------------------------------------------------------------


def make_foreign_key(
    context: DefinitionContext, site: TableSite, table: Table, written: ConstraintDefinition
) -> Generator[Step, object, Constraint]:
    """A foreign key; the referenced table is locked SHARE ROW EXCLUSIVE.

    Raises UndefinedTable, WrongObjectType, UndefinedColumn, InvalidForeignKey, DatatypeMismatch.
    """
    assert written.references is not None
    parent = yield from _referenced_table(context, table, written.references)
    columns = tuple(_foreign_column(table, name) for name in written.columns)
    referenced = _referenced_columns(parent, written.references)
    if any(column.generated for column in columns):
        _refuse_writing_actions(written.references)
    if len(columns) != len(referenced):
        raise errors.InvalidForeignKey(
            "number of referencing and referenced columns for foreign key disagree"
        )
    index = _referenced_index(parent, referenced)
    name = _foreign_key_name(context, site, table, written)
    for child_column, parent_column in zip(columns, referenced, strict=True):
        require_comparable(name, child_column, parent_column)
    return Constraint(
        context.catalog.oids.allocate(),
        name,
        "f",
        table.oid,
        tuple(column.attnum for column in columns),
        index_oid=index.oid,
        referenced_table_oid=parent.oid,
        referenced_columns=tuple(column.attnum for column in referenced),
        on_delete=ACTIONS[written.references.on_delete],
        on_update=ACTIONS[written.references.on_update],
        match="f" if written.references.match == "full" else "s",
        on_delete_set_columns=_set_columns(table, columns, written.references),
        deferrable=written.deferrable,
        initially_deferred=written.initially_deferred,
        validated=not written.not_valid,
    )


def _refuse_writing_actions(references: References) -> None:
    """Raise SyntaxError for an action that would write a generated column."""
    for event, action, kept in (
        ("UPDATE", references.on_update, ("no action", "restrict")),
        ("DELETE", references.on_delete, ("no action", "restrict", "cascade")),
    ):
        if action not in kept:
            raise errors.SyntaxError(
                f"invalid ON {event} action for foreign key constraint containing generated column"
            )


def _referenced_table(
    context: DefinitionContext, table: Table, references: References
) -> Generator[Step, object, Table]:
    """The parent; a table that is just being made may reference itself."""
    name = references.table
    if name.name == table.name and context.database.relation(table.oid) is None:
        schema = context.database.schemas[table.schema_oid].name
        if (
            name.schema in (None, schema)
            and context.database.find_relation(name.name, name.schema, context.search_path) is None
        ):
            return table
    found = yield from get_relation(context, name, SHARE_ROW_EXCLUSIVE)
    if found.oid == table.oid:
        return table
    if isinstance(found, SystemTable):
        return as_kind(found, Table, "table")
    if found.is_temporary != table.is_temporary:
        own = "temporary" if table.is_temporary else "permanent"
        raise errors.InvalidTableDefinition(f"constraints on {own} tables may reference only {own} tables")
    if not isinstance(found, Table) or found.kind != "r":
        raise errors.WrongObjectType(f'referenced relation "{found.name}" is not a table')
    check_privilege_or_columns(
        context, found, REFERENCES, [c.attnum for c in _referenced_columns(found, references)]
    )
    return found


def _foreign_column(table: Table, name: str) -> Column:
    column = table.column_named(name)
    if column is None:
        raise errors.UndefinedColumn(f'column "{name}" referenced in foreign key constraint does not exist')
    return column


def _referenced_columns(parent: Table, references: References) -> tuple[Column, ...]:
    if references.columns:
        return tuple(_foreign_column(parent, name) for name in references.columns)
    key = parent.primary_key
    if key is None:
        raise errors.UndefinedObject(f'there is no primary key for referenced table "{parent.name}"')
    return tuple(parent.column(attnum) for attnum in key.columns)


def _referenced_index(parent: Table, referenced: tuple[Column, ...]) -> IndexDef:
    """A unique index of exactly the referenced columns, in any order."""
    wanted = sorted(column.attnum for column in referenced)
    deferrable_found = False
    for index in sorted(parent.indexes, key=lambda each: (not each.primary, each.oid)):
        if not index.unique or index.predicate is not None or not index.valid:
            continue
        if sorted(key.attnum for key in index.keys) != wanted or len(set(wanted)) != len(wanted):
            continue
        if not index.deferrable:
            return index
        deferrable_found = True
    if deferrable_found:
        raise errors.ObjectNotInPrerequisiteState(
            f'cannot use a deferrable unique constraint for referenced table "{parent.name}"'
        )
    raise errors.InvalidForeignKey(
        f'there is no unique constraint matching given keys for referenced table "{parent.name}"'
    )


def _foreign_key_name(
    context: DefinitionContext, site: TableSite, table: Table, written: ConstraintDefinition
) -> str:
    if written.name is not None:
        name = naming.truncate_name(written.name)
        _check_name_free(table, name)
    else:
        name = naming.foreign_key_name(
            context.database, site.schema_oid, site.name, written.columns, site.taken
        )
    site.taken.add(name)
    return name


def require_comparable(name: str, child: Column, parent: Column) -> None:
    """Raise DatatypeMismatch for types without a common equality,
    NotSupportedError for one that keys can't test."""
    one, other = child.type.oid, parent.type.oid
    if one == other or any(one in group and other in group for group in COMPARABLE):
        return
    shown = f"{format_type(one)} and {format_type(other)}"
    try:
        resolve_operator("=", other, one)
    except errors.DatabaseError:
        raise errors.DatatypeMismatch(
            f'foreign key constraint "{name}" cannot be implemented',
            detail=f'Key columns "{child.name}" and "{parent.name}" are of incompatible types: {shown}.',
        ) from None
    raise errors.NotSupportedError(f"foreign keys between types {shown} are not supported")


def _set_columns(table: Table, columns: tuple[Column, ...], references: References) -> tuple[int, ...]:
    """The columns of ON DELETE SET NULL (a, b)."""
    found: list[int] = []
    for name in references.delete_columns:
        column = _foreign_column(table, name)
        if column not in columns:
            raise errors.InvalidColumnReference(
                f'column "{name}" referenced in ON DELETE SET action must be part of foreign key'
            )
        found.append(column.attnum)
    return tuple(found)
