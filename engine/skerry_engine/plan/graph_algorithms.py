"""Algorithms over a graph in arrays, by numpy and scipy.  Imported only where both are there (procedures.py).

Nodes are numbered from 0 in the order of their row ids.  Each algorithm is a generator: it yields between its parts,
and returns columns of equal length, in which a node is its row id.
"""

from __future__ import annotations

import itertools
from collections.abc import Generator
from typing import Any

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph

from skerry_engine import errors
from skerry_engine.session.steps import PAUSE
from skerry_engine.values.graphs import atom_of, type_of
from skerry_engine.values.oids import FLOAT8, INT8, NUMERIC

Array = Any
Columns = list[Any]
Work = Generator[object, None, Columns]


class GraphBuilder:
    """Gathers edges by the batch."""

    def __init__(self, node_ids: list[int], weight: str | None, default_weight: float | None) -> None:
        self.nodes: Array = np.array(sorted(node_ids), dtype=np.int64)
        self.weight = weight
        self.default_weight = default_weight
        self.count = 0
        self._parts: list[tuple[Array, Array, Array, Array, Array]] = []

    def add(
        self,
        edge_ids: list[int],
        rows: list[tuple[Any, ...]],
        weights: list[Any] | None,
        directed: list[bool] | None = None,
    ) -> None:
        """Some edges, with the values of their weights, and whether each is directed (None: they all are)."""
        if not edge_ids:
            return
        ends = np.array([row[1:3] for row in rows], dtype=np.int64)
        number = np.searchsorted(self.nodes, ends)
        inside = number < len(self.nodes)
        inside[inside] = self.nodes[number[inside]] == ends[inside]
        kept: Array = inside.all(axis=1)
        measured = np.ones(len(rows))
        if weights is not None:
            measured = np.array(
                [self._measured(w, e) if k else 0.0 for w, e, k in zip(weights, edge_ids, kept, strict=True)]
            )
        ids = np.array(edge_ids, dtype=np.int64)
        led = np.ones(len(rows), dtype=bool) if directed is None else np.array(directed, dtype=bool)
        self._parts.append((number[kept, 0], number[kept, 1], ids[kept], measured[kept], led[kept]))
        self.count += int(kept.sum())

    def _measured(self, weight: Any, edge_id: int) -> float:
        if weight is None:
            if self.default_weight is None:
                raise errors.NullValueNotAllowed(
                    f'edge {edge_id} has no property "{self.weight}"',
                    hint="The option default_weight says what such edges weigh.",
                )
            return self.default_weight
        if type_of(weight) not in (INT8, FLOAT8, NUMERIC):
            raise errors.DatatypeMismatch(f'property "{self.weight}" of edge {edge_id} is no number')
        value = float(atom_of(weight))
        if not value >= 0:
            raise errors.InvalidParameterValue(
                f'property "{self.weight}" of edge {edge_id} is {value}: weights are not negative'
            )
        return value

    def graph(self) -> GraphArrays:
        """All of them."""
        if not self._parts:
            empty = np.zeros(0, dtype=np.int64)
            return GraphArrays(self.nodes, empty, empty, empty, np.zeros(0), np.zeros(0, dtype=bool))
        joined = [np.concatenate([part[n] for part in self._parts]) for n in range(5)]
        return GraphArrays(self.nodes, *joined)


class GraphArrays:
    """`nodes` are row ids, ascending; `source` and `target` of each edge numbers of nodes.

    An undirected edge leads both ways: it is there a second time, from its target to its source, behind all others;
    loops are not.  `in_degree`, `out_degree` count directed edges, `degree` ends of all.
    """

    def __init__(
        self, nodes: Array, source: Array, target: Array, edge_ids: Array, weights: Array, directed: Array
    ) -> None:
        self.nodes = nodes
        self.in_degree = np.bincount(target[directed], minlength=len(nodes))
        self.out_degree = np.bincount(source[directed], minlength=len(nodes))
        ends = np.concatenate([source, target])
        self.degree = np.bincount(ends, minlength=len(nodes))
        back = ~directed & (source != target)
        self.source = np.concatenate([source, target[back]])
        self.target = np.concatenate([target, source[back]])
        self.edge_ids = np.concatenate([edge_ids, edge_ids[back]])
        self.weights = np.concatenate([weights, weights[back]])

    @property
    def size(self) -> int:
        return len(self.nodes)

    def number_of(self, node_id: int) -> int:
        """The number of a node, -1 for one that the labels leave out."""
        place = int(np.searchsorted(self.nodes, node_id))
        return place if place < self.size and self.nodes[place] == node_id else -1

    def matrix(self, values: Array) -> Any:
        """Values by (source, target), parallel edges added up."""
        return sparse.csr_array((values, (self.source, self.target)), shape=(self.size, self.size))


def degree(graph: GraphArrays, _args: list[Any], _options: dict[str, Any]) -> Work:
    """How many directed edges end and begin at each node, and how many ends of edges it is; a loop has two."""
    yield PAUSE
    return [each.tolist() for each in (graph.nodes, graph.in_degree, graph.out_degree, graph.degree)]


