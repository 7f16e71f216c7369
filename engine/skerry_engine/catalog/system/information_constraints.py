"""Rows of information_schema about constraints.

NOT NULL counts as a check constraint there, under a made-up name: schema, table and column numbers.
"""

from __future__ import annotations

from collections.abc import Iterator

from skerry_engine.catalog.catalog import Database
from skerry_engine.catalog.naming import columns_read
from skerry_engine.catalog.objects import Column, Constraint, Table
from skerry_engine.catalog.quoting import quote_identifier
from skerry_engine.catalog.system.context import SystemContext
from skerry_engine.catalog.system.information_tables import SCHEMA, yes_no
from skerry_engine.catalog.system.layout import Row, layout
from skerry_engine.catalog.system.registry import database_rows_of, rows_of
from skerry_engine.catalog.system.views import printer_for, schema_name

TABLE_CONSTRAINTS = layout("table_constraints", SCHEMA)
KEY_COLUMNS = layout("key_column_usage", SCHEMA)
CONSTRAINT_COLUMNS = layout("constraint_column_usage", SCHEMA)
CONSTRAINT_TABLES = layout("constraint_table_usage", SCHEMA)
REFERENTIAL = layout("referential_constraints", SCHEMA)
CHECKS = layout("check_constraints", SCHEMA)

KINDS = {"c": "CHECK", "p": "PRIMARY KEY", "u": "UNIQUE", "f": "FOREIGN KEY"}
RULES = {"a": "NO ACTION", "r": "RESTRICT", "c": "CASCADE", "n": "SET NULL", "d": "SET DEFAULT"}


def _constraints(database: Database) -> Iterator[tuple[Table, Constraint]]:
    for table in database.listed(Table):
        for constraint in table.constraints:
            yield table, constraint


def _not_null_columns(database: Database) -> Iterator[tuple[Table, Column, str]]:
    for table in database.listed(Table):
        for column in table.live_columns:
            if column.not_null:
                yield table, column, f"{table.schema_oid}_{table.oid}_{column.attnum}_not_null"


def _identity(database: Database, table: Table, name: str) -> dict[str, object]:
    schema = schema_name(database, table)
    return {
        "constraint_catalog": database.name,
        "constraint_schema": schema,
        "constraint_name": name,
    }


def _table_identity(database: Database, table: Table) -> dict[str, object]:
    return {
        "table_catalog": database.name,
        "table_schema": schema_name(database, table),
        "table_name": table.name,
    }


@database_rows_of("table_constraints", SCHEMA)
def table_constraint_rows(database: Database) -> list[Row]:
    rows = [
        TABLE_CONSTRAINTS.row(
            **_identity(database, table, c.name),
            **_table_identity(database, table),
            constraint_type=KINDS[c.kind],
            is_deferrable=yes_no(c.deferrable),
            initially_deferred=yes_no(c.initially_deferred),
            enforced="YES",
            nulls_distinct=_nulls_distinct(table, c),
        )
        for table, c in _constraints(database)
    ]
    rows += [
        TABLE_CONSTRAINTS.row(
            **_identity(database, table, name),
            **_table_identity(database, table),
            constraint_type="CHECK",
            is_deferrable="NO",
            initially_deferred="NO",
            enforced="YES",
        )
        for table, _, name in _not_null_columns(database)
    ]
    return rows


def _nulls_distinct(table: Table, constraint: Constraint) -> str | None:
    index = table.index(constraint.index_oid)
    if constraint.kind != "u" or index is None:
        return None
    return yes_no(not index.nulls_not_distinct)


@database_rows_of("key_column_usage", SCHEMA)
def key_column_rows(database: Database) -> list[Row]:
    return [
        KEY_COLUMNS.row(
            **_identity(database, table, c.name),
            **_table_identity(database, table),
            column_name=table.column(attnum).name,
            ordinal_position=number,
            position_in_unique_constraint=_position_in_key(database, c, number),
        )
        for table, c in _constraints(database)
        if c.kind in "puf"
        for number, attnum in enumerate(c.columns, 1)
    ]


def _position_in_key(database: Database, constraint: Constraint, number: int) -> int | None:
    """Where in the referenced key the column stands that the foreign key's column `number` refers to."""
    if constraint.kind != "f":
        return None
    index = database.table(constraint.referenced_table_oid).index(constraint.index_oid)
    attnums = [key.attnum for key in index.keys] if index is not None else []
    wanted = constraint.referenced_columns[number - 1]
    return attnums.index(wanted) + 1 if wanted in attnums else None


@database_rows_of("constraint_column_usage", SCHEMA)
def constraint_column_rows(database: Database) -> list[Row]:
    """A foreign key uses the columns it references; a check those it reads; NOT NULL none."""
    return [
        CONSTRAINT_COLUMNS.row(
            **_table_identity(database, used),
            column_name=used.column(attnum).name,
            **_identity(database, table, c.name),
        )
        for table, c in _constraints(database)
        for used, attnum in _used_columns(database, table, c)
    ]


def _used_columns(database: Database, table: Table, constraint: Constraint) -> Iterator[tuple[Table, int]]:
    if constraint.kind == "f":
        parent = database.table(constraint.referenced_table_oid)
        yield from ((parent, attnum) for attnum in constraint.referenced_columns)
    elif constraint.check is not None:
        yield from ((table, attnum) for attnum in columns_read(table, constraint.check))
    else:
        yield from ((table, attnum) for attnum in constraint.columns)


@database_rows_of("constraint_table_usage", SCHEMA)
def constraint_table_rows(database: Database) -> list[Row]:
    """Keys use their own table, foreign keys the one they reference; checks are left out, as the standard has
    it.
    """
    return [
        CONSTRAINT_TABLES.row(
            **_table_identity(database, database.table(c.referenced_table_oid) if c.kind == "f" else table),
            **_identity(database, table, c.name),
        )
        for table, c in _constraints(database)
        if c.kind in "puf"
    ]


@database_rows_of("referential_constraints", SCHEMA)
def referential_rows(database: Database) -> list[Row]:
    return [_referential_row(database, table, c) for table, c in _constraints(database) if c.kind == "f"]


def _referential_row(database: Database, table: Table, constraint: Constraint) -> Row:
    parent = database.table(constraint.referenced_table_oid)
    key = next(
        (c for c in parent.constraints if c.index_oid == constraint.index_oid and c.kind in "pu"), None
    )
    return REFERENTIAL.row(
        **_identity(database, table, constraint.name),
        unique_constraint_catalog=None if key is None else database.name,
        unique_constraint_schema=None if key is None else schema_name(database, parent),
        unique_constraint_name=None if key is None else key.name,
        match_option="FULL" if constraint.match == "f" else "NONE",
        update_rule=RULES[constraint.on_update],
        delete_rule=RULES[constraint.on_delete],
    )


@rows_of("check_constraints", SCHEMA)
def check_rows(context: SystemContext) -> list[Row]:
    database, printer = context.database, printer_for(context)
    rows = [
        CHECKS.row(
            **_identity(database, table, c.name),
            check_clause=printer.constraint(c).removeprefix("CHECK "),
        )
        for table, c in _constraints(database)
        if c.check is not None
    ]
    rows += [
        CHECKS.row(
            **_identity(database, table, name), check_clause=f"{quote_identifier(column.name)} IS NOT NULL"
        )
        for table, column, name in _not_null_columns(database)
    ]
    return rows
