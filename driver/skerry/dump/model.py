"""What a dump consists of.  Names in SQL are written as the server quotes them, qualified: `public."Order"`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

SortKey = tuple[str, ...]
"""Bare names, outermost first: objects are in the order of these, by code point."""


@dataclass(slots=True)
class Schema:
    """A schema; `bare` is its name without quotes."""

    bare: str
    name: str
    comment: str | None = None


@dataclass(slots=True)
class Column:
    """A live column.

    `identity`: '' or 'a' (always) or 'd' (by default); `generated`: '' or 's' (stored); `default` is the
    expression of either a default or a generated column; `statistics` is -1 unless it was set.
    """

    name: str
    type: str
    not_null: bool
    default: str | None
    identity: str
    generated: str
    collation: str | None
    statistics: int
    comment: str | None = None


@dataclass(slots=True)
class Constraint:
    """A constraint of a table; `kind` as in pg_constraint: c, p, u, f.  A key's index has its name."""

    sort_key: SortKey
    name: str
    kind: str
    definition: str
    is_valid: bool
    referenced_oid: int
    comment: str | None = None
    index_name: str = ""
    index_comment: str | None = None


@dataclass(slots=True)
class Index:
    """An index that serves no constraint."""

    sort_key: SortKey
    name: str
    definition: str
    comment: str | None = None


@dataclass(slots=True)
class Relation:
    """A table, a view or a sequence: what they have in common."""

    oid: int
    sort_key: SortKey
    name: str
    comment: str | None = None


@dataclass(slots=True)
class SequenceObject(Relation):
    """A sequence; `owner` is the column it is OWNED BY as (table's OID, column's name)."""

    type: str = "bigint"
    start: int = 1
    increment: int = 1
    minimum: int = 1
    maximum: int = 1
    cache: int = 1
    is_cyclic: bool = False
    is_unlogged: bool = False
    is_identity: bool = False
    owner_oid: int = 0
    owner_column: str = ""
    last_value: int = 1
    is_called: bool = False


@dataclass(slots=True)
class Table(Relation):
    """A table; `identities` are the sequences of its identity columns, by column name."""

    is_unlogged: bool = False
    options: Sequence[str] = ()
    columns: list[Column] = field(default_factory=list)
    constraints: list[Constraint] = field(default_factory=list)
    indexes: list[Index] = field(default_factory=list)
    identities: dict[str, SequenceObject] = field(default_factory=dict)


@dataclass(slots=True)
class View(Relation):
    """A view; `reads` are the OIDs of the views in its query; `reads_graph`: there is a graph in it.

    A materialized one may have indexes, and rows if it is populated.
    """

    options: Sequence[str] = ()
    columns: list[Column] = field(default_factory=list)
    query: str = ""
    reads: set[int] = field(default_factory=set)
    reads_graph: bool = False
    is_materialized: bool = False
    is_populated: bool = True
    indexes: list[Index] = field(default_factory=list)


@dataclass(slots=True)
class PropertyGraph:
    """A graph over tables; `definition` is the statement that makes it."""

    sort_key: SortKey
    name: str
    definition: str
    comment: str | None = None


@dataclass(slots=True)
class GraphType:
    """A graph type; `definition` is the statement that makes it."""

    sort_key: SortKey
    definition: str


@dataclass(slots=True)
class NativeGraph:
    """A graph with elements of its own.  `definition` is '' for the one that every database has, if it is as it was;
    `parts` are the statements that make its constraints and indexes."""

    sort_key: SortKey
    name: str
    definition: str
    parts: list[str] = field(default_factory=list)
    has_elements: bool = False


@dataclass(slots=True)
class UserType:
    """An enum, a composite type or a domain: `definition` is the statement that makes it, `later` what has to follow.
    `uses` are the OIDs of the types in it."""

    oid: int
    sort_key: SortKey
    name: str
    definition: str
    comment: str | None = None
    uses: list[int] = field(default_factory=list)
    later: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Contents:
    """Everything that is to be dumped, each kind in the order of names."""

    schemas: list[Schema]
    types: list[UserType]
    sequences: list[SequenceObject]
    tables: list[Table]
    views: list[View]
    graphs: list[PropertyGraph]
    graph_types: list[GraphType]
    native_graphs: list[NativeGraph]

    @property
    def has_graphs(self) -> bool:
        """Whether there is anything that PostgreSQL has not."""
        return bool(self.graphs or self.graph_types or self.native_graphs)
