"""Models of tables that exist, read from the database's own catalogs.

Generated from aio/reflecting.py by driver/unasync.py: change that one.
"""

from __future__ import annotations

from datetime import date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import UUID

from skerry.flow.workflows.model import Model, ModelColumn
from skerry_engine.errors import WorkflowError

if TYPE_CHECKING:
    from skerry.flow.database import FlowDatabase

_COLUMNS = """
SELECT column_name, data_type, is_nullable, column_default, is_identity, is_generated
FROM information_schema.columns
WHERE table_name = %s AND table_schema = COALESCE(%s, current_schema())
ORDER BY ordinal_position"""

_KEY = """
SELECT k.column_name
FROM information_schema.table_constraints c JOIN information_schema.key_column_usage k
  ON k.constraint_name = c.constraint_name AND k.table_schema = c.table_schema AND k.table_name = c.table_name
WHERE c.constraint_type = 'PRIMARY KEY' AND c.table_name = %s AND c.table_schema = COALESCE(%s, current_schema())
ORDER BY k.ordinal_position"""

_SQLITE_COLUMNS = """
SELECT name, type, "notnull", dflt_value, pk, hidden FROM pragma_table_xinfo(%s) ORDER BY cid"""

_TYPES: dict[str, type] = {
    "smallint": int,
    "integer": int,
    "int": int,
    "bigint": int,
    "text": str,
    "character varying": str,
    "varchar": str,
    "char": str,
    "character": str,
    "boolean": bool,
    "bool": bool,
    "real": float,
    "float": float,
    "double precision": float,
    "double": float,
    "numeric": Decimal,
    "decimal": Decimal,
    "date": date,
    "time": time,
    "time without time zone": time,
    "timestamp": datetime,
    "datetime": datetime,
    "timestamp without time zone": datetime,
    "timestamp with time zone": datetime,
    "uuid": UUID,
    "bytea": bytes,
    "blob": bytes,
    "json": dict,
    "jsonb": dict,
}


def reflect(
    database: FlowDatabase, table: str, *, name: str | None = None, schema: str | None = None
) -> Model:
    """The model of a table; it is called `name`, or as the table (`order_items` is OrderItems).

    Raises WorkflowError where there is no such table.
    """
    if database.dialect == "sqlite":
        columns, key = _of_sqlite(database, table, schema)
    else:
        columns, key = _of_catalog(database, table, schema)
    if not columns:
        raise WorkflowError(f"there is no table {table!r}")
    called = name or "".join(part[:1].upper() + part[1:] for part in table.split("_"))
    return Model(called, table, columns, key, schema)


def _of_catalog(
    database: FlowDatabase, table: str, schema: str | None
) -> tuple[tuple[ModelColumn, ...], tuple[str, ...]]:
    rows = (database.execute(_COLUMNS, [table, schema])).fetchall()
    key = tuple(str(row[0]) for row in (database.execute(_KEY, [table, schema])).fetchall())
    columns = tuple(
        ModelColumn(
            str(column),
            _TYPES.get(str(kind).lower()),
            is_nullable == "YES",
            default is not None or is_identity == "YES" or is_generated == "ALWAYS",
        )
        for column, kind, is_nullable, default, is_identity, is_generated in rows
    )
    return columns, key


def _of_sqlite(
    database: FlowDatabase, table: str, schema: str | None
) -> tuple[tuple[ModelColumn, ...], tuple[str, ...]]:
    if schema is not None:
        raise WorkflowError("SQLite's tables are in no schema")
    rows = (database.execute(_SQLITE_COLUMNS, [table])).fetchall()
    keyed = sorted((int(str(row[4])), str(row[0])) for row in rows if row[4])
    key = tuple(column for _, column in keyed)
    columns = tuple(
        ModelColumn(
            str(column),
            _TYPES.get(str(kind).lower().partition("(")[0].strip()),
            not not_null and not place,
            default is not None or bool(hidden) or (key == (column,) and str(kind).lower() == "integer"),
        )
        for column, kind, not_null, default, place, hidden in rows
    )
    return columns, key
