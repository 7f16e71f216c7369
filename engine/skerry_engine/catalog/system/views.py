"""Rows of pg_catalog's views over tables, indexes, sequences and views."""

from __future__ import annotations

from collections.abc import Iterator

from skerry_engine.catalog.catalog import Database
from skerry_engine.catalog.definitions import DefinitionPrinter
from skerry_engine.catalog.graphs import table_shown
from skerry_engine.catalog.objects import (
    IndexDef,
    MaterializedView,
    Relation,
    SequenceDef,
    SystemTable,
    Table,
)
from skerry_engine.catalog.system.context import SystemContext
from skerry_engine.catalog.system.layout import Layout, Row, layout
from skerry_engine.catalog.system.registry import rows_of

TABLES = layout("pg_tables")
VIEWS = layout("pg_views")
MATERIALIZED_VIEWS = layout("pg_matviews")
INDEXES = layout("pg_indexes")
SEQUENCES = layout("pg_sequences")


def printer_for(context: SystemContext) -> DefinitionPrinter:
    """Prints definitions as the session sees names."""
    return DefinitionPrinter(context.database, context.search_path)


def schema_name(database: Database, relation: Relation) -> str:
    return database.schemas[relation.schema_oid].name


@rows_of("pg_tables")
def table_rows(context: SystemContext) -> list[Row]:
    database, catalog = context.database, context.catalog
    system = (table for table in database.system_tables() if table.kind == "r")
    return [
        TABLES.row(
            schemaname=schema_name(database, table),
            tablename=table.name,
            tableowner=catalog.role_name(table.owner_oid),
            hasindexes=isinstance(table, Table) and bool(table.indexes),
            hasrules=False,
            hastriggers=isinstance(table, Table) and _has_triggers(database, table),
            rowsecurity=False,
        )
        for table in (*database.listed(Table), *system)
        if table.kind == "r"
    ]


def _has_triggers(database: Database, table: Table) -> bool:
    return bool(table.foreign_keys or database.referencing(table.oid))


@rows_of("pg_views")
def view_rows(context: SystemContext) -> list[Row]:
    database, catalog = context.database, context.catalog
    printer = printer_for(context)
    rows = [
        VIEWS.row(
            schemaname=schema_name(database, view),
            viewname=view.name,
            viewowner=catalog.role_name(view.owner_oid),
            definition=printer.view(view),
        )
        for view in database.views()
    ]
    rows += [_system_view_row(context, view) for view in database.system_tables() if view.kind == "v"]
    return rows


def _system_view_row(context: SystemContext, view: SystemTable) -> Row:
    """A system view has no query: its rows are computed."""
    return VIEWS.row(
        schemaname=schema_name(context.database, view),
        viewname=view.name,
        viewowner=context.catalog.role_name(view.owner_oid),
        definition=None,
    )


@rows_of("pg_matviews")
def materialized_view_rows(context: SystemContext) -> list[Row]:
    printer = printer_for(context)
    return [
        MATERIALIZED_VIEWS.row(
            schemaname=schema_name(context.database, view),
            matviewname=view.name,
            matviewowner=context.catalog.role_name(view.owner_oid),
            hasindexes=bool(view.indexes),
            ispopulated=view.populated,
            definition=printer.view(view),
        )
        for view in context.database.of_type(MaterializedView)
    ]


@rows_of("pg_indexes")
def index_rows(context: SystemContext) -> list[Row]:
    database = context.database
    printer = printer_for(context)
    return [
        INDEXES.row(
            schemaname=schema_name(database, database.table(index.table_oid)),
            tablename=table_shown(database, index).name,
            indexname=index.name,
            indexdef=printer.index(index),
        )
        for index in database.listed(IndexDef)
    ]


@rows_of("pg_sequences")
def sequence_rows(context: SystemContext) -> list[Row]:
    return [_sequence_row(context, sequence) for sequence in context.database.sequences()]


def _sequence_row(context: SystemContext, sequence: SequenceDef) -> Row:
    last_value, is_called = context.sequence_state(sequence.oid)
    return SEQUENCES.row(
        schemaname=schema_name(context.database, sequence),
        sequencename=sequence.name,
        sequenceowner=context.catalog.role_name(sequence.owner_oid),
        data_type=sequence.type_oid,
        start_value=sequence.start,
        min_value=sequence.minimum,
        max_value=sequence.maximum,
        increment_by=sequence.increment,
        cycle=sequence.cycle,
        cache_size=sequence.cache,
        last_value=last_value if is_called else None,
    )


# --- statistics: what is counted is exact, what is not counted is NULL ----------------------------


def _tables_of(context: SystemContext, scope: str) -> Iterator[Table]:
    return context.database.listed(Table) if scope != "sys" else iter(())


def _declare_table_statistics(name: str, scope: str) -> None:
    statistics: Layout = layout(name)

    @rows_of(name)
    def rows(context: SystemContext) -> list[Row]:
        return [
            statistics.row(
                relid=table.oid,
                schemaname=schema_name(context.database, table),
                relname=table.name,
                **_live_rows(statistics, context, table),
            )
            for table in _tables_of(context, scope)
        ]


def _live_rows(statistics: Layout, context: SystemContext, table: Table) -> dict[str, object]:
    if "n_live_tup" not in statistics.positions:
        return {}
    return {"n_live_tup": context.row_count(table.oid)}


def _declare_index_statistics(name: str, scope: str) -> None:
    statistics: Layout = layout(name)

    @rows_of(name)
    def rows(context: SystemContext) -> list[Row]:
        return [
            statistics.row(
                relid=table.oid,
                indexrelid=index.oid,
                schemaname=schema_name(context.database, table),
                relname=table.name,
                indexrelname=index.name,
            )
            for table in _tables_of(context, scope)
            for index in table.indexes
        ]


for _scope in ("all", "sys", "user"):
    for _name in ("pg_stat_{}_tables", "pg_stat_xact_{}_tables", "pg_statio_{}_tables"):
        _declare_table_statistics(_name.format(_scope), _scope)
    for _name in ("pg_stat_{}_indexes", "pg_statio_{}_indexes"):
        _declare_index_statistics(_name.format(_scope), _scope)
