"""ALTER TYPE of composite types: ADD, DROP, ALTER and RENAME ATTRIBUTE.

No value is looked at: a new attribute is NULL in those that were made before, a dropped one is passed over
(`values/records.py`).  So another type for an attribute is refused while a table may hold values of it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import replace

from skerry_engine import errors
from skerry_engine.catalog import naming, type_changes
from skerry_engine.catalog.catalog import Catalog, Database
from skerry_engine.catalog.dependencies import KIND_WORDS
from skerry_engine.catalog.objects import Column, Table
from skerry_engine.catalog.user_types import (
    Attribute,
    CompositeType,
    DomainType,
    attribute_address,
    find_user_type,
    type_of_oid,
)
from skerry_engine.session.definitions.change import change_catalog
from skerry_engine.session.definitions.context import DefinitionContext
from skerry_engine.session.definitions.drop import drop_objects
from skerry_engine.session.definitions.names import collation_of, column_type, undefined_relation
from skerry_engine.session.definitions.types import ALTERED, attribute_type, locked_type
from skerry_engine.session.definitions.views import with_views_renamed
from skerry_engine.session.steps import Complete, Step
from skerry_engine.sql import statements as st
from skerry_engine.sql import type_statements as ts

Steps = Generator[Step, object, Complete]

_ORDER = ("drop", "alter", "add")
"""PostgreSQL's, whatever the order of writing."""


def alter_composite(context: DefinitionContext, statement: ts.AlterComposite) -> Steps:
    """ALTER TYPE ... ADD, DROP, ALTER ATTRIBUTE.  Raises DuplicateColumn, UndefinedColumn, WrongObjectType,
    InvalidTableDefinition, DependentObjectsStillExist, NotSupportedError."""
    composite = yield from _locked(context, statement.name)
    for action in sorted(statement.actions, key=lambda each: _ORDER.index(each.action)):
        if action.action == "drop":
            yield from _drop(context, composite.oid, action)
        elif action.action == "alter":
            _alter(context, composite.oid, action)
        else:
            _add(context, composite.oid, action)
    return ALTERED


def rename_attribute(context: DefinitionContext, statement: ts.RenameAttribute) -> Steps:
    """ALTER TYPE ... RENAME ATTRIBUTE.  Raises DuplicateColumn, UndefinedColumn, WrongObjectType."""
    composite = yield from _locked(context, statement.name)
    new = naming.truncate_name(statement.new)
    number = composite.number_of(statement.old)
    if number is None:
        raise errors.UndefinedColumn(f'column "{statement.old}" does not exist')
    if composite.number_of(new) is not None:
        raise _taken(composite, new)
    _change(context, _changed(context, composite.oid, number, lambda old: replace(old, name=new)))
    return ALTERED


def _locked(context: DefinitionContext, name: st.ObjectName) -> Generator[Step, object, CompositeType]:
    found = find_user_type(context.database, name.name, name.schema, context.search_path)
    if found is None or not isinstance(found[0], CompositeType):
        relation = context.database.find_relation(name.name, name.schema, context.search_path)
        if relation is None:
            raise undefined_relation(name)
        raise errors.WrongObjectType(f'"{name}" is not a composite type')
    locked = yield from locked_type(context, name)
    assert isinstance(locked, CompositeType), "its OID says so"
    return locked


def _current(context: DefinitionContext, oid: int) -> CompositeType:
    found = context.database.relations[oid]
    assert isinstance(found, CompositeType)
    return found


def _add(context: DefinitionContext, oid: int, action: ts.AttributeAction) -> None:
    assert action.type is not None
    composite, name = _current(context, oid), naming.truncate_name(action.name)
    if composite.number_of(name) is not None:
        raise _taken(composite, name)
    sql_type = attribute_type(column_type(context, action.type, name))
    collation_of(sql_type, action.collation)
    _refuse_itself(context, composite, sql_type.oid)
    made = Attribute(name, sql_type)

    def change(old: CompositeType) -> CompositeType:
        return replace(old, attributes=(*old.attributes, made))

    database_oid = context.database_oid
    _change(context, lambda catalog: type_changes.alter_type(catalog, database_oid, oid, change))


