"""Results as tables of Arrow and pandas, and as graphs of networkx.

None of the three is needed for anything else; who asks for one that is not installed is told how to get it.

What a column becomes in Arrow follows from its type alone, so that an empty result has the same schema as a full one:

    boolean, integers, floats, text, bytea     as they are
    numeric                                    decimal128 as declared, else as wide as its values need
    date, time, timestamp [with time zone]     date32, time64, timestamp in microseconds [in UTC]
    interval                                   month_day_nano_interval
    uuid, json, jsonb                          text
    arrays                                     lists
    node, edge                                 struct of id, labels, properties (JSON) [, source, target, directed]
    path                                       struct of nodes and edges

Dynamically typed columns are the exception: the one type that all values have, else text (JSON).
"""

from __future__ import annotations

import datetime
import importlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any

from skerry.abc import ColumnInfo, Row
from skerry.graph import Edge, Node, Path
from skerry.graph_json import typed_json
from skerry.types import Interval
from skerry_engine.errors import DataError, InterfaceError

_NODE, _EDGE, _PATH, _ANYVALUE, _RECORD = 9100, 9102, 9104, 9106, 9108
_NUMERIC, _INTERVAL = 1700, 1186
_JSON = (114, 3802)
_ARRAYS = {
    **{
        1000: 16,
        1001: 17,
        1002: 18,
        1003: 19,
        1005: 21,
        1007: 23,
        1009: 25,
        1014: 1042,
        1015: 1043,
        1016: 20,
    },
    **{
        1021: 700,
        1022: 701,
        1028: 26,
        1115: 1114,
        1182: 1082,
        1183: 1083,
        1185: 1184,
        1187: 1186,
        1231: 1700,
    },
    **{199: 114, 2951: 2950, 3807: 3802, 22: 21, 30: 26},
    **{oid + 1: oid for oid in (_NODE, _EDGE, _PATH, _ANYVALUE, _RECORD)},
}
"""The types of arrays' elements."""


