"""What all kinds of objects share: RENAME, OWNER TO, SET SCHEMA, COMMENT ON, and privileges (refused)."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import replace

from skerry_engine import errors
from skerry_engine.catalog import changes, cluster_changes, naming
from skerry_engine.catalog.catalog import Catalog
from skerry_engine.catalog.graphs import Graph
from skerry_engine.catalog.objects import (
    CLASS_CONSTRAINT,
    CLASS_DATABASE,
    CLASS_NAMESPACE,
    CLASS_RELATION,
    CLASS_ROLE,
    SYSTEM_SCHEMAS,
    TEMPORARY_SCHEMA,
    Address,
    IndexDef,
    Relation,
    SequenceDef,
    SystemTable,
    Table,
    View,
)
from skerry_engine.catalog.user_types import CompositeType, find_user_type
from skerry_engine.session.definitions.change import change_catalog
from skerry_engine.session.definitions.context import DefinitionContext
from skerry_engine.session.definitions.databases import wait_until_unused
from skerry_engine.session.definitions.guards import (
    check_database_owner,
    check_may_create,
    check_may_create_database,
    check_may_create_schema,
    check_may_rename_role,
    check_new_owner,
    check_owner,
    check_owner_may_create,
    check_schema_owner,
)
from skerry_engine.session.definitions.names import (
    KIND_CLASSES,
    as_kind,
    get_relation,
    open_relation,
    role_named,
    undefined_relation,
)
from skerry_engine.session.definitions.types import (
    commented_attribute,
    commented_domain_constraint,
    commented_type,
    rename_type,
    set_type_owner,
    set_type_schema,
)
from skerry_engine.session.definitions.views import with_views_renamed
from skerry_engine.session.definitions.waiting import lock_new_name, lock_object_name, lock_relation
from skerry_engine.session.steps import Complete, Step
from skerry_engine.sql import statements as st
from skerry_engine.txn.modes import ACCESS_EXCLUSIVE, SHARE_UPDATE_EXCLUSIVE

TYPE_KINDS = ("type", "domain")

# --- finding ------------------------------------------------------------------------------------------------


def altered_relation(
    context: DefinitionContext, kind: str, name: st.ObjectName, if_exists: bool, mode: int = ACCESS_EXCLUSIVE
) -> Generator[Step, object, Relation | None]:
    """The relation that ALTER `kind` names, locked; None when it is missing and may be.

    ALTER TABLE takes any kind of relation, as in PostgreSQL.  Raises UndefinedTable, WrongObjectType.
    """
    if kind not in KIND_CLASSES:
        raise errors.NotSupportedError(f"ALTER {kind.upper()} is not supported")
    found = yield from open_relation(context, name, mode)
    if found is None:
        if not if_exists:
            raise undefined_relation(name)
        context.notice(f'relation "{name}" does not exist, skipping')
        return None
    if isinstance(found, SystemTable):
        raise errors.InsufficientPrivilege(f'permission denied: "{found.name}" is a system catalog')
    if kind != "table":
        as_kind(found, KIND_CLASSES[kind], kind)
    check_owner(context, found)
    return found


# --- RENAME -------------------------------------------------------------------------------------------------


def rename(context: DefinitionContext, statement: st.Rename) -> Generator[Step, object, Complete]:
    """ALTER ... RENAME.  Raises what names nothing, and Duplicate... for a taken name."""
    if statement.kind in TYPE_KINDS:
        return (yield from rename_type(context, statement))
    tag = Complete(f"ALTER {statement.kind.upper()}")
    new_name = naming.truncate_name(statement.new_name)
    if statement.kind in ("schema", "database", "role"):
        yield from _rename_whole(context, statement, new_name)
        return tag
    mode = SHARE_UPDATE_EXCLUSIVE if statement.kind == "index" else ACCESS_EXCLUSIVE
    found = yield from altered_relation(context, statement.kind, statement.name, statement.if_exists, mode)
    if found is None:
        return tag
    if statement.part == "column":
        _rename_column(context, found, statement.old_name, new_name)
    elif statement.part == "constraint":
        yield from _rename_constraint(context, as_kind(found, Table, "table"), statement.old_name, new_name)
    else:
        yield from _rename_relation(context, found, new_name)
    return tag


def _rename_relation(
    context: DefinitionContext, found: Relation, new_name: str
) -> Generator[Step, object, None]:
    if isinstance(found, IndexDef):
        yield from lock_relation(context, found.table_oid, SHARE_UPDATE_EXCLUSIVE)
    yield from lock_new_name(context, found.schema_oid, new_name)
    database_oid, oid = context.database_oid, found.oid
    _change_names(context, lambda catalog: changes.rename_relation(catalog, database_oid, oid, new_name))


def _change_names(context: DefinitionContext, change: Callable[[Catalog], Catalog]) -> None:
    """Make a change of names, and print the views that read what was renamed again."""
    database_oid = context.database_oid
    change_catalog(context, lambda catalog: with_views_renamed(catalog, change(catalog), database_oid))


def _rename_column(context: DefinitionContext, found: Relation, old_name: str, new_name: str) -> None:
    if not isinstance(found, (Table, View)):
        raise errors.WrongObjectType(f'cannot rename columns of relation "{found.name}"')
    column = found.column_named(old_name)
    if column is None:
        raise errors.UndefinedColumn(f'column "{old_name}" does not exist')
    database_oid, oid, attnum = context.database_oid, found.oid, column.attnum
    _change_names(
        context, lambda catalog: changes.rename_column(catalog, database_oid, oid, attnum, new_name)
    )


def _rename_constraint(
    context: DefinitionContext, table: Table, old_name: str, new_name: str
) -> Generator[Step, object, None]:
    constraint = table.constraint_named(old_name)
    if constraint is None:
        raise errors.UndefinedObject(f'constraint "{old_name}" for table "{table.name}" does not exist')
    if constraint.kind in "pu":
        yield from lock_new_name(context, table.schema_oid, new_name)
    database_oid, oid, table_oid = context.database_oid, constraint.oid, table.oid
    change_catalog(
        context, lambda catalog: changes.rename_constraint(catalog, database_oid, table_oid, oid, new_name)
    )


def _rename_whole(
    context: DefinitionContext, statement: st.Rename, new_name: str
) -> Generator[Step, object, None]:
    """RENAME of a schema, database or role."""
    name = statement.name.name
    database_oid = context.database_oid
    if statement.kind == "schema":
        yield from lock_object_name(context, "schema name", database_oid, new_name)
        schema_oid = _schema_to_change(context, name)
        check_schema_owner(context, context.database.schemas[schema_oid])
        check_may_create_schema(context)
        yield from lock_object_name(context, "schema", database_oid, schema_oid)
        _change_names(
            context,
            lambda catalog: cluster_changes.rename_schema(catalog, database_oid, schema_oid, new_name),
        )
    elif statement.kind == "database":
        yield from lock_object_name(context, "database", new_name)
        database = context.catalog.get_database(name)
        check_database_owner(context, database)
        check_may_create_database(context, "rename database")
        if database.oid == database_oid:
            raise errors.NotSupportedError("current database cannot be renamed")
        yield from wait_until_unused(context, database.oid)
        change_catalog(
            context, lambda catalog: cluster_changes.rename_database(catalog, database.oid, new_name)
        )
    else:
        yield from lock_object_name(context, "role", new_name)
        role = role_named(context, name)
        if context.catalog.role_named(new_name) is not None:
            raise errors.DuplicateObject(f'role "{new_name}" already exists')
        if role.oid == context.session_user_oid:
            raise errors.NotSupportedError("session user cannot be renamed")
        if role.oid == context.user_oid:
            raise errors.NotSupportedError("current user cannot be renamed")
        check_may_rename_role(context, role)
        change_catalog(
            context,
            lambda catalog: catalog.with_roles(
                {**catalog.roles, role.oid: replace(catalog.roles[role.oid], name=new_name)}
            ),
        )


def _schema_to_change(context: DefinitionContext, name: str) -> int:
    schema = context.database.get_schema(name)
    if schema.oid in SYSTEM_SCHEMAS:
        raise errors.InsufficientPrivilege(f"permission denied for schema {name}")
    return schema.oid


# --- OWNER TO, SET SCHEMA -----------------------------------------------------------------------------------


def set_owner(context: DefinitionContext, statement: st.SetOwner) -> Generator[Step, object, Complete]:
    """ALTER ... OWNER TO.  Raises UndefinedObject for the role."""
    if statement.kind in TYPE_KINDS:
        return (yield from set_type_owner(context, statement))
    tag = Complete(f"ALTER {statement.kind.upper()}")
    owner_oid = role_named(context, statement.owner).oid
    database_oid = context.database_oid
    if statement.kind == "schema":
        schema = context.database.get_schema(statement.name.name)
        check_schema_owner(context, schema)
        check_new_owner(context, owner_oid)
        check_may_create_schema(context)
        schema_oid = schema.oid
        change_catalog(
            context,
            lambda catalog: cluster_changes.set_schema_owner(catalog, database_oid, schema_oid, owner_oid),
        )
        return tag
    if statement.kind == "database":
        database = context.catalog.get_database(statement.name.name)
        check_database_owner(context, database)
        check_new_owner(context, owner_oid)
        check_may_create_database(context, "change owner of database")
        oid = database.oid
        change_catalog(context, lambda catalog: cluster_changes.set_database_owner(catalog, oid, owner_oid))
        return tag
    found = yield from altered_relation(context, statement.kind, statement.name, statement.if_exists)
    if found is None:
        return tag
    if isinstance(found, IndexDef):
        context.notice(
            f'cannot change owner of index "{found.name}"',
            severity="WARNING",
            sqlstate="42809",
            hint="Change the ownership of the index's table instead.",
        )
        return tag
    _refuse_owned(context, found, "owner")
    check_new_owner(context, owner_oid)
    if found.owner_oid != owner_oid:
        check_owner_may_create(context, owner_oid, context.database.schema_of(found))
    relation_oid = found.oid
    change_catalog(context, lambda catalog: changes.set_owner(catalog, database_oid, relation_oid, owner_oid))
    return tag


def _refuse_owned(context: DefinitionContext, found: Relation, what: str) -> None:
    if isinstance(found, SequenceDef) and found.owner_column is not None:
        table = context.database.table(found.owner_column.oid)
        message = (
            "cannot change owner of"
            if what == "owner"
            else "cannot move an owned sequence into another schema"
        )
        if what == "owner":
            message = f'cannot change owner of sequence "{found.name}"'
        raise errors.NotSupportedError(
            message, detail=f'Sequence "{found.name}" is linked to table "{table.name}".'
        )


def set_schema(context: DefinitionContext, statement: st.SetSchema) -> Generator[Step, object, Complete]:
    """ALTER ... SET SCHEMA.  Raises InvalidSchemaName, DuplicateTable, NotSupportedError for temporary ones."""
    if statement.kind in TYPE_KINDS:
        return (yield from set_type_schema(context, statement))
    tag = Complete(f"ALTER {statement.kind.upper()}")
    if statement.kind == "index":
        raise errors.WrongObjectType(
            f'cannot change schema of index "{statement.name.name}"',
            hint="Change the schema of the table instead.",
        )
    found = yield from altered_relation(context, statement.kind, statement.name, statement.if_exists)
    if found is None:
        return tag
    _refuse_owned(context, found, "schema")
    schema = context.database.get_schema(statement.schema)
    check_may_create(context, schema)
    schema_oid = schema.oid
    if schema_oid in SYSTEM_SCHEMAS:
        raise errors.InsufficientPrivilege(f"permission denied for schema {statement.schema}")
    if found.is_temporary or statement.schema.startswith(TEMPORARY_SCHEMA):
        raise errors.NotSupportedError("cannot move objects into or out of temporary schemas")
    if schema_oid == found.schema_oid:
        return tag
    for name in _names_that_move(context, found):
        yield from lock_new_name(context, schema_oid, name)
    database_oid, oid = context.database_oid, found.oid
    _change_names(context, lambda catalog: changes.set_schema(catalog, database_oid, oid, schema_oid))
    return tag


def _names_that_move(context: DefinitionContext, found: Relation) -> list[str]:
    names = [found.name]
    if isinstance(found, Graph):
        tables = (found.nodes(context.database), found.edges(context.database))
        names += [index.name for table in tables for index in table.indexes if not index.is_hidden]
    if isinstance(found, Table):
        names += [index.name for index in found.indexes]
        owned = (context.database.owned_sequence(found.oid, column.attnum) for column in found.columns)
        names += [sequence.name for sequence in owned if sequence is not None]
    return names


# --- COMMENT ON ---------------------------------------------------------------------------------------------


def comment(context: DefinitionContext, statement: st.Comment) -> Generator[Step, object, Complete]:
    """COMMENT ON.  Raises what names nothing; NotSupportedError for kinds that Skerry has no objects of."""
    address = yield from _commented(context, statement)
    database_oid, text = context.database_oid, statement.text
    change_catalog(context, lambda catalog: cluster_changes.set_comment(catalog, database_oid, address, text))
    return Complete("COMMENT")


def _commented(context: DefinitionContext, statement: st.Comment) -> Generator[Step, object, Address]:
    kind, name = statement.kind, statement.name
    if kind in KIND_CLASSES:
        found = yield from get_relation(context, name, SHARE_UPDATE_EXCLUSIVE)
        check_owner(context, found)
        return Address(CLASS_RELATION, as_kind(found, KIND_CLASSES[kind], kind).oid)
    if kind in TYPE_KINDS:
        return (yield from commented_type(context, name))
    if kind == "domain constraint":
        assert statement.on is not None
        return (yield from commented_domain_constraint(context, name, statement.on))
    if kind == "column":
        return (yield from _commented_column(context, name))
    if kind == "constraint":
        assert statement.on is not None
        table = as_kind(
            (yield from get_relation(context, statement.on, SHARE_UPDATE_EXCLUSIVE)), Table, "table"
        )
        check_owner(context, table)
        constraint = table.constraint_named(name.name)
        if constraint is None:
            raise errors.UndefinedObject(f'constraint "{name.name}" for table "{table.name}" does not exist')
        return Address(CLASS_CONSTRAINT, constraint.oid)
    if kind == "schema":
        schema = context.database.get_schema(name.name)
        check_schema_owner(context, schema)
        return Address(CLASS_NAMESPACE, schema.oid)
    if kind == "database":
        database = context.catalog.get_database(name.name)
        check_database_owner(context, database)
        return Address(CLASS_DATABASE, database.oid)
    if kind == "role":
        return Address(CLASS_ROLE, role_named(context, name.name).oid)
    raise errors.NotSupportedError(f"COMMENT ON {kind.upper()} is not supported")


def _commented_column(context: DefinitionContext, name: st.ObjectName) -> Generator[Step, object, Address]:
    if len(name.parts) < 2:
        raise errors.SyntaxError("column name must be qualified", position=name.position)
    relation_name = st.ObjectName(name.parts[:-1], name.position)
    user_type = find_user_type(
        context.database, relation_name.name, relation_name.schema, context.search_path
    )
    if user_type is not None and isinstance(user_type[0], CompositeType):
        return (yield from commented_attribute(context, relation_name, name.name))
    found = yield from get_relation(context, relation_name, SHARE_UPDATE_EXCLUSIVE)
    if not isinstance(found, (Table, View)):
        raise errors.WrongObjectType(f'cannot set comment on relation "{found.name}"')
    check_owner(context, found, "relation")
    column = found.column_named(name.name)
    if column is None:
        raise errors.UndefinedColumn(f'column "{name.name}" of relation "{found.name}" does not exist')
    return Address(CLASS_RELATION, found.oid, column.attnum)
