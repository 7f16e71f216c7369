"""DDL effects on schemas, databases, roles and comments: pure functions from a catalog to its successor.

See `changes` for the rules that all such functions follow.
"""

from __future__ import annotations

from dataclasses import replace

from skerry_engine import errors
from skerry_engine.catalog.catalog import Catalog, Database
from skerry_engine.catalog.graphs import ElementTable
from skerry_engine.catalog.objects import (
    CLASS_DATABASE,
    CLASS_ROLE,
    FIRST_USER_OID,
    TEMPORARY_SCHEMA,
    Address,
    IndexDef,
    Role,
    Schema,
    SystemTable,
    ViewState,
)
from skerry_engine.catalog.privileges import (
    first_rights,
    names_role,
    shown_kind,
    with_owner,
    written_rights_of_database,
    written_rights_of_schema,
)

SHARED_CLASSES = frozenset((CLASS_DATABASE, CLASS_ROLE, 1213))

# --- schemas --------------------------------------------------------------------------------------


def create_schema(
    catalog: Catalog, database_oid: int, schema: Schema, *, is_temporary: bool = False
) -> Catalog:
    """Put in a schema.  Raises DuplicateSchema, ReservedName (names that begin with pg_)."""
    database = catalog.database(database_oid)
    if not is_temporary:
        check_schema_name(schema.name)
    _check_schema_free(database, schema.name)
    if database.default_rights and not is_temporary:
        rights = first_rights(database, "n", schema.owner_oid, 0)
        schema = replace(schema, rights=rights)
    return catalog.with_database(database.with_schemas((schema,)))


def rename_schema(catalog: Catalog, database_oid: int, oid: int, name: str) -> Catalog:
    """Rename a schema.  Raises DuplicateSchema, ReservedName, NotSupportedError for a temporary one: its name
    says what it is."""
    database = catalog.database(database_oid)
    if database.schemas[oid].name.startswith(TEMPORARY_SCHEMA):
        raise errors.NotSupportedError("cannot rename a temporary schema")
    _check_schema_free(database, name)
    check_schema_name(name)
    return catalog.with_database(database.with_schemas((replace(database.schemas[oid], name=name),)))


def set_schema_owner(catalog: Catalog, database_oid: int, oid: int, owner_oid: int) -> Catalog:
    database = catalog.database(database_oid)
    schema = database.schemas[oid]
    rights = with_owner(written_rights_of_schema(schema), schema.owner_oid, owner_oid)
    return catalog.with_database(
        database.with_schemas((replace(schema, owner_oid=owner_oid, rights=rights),))
    )


def check_schema_name(name: str) -> None:
    """Raise ReservedName for names kept for the system."""
    if name.startswith("pg_"):
        raise errors.ReservedName(
            f'unacceptable schema name "{name}"', detail='The prefix "pg_" is reserved for system schemas.'
        )


def _check_schema_free(database: Database, name: str) -> None:
    if name in database.schema_oids:
        raise errors.DuplicateSchema(f'schema "{name}" already exists')


# --- databases ------------------------------------------------------------------------------------


def create_database(catalog: Catalog, database: Database) -> Catalog:
    """Put in a database (see `bootstrap.new_database`).  Raises DuplicateDatabase."""
    _check_database_free(catalog, database.name)
    return catalog.with_database(database)


def drop_database(catalog: Catalog, oid: int) -> Catalog:
    """Take a database out with all in it.  Raises WrongObjectType for a template.

    That no session uses it is the caller's to check.
    """
    if catalog.database(oid).is_template:
        raise errors.WrongObjectType("cannot drop a template database")
    comments = {a: text for a, text in catalog.comments.items() if a != Address(CLASS_DATABASE, oid)}
    return catalog.without_database(oid).with_comments(comments)


def rename_database(catalog: Catalog, oid: int, name: str) -> Catalog:
    """Rename a database.  Raises DuplicateDatabase."""
    _check_database_free(catalog, name)
    return catalog.with_database(replace(catalog.database(oid), name=name))


def set_database_owner(catalog: Catalog, oid: int, owner_oid: int) -> Catalog:
    database = catalog.database(oid)
    rights = with_owner(written_rights_of_database(database), database.owner_oid, owner_oid)
    return catalog.with_database(replace(database, owner_oid=owner_oid, rights=rights, _derived={}))


