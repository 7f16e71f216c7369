"""Finding what a definition names, and where it puts what it creates."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TypeVar, cast

from skerry_engine import errors
from skerry_engine.catalog.catalog import Catalog
from skerry_engine.catalog.cluster_changes import create_schema
from skerry_engine.catalog.graphs import PropertyGraph
from skerry_engine.catalog.objects import (
    C_COLLATION,
    DEFAULT_COLLATION,
    IndexDef,
    MaterializedView,
    Relation,
    Role,
    Schema,
    SequenceDef,
    SystemTable,
    Table,
    View,
)
from skerry_engine.catalog.user_types import behind_domain, find_type_oid
from skerry_engine.session.definitions.context import DefinitionContext
from skerry_engine.session.definitions.guards import (
    check_may_create,
    check_may_create_temporary,
    check_may_use,
    check_may_use_type,
)
from skerry_engine.session.definitions.waiting import lock_relation
from skerry_engine.session.steps import Step
from skerry_engine.sql.binder.context import array_oid
from skerry_engine.sql.statements import ObjectName
from skerry_engine.sql.types_syntax import TypeName, resolve_type_name
from skerry_engine.values import oids
from skerry_engine.values.types import SqlType, format_type, type_info

KIND_CLASSES: dict[str, type[Relation]] = {
    "table": Table,
    "view": View,
    "materialized view": MaterializedView,
    "index": IndexDef,
    "sequence": SequenceDef,
    "property graph": PropertyGraph,
}
ARTICLES = {
    "table": "a table",
    "view": "a view",
    "materialized view": "a materialized view",
    "index": "an index",
    "sequence": "a sequence",
    "graph": "a graph",
    "property graph": "a property graph",
}
COLLATIONS = {"default": DEFAULT_COLLATION, "C": C_COLLATION, "POSIX": 951}

R = TypeVar("R", bound=Relation)
RelationCheck = Callable[[Relation], object]


# --- existing relations -------------------------------------------------------------------------------------


def find_relation(context: DefinitionContext, name: ObjectName) -> Relation | None:
    """The relation that a written name means.  Raises NotSupportedError for another database's."""
    if len(name.parts) > 2 and name.parts[-3] != context.database.name:
        raise errors.NotSupportedError(
            f'cross-database references are not implemented: "{name}"', position=name.position
        )
    if name.schema is not None:
        check_may_use(context, name.schema)
    return context.database.find_relation(name.name, name.schema, context.search_path)


def open_relation(
    context: DefinitionContext, name: ObjectName, mode: int, check: RelationCheck | None = None
) -> Generator[Step, object, Relation | None]:
    """The relation of that name, locked; None if there is none.  A name that moved meanwhile is followed.

    `check` raises for a relation that is not to be waited for: who may not do a thing is in nobody's way.
    """
    while True:
        found = find_relation(context, name)
        if found is None:
            return None
        if check is not None:
            check(found)
        yield from lock_relation(context, found.oid, mode)
        again = find_relation(context, name)
        if again is not None and again.oid == found.oid:
            return again


def get_relation(
    context: DefinitionContext, name: ObjectName, mode: int, check: RelationCheck | None = None
) -> Generator[Step, object, Relation]:
    """As `open_relation`.  Raises UndefinedTable."""
    found = yield from open_relation(context, name, mode, check)
    if found is None:
        raise undefined_relation(name)
    return found


def get_table(
    context: DefinitionContext, name: ObjectName, mode: int, check: RelationCheck | None = None
) -> Generator[Step, object, Table]:
    """The base table of that name, locked.  Raises UndefinedTable, WrongObjectType, InsufficientPrivilege."""
    found = yield from get_relation(context, name, mode, check)
    return as_kind(found, Table, "table")


def as_kind(relation: Relation, cls: type[R], kind: str) -> R:
    """The relation if it is of that class.  Raises WrongObjectType,
    InsufficientPrivilege for a system catalog."""
    if isinstance(relation, SystemTable):
        raise errors.InsufficientPrivilege(f'permission denied: "{relation.name}" is a system catalog')
    if not isinstance(relation, cls) or not is_of_kind(relation, kind):
        raise errors.WrongObjectType(f'"{relation.name}" is not {ARTICLES[kind]}')
    return relation


def is_of_kind(relation: Relation, kind: str) -> bool:
    """Whether DROP, COMMENT ON and kin mean such a relation by that word: a materialized view is no table."""
    if kind == "table" and isinstance(relation, MaterializedView):
        return False
    return isinstance(relation, KIND_CLASSES[kind])


def undefined_relation(name: ObjectName) -> errors.UndefinedTable:
    """The error for a name that nothing has; as in PostgreSQL definitions give it no position."""
    return errors.UndefinedTable(f'relation "{name}" does not exist')


def current_table(context: DefinitionContext, oid: int) -> Table:
    """The table as the transaction's catalog has it now."""
    return context.database.table(oid)


# --- where new things go ------------------------------------------------------------------------------------


