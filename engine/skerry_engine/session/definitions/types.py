"""CREATE TYPE, ALTER TYPE, and what DROP, COMMENT, OWNER TO and SET SCHEMA need of types.

A type is locked as a relation is.  A new label of an enum is there for everything that comes after it; PostgreSQL would
have its transaction commit first (55P04).
"""

from __future__ import annotations

from collections.abc import Callable, Generator

from skerry_engine import errors
from skerry_engine.catalog import changes, naming, type_changes
from skerry_engine.catalog.catalog import Catalog
from skerry_engine.catalog.objects import (
    CLASS_CONSTRAINT,
    CLASS_TYPE,
    SYSTEM_SCHEMAS,
    TEMPORARY_SCHEMA,
    Address,
    Relation,
    Table,
    View,
)
from skerry_engine.catalog.user_types import (
    Attribute,
    CompositeType,
    DomainType,
    EnumLabel,
    EnumType,
    UserType,
    find_type_oid,
    find_user_type,
    free_array_name,
    is_name_taken,
    qualified_type_name,
    type_address,
)
from skerry_engine.session.definitions.change import change_catalog
from skerry_engine.session.definitions.context import DefinitionContext
from skerry_engine.session.definitions.guards import check_new_owner, check_owner
from skerry_engine.session.definitions.names import column_type, creation_schema, role_named
from skerry_engine.session.definitions.views import with_views_renamed
from skerry_engine.session.definitions.waiting import lock_new_name, lock_relation
from skerry_engine.session.steps import Complete, Step
from skerry_engine.sql import statements as st
from skerry_engine.sql import type_statements as ts
from skerry_engine.txn.modes import ACCESS_EXCLUSIVE, SHARE_UPDATE_EXCLUSIVE
from skerry_engine.values.types import SqlType, format_type
from skerry_engine.values.user_types import composite_oid, enum_oid, is_enum, number_between, numbered

Steps = Generator[Step, object, Complete]

CREATED = Complete("CREATE TYPE")
ALTERED = Complete("ALTER TYPE")


# --- CREATE TYPE --------------------------------------------------------------------------------------------


def create_enum(context: DefinitionContext, statement: ts.CreateEnum) -> Steps:
    """CREATE TYPE ... AS ENUM.  Raises DuplicateObject, UniqueViolation for a label said twice, InvalidName."""
    schema = creation_schema(context, statement.name)
    name = naming.truncate_name(statement.name.name)
    yield from lock_new_name(context, schema.oid, name)
    if is_name_taken(context.database, schema.oid, name):
        raise errors.DuplicateObject(f'type "{name}" already exists')
    allocate = context.catalog.oids.allocate
    oid = enum_oid(allocate())
    _check_labels(oid, statement.labels)
    enum = EnumType(
        oid=oid,
        name=name,
        schema_oid=schema.oid,
        owner_oid=context.user_oid,
        persistence="t" if schema.name == context.temporary_schema_name else "p",
        array_name=free_array_name(context.database, schema.oid, name),
        labels=tuple(
            EnumLabel(allocate(), value, label, float(number))
            for number, (label, value) in enumerate(numbered(statement.labels), 1)
        ),
    )
    database_oid = context.database_oid
    change_catalog(context, lambda catalog: type_changes.create_type(catalog, database_oid, enum))
    return CREATED


def create_composite(context: DefinitionContext, statement: ts.CreateComposite) -> Steps:
    """CREATE TYPE ... AS (...).  Raises DuplicateObject, DuplicateColumn, InvalidTableDefinition for pseudo-types."""
    schema = creation_schema(context, statement.name)
    name = naming.truncate_name(statement.name.name)
    yield from lock_new_name(context, schema.oid, name)
    if is_name_taken(context.database, schema.oid, name):
        raise errors.DuplicateObject(f'type "{name}" already exists')
    attributes: list[Attribute] = []
    for written, type_name in statement.attributes:
        attribute = naming.truncate_name(written)
        if any(each.name == attribute for each in attributes):
            raise errors.DuplicateColumn(f'column "{attribute}" specified more than once')
        attributes.append(Attribute(attribute, attribute_type(column_type(context, type_name, attribute))))
    allocate = context.catalog.oids.allocate
    made = CompositeType(
        oid=composite_oid(allocate()),
        name=name,
        schema_oid=schema.oid,
        owner_oid=context.user_oid,
        persistence="t" if schema.name == context.temporary_schema_name else "p",
        array_name=free_array_name(context.database, schema.oid, name),
        attributes=tuple(attributes),
        relation_oid=allocate(),
    )
    database_oid = context.database_oid
    change_catalog(context, lambda catalog: type_changes.create_type(catalog, database_oid, made))
    return CREATED


