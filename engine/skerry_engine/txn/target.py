"""What the kernel must know of a table to write to it: storage, keys, foreign keys, names for messages.

The session builds these descriptors from the catalog and keeps them as long as the table's version lasts.
Foreign keys make them a graph (a cycle when a table references itself), so targets are made first and linked
afterwards by `ForeignKey(...).link()`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from skerry_engine.errors import UniqueViolation
from skerry_engine.storage.heap import Row
from skerry_engine.storage.index import Index
from skerry_engine.storage.table import TableStorage

if TYPE_CHECKING:
    from skerry_engine.txn.endpoints import Endpoints
    from skerry_engine.txn.foreign_keys import ForeignKey
    from skerry_engine.txn.shape_rules import ShapeRule

Formatter = Callable[[object], str]
"""Makes a value into the text that a message shows."""


class UniqueKey:
    """A unique index with the names that its violation is reported under.

    `formatters` hold one function per key column.  A `deferrable` key that is `initially_deferred` is checked
    at commit; any other at the end of the statement at the latest.
    """

    __slots__ = (
        "index",
        "constraint_name",
        "table_name",
        "column_names",
        "formatters",
        "schema_name",
        "deferrable",
        "initially_deferred",
    )

    def __init__(
        self,
        index: Index,
        constraint_name: str,
        table_name: str,
        column_names: tuple[str, ...],
        formatters: tuple[Formatter, ...],
        schema_name: str = "public",
        deferrable: bool = False,
        initially_deferred: bool = False,
    ) -> None:
        self.index: Index = index
        self.constraint_name: str = constraint_name
        self.table_name: str = table_name
        self.column_names: tuple[str, ...] = column_names
        self.formatters: tuple[Formatter, ...] = formatters
        self.schema_name: str = schema_name
        self.deferrable: bool = deferrable
        self.initially_deferred: bool = initially_deferred

    def describe(self, row: Row) -> str:
        """The key of `row` as `(a, b)=(1, x)`."""
        values = self.index.values(row)
        assert values is not None
        return describe_key(self.column_names, self.formatters, values)

    def violation(self, row: Row) -> UniqueViolation:
        """The error for a second row with the key of `row`."""
        return UniqueViolation(
            f'duplicate key value violates unique constraint "{self.constraint_name}"',
            detail=f"Key {self.describe(row)} already exists.",
            schema=self.schema_name,
            table=self.table_name,
            constraint=self.constraint_name,
        )

    def creation_failure(self, row: Row) -> UniqueViolation:
        """The error for building the index over several rows with the key of `row`."""
        return UniqueViolation(
            f'could not create unique index "{self.constraint_name}"',
            detail=f"Key {self.describe(row)} is duplicated.",
            schema=self.schema_name,
            table=self.table_name,
            constraint=self.constraint_name,
        )


def describe_key(names: tuple[str, ...], formatters: tuple[Formatter, ...], values: Row) -> str:
    """`(a, b)=(1, x)`, as PostgreSQL's details show a key."""
    shown: list[str] = []
    for formatter, value in zip(formatters, values, strict=True):
        shown.append("null" if value is None else formatter(value))
    return f"({', '.join(names)})=({', '.join(shown)})"


def accept_any_row(row: Row) -> None:
    """The row check of a table without constraints on single rows."""


class WriteTarget:
    """A table that can be written.

    `check_row` raises what a NOT NULL or CHECK constraint has to say about a row that a referential action
    made; rows that statements make are checked by the statement.  `complete_row` gives such a row its generated
    columns.  `table_oid` is what table locks are taken
    on (0: none).  A read-only transaction may write temporary tables.  The tables of a native graph are tied
    by `Endpoints`: the edges' target has it as `ends`, the nodes' as `incident`; `shape_rule` is what the graph says of
    its elements, None for everything goes.
    """

    __slots__ = (
        "storage",
        "table_name",
        "table_oid",
        "schema_name",
        "unique_keys",
        "foreign_keys",
        "referenced_by",
        "check_row",
        "complete_row",
        "is_temporary",
        "ends",
        "incident",
        "shape_rule",
    )

    def __init__(
        self,
        storage: TableStorage,
        table_name: str,
        table_oid: int = 0,
        unique_keys: tuple[UniqueKey, ...] = (),
        schema_name: str = "public",
        check_row: Callable[[Row], None] = accept_any_row,
    ) -> None:
        self.storage: TableStorage = storage
        self.table_name: str = table_name
        self.table_oid: int = table_oid
        self.schema_name: str = schema_name
        self.unique_keys: tuple[UniqueKey, ...] = unique_keys
        self.foreign_keys: list[ForeignKey] = []
        self.referenced_by: list[ForeignKey] = []
        self.check_row: Callable[[Row], None] = check_row
        self.complete_row: Callable[[Row], Row] | None = None
        self.is_temporary: bool = schema_name.startswith("pg_temp_")
        self.ends: Endpoints | None = None
        self.incident: Endpoints | None = None
        self.shape_rule: ShapeRule | None = None