def creation_schema(context: DefinitionContext, name: ObjectName, persistence: str = "p") -> Schema:
    """The schema that a new relation of that name goes to; a temporary one to the session's own.

    Raises InvalidSchemaName, InvalidTableDefinition, NotSupportedError.
    """
    database = context.database
    if len(name.parts) > 2 and name.parts[-3] != database.name:
        raise errors.NotSupportedError(
            f'cross-database references are not implemented: "{name}"', position=name.position
        )
    if persistence == "t" or name.schema == "pg_temp":
        return _temporary_schema(context, name)
    schema = _lasting_schema(context, name)
    check_may_create(context, schema)
    return schema


def _lasting_schema(context: DefinitionContext, name: ObjectName) -> Schema:
    database = context.database
    if name.schema is None:
        if not context.search_path.creation:
            raise errors.InvalidSchemaName("no schema has been selected to create in", position=name.position)
        return database.schemas[context.search_path.creation]
    schema = database.schema_named(name.schema)
    if schema is None:
        raise errors.InvalidSchemaName(f'schema "{name.schema}" does not exist', position=name.position)
    return schema


def _temporary_schema(context: DefinitionContext, name: ObjectName) -> Schema:
    """The session's pg_temp schema, made when it is first needed."""
    own = context.temporary_schema_name
    if name.schema not in (None, "pg_temp", own):
        raise errors.InvalidTableDefinition("cannot create temporary relation in non-temporary schema")
    check_may_create_temporary(context)
    found = context.database.schema_named(own)
    if found is not None:
        return found
    schema = Schema(context.catalog.oids.allocate(), own, context.user_oid)
    database_oid = context.database_oid
    context.transaction.set_catalog_change(
        lambda catalog: create_schema(cast(Catalog, catalog), database_oid, schema, is_temporary=True)
    )
    return schema


# --- types, collations, roles -------------------------------------------------------------------------------


def type_of(context: DefinitionContext, written: TypeName) -> SqlType:
    """The type that a written name means.  Raises UndefinedObject, InvalidParameterValue,
    NotSupportedError."""
    if written.of_column:
        return _type_of_column(context, written)
    if written.is_set:
        raise errors.InvalidTableDefinition("column cannot be declared SETOF", position=written.position)
    found = resolve_type_name(
        written, lambda names: find_type_oid(context.database, names, context.search_path), array_oid
    )
    return behind_domain(context.database, found)


def _type_of_column(context: DefinitionContext, written: TypeName) -> SqlType:
    relation_name = ObjectName(written.names[:-1], written.position)
    relation = find_relation(context, relation_name)
    if relation is None:
        raise undefined_relation(relation_name)
    column = (
        relation.column_named(written.names[-1]) if isinstance(relation, (Table, View, SystemTable)) else None
    )
    if column is None:
        raise errors.UndefinedColumn(
            f'column "{written.names[-1]}" of relation "{relation.name}" does not exist',
            position=written.position,
        )
    return column.type


def column_type(context: DefinitionContext, written: TypeName, column_name: str) -> SqlType:
    """The type of a new column.  Raises InvalidTableDefinition for a pseudo-type, NotSupportedError for nodes,
    edges and paths, InsufficientPrivilege for a type without USAGE."""
    found = type_of(context, written)
    check_may_use_type(context, found)
    check_storable(found, column_name)
    return found


def check_storable(sql_type: SqlType, column_name: str) -> None:
    """Raise InvalidTableDefinition for a pseudo-type, NotSupportedError for nodes, edges and paths: elements live in
    their graph, and a copy in a table would tell of none of its changes."""
    if type_info(sql_type.oid).is_pseudo:
        raise errors.InvalidTableDefinition(
            f'column "{column_name}" has pseudo-type {format_type(sql_type.oid)}'
        )
    if sql_type.oid in oids.REFERENCES:
        raise errors.NotSupportedError(f"columns of type {format_type(sql_type.oid)} are not supported")


def collation_of(sql_type: SqlType, written: ObjectName | None) -> int:
    """The OID of a column's collation, 0 for a type that has none.  Raises UndefinedObject,
    DatatypeMismatch."""
    natural = type_info(sql_type.oid).collation_oid
    if written is None:
        return natural
    if not natural:
        raise errors.DatatypeMismatch(
            f"collations are not supported by type {format_type(sql_type.oid)}", position=written.position
        )
    if written.name not in COLLATIONS:
        raise errors.UndefinedObject(
            f'collation "{written}" for encoding "UTF8" does not exist', position=written.position
        )
    return COLLATIONS[written.name]


def role_named(context: DefinitionContext, name: str) -> Role:
    """The role of that name; `current_user` and `session_user` are the session's.  Raises UndefinedObject."""
    if name in ("current_user", "current_role", "session_user"):
        is_session = name == "session_user"
        return context.catalog.roles[context.session_user_oid if is_session else context.user_oid]
    role = context.catalog.role_named(name)
    if role is None:
        raise errors.UndefinedObject(f'role "{name}" does not exist')
    return role
