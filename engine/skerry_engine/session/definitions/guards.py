"""Who may define what: each check raises InsufficientPrivilege in PostgreSQL's words."""

from __future__ import annotations

from collections.abc import Sequence

from skerry_engine import errors
from skerry_engine.catalog.catalog import Database
from skerry_engine.catalog.objects import Relation, Role, Schema
from skerry_engine.catalog.privileges import (
    CREATE,
    TEMPORARY,
    USAGE,
    Judge,
    denied,
    is_member,
    not_owner,
    shown_kind,
)
from skerry_engine.catalog.user_types import UserType, user_type_name
from skerry_engine.session.definitions.context import DefinitionContext
from skerry_engine.values.types import SqlType


def judge_of(context: DefinitionContext) -> Judge:
    """What the current role may do."""
    return Judge(context.catalog, context.database, context.user_oid)


def check_owner(context: DefinitionContext, relation: Relation, shown: str = "") -> None:
    """Raise InsufficientPrivilege unless the current role owns the relation; `shown` is what to call it."""
    if not judge_of(context).owns(relation.owner_oid):
        raise not_owner(shown or shown_kind(relation), relation.name)


def check_schema_owner(context: DefinitionContext, schema: Schema) -> None:
    """Raise InsufficientPrivilege unless the current role owns the schema."""
    if not judge_of(context).owns(schema.owner_oid):
        raise not_owner("schema", schema.name)


def check_database_owner(context: DefinitionContext, database: Database) -> None:
    """Raise InsufficientPrivilege unless the current role owns the database."""
    if not judge_of(context).owns(database.owner_oid):
        raise not_owner("database", database.name)


def check_new_owner(context: DefinitionContext, owner_oid: int) -> None:
    """Raise InsufficientPrivilege unless the current role could become the one that is to own something."""
    if not judge_of(context).is_superuser and not is_member(context.catalog, context.user_oid, owner_oid):
        raise errors.InsufficientPrivilege(f'must be member of role "{context.catalog.role_name(owner_oid)}"')


def check_may_drop(context: DefinitionContext, relation: Relation) -> None:
    """Raise InsufficientPrivilege unless the current role owns the relation, or its schema."""
    judge = judge_of(context)
    schema = context.database.schema_of(relation)
    if not judge.owns(relation.owner_oid) and not judge.owns(schema.owner_oid):
        raise not_owner(shown_kind(relation), relation.name)


def check_may_create(context: DefinitionContext, schema: Schema) -> None:
    """Raise InsufficientPrivilege unless the current role may make things in the schema."""
    if not judge_of(context).on_schema(schema) & CREATE:
        raise denied("schema", schema.name)


def check_may_use(context: DefinitionContext, name: str) -> None:
    """Raise InsufficientPrivilege unless the current role may look into the schema of that name, if there is one."""
    schema = context.database.schema_named(name)
    if schema is not None and not judge_of(context).on_schema(schema) & USAGE:
        raise denied("schema", name)


def check_may_use_type(context: DefinitionContext, sql_type: SqlType) -> None:
    """Raise InsufficientPrivilege unless the current role may make something of a type; an array is as its elements."""
    oid = sql_type.domain or sql_type.oid
    found = context.database.relation(oid) or context.database.relation(oid - 1)
    if isinstance(found, UserType) and oid in (found.oid, found.array_oid):
        if not judge_of(context).on_relation(found) & USAGE:
            raise denied(
                "type", user_type_name(context.database, found.oid, context.search_path) or found.name
            )


def check_may_create_schema(context: DefinitionContext) -> None:
    """Raise InsufficientPrivilege unless the current role may make schemas in this database."""
    if not judge_of(context).on_database(context.database) & CREATE:
        raise denied("database", context.database.name)


def check_may_create_temporary(context: DefinitionContext) -> None:
    """Raise InsufficientPrivilege unless the current role may make temporary tables in this database."""
    if not judge_of(context).on_database(context.database) & TEMPORARY:
        raise errors.InsufficientPrivilege(
            f'permission denied to create temporary tables in database "{context.database.name}"'
        )


def check_privilege(context: DefinitionContext, relation: Relation, bits: int) -> None:
    """Raise InsufficientPrivilege unless the current role has one of the privileges on the relation as a whole."""
    if not judge_of(context).on_relation(relation) & bits:
        raise denied(shown_kind(relation), relation.name)


def check_privilege_or_columns(
    context: DefinitionContext, relation: Relation, bits: int, attnums: Sequence[int]
) -> None:
    """Raise InsufficientPrivilege unless the current role has the privilege on all of the columns."""
    judge = judge_of(context)
    if not all(judge.on_column(relation, attnum) & bits for attnum in attnums):
        raise denied(shown_kind(relation), relation.name)


def check_may_create_database(context: DefinitionContext, what: str = "create database") -> None:
    """Raise InsufficientPrivilege unless the current role may make databases."""
    role = context.catalog.roles[context.user_oid]
    if not (role.superuser or role.create_db):
        raise errors.InsufficientPrivilege(f"permission denied to {what}")


def check_may_rename_role(context: DefinitionContext, role: Role) -> None:
    """Raise InsufficientPrivilege unless the current role may rename the other."""
    current = context.catalog.roles[context.user_oid]
    if role.superuser and not current.superuser:
        raise errors.InsufficientPrivilege("must be superuser to rename superusers")
    if not (current.superuser or current.create_role):
        raise errors.InsufficientPrivilege("permission denied to rename role")


def check_owner_may_create(context: DefinitionContext, owner_oid: int, schema: Schema) -> None:
    """Raise InsufficientPrivilege unless who is to own something in the schema may make things there."""
    if judge_of(context).is_superuser:
        return
    if not Judge(context.catalog, context.database, owner_oid).on_schema(schema) & CREATE:
        raise denied("schema", schema.name)
