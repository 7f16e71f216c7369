"""The columns of every system relation, read once from `data/relations.tsv`, and how rows are put together.

A row is made by column names, so that no maker counts to the 17th of 34 columns:

    CLASS = layout("pg_class")
    CLASS.row(oid=..., relname=...)

Columns left out get what PostgreSQL has where there is nothing to say: NULL, or 0, false, '' where NOT NULL.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from typing import Any

from skerry_engine.catalog.objects import (
    C_COLLATION,
    DEFAULT_COLLATION,
    INFORMATION_SCHEMA,
    PG_CATALOG,
    SKERRY,
    Column,
)
from skerry_engine.values import oids
from skerry_engine.values.types import SqlType, TypeInfo, internal_type, type_info

Row = tuple[Any, ...]

SCHEMA_OIDS = {"pg_catalog": PG_CATALOG, "information_schema": INFORMATION_SCHEMA, "skerry": SKERRY}

_EMPTY_TEXT = frozenset((oids.CHAR, oids.NAME, oids.TEXT, oids.VARCHAR, oids.PG_NODE_TREE))


@dataclass(frozen=True, slots=True)
class Layout:
    """One system relation's identity and columns."""

    oid: int
    schema_oid: int
    kind: str
    name: str
    columns: tuple[Column, ...]
    defaults: Row
    positions: dict[str, int]

    def row(self, **values: Any) -> Row:
        """A row of the given values by column name.  Raises KeyError for a name that is no column."""
        items = list(self.defaults)
        for name, value in values.items():
            items[self.positions[name]] = value
        return tuple(items)


def read_facts(name: str) -> list[list[str]]:
    """The rows of a data file, split into fields, heading left out."""
    text = resources.files("skerry_engine.catalog.system").joinpath("data", name).read_text(encoding="utf-8")
    return [line.split("\t") for line in text.splitlines()[1:]]


def _layout(oid: str, schema: str, kind: str, name: str, columns: str) -> Layout:
    made = tuple(_column(number, text, kind) for number, text in enumerate(columns.split(), 1))
    schema_oid = SCHEMA_OIDS[schema]
    defaults = tuple(_default(column) for column in made)
    return Layout(int(oid), schema_oid, kind, name, made, defaults, {c.name: c.position for c in made})


def _column(number: int, text: str, kind: str) -> Column:
    """A column.  Tables of the system sort text as C does; in views it has the database's collation."""
    name, type_name = text.rstrip("!").split(":")
    info = internal_type(type_name)
    assert info is not None, type_name
    is_c = info.collation_oid == DEFAULT_COLLATION and kind == "r"
    return Column(
        name,
        number,
        number - 1,
        SqlType(info.oid),
        not_null=text.endswith("!"),
        collation_oid=C_COLLATION if is_c else info.collation_oid,
        dimensions=1 if info.is_array else 0,
    )


def _default(column: Column) -> object:
    if not column.not_null:
        return None
    info: TypeInfo = type_info(column.type.oid)
    if info.oid in _EMPTY_TEXT:
        return ""
    if info.oid == oids.BOOL:
        return False
    if info.oid in (oids.FLOAT4, oids.FLOAT8):
        return 0.0
    return () if info.category == "A" else 0


LAYOUTS: dict[tuple[str, str], Layout] = {
    (schema, name): _layout(oid, schema, kind, name, columns)
    for oid, schema, kind, name, columns in read_facts("relations.tsv")
}


def layout(name: str, schema: str = "pg_catalog") -> Layout:
    """The layout of a system relation; it must exist."""
    return LAYOUTS[(schema, name)]
