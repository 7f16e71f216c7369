"""Rows of information_schema about schemas, tables, columns, views and sequences."""

from __future__ import annotations

from collections.abc import Iterator

from skerry_engine.catalog.catalog import Database
from skerry_engine.catalog.naming import columns_read
from skerry_engine.catalog.objects import Column, Relation, SequenceDef, SystemTable, Table, View
from skerry_engine.catalog.privileges import Judge
from skerry_engine.catalog.system.context import SystemContext
from skerry_engine.catalog.system.layout import Row, layout
from skerry_engine.catalog.system.registry import rows_of
from skerry_engine.catalog.system.views import printer_for, schema_name
from skerry_engine.catalog.user_types import DomainType, type_of_oid
from skerry_engine.values import oids
from skerry_engine.values.types import SqlType, TypeInfo, find_type, format_type

SCHEMA = "information_schema"
CATALOG_NAME = layout("information_schema_catalog_name", SCHEMA)
SCHEMATA = layout("schemata", SCHEMA)
TABLES = layout("tables", SCHEMA)
COLUMNS = layout("columns", SCHEMA)
COLUMN_COLUMNS = layout("column_column_usage", SCHEMA)
VIEWS = layout("views", SCHEMA)
SEQUENCES = layout("sequences", SCHEMA)
CHARACTER_SETS = layout("character_sets", SCHEMA)
ENABLED_ROLES = layout("enabled_roles", SCHEMA)
ELEMENT_TYPES = layout("element_types", SCHEMA)
VIEW_TABLES = layout("view_table_usage", SCHEMA)

INTEGER_BITS = {oids.INT2: 16, oids.INT4: 32, oids.INT8: 64}
FLOAT_BITS = {oids.FLOAT4: 24, oids.FLOAT8: 53}
TIMES = frozenset((oids.TIME, oids.TIMETZ, oids.TIMESTAMP, oids.TIMESTAMPTZ))
MAX_OCTETS = 1073741824


def yes_no(value: bool) -> str:
    return "YES" if value else "NO"


def visible_relations(database: Database) -> Iterator[Table | View | SystemTable]:
    """The tables and views that information_schema tells of."""
    for relation in database.listed(Relation):
        if isinstance(relation, (Table, View, SystemTable)) and relation.kind != "m":
            yield relation


@rows_of("information_schema_catalog_name", SCHEMA)
def catalog_name_rows(context: SystemContext) -> list[Row]:
    return [CATALOG_NAME.row(catalog_name=context.database.name)]


@rows_of("schemata", SCHEMA)
def schemata_rows(context: SystemContext) -> list[Row]:
    return [
        SCHEMATA.row(
            catalog_name=context.database.name,
            schema_name=schema.name,
            schema_owner=context.catalog.role_name(schema.owner_oid),
        )
        for schema in context.database.schemas.values()
    ]


# --- tables and views -----------------------------------------------------------------------------


@rows_of("tables", SCHEMA)
def table_rows(context: SystemContext) -> list[Row]:
    return [_table_row(context, relation) for relation in visible_relations(context.database)]


def _table_row(context: SystemContext, relation: Table | View | SystemTable) -> Row:
    kind = "VIEW" if relation.kind == "v" else "LOCAL TEMPORARY" if relation.is_temporary else "BASE TABLE"
    return TABLES.row(
        table_catalog=context.database.name,
        table_schema=schema_name(context.database, relation),
        table_name=relation.name,
        table_type=kind,
        is_insertable_into=yes_no(isinstance(relation, Table)),
        is_typed="NO",
    )


@rows_of("views", SCHEMA)
def view_rows(context: SystemContext) -> list[Row]:
    printer = printer_for(context)
    views = [r for r in visible_relations(context.database) if r.kind == "v"]
    return [
        VIEWS.row(
            table_catalog=context.database.name,
            table_schema=schema_name(context.database, view),
            table_name=view.name,
            view_definition=printer.view(view) if isinstance(view, View) else None,
            check_option="NONE",
            is_updatable="NO",
            is_insertable_into="NO",
            is_trigger_updatable="NO",
            is_trigger_deletable="NO",
            is_trigger_insertable_into="NO",
        )
        for view in views
    ]


@rows_of("view_table_usage", SCHEMA)
def view_table_rows(context: SystemContext) -> list[Row]:
    database = context.database
    return [
        VIEW_TABLES.row(
            view_catalog=database.name,
            view_schema=schema_name(database, view),
            view_name=view.name,
            table_catalog=database.name,
            table_schema=schema_name(database, database.relations[oid]),
            table_name=database.relations[oid].name,
        )
        for view in database.views()
        for oid in dict.fromkeys(reference.oid for reference in view.references)
        if oid in database.relations
    ]


