"""Rows of the catalogs about relations: pg_namespace, pg_class, pg_attribute, pg_attrdef, pg_index,
pg_sequence.
"""

from __future__ import annotations

from collections.abc import Iterator

from skerry_engine.catalog.catalog import Database
from skerry_engine.catalog.graphs import PropertyIndex, table_shown
from skerry_engine.catalog.naming import index_column_names
from skerry_engine.catalog.objects import (
    BOOTSTRAP_ROLE,
    CLASS_NAMESPACE,
    DEFAULT_COLLATION,
    PG_TOAST,
    SYSTEM_SCHEMAS,
    Column,
    IndexDef,
    IndexKey,
    MaterializedView,
    Relation,
    SequenceDef,
    SystemTable,
    Table,
    View,
)
from skerry_engine.catalog.opclasses import class_of_key
from skerry_engine.catalog.privileges import (
    bootstrap_schema_rights,
    rights_texts,
    written_rights_of_schema,
)
from skerry_engine.catalog.system.context import SystemContext
from skerry_engine.catalog.system.layout import Row, layout
from skerry_engine.catalog.system.node_text import default_text, index_expressions_text, predicate_text
from skerry_engine.catalog.system.registry import database_rows_of, rows_of
from skerry_engine.catalog.user_types import CompositeType
from skerry_engine.values import oids
from skerry_engine.values.types import SqlType, find_type

NAMESPACE = layout("pg_namespace")
CLASS = layout("pg_class")
ATTRIBUTE = layout("pg_attribute")
DEFAULT = layout("pg_attrdef")
INITIAL_RIGHTS = layout("pg_init_privs")
INDEX = layout("pg_index")
SEQUENCE = layout("pg_sequence")

HEAP = 2
METHOD_OIDS = {"btree": 403, "hash": 405}
SHARED_RELATIONS = frozenset(
    (1213, 1214, 1260, 1261, 1262, 2396, 2964, 3592, 6000, 6100, 6243)
)  # one for the whole cluster
ROWS_PER_PAGE = 64

SYSTEM_COLUMNS = (("ctid", -1, oids.TID), ("tableoid", -6, oids.OID))
SEQUENCE_COLUMNS = (("last_value", oids.INT8), ("log_cnt", oids.INT8), ("is_called", oids.BOOL))


# --- pg_namespace -------------------------------------------------------------------------------------------


@rows_of("pg_namespace")
def namespace_rows(context: SystemContext) -> list[Row]:
    return [
        NAMESPACE.row(
            oid=s.oid,
            nspname=s.name,
            nspowner=s.owner_oid,
            nspacl=rights_texts(context.catalog, written_rights_of_schema(s)),
        )
        for s in context.database.schemas.values()
    ]


@rows_of("pg_init_privs")
def initial_rights_rows(context: SystemContext) -> list[Row]:
    """What the system's schemas began with: pg_dump says nothing of rights that are still those."""
    return [
        INITIAL_RIGHTS.row(
            objoid=oid,
            classoid=CLASS_NAMESPACE,
            objsubid=0,
            privtype="i",
            initprivs=rights_texts(context.catalog, bootstrap_schema_rights(BOOTSTRAP_ROLE)),
        )
        for oid in SYSTEM_SCHEMAS
        if oid != PG_TOAST
    ]


# --- pg_class -------------------------------------------------------------------------------------


