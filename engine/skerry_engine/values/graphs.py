"""The run-time forms of what graphs have: nodes, edges, paths, dynamically typed values, records.

All are tuples of atoms, as every other value (values/__init__), so that they can be stored, spooled, hashed and
built by generated code without a call:

    node             (graph, table, row id, row)
    edge             (graph, table, row id, row, source table, source row id, target table, target row id)
    path             (node, edge, node, ..., node): elements in the order of the walk, at least one node
    anyvalue         an atom whose Python type tells its type, or a pair (type OID, atom)
    graphrecord      ((name, anyvalue), ...) in written order; names are unique; a field may be None
    lists            the array type of one element type, else arrays of anyvalue; NULL is None

Graph and tables are given by OID.  `row` is the element's row as the statement saw it; what its positions mean is
known to the graph (`abc.ElementResolver`).  In a native graph all nodes are in one table, so that source and target
table are the same number in every edge.

An element IS its table and row id, whatever its row says: `identity` is what equality, DISTINCT and grouping go by.
An edge's direction is part of the edge; a path that goes against it holds the same edge value.

An anyvalue that stands as it is:

    bool  BOOL      int  INT8      float  FLOAT8      str  TEXT      bytes  BYTEA      Decimal  NUMERIC

Everything else is a pair: (DATE, 9131), (INT8_ARRAY, (1, 2)), (NODE, (...)), (GRAPHRECORD, (...)).  `dynamic` makes one
of a typed value, `type_of` and `atom_of` take it apart.  No anyvalue is a pair with one of the six types, none holds
another anyvalue directly, none is None.

Arrays of these types have one dimension: an item that is a tuple is an element of it, not a row of a second
dimension, as it would be for all other arrays.  A list of lists is an array of anyvalues that are pairs.

What this does not do: order and compare (values/dynamic_keys.py), print (values/graph_text.py).
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from skerry_engine.values import oids

Element = tuple[Any, ...]
Path = tuple[Element, ...]
GraphRecord = tuple[tuple[str, Any], ...]
AnyValue = Any

# Positions in an element value, for generated code: `v[2]` is an element's row id.
GRAPH: Final = 0
TABLE: Final = 1
ROW_ID: Final = 2
ROW: Final = 3
SOURCE_TABLE: Final = 4
SOURCE: Final = 5
TARGET_TABLE: Final = 6
TARGET: Final = 7


# --- elements -----------------------------------------------------------------------------------------------


def node_value(graph_oid: int, table_oid: int, row_id: int, row: tuple[object, ...]) -> Element:
    """A node."""
    return (graph_oid, table_oid, row_id, row)


def edge_value(
    graph_oid: int,
    table_oid: int,
    row_id: int,
    row: tuple[object, ...],
    source: tuple[int, int],
    target: tuple[int, int],
) -> Element:
    """An edge; source and target are identities of nodes: (table, row id)."""
    return (graph_oid, table_oid, row_id, row, *source, *target)


def is_edge(element: Element) -> bool:
    """Whether the element is an edge, for values of unknown type: NODE and EDGE tell it apart by type."""
    return len(element) > SOURCE_TABLE


def identity(element: Element) -> tuple[int, int]:
    """(table, row id): equal exactly for the same element."""
    return element[TABLE], element[ROW_ID]


def source_of(edge: Element) -> tuple[int, int]:
    """The identity of the node where the edge begins."""
    return edge[SOURCE_TABLE], edge[SOURCE]


def target_of(edge: Element) -> tuple[int, int]:
    """The identity of the node where the edge ends."""
    return edge[TARGET_TABLE], edge[TARGET]


# --- paths --------------------------------------------------------------------------------------------------


def path_nodes(path: Path) -> tuple[Element, ...]:
    """The nodes, in order, as often as the path visits them: a NODE_ARRAY."""
    return path[::2]


def path_edges(path: Path) -> tuple[Element, ...]:
    """The edges, in order: an EDGE_ARRAY."""
    return path[1::2]


def path_length(path: Path) -> int:
    """The number of edges."""
    return len(path) // 2


def path_identity(path: Path) -> tuple[tuple[int, int], ...]:
    """Equal exactly for paths through the same elements in the same order."""
    return tuple([(element[TABLE], element[ROW_ID]) for element in path])


# --- anyvalue -----------------------------------------------------------------------------------------------

UNTAGGED: Final[dict[int, int]] = {
    oids.BOOL: oids.BOOL,
    oids.INT2: oids.INT8,
    oids.INT4: oids.INT8,
    oids.INT8: oids.INT8,
    oids.FLOAT4: oids.FLOAT8,
    oids.FLOAT8: oids.FLOAT8,
    oids.NUMERIC: oids.NUMERIC,
    oids.TEXT: oids.TEXT,
    oids.VARCHAR: oids.TEXT,
    oids.BPCHAR: oids.TEXT,
    oids.NAME: oids.TEXT,
    oids.CHAR: oids.TEXT,
    oids.UNKNOWN: oids.TEXT,
    oids.BYTEA: oids.BYTEA,
}
"""Types whose atoms stand as they are in an anyvalue, with the type that they are then of."""

_TYPE_OF: Final[dict[type, int]] = {
    bool: oids.BOOL,
    int: oids.INT8,
    float: oids.FLOAT8,
    str: oids.TEXT,
    bytes: oids.BYTEA,
    Decimal: oids.NUMERIC,
}


def dynamic(type_oid: int, value: Any) -> AnyValue:
    """The anyvalue of a value of a type; None stays None, an anyvalue what it is."""
    if value is None or type_oid in UNTAGGED or type_oid == oids.ANYVALUE:
        return value
    return (type_oid, value)


def type_of(value: AnyValue) -> int:
    """The type of an anyvalue that is not None."""
    if type(value) is tuple:
        type_oid: int = value[0]
        return type_oid
    return _TYPE_OF[type(value)]


def atom_of(value: AnyValue) -> Any:
    """The value of the type that `type_of` tells; None for None."""
    return value[1] if type(value) is tuple else value


def widened(type_oid: int) -> int:
    """The type as which a graph stores values of this one, so that a property has one type whoever wrote it: INT8
    for the integers, FLOAT8 for the floats, TEXT for the strings; others, and arrays likewise, as they are."""
    wide = UNTAGGED.get(type_oid)
    return wide if wide is not None else _WIDENED_ARRAYS.get(type_oid, type_oid)


_WIDENED_ARRAYS: Final[dict[int, int]] = {
    oids.INT2_ARRAY: oids.INT8_ARRAY,
    oids.INT4_ARRAY: oids.INT8_ARRAY,
    oids.FLOAT4_ARRAY: oids.FLOAT8_ARRAY,
    oids.VARCHAR_ARRAY: oids.TEXT_ARRAY,
    oids.BPCHAR_ARRAY: oids.TEXT_ARRAY,
    oids.NAME_ARRAY: oids.TEXT_ARRAY,
    oids.CHAR_ARRAY: oids.TEXT_ARRAY,
    oids.INT2VECTOR: oids.INT8_ARRAY,
}


def field_of(record: GraphRecord, name: str) -> AnyValue:
    """The field of that name; None where there is none."""
    for field_name, value in record:
        if field_name == name:
            return value
    return None