def _check_database_free(catalog: Catalog, name: str) -> None:
    if catalog.database_named(name) is not None:
        raise errors.DuplicateDatabase(f'database "{name}" already exists')


# --- roles ----------------------------------------------------------------------------------------


def create_role(catalog: Catalog, role: Role) -> Catalog:
    """Put in a role.  Raises DuplicateObject, ReservedName (names that begin with pg_)."""
    if role.name.startswith("pg_"):
        raise errors.ReservedName(
            f'role name "{role.name}" is reserved', detail='Role names starting with "pg_" are reserved.'
        )
    if catalog.role_named(role.name) is not None:
        raise errors.DuplicateObject(f'role "{role.name}" already exists')
    return catalog.with_roles({**catalog.roles, role.oid: role})


def _depending(database: Database, oid: int, here_oid: int) -> list[str]:
    """What hangs on a role in a database, line by line; of another database than `here_oid` only how much."""
    lines: list[str] = []
    if names_role(database.rights, oid):
        lines.append(f"privileges for database {database.name}")
    if database.owner_oid == oid:
        lines.append(f"owner of database {database.name}")
    inside: list[str] = []
    for relation in sorted(database.relations.values(), key=lambda each: each.oid):
        if isinstance(relation, (SystemTable, IndexDef, ElementTable, ViewState)):
            continue
        shown = f"{shown_kind(relation)} {relation.name}"
        rights = [relation.rights, *(each.rights for each in relation.column_rights)]
        if relation.owner_oid == oid:
            inside.append(f"owner of {shown}")
        elif any(names_role(each, oid) for each in rights):
            inside.append(f"privileges for {shown}")
    for schema in sorted(database.schemas.values(), key=lambda each: each.oid):
        if schema.name.startswith(TEMPORARY_SCHEMA):
            continue
        if schema.owner_oid == oid:
            inside.append(f"owner of schema {schema.name}")
        elif names_role(schema.rights, oid):
            inside.append(f"privileges for schema {schema.name}")
    for default in database.default_rights:
        if default.role_oid == oid or names_role(default.rights, oid):
            inside.append("default privileges")
    if inside and database.oid != here_oid:
        inside = [f"{len(inside)} object{'s' if len(inside) > 1 else ''} in database {database.name}"]
    return lines + inside


def drop_role(catalog: Catalog, oid: int, here_oid: int = 0) -> Catalog:
    """Take a role out.  Raises DependentObjectsStillExist while something hangs on it, and for the system's.

    What hangs on it in the database `here_oid` is told one by one.
    """
    name = catalog.role_name(oid)
    if oid < FIRST_USER_OID:
        raise errors.DependentObjectsStillExist(
            f"cannot drop role {name} because it is required by the database system"
        )
    details = [line for each in catalog.databases.values() for line in _depending(each, oid, here_oid)]
    if details:
        raise errors.DependentObjectsStillExist(
            f'role "{name}" cannot be dropped because some objects depend on it', detail="\n".join(details)
        )
    comments = {a: text for a, text in catalog.comments.items() if a != Address(CLASS_ROLE, oid)}
    roles = {key: _out_of(role, oid) for key, role in catalog.roles.items() if key != oid}
    return catalog.with_roles(roles).with_comments(comments)


def _out_of(role: Role, group_oid: int) -> Role:
    """A role that is no member of another."""
    if all(membership.role_oid != group_oid for membership in role.memberships):
        return role
    return replace(role, memberships=tuple(m for m in role.memberships if m.role_oid != group_oid))


# --- comments -------------------------------------------------------------------------------------


def set_comment(catalog: Catalog, database_oid: int, address: Address, text: str | None) -> Catalog:
    """Set the comment on an object; None and the empty text remove it.  Databases' and roles' are
    cluster-wide.
    """
    if address.class_oid in SHARED_CLASSES:
        return catalog.with_comments(_with_comment(dict(catalog.comments), address, text))
    database = catalog.database(database_oid)
    return catalog.with_database(
        database.with_comments(_with_comment(dict(database.comments), address, text))
    )


def _with_comment(comments: dict[Address, str], address: Address, text: str | None) -> dict[Address, str]:
    if text:
        comments[address] = text
    else:
        comments.pop(address, None)
    return comments