@rows_of("pg_class")
def class_rows(context: SystemContext) -> list[Row]:
    """Row counts are live, so only what the catalog knows is kept from one scan to the next."""
    database = context.database
    rows = database.cached("rows of pg_class", lambda: _class_rows(database))
    rights = _rights_by_oid(context)
    acl = CLASS.positions["relacl"]
    tuples = CLASS.positions["reltuples"]
    pages = CLASS.positions["relpages"]
    counted = []
    for row in rows:
        if row[0] in rights:
            row = (*row[:acl], rights[row[0]], *row[acl + 1 :])
        if row[CLASS.positions["relkind"]] not in ("r", "m") or row[0] < 16384:
            counted.append(row)
            continue
        items = list(row)
        count = context.row_count(row[0])
        items[tuples] = float(count)
        items[pages] = max(0, -(-count // ROWS_PER_PAGE))
        counted.append(tuple(items))
    return counted


def _rights_by_oid(context: SystemContext) -> dict[object, tuple[str, ...] | None]:
    """The relations on which something was granted or revoked, with their rights."""
    database = context.database

    def compute() -> list[Relation]:
        return [each for each in database.relations.values() if each.rights is not None]

    touched = database.cached("relations with rights", compute)
    return {each.oid: rights_texts(context.catalog, each.rights) for each in touched}


def _class_rows(database: Database) -> list[Row]:
    rows = [_class_row(database, relation) for relation in database.listed(Relation)]
    return rows + [_composite_row(composite) for composite in database.of_type(CompositeType)]


def _composite_row(composite: CompositeType) -> Row:
    return CLASS.row(
        oid=composite.relation_oid,
        relname=composite.name,
        relnamespace=composite.schema_oid,
        reltype=composite.oid,
        relowner=composite.owner_oid,
        relpersistence=composite.persistence,
        relkind="c",
        relnatts=len(composite.attributes),
        relispopulated=True,
        relreplident="n",
    )


def _class_row(database: Database, relation: Relation) -> Row:
    values: dict[str, object] = {
        "oid": relation.oid,
        "relname": relation.name,
        "relnamespace": relation.schema_oid,
        "relowner": relation.owner_oid,
        "relpersistence": relation.persistence,
        "relkind": relation.kind,
        "relispopulated": True,
        "relreplident": "n",
        "reltuples": -1.0,
    }
    if isinstance(relation, Table):
        values.update(_table_values(database, relation))
    elif isinstance(relation, IndexDef):
        values.update(_index_values(relation))
    elif isinstance(relation, View):
        values.update(
            reltype=relation.row_type_oid,
            relnatts=len(relation.columns),
            relhasrules=True,
            reloptions=relation.options or None,
        )
    elif isinstance(relation, SequenceDef):
        values.update(relfilenode=relation.oid, relpages=1, reltuples=1.0, relnatts=3)
    elif isinstance(relation, SystemTable):
        values.update(_system_values(relation))
    return CLASS.row(**values)


def _table_values(database: Database, table: Table) -> dict[str, object]:
    is_view = isinstance(table, MaterializedView)
    return {
        "reltype": table.row_type_oid,
        "relam": HEAP,
        "relfilenode": table.storage_id,
        "relhasindex": bool(table.indexes),
        "relnatts": len(table.columns),
        "relchecks": len(table.checks),
        "relhastriggers": bool(table.foreign_keys or database.referencing(table.oid)),
        "relhasrules": is_view,
        "relispopulated": not isinstance(table, MaterializedView) or table.populated,
        "relreplident": "d",
        "relfrozenxid": 1,
        "relminmxid": 1,
        "reloptions": table.options or None,
    }


def _index_values(index: IndexDef) -> dict[str, object]:
    return {
        "relam": METHOD_OIDS[index.method],
        "relfilenode": index.oid,
        "relpages": 1,
        "reltuples": 0.0,
        "relnatts": len(index.keys) + len(index.included),
        "reloptions": index.options or None,
    }


def _system_values(relation: SystemTable) -> dict[str, object]:
    is_view = relation.kind == "v"
    return {
        "reltype": relation.row_type_oid,
        "relam": 0 if is_view else HEAP,
        "relfilenode": 0 if is_view else relation.oid,
        "relisshared": relation.oid in SHARED_RELATIONS,
        "relnatts": len(relation.columns),
        "relhasrules": is_view,
    }


# --- pg_attribute ---------------------------------------------------------------------------------

_system_attributes: list[Row] = []


@rows_of("pg_attribute")
def attribute_rows(context: SystemContext) -> list[Row]:
    database = context.database
    rows = database.cached("rows of pg_attribute", lambda: _attribute_rows(database))
    rights = {
        (relation.oid, each.attnum): rights_texts(context.catalog, each.rights)
        for relation in database.relations.values()
        for each in relation.column_rights
    }
    if not rights:
        return rows
    relid, number, acl = (ATTRIBUTE.positions[name] for name in ("attrelid", "attnum", "attacl"))
    return [
        (*row[:acl], rights[(row[relid], row[number])], *row[acl + 1 :])
        if (row[relid], row[number]) in rights
        else row
        for row in rows
    ]


def _attribute_rows(database: Database) -> list[Row]:
    if not _system_attributes:
        for table in database.system_tables():
            _system_attributes.extend(_column_rows(database, table))
    rows = list(_system_attributes)
    for relation in database.listed(Relation):
        if not isinstance(relation, SystemTable):
            rows.extend(_column_rows(database, relation))
    for composite in database.of_type(CompositeType):
        for number, each in enumerate(composite.attributes, 1):
            column = Column(each.name, number, number - 1, each.type, dropped=each.dropped)
            rows.append(_attribute_row(composite.relation_oid, column))
    return rows


def _column_rows(database: Database, relation: Relation) -> Iterator[Row]:
    if isinstance(relation, (Table, View, SystemTable)):
        for column in relation.columns:
            yield _attribute_row(relation.oid, column)
        if relation.kind in ("r", "m"):
            for name, attnum, type_oid in SYSTEM_COLUMNS:
                column = Column(name, attnum, 0, SqlType(type_oid), not_null=True, statistics_target=0)
                yield _attribute_row(relation.oid, column)
    elif isinstance(relation, SequenceDef):
        for number, (name, type_oid) in enumerate(SEQUENCE_COLUMNS, 1):
            column = Column(name, number, number - 1, SqlType(type_oid), not_null=True)
            yield _attribute_row(relation.oid, column)
    elif isinstance(relation, IndexDef):
        for column in index_columns(database, relation):
            yield _attribute_row(relation.oid, column)


def _attribute_row(relation_oid: int, column: Column) -> Row:
    type_oid = 0 if column.dropped else column.type.named_oid
    info = find_type(column.type.oid)
    return ATTRIBUTE.row(
        attrelid=relation_oid,
        attname=column.name,
        atttypid=type_oid,
        attstattarget=column.statistics_target,
        attlen=-1 if info is None else info.length,
        attnum=column.attnum,
        attndims=column.dimensions,
        attcacheoff=-1,
        atttypmod=-1 if column.type.domain else column.type.typmod,
        attbyval=False if info is None else info.by_value,
        attalign="i" if info is None else info.alignment,
        attstorage="x" if info is None else info.storage,
        attnotnull=column.not_null,
        atthasdef=column.default is not None,
        atthasmissing=column.has_missing and column.missing_value is not None,
        attidentity=column.identity,
        attgenerated=column.generated,
        attisdropped=column.dropped,
        attislocal=column.is_local,
        attcollation=0 if column.dropped else collation_of(column),
    )


def collation_of(column: Column) -> int:
    """The OID of a column's collation: its own, else the type's default one, 0 where the type has none."""
    if column.collation_oid:
        return column.collation_oid
    return type_collation(column.type.oid)


def type_collation(type_oid: int) -> int:
    info = find_type(type_oid)
    return 0 if info is None else info.collation_oid


def index_columns(database: Database, index: IndexDef) -> list[Column]:
    """The columns of an index as pg_attribute shows them: keys, then INCLUDE columns."""
    table = database.table(index.table_oid)
    if isinstance(index, PropertyIndex):
        return [
            Column(name, number, number - 1, key.type)
            for number, (name, key) in enumerate(zip(index.properties, index.keys, strict=True), 1)
        ]
    references = [key.attnum if key.expression is None else key.expression.expr for key in index.keys]
    names = index_column_names(table, [*references, *index.included])
    types = [_key_type(index, key) for key in index.keys] + [table.column(a).type for a in index.included]
    collations = [key.collation_oid for key in index.keys] + [0] * len(index.included)
    return [
        Column(name, number, number - 1, sql_type, collation_oid=collation)
        for number, (name, sql_type, collation) in enumerate(zip(names, types, collations, strict=True), 1)
    ]


def _key_type(index: IndexDef, key: IndexKey) -> SqlType:
    """What an index holds of a key: a hash, or another type than the key's own if its operator class says so."""
    if index.method == "hash":
        return SqlType(oids.INT4)
    found = class_of_key(key.type.oid, key.opclass, index.method)
    return key.type if found is None or not found.key_type else SqlType(found.key_type)


# --- pg_attrdef, pg_sequence ----------------------------------------------------------------------


@database_rows_of("pg_attrdef")
def default_rows(database: Database) -> list[Row]:
    return [
        DEFAULT.row(
            oid=column.default_oid,
            adrelid=table.oid,
            adnum=column.attnum,
            adbin=default_text(column.default_oid),
        )
        for table in database.listed(Table)
        for column in table.columns
        if column.default is not None
    ]


@database_rows_of("pg_sequence")
def sequence_rows(database: Database) -> list[Row]:
    return [
        SEQUENCE.row(
            seqrelid=s.oid,
            seqtypid=s.type_oid,
            seqstart=s.start,
            seqincrement=s.increment,
            seqmax=s.maximum,
            seqmin=s.minimum,
            seqcache=s.cache,
            seqcycle=s.cycle,
        )
        for s in database.sequences()
    ]


# --- pg_index -------------------------------------------------------------------------------------


@database_rows_of("pg_index")
def index_rows(database: Database) -> list[Row]:
    return [_index_row(database, index) for index in database.listed(IndexDef)]


def _index_row(database: Database, index: IndexDef) -> Row:
    has_expressions = any(key.expression is not None for key in index.keys)
    return INDEX.row(
        indexrelid=index.oid,
        indrelid=table_shown(database, index).oid,
        indnatts=len(index.keys) + len(index.included),
        indnkeyatts=len(index.keys),
        indisunique=index.unique,
        indnullsnotdistinct=index.nulls_not_distinct,
        indisprimary=index.primary,
        indimmediate=not index.deferrable,
        indisvalid=index.valid,
        indisready=index.valid,
        indislive=True,
        indkey=(*(key.attnum for key in index.keys), *index.included),
        indcollation=tuple(_key_collation(database, index, key) for key in index.keys),
        indclass=tuple(_class_oid(index, key) for key in index.keys),
        indoption=tuple(_key_option(key) for key in index.keys),
        indexprs=index_expressions_text(index.oid) if has_expressions else None,
        indpred=predicate_text(index.oid) if index.predicate is not None else None,
    )


def _key_collation(database: Database, index: IndexDef, key: IndexKey) -> int:
    if key.collation_oid:
        return key.collation_oid
    if key.attnum:
        return collation_of(database.table(index.table_oid).column(key.attnum))
    return DEFAULT_COLLATION if type_collation(key.type.oid) else 0


def _class_oid(index: IndexDef, key: IndexKey) -> int:
    found = class_of_key(key.type.oid, key.opclass, index.method)
    return found.oid if found is not None else 0


def _key_option(key: IndexKey) -> int:
    return (1 if key.descending else 0) | (2 if key.nulls_first else 0)