def attribute_type(sql_type: SqlType) -> SqlType:
    """The type of an attribute.  Raises NotSupportedError for a domain."""
    if sql_type.domain:
        raise errors.NotSupportedError("attributes of a domain are not supported")
    return sql_type


def _check_labels(oid: int, labels: tuple[str, ...]) -> None:
    seen: set[str] = set()
    for label in labels:
        _check_label(label)
        if label in seen:
            raise errors.UniqueViolation(
                'duplicate key value violates unique constraint "pg_enum_typid_label_index"',
                detail=f"Key (enumtypid, enumlabel)=({oid}, {label}) already exists.",
            )
        seen.add(label)


def _check_label(label: str) -> None:
    if len(label.encode()) > naming.MAX_NAME_BYTES:
        raise errors.InvalidName(
            f'invalid enum label "{label}"', detail=f"Labels must be {naming.MAX_NAME_BYTES} bytes or less."
        )


# --- ALTER TYPE: labels -------------------------------------------------------------------------------------


def add_enum_label(context: DefinitionContext, statement: ts.AddEnumLabel) -> Steps:
    """ALTER TYPE ... ADD VALUE.  Raises DuplicateObject, InvalidParameterValue for a neighbour that is none."""
    enum = yield from _locked_enum(context, statement.name)
    _check_label(statement.label)
    if any(each.label == statement.label for each in enum.labels):
        message = f'enum label "{statement.label}" already exists'
        if not statement.if_not_exists:
            raise errors.DuplicateObject(message)
        context.notice(f"{message}, skipping", sqlstate="42710")
        return ALTERED
    oid, value = context.catalog.oids.allocate(), _place(enum, statement)
    _alter_enum(context, enum, lambda old: type_changes.with_label(old, oid, value, statement.label))
    return ALTERED


def _place(enum: EnumType, statement: ts.AddEnumLabel) -> int:
    """The value of a new label."""
    values = [each.value for each in enum.labels]
    index = len(values)
    if statement.neighbour is not None:
        labels = [each.label for each in enum.labels]
        if statement.neighbour not in labels:
            raise errors.InvalidParameterValue(f'"{statement.neighbour}" is not an existing enum label')
        index = labels.index(statement.neighbour) + statement.is_after
    before = values[index - 1] if index else None
    return number_between(before, values[index] if index < len(values) else None)


def rename_enum_label(context: DefinitionContext, statement: ts.RenameEnumLabel) -> Steps:
    """ALTER TYPE ... RENAME VALUE.  Raises InvalidParameterValue, DuplicateObject."""
    enum = yield from _locked_enum(context, statement.name)
    _check_label(statement.new)
    _alter_enum(context, enum, lambda old: type_changes.with_label_renamed(old, statement.old, statement.new))
    return ALTERED


def _locked_enum(context: DefinitionContext, name: st.ObjectName) -> Generator[Step, object, EnumType]:
    oid = find_type_oid(context.database, name.parts, context.search_path)
    if oid is not None and not is_enum(oid):
        raise errors.WrongObjectType(f"{format_type(oid)} is not an enum")
    relation = None if oid is not None else _row_type(context, name)
    if relation is not None:
        raise errors.WrongObjectType(f"{relation.name} is not an enum")
    found = yield from locked_type(context, name)
    assert isinstance(found, EnumType), "its OID says so"
    return found


