"""The names that the system gives to constraints, indexes and sequences, as PostgreSQL chooses them.

A name is made of the table's, the columns' and a label (`t_a_b_key`), cut to 63 bytes by shortening the
longer of the first two, and numbered after the label (`t_pkey1`) when it is taken.  What counts as taken: any
relation of the schema, for constraints any constraint of the schema, and the names in `taken` that the same
statement gives out.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from skerry_engine.algebra.expressions import Call, Cast, Coalesce, Column, Expr, Extreme, walk
from skerry_engine.catalog.catalog import Database
from skerry_engine.catalog.objects import StoredExpression, Table

MAX_NAME_BYTES = 63


def truncate_name(name: str) -> str:
    """A name cut to the 63 bytes that identifiers may have, at a character's end."""
    return clip(name, MAX_NAME_BYTES)


def clip(name: str, limit_bytes: int) -> str:
    return name.encode()[:limit_bytes].decode(errors="ignore")


def object_name(first: str, second: str, label: str) -> str:
    """`first_second_label` (without the empty parts) within 63 bytes."""
    available = MAX_NAME_BYTES - len(label.encode()) - 1 - (1 if second else 0)
    first_bytes, second_bytes = len(first.encode()), len(second.encode())
    while first_bytes + second_bytes > available:
        if first_bytes > second_bytes:
            first_bytes -= 1
        else:
            second_bytes -= 1
    parts = (clip(first, first_bytes), clip(second, second_bytes), label)
    return "_".join(part for part in parts if part)


def choose_relation_name(
    database: Database,
    schema_oid: int,
    first: str,
    second: str,
    label: str,
    *,
    is_constraint: bool = False,
    taken: Collection[str] = (),
) -> str:
    """A free name for an index or sequence; with `is_constraint` also free among the schema's constraints."""
    constraints = constraint_names(database, schema_oid) if is_constraint else frozenset[str]()
    for attempt in range(1_000_000):
        name = object_name(first, second, f"{label}{attempt or ''}")
        if name in taken or name in constraints or (schema_oid, name) in database.relation_oids:
            continue
        return name
    raise AssertionError("no free name")


def choose_constraint_name(
    database: Database, schema_oid: int, first: str, second: str, label: str, *, taken: Collection[str] = ()
) -> str:
    """A free name for a constraint without an index (check, foreign key)."""
    constraints = constraint_names(database, schema_oid)
    for attempt in range(1_000_000):
        name = object_name(first, second, f"{label}{attempt or ''}")
        if name not in taken and name not in constraints:
            return name
    raise AssertionError("no free name")


def constraint_names(database: Database, schema_oid: int) -> frozenset[str]:
    """The names of all constraints on tables of a schema."""

    def compute() -> frozenset[str]:
        tables = (table for table in database.tables() if table.schema_oid == schema_oid)
        return frozenset(constraint.name for table in tables for constraint in table.constraints)

    return database.cached(f"constraint names {schema_oid}", compute)


def primary_key_name(database: Database, schema_oid: int, table: str, taken: Collection[str] = ()) -> str:
    return choose_relation_name(database, schema_oid, table, "", "pkey", is_constraint=True, taken=taken)


def unique_name(
    database: Database, schema_oid: int, table: str, columns: Sequence[str], taken: Collection[str] = ()
) -> str:
    """The default name of a UNIQUE constraint (and its index) over `columns`."""
    second = joined_columns(columns)
    return choose_relation_name(database, schema_oid, table, second, "key", is_constraint=True, taken=taken)


def index_name(
    database: Database, schema_oid: int, table: str, columns: Sequence[str], taken: Collection[str] = ()
) -> str:
    """The default name of CREATE INDEX; `columns` are the index's column names (`index_column_names`)."""
    return choose_relation_name(database, schema_oid, table, joined_columns(columns), "idx", taken=taken)


def foreign_key_name(
    database: Database, schema_oid: int, table: str, columns: Sequence[str], taken: Collection[str] = ()
) -> str:
    second = joined_columns(columns)
    return choose_constraint_name(database, schema_oid, table, second, "fkey", taken=taken)


def check_name(
    database: Database, schema_oid: int, table: str, columns: Sequence[str], taken: Collection[str] = ()
) -> str:
    """The default name of a CHECK; `columns` are those it reads: exactly one becomes part of the name."""
    second = columns[0] if len(columns) == 1 else ""
    return choose_constraint_name(database, schema_oid, table, second, "check", taken=taken)


def sequence_name(
    database: Database, schema_oid: int, table: str, column: str, taken: Collection[str] = ()
) -> str:
    return choose_relation_name(database, schema_oid, table, column, "seq", taken=taken)


def joined_columns(columns: Sequence[str]) -> str:
    """Column names joined by underscores, no longer than a name can be."""
    joined = ""
    for column in columns:
        joined = f"{joined}_{column}" if joined else column
        if len(joined.encode()) > MAX_NAME_BYTES:
            break
    return clip(joined, MAX_NAME_BYTES)


def index_column_names(table: Table, keys: Sequence[int | Expr]) -> list[str]:
    """The column names of an index: attnums give the table's, expressions one made from them; numbered if
    doubled.
    """
    names: list[str] = []
    for key in keys:
        base = table.column(key).name if isinstance(key, int) else expression_name(key)
        name, attempt = base, 0
        while name in names:
            attempt += 1
            suffix = str(attempt)
            name = clip(base, MAX_NAME_BYTES - len(suffix)) + suffix
        names.append(name)
    return names


def expression_name(expr: Expr) -> str:
    """What an index calls an expression: the function's name, the column's, or `expr`."""
    if isinstance(expr, Call) and expr.operator is None:
        return expr.function.name
    if isinstance(expr, Column):
        return expr.name
    if isinstance(expr, Cast):
        return expression_name(expr.arg)
    if isinstance(expr, Coalesce):
        return "coalesce"
    if isinstance(expr, Extreme):
        return "greatest" if expr.greatest else "least"
    return "expr"


def columns_read(table: Table, expression: StoredExpression) -> list[int]:
    """The attnums of the columns that a stored expression reads, each once, in column order."""
    positions = {node.position for node in walk(expression.expr) if isinstance(node, Column)}
    return [column.attnum for column in table.columns if column.position in positions and not column.dropped]