def pagerank(graph: GraphArrays, _args: list[Any], options: dict[str, Any]) -> Work:
    """By power iteration until no more than `tolerance` per node changes; parallel edges count each; what nodes without
    edges out of them have goes to all."""
    damping = options["damping"]
    if not 0 <= damping <= 1:
        raise errors.InvalidParameterValue("damping is between 0 and 1")
    size = graph.size
    if size == 0:
        return [[], []]
    out = np.bincount(graph.source, minlength=size).astype(float)
    share = np.divide(1.0, out, out=np.zeros(size), where=out > 0)
    spread = graph.matrix(share[graph.source]).T.tocsr()
    dangling = out == 0
    scores = np.full(size, 1.0 / size)
    for _ in range(options["iterations"]):
        lost = scores[dangling].sum()
        new = damping * (spread @ scores + lost / size) + (1 - damping) / size
        moved = np.abs(new - scores).sum()
        scores = new
        yield PAUSE
        if moved <= size * options["tolerance"]:
            break
    return [graph.nodes.tolist(), scores.tolist()]


def connected_components(graph: GraphArrays, _args: list[Any], options: dict[str, Any]) -> Work:
    """Components, whichever way edges go, or (`strong`) those in which all reach all; each has the smallest row id of
    its nodes for a name."""
    kind = "strong" if options["strong"] else "weak"
    ones = np.ones(len(graph.source), dtype=np.int8)
    count, labels = csgraph.connected_components(_boolean(graph, ones), directed=True, connection=kind)
    yield PAUSE
    names = np.full(count, np.iinfo(np.int64).max)
    np.minimum.at(names, labels, graph.nodes)
    return [graph.nodes.tolist(), names[labels].tolist()]


def triangle_count(graph: GraphArrays, _args: list[Any], _options: dict[str, Any]) -> Work:
    """In how many triangles each node is, whichever way edges go, parallel ones once."""
    both = _boolean(graph, np.ones(len(graph.source), dtype=np.int64))
    both = both + both.T
    both.setdiag(0)
    both.eliminate_zeros()
    both.data[:] = 1
    yield PAUSE
    counts = np.zeros(graph.size, dtype=np.int64)
    for first in range(0, graph.size, TRIANGLE_ROWS):
        rows = both[first : first + TRIANGLE_ROWS]
        counts[first : first + TRIANGLE_ROWS] = (rows @ both).multiply(rows).sum(axis=1) // 2
        yield PAUSE
    return [graph.nodes.tolist(), counts.tolist()]


TRIANGLE_ROWS = 1024
"""Rows of a product at a time: between two pauses, and in memory."""


def distances(graph: GraphArrays, args: list[Any], options: dict[str, Any]) -> Work:
    """The least sum of weights from a node to each that can be reached."""
    start = graph.number_of(args[0])
    if start < 0:
        return [[], []]
    matrix, _ = _lightest(graph, options["directed"])
    found = csgraph.dijkstra(matrix, directed=True, indices=start)
    yield PAUSE
    reached = np.flatnonzero(np.isfinite(found))
    return [graph.nodes[reached].tolist(), found[reached].tolist()]


def weighted_shortest_path(graph: GraphArrays, args: list[Any], options: dict[str, Any]) -> Work:
    """A path with the least sum of weights between two nodes, if there is one."""
    start, end = graph.number_of(args[0]), graph.number_of(args[1])
    if start < 0 or end < 0:
        return [[], []]
    matrix, edges = _lightest(graph, options["directed"])
    found, before = csgraph.dijkstra(matrix, directed=True, indices=start, return_predecessors=True)
    yield PAUSE
    if not np.isfinite(found[end]):
        return [[], []]
    numbers = [end]
    while numbers[-1] != start:
        numbers.append(int(before[numbers[-1]]))
    numbers.reverse()
    steps = itertools.pairwise(numbers)
    path = ([int(graph.nodes[n]) for n in numbers], [edges[pair] for pair in steps])
    return [[path], [float(found[end])]]


def _boolean(graph: GraphArrays, ones: Array) -> Any:
    return graph.matrix(ones)


def _lightest(graph: GraphArrays, directed: bool) -> tuple[Any, Any]:
    """The weights of the lightest edges between nodes, loops left out, and which edges these are."""
    source, target, ids, weights = graph.source, graph.target, graph.edge_ids, graph.weights
    if not directed:
        source, target = np.concatenate([source, target]), np.concatenate([target, source])
        ids, weights = np.concatenate([ids, ids]), np.concatenate([weights, weights])
    order = np.lexsort((weights, target, source))
    source, target, ids, weights = source[order], target[order], ids[order], weights[order]
    first = np.ones(len(source), dtype=bool)
    first[1:] = (source[1:] != source[:-1]) | (target[1:] != target[:-1])
    first &= source != target
    source, target, ids, weights = source[first], target[first], ids[first], weights[first]
    shape = (graph.size, graph.size)
    return sparse.csr_array((weights, (source, target)), shape=shape), _EdgesBetween(source, target, ids)


class _EdgesBetween:
    """Finds the edge between two nodes, among edges in order of their ends."""

    def __init__(self, source: Array, target: Array, ids: Array) -> None:
        self.source, self.target, self.ids = source, target, ids

    def __getitem__(self, pair: tuple[int, int]) -> int:
        low, high = np.searchsorted(self.source, [pair[0], pair[0] + 1])
        return int(self.ids[low + np.searchsorted(self.target[low:high], pair[1])])