def _alter_enum(context: DefinitionContext, enum: EnumType, change: Callable[[EnumType], EnumType]) -> None:
    database_oid, oid = context.database_oid, enum.oid
    change_catalog(context, lambda catalog: type_changes.alter_type(catalog, database_oid, oid, change))


# --- finding ------------------------------------------------------------------------------------------------


def locked_type(
    context: DefinitionContext, name: st.ObjectName, mode: int = ACCESS_EXCLUSIVE
) -> Generator[Step, object, UserType]:
    """The user's type of that name, locked.  Raises UndefinedObject, WrongObjectType, InsufficientPrivilege."""
    while True:
        found = _user_type(context, name)
        yield from lock_relation(context, found.oid, mode)
        again = _user_type(context, name)
        if again.oid == found.oid:
            check_owner(context, again)
            return again


def _user_type(context: DefinitionContext, name: st.ObjectName) -> UserType:
    found = find_user_type(context.database, name.name, name.schema, context.search_path)
    if found is not None and found[0].oid == found[1]:
        return found[0]
    if found is not None:
        shown = qualified_type_name(context.database, found[0], context.search_path)
        raise errors.WrongObjectType(
            f"cannot alter array type {shown}[]",
            hint=f"You can alter type {shown}, which will alter the array type as well.",
        )
    relation = _row_type(context, name)
    if relation is not None:
        raise errors.WrongObjectType(
            f"{relation.name} is a table's row type", hint="Use ALTER TABLE instead."
        )
    oid = find_type_oid(context.database, name.parts, context.search_path)
    if oid is not None:
        raise errors.InsufficientPrivilege(f"must be owner of type {format_type(oid)}")
    raise errors.UndefinedObject(f'type "{name}" does not exist')


def _row_type(context: DefinitionContext, name: st.ObjectName) -> Relation | None:
    found = context.database.find_relation(name.name, name.schema, context.search_path)
    return found if isinstance(found, (Table, View)) else None


def type_to_drop(context: DefinitionContext, kind: str, name: st.ObjectName) -> Address | None:
    """What DROP TYPE (or DROP DOMAIN: `kind`) names; None when there is none.

    Raises DependentObjectsStillExist for what belongs to something else, WrongObjectType.
    """
    found = find_user_type(context.database, name.name, name.schema, context.search_path)
    if found is None:
        _refuse_others(context, kind, name)
        return None
    user_type, oid = found
    shown = qualified_type_name(context.database, user_type, context.search_path)
    if kind == "domain" and not isinstance(user_type, DomainType):
        raise errors.WrongObjectType(f'"{name}" is not a domain')
    if oid != user_type.oid:
        raise errors.DependentObjectsStillExist(
            f"cannot drop type {shown}[] because type {shown} requires it",
            hint=f"You can drop type {shown} instead.",
        )
    return type_address(user_type)


def _refuse_others(context: DefinitionContext, kind: str, name: st.ObjectName) -> None:
    """Raise DependentObjectsStillExist for types that are no user's."""
    relation = _row_type(context, name)
    if relation is not None:
        what = "view" if isinstance(relation, View) else "table"
        raise errors.DependentObjectsStillExist(
            f"cannot drop type {relation.name} because {what} {relation.name} requires it",
            hint=f"You can drop {what} {relation.name} instead.",
        )
    oid = find_type_oid(context.database, name.parts, context.search_path)
    if oid is not None and kind == "domain":
        raise errors.WrongObjectType(f'"{name}" is not a domain')
    if oid is not None:
        raise errors.DependentObjectsStillExist(
            f"cannot drop type {format_type(oid)} because it is required by the database system"
        )


def commented_type(context: DefinitionContext, name: st.ObjectName) -> Generator[Step, object, Address]:
    """What COMMENT ON TYPE names.  Raises UndefinedObject."""
    oid = find_type_oid(context.database, name.parts, context.search_path)
    if oid is None:
        raise errors.UndefinedObject(f'type "{name}" does not exist')
    if find_user_type(context.database, name.name, name.schema, context.search_path) is None:
        return Address(CLASS_TYPE, oid)
    found = yield from locked_type(context, name, SHARE_UPDATE_EXCLUSIVE)
    return type_address(found)


