"""DDL effects on users' types: pure functions from a catalog to its successor.

See `changes` for the rules that all such functions follow.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar, cast

from skerry_engine import errors
from skerry_engine.catalog.catalog import Catalog, Database
from skerry_engine.catalog.changes import check_name_free
from skerry_engine.catalog.objects import new_version
from skerry_engine.catalog.privileges import begun
from skerry_engine.catalog.user_types import (
    EnumLabel,
    EnumType,
    UserType,
    free_array_name,
    is_name_taken,
)

T = TypeVar("T", bound=UserType)

_FLOAT4 = struct.Struct("<f")


def create_type(catalog: Catalog, database_oid: int, user_type: UserType) -> Catalog:
    """Put in a type.  Raises DuplicateObject, InsufficientPrivilege (a system schema)."""
    database = catalog.database(database_oid)
    check_name_free(database, user_type)
    _check_free(database, user_type.schema_oid, user_type.name)
    return catalog.with_database(database.with_relations((begun(database, user_type),)))


def alter_type(catalog: Catalog, database_oid: int, oid: int, change: Callable[[T], T]) -> Catalog:
    """Replace a type by what `change`, which must be pure, makes of it."""
    database = catalog.database(database_oid)
    changed = replace(change(cast(T, database.relations[oid])), version=new_version())
    return catalog.with_database(database.with_relations((changed,)))


def rename_type(catalog: Catalog, database_oid: int, oid: int, name: str) -> Catalog:
    """Rename a type, and its array with it.  Raises DuplicateObject."""
    database = catalog.database(database_oid)
    old = cast(UserType, database.relations[oid])
    _check_free(database, old.schema_oid, name)
    array_name = free_array_name(database, old.schema_oid, name) if old.array_name else ""
    return alter_type(
        catalog, database_oid, oid, lambda each: replace(each, name=name, array_name=array_name)
    )


def set_type_schema(catalog: Catalog, database_oid: int, oid: int, schema_oid: int) -> Catalog:
    """Move a type to another schema.  Raises DuplicateObject."""
    database = catalog.database(database_oid)
    old = cast(UserType, database.relations[oid])
    if is_name_taken(database, schema_oid, old.name):
        schema = database.schemas[schema_oid].name
        raise errors.DuplicateObject(f'type "{old.name}" already exists in schema "{schema}"')
    array_name = free_array_name(database, schema_oid, old.name) if old.array_name else ""
    return alter_type(
        catalog,
        database_oid,
        oid,
        lambda each: replace(each, schema_oid=schema_oid, array_name=array_name),
    )


def _check_free(database: Database, schema_oid: int, name: str) -> None:
    if is_name_taken(database, schema_oid, name):
        raise errors.DuplicateObject(f'type "{name}" already exists')


# --- labels of enums ------------------------------------------------------------------------------------------


def with_label(enum: EnumType, oid: int, value: int, label: str) -> EnumType:
    """The enum with one more label.  Raises DuplicateObject."""
    if any(each.label == label for each in enum.labels):
        raise errors.DuplicateObject(f'enum label "{label}" already exists')
    before = [each for each in enum.labels if each.value < value]
    after = [each for each in enum.labels if each.value > value]
    order = _order_between(before[-1].order if before else None, after[0].order if after else None)
    labels = (*before, EnumLabel(oid, value, label, 0.0 if order is None else order), *after)
    if order is None:
        labels = tuple(replace(each, order=float(number)) for number, each in enumerate(labels, 1))
    return replace(enum, labels=labels)


def _order_between(before: float | None, after: float | None) -> float | None:
    """What pg_enum shows of a label between two others; None if all have to be numbered anew."""
    if before is None:
        return 1.0 if after is None else after - 1
    if after is None:
        return before + 1
    middle: float = _FLOAT4.unpack(_FLOAT4.pack((before + after) / 2))[0]
    return middle if before < middle < after else None


def with_label_renamed(enum: EnumType, old: str, new: str) -> EnumType:
    """The enum with another name for one label.  Raises InvalidParameterValue, DuplicateObject."""
    if all(each.label != old for each in enum.labels):
        raise errors.InvalidParameterValue(f'"{old}" is not an existing enum label')
    if any(each.label == new for each in enum.labels):
        raise errors.DuplicateObject(f'enum label "{new}" already exists')
    labels = tuple(replace(each, label=new) if each.label == old else each for each in enum.labels)
    return replace(enum, labels=labels)