def _needed(module: str, extra: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as problem:
        raise InterfaceError(f"this needs {module}: pip install 'skerry[{extra}]'") from problem


# --- Arrow --------------------------------------------------------------------------------------------------


def to_arrow(columns: Sequence[ColumnInfo], rows: Sequence[Row]) -> Any:
    """The rows as a pyarrow.Table.  Raises InterfaceError without pyarrow; DataError for a value that Arrow has no
    place for (infinite dates, decimals beyond 76 digits, NaN among decimals)."""
    arrow = _needed("pyarrow", "arrow")
    writer = _ArrowColumns(arrow)
    arrays = [writer.column(info, [row[position] for row in rows]) for position, info in enumerate(columns)]
    names = [info.name for info in columns]
    return arrow.Table.from_arrays(arrays, names=names)


class _ArrowColumns:
    """Makes Arrow arrays of columns."""

    def __init__(self, arrow: Any) -> None:
        self.arrow = arrow

    def column(self, info: ColumnInfo, values: list[Any]) -> Any:
        arrow = self.arrow
        if info.type_oid == _ANYVALUE:
            return self._dynamic(values)
        found = self.type_of(info.type_oid, info.type_modifier)
        prepare = self._preparation(info.type_oid)
        if prepare is not None:
            values = [None if value is None else prepare(value) for value in values]
        try:
            return arrow.array(values, found)
        except (arrow.ArrowException, TypeError, ValueError, OverflowError) as problem:
            raise DataError(f'column "{info.name}" does not fit into Arrow: {problem}') from problem

    def type_of(self, oid: int, modifier: int = -1) -> Any:
        """The Arrow type; None leaves it to the values."""
        arrow = self.arrow
        element = _ARRAYS.get(oid)
        if element is not None:
            item = self.type_of(element, modifier)
            return arrow.list_(arrow.string() if item is None else item)
        if oid == _NUMERIC:
            return _decimal(arrow, modifier)
        if oid == _NODE or oid == _EDGE:
            return arrow.struct(self._element_fields(oid == _EDGE))
        if oid == _PATH:
            nodes, edges = (arrow.list_(self.type_of(each)) for each in (_NODE, _EDGE))
            return arrow.struct([("nodes", nodes), ("edges", edges)])
        plain: dict[int, Callable[[], Any]] = {
            16: arrow.bool_,
            17: arrow.binary,
            20: arrow.int64,
            21: arrow.int16,
            23: arrow.int32,
            26: arrow.int64,
            700: arrow.float32,
            701: arrow.float64,
            1082: arrow.date32,
            1083: lambda: arrow.time64("us"),
            1114: lambda: arrow.timestamp("us"),
            1184: lambda: arrow.timestamp("us", "UTC"),
            _INTERVAL: arrow.month_day_nano_interval,
        }
        return plain.get(oid, arrow.string)()

    def _element_fields(self, is_edge: bool) -> list[tuple[str, Any]]:
        arrow = self.arrow
        fields = [
            ("id", arrow.int64()),
            ("labels", arrow.list_(arrow.string())),
            ("properties", arrow.string()),
        ]
        ends = [("source", arrow.int64()), ("target", arrow.int64()), ("directed", arrow.bool_())]
        return fields + ends if is_edge else fields

    def _preparation(self, oid: int) -> Callable[[Any], Any] | None:
        """What makes a value one that Arrow knows; None where it does already."""
        element = _ARRAYS.get(oid)
        if element is not None:
            item = self._preparation(element)
            return (
                None
                if item is None
                else lambda value: [None if each is None else item(each) for each in value]
            )
        if oid in (_NODE, _EDGE):
            return _element_struct
        if oid == _PATH:
            return lambda path: {
                "nodes": [_element_struct(node) for node in path.nodes],
                "edges": [_element_struct(edge) for edge in path.edges],
            }
        if oid in (*_JSON, _ANYVALUE, _RECORD):
            return _as_json
        if oid == _INTERVAL:
            return lambda value: self.arrow.MonthDayNano(_month_day_nano(value))
        known = (16, 17, 20, 21, 23, 26, 700, 701, 1082, 1083, 1114, 1184, _NUMERIC)
        return None if oid in known else str

    def _dynamic(self, values: list[Any]) -> Any:
        """A column of values of any type: of their one type, else JSON."""
        arrow = self.arrow
        kinds = {type(value) for value in values if value is not None}
        if kinds == {int, float}:
            return arrow.array([None if value is None else float(value) for value in values])
        if len(kinds) == 1 and kinds <= _ARROWS_OWN:
            return arrow.array(values)
        return arrow.array([None if value is None else _as_json(value) for value in values], arrow.string())


_ARROWS_OWN = {bool, int, float, str, bytes, Decimal, datetime.date, datetime.datetime, datetime.time}


def _decimal(arrow: Any, modifier: int) -> Any:
    if modifier < 4:
        return None
    precision, scale = (modifier - 4) >> 16 & 0xFFFF, (((modifier - 4) & 0x7FF) ^ 1024) - 1024
    return (
        arrow.decimal128(precision, scale) if precision <= 38 else arrow.decimal256(min(precision, 76), scale)
    )


def _element_struct(element: Node | Edge) -> dict[str, Any]:
    made = {
        "id": element.id,
        "labels": sorted(element.labels),
        "properties": _as_json(dict(element.properties)),
    }
    if isinstance(element, Edge):
        made |= {"source": element.source, "target": element.target, "directed": element.is_directed}
    return made


def _month_day_nano(value: object) -> tuple[int, int, int]:
    if isinstance(value, datetime.timedelta):
        return 0, value.days, (value.seconds * 1_000_000 + value.microseconds) * 1000
    if isinstance(value, Interval):
        return value.months, value.days, value.microseconds * 1000
    raise DataError(f"the interval {value!r} does not fit into Arrow")


def _as_json(value: object) -> str:
    """JSON for people: elements as in results, dates and decimals as text."""
    return json.dumps(_plain(value), ensure_ascii=False)


def _plain(value: object) -> object:
    if isinstance(value, Node | Edge):
        made = {"id": value.id, "labels": sorted(value.labels), "properties": _plain(dict(value.properties))}
        if isinstance(value, Edge):
            made |= {"source": value.source, "target": value.target}
            made |= {} if value.is_directed else {"directed": False}
        return made
    if isinstance(value, Path):
        return {
            "nodes": [_plain(node) for node in value.nodes],
            "edges": [_plain(edge) for edge in value.edges],
        }
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, bool | int | str):
        return value
    typed = typed_json(value)
    if isinstance(typed, dict):
        ((_, inner),) = typed.items()
        return inner
    return typed


