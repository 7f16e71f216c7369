"""Procedures over whole graphs: CALL pagerank() YIELD node, score.

A procedure reads the working graph's nodes and edges, as the statement sees them, into arrays; numpy and scipy do the
rest (graph_algorithms.py); what comes out are rows, with nodes as values.

    degree()                             node, in_degree, out_degree, degree
    pagerank()                           node, score
    connected_components()               node, component (the smallest element id in it)
    triangle_count()                     node, triangles
    distances(from, weight)              node, distance
    weighted_shortest_path(from, to, weight)    path, distance

All take a record of options as their last argument; `node_label` and `edge_label` restrict the graph to nodes and
edges with that label.  numpy and scipy are an extra: `pip install skerry[graph]`.

An undirected edge leads both ways.

Reading pauses like any other reading.  One call of a library over arrays does not: it takes about 10 ms for a million
edges.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Final

from skerry_engine import errors
from skerry_engine.algebra.labels import Directed, Label
from skerry_engine.session.steps import PAUSE
from skerry_engine.values import oids
from skerry_engine.values.graph_procedures import PROCEDURES, Option, Procedure
from skerry_engine.values.graphs import ROW_ID, atom_of, type_of

Row = tuple[Any, ...]
Work = Generator[object, None, Any]

BATCH: Final = 1024


def algorithms() -> Any:
    """The module of algorithms.  Raises FeatureNotInstalled where its libraries are missing."""
    try:
        import numpy
        import scipy.sparse.csgraph  # noqa: F401

        assert numpy
    except ImportError as problem:
        raise errors.NotSupportedError(
            f"procedures over graphs need numpy and scipy, and {problem.name} is not installed",
            hint="Install them with: pip install 'skerry[graph]'",
        ) from None
    from skerry_engine.plan import graph_algorithms

    return graph_algorithms


def options_of(procedure: Procedure, record: Any) -> dict[str, Any]:
    """The options as given, others with their defaults.  Raises InvalidParameterValue."""
    found: dict[str, Any] = {name: option.default for name, option in procedure.options.items()}
    for name, value in record or ():
        option = procedure.options.get(name)
        if option is None:
            raise errors.InvalidParameterValue(
                f'procedure {procedure.name} has no option "{name}"',
                hint=f"It has: {', '.join(sorted(procedure.options))}.",
            )
        if value is not None:
            found[name] = _converted(procedure, name, option, value)
    return found


def _converted(procedure: Procedure, name: str, option: Option, value: Any) -> Any:
    given, atom = type_of(value), atom_of(value)
    if given == option.type_oid:
        return atom
    if option.type_oid == oids.FLOAT8 and given in (oids.INT8, oids.NUMERIC):
        return float(atom)
    raise errors.DatatypeMismatch(f'option "{name}" of procedure {procedure.name} is of another type')


class ProcedureCall:
    """A call as a plan has it: of which procedure, over which graph."""

    def __init__(self, name: str, graph_oid: int, nodes_oid: int, edges_oid: int) -> None:
        self.procedure: Final = PROCEDURES[name]
        self.graph_oid: Final = graph_oid
        self.nodes_oid: Final = nodes_oid
        self.edges_oid: Final = edges_oid

    def run(self, ctx: Any, nodes: Any, edges: Any, args: Row, record: Any) -> Work:
        """The rows, in batches, and steps.  No rows where an argument is NULL."""
        if any(arg is None for arg in args):
            return
        library = algorithms()
        options = options_of(self.procedure, record)
        weight = args[-1] if self.procedure.weighs else None
        graph = yield from self._read(ctx, library, nodes, edges, options, weight)
        given = [
            arg[ROW_ID] if oid == oids.NODE else arg
            for arg, (_, oid) in zip(args, self.procedure.parameters, strict=True)
        ]
        columns = yield from getattr(library, self.procedure.algorithm)(graph, given, options)
        count = len(columns[0])
        for position in range(0, count, BATCH):
            part = [column[position : position + BATCH] for column in columns]
            yield self._rows(part, nodes, edges)

    # --- reading ----------------------------------------

    def _read(
        self, ctx: Any, library: Any, nodes: Any, edges: Any, options: dict[str, Any], weight: str | None
    ) -> Work:
        """The graph in arrays: edges whose ends are both in it."""
        ids = yield from self._node_ids(ctx, nodes, options)
        builder = library.GraphBuilder(ids, weight, options.get("default_weight"))
        fits = self._fits(ctx, self.edges_oid, options["edge_label"])
        weigh = None if weight is None else ctx.tables.property_of_rows(self.edges_oid, weight, oids.ANYVALUE)
        is_directed = self._directions(ctx)
        after = -1
        while True:
            edge_ids, rows, after = edges.scan_ids_batch(after, BATCH)
            if fits is not None:
                kept = [n for n, row in enumerate(rows) if fits(row)]
                edge_ids, rows = [edge_ids[n] for n in kept], [rows[n] for n in kept]
            weights = None if weigh is None else [weigh(row) for row in rows]
            directed = None if is_directed is None else [is_directed(row) for row in rows]
            builder.add(edge_ids, rows, weights, directed)
            ctx.check_memory(builder.count >> 3)
            yield PAUSE
            if after < 0:
                return builder.graph()

    def _node_ids(self, ctx: Any, nodes: Any, options: dict[str, Any]) -> Work:
        fits = self._fits(ctx, self.nodes_oid, options["node_label"])
        found: list[int] = []
        after = -1
        while True:
            ids, rows, after = nodes.scan_ids_batch(after, BATCH)
            if fits is None:
                found.extend(ids)
            else:
                found.extend([row_id for row_id, row in zip(ids, rows, strict=True) if fits(row)])
            ctx.check_memory(len(found) >> 3)
            yield PAUSE
            if after < 0:
                return found

    def _directions(self, ctx: Any) -> Any:
        """What tells whether an edge is directed; None where they all are."""
        if not ctx.tables.storage(self.edges_oid).shapes.has_undirected:
            return None
        return ctx.tables.labels_of_rows(self.edges_oid, Directed())

    def _fits(self, ctx: Any, table_oid: int, label: str | None) -> Any:
        return None if label is None else ctx.tables.labels_of_rows(table_oid, Label(label))

    # --- rows ----------------------------------------

    def _rows(self, columns: list[Any], nodes: Any, edges: Any) -> list[Row]:
        made: list[list[Any]] = []
        for column, (_, oid) in zip(columns, self.procedure.columns, strict=True):
            if oid == oids.NODE:
                made.append(self._node_values(list(column), nodes))
            elif oid == oids.PATH:
                made.append([self._path(items, nodes, edges) for items in column])
            else:
                made.append(list(column))
        return list(zip(*made, strict=True))

    def _node_values(self, ids: list[int], nodes: Any) -> list[Row]:
        rows = nodes.get_each(ids)
        return [(self.graph_oid, self.nodes_oid, n, row) for n, row in zip(ids, rows, strict=True)]

    def _path(self, items: tuple[list[int], list[int]], nodes: Any, edges: Any) -> Row:
        """A path of (row ids of its nodes, row ids of its edges)."""
        node_values = self._node_values(items[0], nodes)
        path: list[Row] = [node_values[0]]
        for edge_id, row, node in zip(items[1], edges.get_each(items[1]), node_values[1:], strict=True):
            ends = (self.nodes_oid, row[1], self.nodes_oid, row[2])
            path += [(self.graph_oid, self.edges_oid, edge_id, row, *ends), node]
        return tuple(path)