@rows_of("column_column_usage", SCHEMA)
def column_column_rows(context: SystemContext) -> list[Row]:
    """Which columns generated columns are computed from."""
    database = context.database
    return [
        COLUMN_COLUMNS.row(
            table_catalog=database.name,
            table_schema=schema_name(database, table),
            table_name=table.name,
            column_name=table.column(attnum).name,
            dependent_column=column.name,
        )
        for table in database.listed(Table)
        for column in table.live_columns
        if column.generated and column.default is not None
        for attnum in columns_read(table, column.default)
    ]


# --- columns --------------------------------------------------------------------------------------


@rows_of("columns", SCHEMA)
def column_rows(context: SystemContext) -> list[Row]:
    """The many rows of system relations never change while the database keeps its name."""
    database = context.database
    rows = database.cached(
        "columns of system relations", lambda: _column_rows(context, database.system_tables())
    )
    ours = (relation for relation in database.tables_and_views() if relation.kind != "m")
    return rows + _column_rows(context, ours)


def _column_rows(
    context: SystemContext, relations: Iterator[Table | View] | Iterator[SystemTable]
) -> list[Row]:
    return [
        COLUMNS.row(**_column_values(context, relation, column))
        for relation in relations
        for column in relation.live_columns
    ]


def _column_values(
    context: SystemContext, relation: Table | View | SystemTable, column: Column
) -> dict[str, object]:
    values: dict[str, object] = {
        "table_catalog": context.database.name,
        "table_schema": schema_name(context.database, relation),
        "table_name": relation.name,
        "column_name": column.name,
        "ordinal_position": column.attnum,
        "is_nullable": yes_no(not column.not_null),
        "is_self_referencing": "NO",
        "is_identity": yes_no(bool(column.identity)),
        "identity_cycle": "NO",
        "is_generated": "ALWAYS" if column.generated else "NEVER",
        "is_updatable": yes_no(isinstance(relation, Table)),
        "dtd_identifier": str(column.attnum),
    }
    values.update(type_values(context.database, column.type))
    if column.collation_oid and column.collation_oid != 100 and not isinstance(relation, SystemTable):
        values.update(
            collation_catalog=context.database.name, collation_schema="pg_catalog", collation_name="C"
        )
    if isinstance(relation, Table):
        values.update(_default_values(context, relation, column))
        values.update(_identity_values(context, relation, column))
    return values


def _default_values(context: SystemContext, table: Table, column: Column) -> dict[str, object]:
    if column.default is None:
        return {}
    text = printer_for(context).expression(table, column.default)
    return {"generation_expression" if column.generated else "column_default": text}


def _identity_values(context: SystemContext, table: Table, column: Column) -> dict[str, object]:
    sequence = context.database.owned_sequence(table.oid, column.attnum) if column.identity else None
    if sequence is None:
        return {}
    return {
        "identity_generation": "ALWAYS" if column.identity == "a" else "BY DEFAULT",
        "identity_start": str(sequence.start),
        "identity_increment": str(sequence.increment),
        "identity_maximum": str(sequence.maximum),
        "identity_minimum": str(sequence.minimum),
        "identity_cycle": yes_no(sequence.cycle),
    }


def type_values(database: Database, sql_type: SqlType, *, is_base: bool = False) -> dict[str, object]:
    """The columns that describe a type: its name, length, precision, and where it is defined.  A domain is described by
    what it is over (`is_base`: by itself), an array by the name of its type."""
    info = find_type(sql_type.oid)
    if info is None:
        return {"data_type": "USER-DEFINED"}
    named = type_of_oid(database, sql_type.domain) if sql_type.domain else None
    if isinstance(named, DomainType) and (is_base or sql_type.domain & 1):
        return {
            "data_type": "ARRAY" if sql_type.domain & 1 else "USER-DEFINED",
            "udt_catalog": database.name,
            "udt_schema": database.schemas[named.schema_oid].name,
            "udt_name": named.array_name if sql_type.domain & 1 else named.name,
        }
    if isinstance(named, DomainType):
        return {
            **type_values(database, named.base, is_base=True),
            "domain_catalog": database.name,
            "domain_schema": database.schemas[named.schema_oid].name,
            "domain_name": named.name,
        }
    user_type = type_of_oid(database, sql_type.oid)
    if user_type is not None:
        name = user_type.array_name if info.is_array else user_type.name
        schema = database.schemas[user_type.schema_oid].name
    else:
        name, schema = info.name, "pg_catalog"
    values: dict[str, object] = {
        "data_type": "ARRAY"
        if info.is_array
        else "USER-DEFINED"
        if user_type is not None
        else format_type(sql_type.oid, None),
        "udt_catalog": database.name,
        "udt_schema": schema,
        "udt_name": name,
    }
    values.update(_size_values(info, sql_type.typmod))
    return values