# --- pandas -------------------------------------------------------------------------------------------------

_PANDAS_TYPES = {
    16: "boolean",
    20: "Int64",
    21: "Int16",
    23: "Int32",
    26: "Int64",
    700: "float32",
    701: "float64",
}


def to_pandas(columns: Sequence[ColumnInfo], rows: Sequence[Row]) -> Any:
    """The rows as a pandas.DataFrame.

    Numbers and booleans have pandas' nullable types, so that NULL makes no float of an integer; timestamps are
    datetime64; everything else is a column of the Python objects that rows have.  Raises InterfaceError without
    pandas.
    """
    pandas = _needed("pandas", "pandas")
    made = {
        position: _pandas_column(pandas, info.type_oid, [row[position] for row in rows])
        for position, info in enumerate(columns)
    }
    frame = pandas.DataFrame(made, index=pandas.RangeIndex(len(rows)))
    frame.columns = [info.name for info in columns]
    return frame


def _pandas_column(pandas: Any, oid: int, values: list[Any]) -> Any:
    known = _PANDAS_TYPES.get(oid)
    if known is not None:
        return pandas.array(values, dtype=known) if known[0] in "Ib" else pandas.Series(values, dtype=known)
    if oid in (1114, 1184) and not any(isinstance(value, str) for value in values):
        return pandas.Series(pandas.to_datetime(values, utc=oid == 1184))
    return pandas.Series(values, dtype=object)


# --- networkx -----------------------------------------------------------------------------------------------


def to_networkx(rows: Iterable[Row]) -> Any:
    """All nodes and edges in the rows, in paths and lists too, as a networkx.MultiDiGraph.

    A node's key is its id; it has its properties as attributes, and `labels`.  An edge's key is its id.  The end of an
    edge that the rows do not show is a node without attributes.  networkx has no graphs of both kinds of edges: where
    all edges are undirected the graph is a MultiGraph, else an undirected one leads both ways, under one key.  Raises
    InterfaceError without networkx.
    """
    networkx = _needed("networkx", "networkx")
    elements = [element for row in rows for value in row for element in _elements_in(value)]
    edges = [each for each in elements if isinstance(each, Edge)]
    is_mixed = not edges or any(edge.is_directed for edge in edges)
    graph = networkx.MultiDiGraph() if is_mixed else networkx.MultiGraph()
    for element in elements:
        attributes = {**element.properties, "labels": set(element.labels)}
        if isinstance(element, Node):
            graph.add_node(element.id, **attributes)
            continue
        graph.add_edge(element.source, element.target, key=element.id, **attributes)
        if is_mixed and not element.is_directed:
            graph.add_edge(element.target, element.source, key=element.id, **attributes)
    return graph


def _elements_in(value: object) -> Iterator[Node | Edge]:
    """All elements in a value, in paths, lists and records too."""
    if isinstance(value, Node | Edge):
        yield value
    elif isinstance(value, Path | list | dict):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _elements_in(item)