def _change(context: DefinitionContext, change: Callable[[Catalog], Catalog]) -> None:
    """Make a change, and print the views again whose texts it touches."""
    database_oid = context.database_oid
    change_catalog(context, lambda catalog: with_views_renamed(catalog, change(catalog), database_oid))


def _drop(context: DefinitionContext, oid: int, action: ts.AttributeAction) -> Generator[Step, object, None]:
    composite = _current(context, oid)
    number = composite.number_of(action.name)
    if number is not None:
        address = attribute_address(composite, number)
        yield from drop_objects(context, [address], action.cascade, prints_views=True)
        return
    error = _missing(composite, action.name)
    if not action.if_exists:
        raise error
    context.notice(f"{error.message}, skipping")


def _alter(context: DefinitionContext, oid: int, action: ts.AttributeAction) -> None:
    assert action.type is not None
    composite = _current(context, oid)
    number = composite.number_of(action.name)
    if number is None:
        raise _missing(composite, action.name)
    sql_type = attribute_type(column_type(context, action.type, action.name))
    collation_of(sql_type, action.collation)
    _refuse_itself(context, composite, sql_type.oid)
    for table, column in _columns_of(context.database, oid):
        raise errors.NotSupportedError(
            f'cannot alter type "{composite.name}" because column "{table.name}.{column.name}" uses it'
        )
    _refuse_views(context.database, composite, number)
    change_catalog(context, _changed(context, oid, number, lambda old: replace(old, type=sql_type)))


def _changed(
    context: DefinitionContext, oid: int, number: int, change: Callable[[Attribute], Attribute]
) -> Callable[[Catalog], Catalog]:
    """The change of a catalog that changes one attribute."""
    database_oid = context.database_oid

    def changed(old: CompositeType) -> CompositeType:
        attributes = list(old.attributes)
        attributes[number] = change(attributes[number])
        return replace(old, attributes=tuple(attributes))

    return lambda catalog: type_changes.alter_type(catalog, database_oid, oid, changed)


# --- what is refused ----------------------------------------------------------------------------------------


def _taken(composite: CompositeType, name: str) -> errors.DuplicateColumn:
    return errors.DuplicateColumn(f'column "{name}" of relation "{composite.name}" already exists')


def _missing(composite: CompositeType, name: str) -> errors.UndefinedColumn:
    return errors.UndefinedColumn(f'column "{name}" of relation "{composite.name}" does not exist')


def _refuse_itself(context: DefinitionContext, composite: CompositeType, oid: int) -> None:
    """Raise InvalidTableDefinition if values of the type would hold values of the composite type."""
    if composite.oid in _types_within(context.database, oid):
        raise errors.InvalidTableDefinition(
            f"composite type {composite.name} cannot be made a member of itself"
        )


def _types_within(database: Database, oid: int) -> set[int]:
    """The users' types of which values of a type hold values."""
    found: set[int] = set()
    waiting = [oid]
    while waiting:
        user_type = type_of_oid(database, waiting.pop())
        if user_type is None or user_type.oid in found:
            continue
        found.add(user_type.oid)
        if isinstance(user_type, CompositeType):
            waiting += [each.type.named_oid for each in user_type.attributes if not each.dropped]
        elif isinstance(user_type, DomainType):
            waiting.append(user_type.base.named_oid)
    return found


def _columns_of(database: Database, oid: int) -> Iterator[tuple[Table, Column]]:
    """The columns of tables that hold values of the type."""
    for table in sorted(database.of_type(Table), key=lambda each: each.oid):
        for column in table.live_columns:
            if oid in _types_within(database, column.type.named_oid):
                yield table, column


def _refuse_views(database: Database, composite: CompositeType, number: int) -> None:
    address = attribute_address(composite, number)
    for view in database.with_queries():
        if address in view.references:
            name = composite.attributes[number].name
            raise errors.NotSupportedError(
                "cannot alter type of a column used by a view or rule",
                detail=f'rule _RETURN on {KIND_WORDS[view.kind]} {view.name} depends on column "{name}"',
            )
