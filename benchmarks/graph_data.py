"""The graphs that `graph.py` measures on, and what its questions have for answers: worked out here, in plain Python.

- **random**: 10,000 nodes `Person {id, name}`, 100,000 edges KNOWS, from a fixed seed.  No edge leads back to where it
  came from and no two edges lead both ways between two nodes, so that walks of up to three edges repeat none, and
  systems that let edges repeat count as those do that don't.
- **items**: 100,000 nodes `Item {id, grp, price}` for filters and aggregates.
- **flights**: OpenFlights' airports and routes, from the example's files.
"""

from __future__ import annotations

import random
import sys
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "examples"))

from flights.files import read_flights

SEED = 7
GROUPS = 100
HUB = "FRA"
ORIGIN = "KEF"


@dataclass(frozen=True)
class Size:
    """How large the graphs are."""

    nodes: int = 10_000
    edges: int = 100_000
    items: int = 100_000

    @classmethod
    def quick(cls) -> Size:
        """To see whether everything works."""
        return cls(500, 3_000, 2_000)


@dataclass
class Graph:
    """Nodes as dicts of properties with an `id`, edges as pairs of ids; what goes out of each node."""

    label: str
    edge_label: str
    nodes: list[dict[str, Any]]
    edges: list[tuple[int, int]]
    out: dict[int, list[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for source, target in self.edges:
            self.out.setdefault(source, []).append(target)

    def hop(self, start: int) -> list[int]:
        """Ids one edge away, in order."""
        return sorted(self.out.get(start, ()))

    def walks(self, start: int, low: int, high: int) -> int:
        """How many walks of `low` to `high` edges begin at a node."""
        ends = Counter({start: 1})
        found = 0
        for length in range(1, high + 1):
            following: Counter[int] = Counter()
            for node, count in ends.items():
                for target in self.out.get(node, ()):
                    following[target] += count
            ends = following
            found += ends.total() if length >= low else 0
        return found

    def all_two_hops(self) -> int:
        """How many walks of two edges there are."""
        return sum(len(self.out.get(target, ())) for _, target in self.edges)

    def distance(self, start: int, end: int) -> int | None:
        """Edges of a shortest path; None without any."""
        distances = {start: 0}
        queue = deque([start])
        while queue:
            node = queue.popleft()
            if node == end:
                return distances[node]
            for target in self.out.get(node, ()):
                if target not in distances:
                    distances[target] = distances[node] + 1
                    queue.append(target)
        return None


def random_graph(size: Size) -> Graph:
    """The random graph."""
    source = random.Random(SEED)
    pairs: set[tuple[int, int]] = set()
    while len(pairs) < size.edges:
        one, other = source.randrange(size.nodes), source.randrange(size.nodes)
        if one != other and (other, one) not in pairs:
            pairs.add((one, other))
    nodes = [{"id": number, "name": f"person {number}"} for number in range(size.nodes)]
    return Graph("Person", "KNOWS", nodes, sorted(pairs))


def items(size: Size) -> list[dict[str, Any]]:
    """Rows to filter and aggregate; prices are multiples of a quarter, so that sums are exact."""
    source = random.Random(SEED + 1)
    return [
        {"id": number, "grp": source.randrange(GROUPS), "price": source.randrange(4000) / 4}
        for number in range(size.items)
    ]


def flights_graph() -> Graph:
    """OpenFlights; an edge for every airline's route, and none of an airport to itself."""
    flights = read_flights()
    nodes = [
        {"id": airport.id, "iata": airport.iata or "", "name": airport.name, "country": airport.country}
        for airport in flights.airports.values()
    ]
    edges = [(route.source, route.target) for route in flights.routes if route.source != route.target]
    return Graph("Airport", "ROUTE", nodes, edges)


def airport_id(graph: Graph, code: str) -> int:
    """An airport by its code."""
    return next(int(node["id"]) for node in graph.nodes if node["iata"] == code)


def filtered(rows: Sequence[dict[str, Any]], price: float, group: int) -> int:
    """How many items are dearer than a price, in groups below one."""
    return sum(row["price"] > price and row["grp"] < group for row in rows)


def grouped(rows: Sequence[dict[str, Any]]) -> list[list[float]]:
    """Group, count and sum of prices, in order of the groups."""
    counts: Counter[int] = Counter()
    sums: Counter[int] = Counter()
    for row in rows:
        counts[row["grp"]] += 1
        sums[row["grp"]] += row["price"]
    return [[group, counts[group], sums[group]] for group in sorted(counts)]