def commented_attribute(
    context: DefinitionContext, name: st.ObjectName, attribute: str
) -> Generator[Step, object, Address]:
    """What COMMENT ON COLUMN names of a composite type.  Raises UndefinedColumn."""
    composite = yield from locked_type(context, name, SHARE_UPDATE_EXCLUSIVE)
    number = composite.number_of(attribute) if isinstance(composite, CompositeType) else None
    if number is None:
        raise errors.UndefinedColumn(f'column "{attribute}" of relation "{composite.name}" does not exist')
    return Address(CLASS_TYPE, composite.oid, number + 1)


def commented_domain_constraint(
    context: DefinitionContext, name: st.ObjectName, on: st.ObjectName
) -> Generator[Step, object, Address]:
    """What COMMENT ON CONSTRAINT ... ON DOMAIN names.  Raises UndefinedObject."""
    domain = yield from locked_type(context, on, SHARE_UPDATE_EXCLUSIVE)
    found = domain.constraint_named(name.name) if isinstance(domain, DomainType) else None
    if found is None:
        raise errors.UndefinedObject(f'constraint "{name.name}" for domain {on} does not exist')
    return Address(CLASS_CONSTRAINT, found.oid)


# --- RENAME, OWNER TO, SET SCHEMA ---------------------------------------------------------------------------


def rename_type(context: DefinitionContext, statement: st.Rename) -> Steps:
    """ALTER TYPE ... RENAME TO.  Raises DuplicateObject."""
    found = yield from locked_type(context, statement.name)
    if statement.part:
        raise errors.WrongObjectType(
            f'"{statement.name}" is not a composite type', position=statement.name.position
        )
    name = naming.truncate_name(statement.new_name)
    yield from lock_new_name(context, found.schema_oid, name)
    database_oid, oid = context.database_oid, found.oid
    _change_names(context, lambda catalog: type_changes.rename_type(catalog, database_oid, oid, name))
    return Complete(f"ALTER {statement.kind.upper()}")


def set_type_owner(context: DefinitionContext, statement: st.SetOwner) -> Steps:
    """ALTER TYPE ... OWNER TO.  Raises UndefinedObject."""
    owner_oid = role_named(context, statement.owner).oid
    found = yield from locked_type(context, statement.name)
    check_new_owner(context, owner_oid)
    database_oid, oid = context.database_oid, found.oid
    change_catalog(context, lambda catalog: changes.set_owner(catalog, database_oid, oid, owner_oid))
    return Complete(f"ALTER {statement.kind.upper()}")


def set_type_schema(context: DefinitionContext, statement: st.SetSchema) -> Steps:
    """ALTER TYPE ... SET SCHEMA.  Raises InvalidSchemaName, DuplicateObject, NotSupportedError for temporary ones."""
    tag = Complete(f"ALTER {statement.kind.upper()}")
    found = yield from locked_type(context, statement.name)
    schema_oid = context.database.get_schema(statement.schema).oid
    if schema_oid in SYSTEM_SCHEMAS:
        raise errors.InsufficientPrivilege(f"permission denied for schema {statement.schema}")
    if found.is_temporary or statement.schema.startswith(TEMPORARY_SCHEMA):
        raise errors.NotSupportedError("cannot move objects into or out of temporary schemas")
    if schema_oid == found.schema_oid:
        return tag
    yield from lock_new_name(context, schema_oid, found.name)
    database_oid, oid = context.database_oid, found.oid
    _change_names(
        context, lambda catalog: type_changes.set_type_schema(catalog, database_oid, oid, schema_oid)
    )
    return tag


def _change_names(context: DefinitionContext, change: Callable[[Catalog], Catalog]) -> None:
    """Make a change of names, and print the views that name what was renamed again."""
    database_oid = context.database_oid
    change_catalog(context, lambda catalog: with_views_renamed(catalog, change(catalog), database_oid))
