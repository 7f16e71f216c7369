"""Taking objects out of the catalog: what `dependencies.plan_drop` found, removed from one snapshot.

Like every change this is replayed at commit, so an object that is gone already is passed over.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from skerry_engine import errors
from skerry_engine.catalog.catalog import Catalog, Database
from skerry_engine.catalog.changes import touch_referenced, with_column
from skerry_engine.catalog.objects import (
    CLASS_CONSTRAINT,
    CLASS_DEFAULT,
    CLASS_NAMESPACE,
    CLASS_RELATION,
    CLASS_TYPE,
    Address,
    Column,
    Constraint,
    IndexDef,
    Table,
    new_version,
)
from skerry_engine.catalog.user_types import CompositeType, check_types_exist


def remove_objects(catalog: Catalog, database_oid: int, objects: Iterable[Address]) -> Catalog:
    """Remove the objects of a `DropPlan`, comments on them included."""
    database = catalog.database(database_oid)
    removed = tuple(objects)
    database = _forget_comments(database, removed)
    relation_oids = {a.oid for a in removed if a.class_oid in (CLASS_RELATION, CLASS_TYPE) and not a.sub_id}
    for address in removed:
        database = _remove_part(database, address, relation_oids)
    database = _remove_relations(database, relation_oids)
    if any(a.class_oid == CLASS_TYPE and not a.sub_id for a in removed):
        _check_left(database)
    schemas = [a.oid for a in removed if a.class_oid == CLASS_NAMESPACE]
    if schemas:
        database = database.with_schemas(removed=schemas)
    return catalog.with_database(database)


def _check_left(database: Database) -> None:
    """Raise DependentObjectsStillExist for a table that somebody has made of a type meanwhile that is dropped here."""
    for table in database.tables():
        try:
            check_types_exist(database, table)
        except errors.UndefinedObject:
            raise errors.DependentObjectsStillExist(
                "cannot drop type because other objects depend on it",
                detail=f"table {table.name} has come meanwhile",
            ) from None


def _remove_part(database: Database, address: Address, going: set[int]) -> Database:
    """Remove a column, constraint or default from a table that itself stays."""
    if address.class_oid == CLASS_CONSTRAINT:
        return _remove_constraint(database, address.oid, going)
    if address.class_oid == CLASS_DEFAULT:
        return _remove_default(database, address.oid, going)
    if address.sub_id and address.oid not in going:
        if address.class_oid == CLASS_TYPE:
            return _remove_attribute(database, address.oid, address.sub_id - 1)
        return _remove_column(database, address.oid, address.sub_id)
    return database


def _remove_constraint(database: Database, oid: int, going: set[int]) -> Database:
    constraint = database.constraints().get(oid)
    if constraint is None:
        return database
    if constraint.table_oid not in going:
        table = database.table(constraint.table_oid)
        kept = tuple(c for c in table.constraints if c.oid != oid)
        database = database.with_relations((replace(table, constraints=kept, version=new_version()),))
    if constraint.kind == "f" and constraint.referenced_table_oid not in going:
        database = touch_referenced(database, (constraint,))
    return database


def _remove_default(database: Database, default_oid: int, going: set[int]) -> Database:
    for table in database.tables():
        for column in table.columns:
            if column.default_oid == default_oid and column.default is not None and table.oid not in going:
                changed = replace(column, default=None, default_oid=0)
                return database.with_relations((replace(with_column(table, changed), version=new_version()),))
    return database


def _remove_column(database: Database, table_oid: int, attnum: int) -> Database:
    table = database.table(table_oid)
    if table.column(attnum).dropped:
        return database
    changed = with_column(table, dropped_column(table.column(attnum)))
    return database.with_relations((replace(changed, version=new_version()),))


def _remove_attribute(database: Database, oid: int, number: int) -> Database:
    composite = database.relations[oid]
    assert isinstance(composite, CompositeType), "other types have no parts"
    gone = replace(
        composite.attributes[number], name=f"........pg.dropped.{number + 1}........", dropped=True
    )
    attributes = (*composite.attributes[:number], gone, *composite.attributes[number + 1 :])
    return database.with_relations((replace(composite, attributes=attributes, version=new_version()),))


def dropped_column(column: Column) -> Column:
    """What stays of a dropped column: its number and its place in stored rows."""
    return replace(
        column,
        name=f"........pg.dropped.{column.attnum}........",
        not_null=False,
        default=None,
        default_oid=0,
        identity="",
        generated="",
        dropped=True,
    )


def _remove_relations(database: Database, oids: set[int]) -> Database:
    changed: dict[int, Table] = {}
    left: list[Constraint] = []
    for oid in oids:
        relation = database.relations.get(oid)
        if isinstance(relation, IndexDef) and relation.table_oid not in oids:
            table = changed.get(relation.table_oid) or database.table(relation.table_oid)
            kept = tuple(index for index in table.indexes if index.oid != oid)
            changed[table.oid] = replace(table, indexes=kept, version=new_version())
        elif isinstance(relation, Table):
            left += relation.foreign_keys
    database = database.with_relations(changed.values(), oids)
    return touch_referenced(database, tuple(fk for fk in left if fk.referenced_table_oid not in oids))


def _forget_comments(database: Database, removed: tuple[Address, ...]) -> Database:
    whole = {(a.class_oid, a.oid) for a in removed if not a.sub_id}
    gone = set(removed)
    kept = {
        address: text
        for address, text in database.comments.items()
        if address not in gone and (address.class_oid, address.oid) not in whole
    }
    return database if len(kept) == len(database.comments) else database.with_comments(kept)