def _size_values(info: TypeInfo, typmod: int) -> dict[str, object]:
    if info.oid in INTEGER_BITS:
        return {"numeric_precision": INTEGER_BITS[info.oid], "numeric_precision_radix": 2, "numeric_scale": 0}
    if info.oid in FLOAT_BITS:
        return {"numeric_precision": FLOAT_BITS[info.oid], "numeric_precision_radix": 2}
    if info.oid == oids.NUMERIC:
        return _numeric_values(typmod)
    if info.oid in (oids.VARCHAR, oids.BPCHAR):
        length = typmod - 4 if typmod >= 4 else None
        octets = MAX_OCTETS if length is None else length * 4
        return {"character_maximum_length": length, "character_octet_length": octets}
    if info.oid in oids.BITS:
        return {"character_maximum_length": typmod if typmod > 0 else None}
    if info.oid == oids.TEXT:
        return {"character_octet_length": MAX_OCTETS}
    if info.oid == oids.DATE:
        return {"datetime_precision": 0}
    if info.oid in TIMES or info.oid == oids.INTERVAL:
        return {"datetime_precision": 6 if typmod < 0 else typmod & 0xFFFF}
    return {}


def _numeric_values(typmod: int) -> dict[str, object]:
    if typmod < 4:
        return {"numeric_precision_radix": 10}
    packed = typmod - 4
    return {
        "numeric_precision": packed >> 16,
        "numeric_precision_radix": 10,
        "numeric_scale": ((packed & 0x7FF) ^ 1024) - 1024,
    }


@rows_of("element_types", SCHEMA)
def element_type_rows(context: SystemContext) -> list[Row]:
    rows = []
    for relation in visible_relations(context.database):
        for column in relation.live_columns:
            info = find_type(column.type.oid)
            if info is not None and info.is_array:
                rows.append(_element_row(context.database, relation, column, info.element_oid))
    return rows


def _element_row(database: Database, relation: Relation, column: Column, element_oid: int) -> Row:
    described = type_values(database, SqlType(element_oid))
    return ELEMENT_TYPES.row(
        object_catalog=database.name,
        object_schema=schema_name(database, relation),
        object_name=relation.name,
        object_type="VIEW" if relation.kind == "v" else "TABLE",
        collection_type_identifier=str(column.attnum),
        data_type=described["data_type"],
        udt_catalog=database.name,
        udt_schema=described["udt_schema"],
        udt_name=described["udt_name"],
        dtd_identifier=f"a{column.attnum}",
    )


# --- sequences and the rest -----------------------------------------------------------------------


@rows_of("sequences", SCHEMA)
def sequence_rows(context: SystemContext) -> list[Row]:
    """Sequences of identity columns are the columns' own affair and not shown."""
    shown = (sequence for sequence in context.database.sequences() if not sequence.is_identity)
    return [_sequence_row(context.database, sequence) for sequence in shown]


def _sequence_row(database: Database, sequence: SequenceDef) -> Row:
    return SEQUENCES.row(
        sequence_catalog=database.name,
        sequence_schema=schema_name(database, sequence),
        sequence_name=sequence.name,
        data_type=format_type(sequence.type_oid, None),
        numeric_precision=INTEGER_BITS[sequence.type_oid],
        numeric_precision_radix=2,
        numeric_scale=0,
        start_value=str(sequence.start),
        minimum_value=str(sequence.minimum),
        maximum_value=str(sequence.maximum),
        increment=str(sequence.increment),
        cycle_option=yes_no(sequence.cycle),
    )


@rows_of("character_sets", SCHEMA)
def character_set_rows(context: SystemContext) -> list[Row]:
    return [
        CHARACTER_SETS.row(
            character_set_name="UTF8",
            character_repertoire="UCS",
            form_of_use="UTF8",
            default_collate_catalog=context.database.name,
            default_collate_schema="pg_catalog",
            default_collate_name="C",
        )
    ]


@rows_of("enabled_roles", SCHEMA)
def enabled_role_rows(context: SystemContext) -> list[Row]:
    """A superuser may act as every role, others as those that they have the rights of."""
    catalog = context.catalog
    judge = Judge(catalog, context.database, context.current_user_oid)
    oids = catalog.roles if judge.is_superuser else sorted(judge.roles)
    return [ENABLED_ROLES.row(role_name=catalog.role_name(oid)) for oid in oids]
