"""One graph database in a process of its own: reads tasks as lines of JSON, answers with times and results.

    python graph_worker.py skerry | grafeo | ladybug DIRECTORY

    {"do": "load", "size": "quick"}                          -> {"seconds": {...}}
    {"do": "measure", "name": "1-hop", "keys": [[3], [5]]}   -> {"us": 12.3, "answers": [...]}
    anything that fails                                      -> {"error": "..."}

A measured task runs its statement once for each list of parameters and fetches all rows; the time is the mean of one.
Each system gets the statement in its own words, and the way it has to prepare or cache it.
"""

from __future__ import annotations

import csv
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from graph_data import Graph, Size, flights_graph, items, random_graph

Rows = list[list[Any]]
NEW = "New"
"""The label of nodes that measured INSERTs make."""

INSERT = "insert"
COMMIT = "durable commit"

GQL = {
    INSERT: "INSERT (:New {id: $a, name: $b})",
    COMMIT: "INSERT (:New {id: $a, name: $b})",
    "point look-up": "MATCH (p:Person {id: $a}) RETURN p.name",
    "1-hop": "MATCH (p:Person {id: $a})-[:KNOWS]->(f) RETURN f.id",
    "2-hop": "MATCH (p:Person {id: $a})-[:KNOWS]->()-[:KNOWS]->(f) RETURN COUNT(*)",
    "1..3-hop": "MATCH (p:Person {id: $a})-[:KNOWS]->{1,3}(f) RETURN COUNT(*)",
    "all 2-hops": "MATCH (a:Person)-[:KNOWS]->(b)-[:KNOWS]->(c) RETURN COUNT(*)",
    "shortest path": "MATCH p = ANY SHORTEST (a:Person {id: $a})-[:KNOWS]->*(b:Person {id: $b}) RETURN PATH_LENGTH(p)",
    "filter": "MATCH (i:Item) WHERE i.price > $a AND i.grp < $b RETURN COUNT(*)",
    "aggregate": "MATCH (i:Item) RETURN i.grp AS grp, COUNT(*) AS n, SUM(i.price) AS total GROUP BY grp",
    "flights: 1-hop": "MATCH (p:Airport {id: $a})-[:ROUTE]->(f) RETURN f.id",
    "flights: 2-hop": "MATCH (p:Airport {id: $a})-[:ROUTE]->()-[:ROUTE]->(f) RETURN COUNT(*)",
    "flights: shortest path": (
        "MATCH p = ANY SHORTEST (a:Airport {id: $a})-[:ROUTE]->*(b:Airport {id: $b}) RETURN PATH_LENGTH(p)"
    ),
}
CYPHER = GQL | {
    INSERT: "CREATE (:New {id: $a, name: $b})",
    COMMIT: "CREATE (:New {id: $a, name: $b})",
    "1..3-hop": "MATCH (p:Person {id: $a})-[:KNOWS* TRAIL 1..3]->(f) RETURN COUNT(*)",
    "shortest path": "MATCH p = (a:Person {id: $a})-[:KNOWS* SHORTEST 1..30]->(b:Person {id: $b}) RETURN length(p)",
    "aggregate": "MATCH (i:Item) RETURN i.grp AS grp, COUNT(*) AS n, SUM(i.price) AS total",
    "flights: shortest path": (
        "MATCH p = (a:Airport {id: $a})-[:ROUTE* SHORTEST 1..30]->(b:Airport {id: $b}) RETURN length(p)"
    ),
}


class System:
    """A database with the three graphs in it; `run` executes a statement with parameters."""

    statements = GQL

    def load(self, graph: Graph) -> None:
        """Put in nodes and edges, with an index by id."""
        raise NotImplementedError

    def load_items(self, rows: list[dict[str, Any]]) -> None:
        """Put in the nodes to aggregate."""
        raise NotImplementedError

    def runner(self, name: str) -> Callable[[list[Any]], Rows]:
        """What executes a statement with a list of parameters."""
        raise NotImplementedError


class Skerry(System):
    """In memory; durable commits go to a directory of their own."""

    def __init__(self, directory: Path) -> None:
        import skerry

        self.database = skerry.open()
        self.durable = skerry.open(directory / "durable")

    def load(self, graph: Graph) -> None:
        run = self.database.execute
        run(f"CREATE CONSTRAINT FOR (n:{graph.label}) REQUIRE n.id IS UNIQUE")
        names = [name for name in graph.nodes[0] if name != "id"]
        fields = ", ".join(f"{name}: row.{name}" for name in ["id", *names])
        for some in batches(graph.nodes):
            run(f"FOR row IN $rows INSERT (:{graph.label} {{{fields}}})", {"rows": some})
        for pairs in batches([{"s": source, "t": target} for source, target in graph.edges]):
            run(
                f"FOR row IN $rows MATCH (a:{graph.label} WHERE a.id = row.s), (b:{graph.label} WHERE b.id = row.t) "
                f"INSERT (a)-[:{graph.edge_label}]->(b)",
                {"rows": pairs},
            )

    def load_items(self, rows: list[dict[str, Any]]) -> None:
        for some in batches(rows):
            self.database.execute(
                "FOR row IN $rows INSERT (:Item {id: row.id, grp: row.grp, price: row.price})", {"rows": some}
            )

    def runner(self, name: str) -> Callable[[list[Any]], Rows]:
        text = self.statements[name]
        execute = (self.durable if name == COMMIT else self.database).execute

        def run(values: list[Any]) -> Rows:
            return [list(row) for row in execute(text, named(values))]

        return run


class Grafeo(System):
    """In memory; the durable row is a directory, whatever its commits are worth."""

    statements = GQL | {
        "shortest path": GQL["shortest path"].replace("PATH_LENGTH", "LENGTH"),
        "flights: shortest path": GQL["flights: shortest path"].replace("PATH_LENGTH", "LENGTH"),
        "aggregate": "MATCH (i:Item) RETURN i.grp AS grp, COUNT(*) AS n, SUM(i.price) AS total",
    }

    def __init__(self, directory: Path) -> None:
        import grafeo  # type: ignore[import-not-found, unused-ignore]

        self.database = grafeo.GrafeoDB()
        self.durable = grafeo.GrafeoDB(str(directory / "durable"))
        self.database.create_property_index("id")

    def load(self, graph: Graph) -> None:
        made = self.database.batch_create_nodes_with_props(graph.label, graph.nodes)
        ids = {node["id"]: number for node, number in zip(graph.nodes, made, strict=True)}
        self.database.batch_create_edges([(ids[s], ids[t], graph.edge_label) for s, t in graph.edges])

    def load_items(self, rows: list[dict[str, Any]]) -> None:
        self.database.batch_create_nodes_with_props("Item", rows)

    def runner(self, name: str) -> Callable[[list[Any]], Rows]:
        text = self.statements[name]
        execute = (self.durable if name == COMMIT else self.database).execute

        def run(values: list[Any]) -> Rows:
            return [list(row.values()) for row in execute(text, named(values))]

        return run


class Ladybug(System):
    """In memory; the durable row is a file."""

    statements = CYPHER

    def __init__(self, directory: Path) -> None:
        import ladybug  # type: ignore[import-not-found, unused-ignore]

        self.directory = directory
        self.connection = ladybug.Connection(ladybug.Database(":memory:"))
        self.durable = ladybug.Connection(ladybug.Database(str(directory / "durable.lbdb")))
        for connection in (self.connection, self.durable):
            connection.execute("CREATE NODE TABLE New(id INT64, name STRING, PRIMARY KEY(id))")

    def load(self, graph: Graph) -> None:
        names = [name for name in graph.nodes[0] if name != "id"]
        columns = "".join(f", {name} STRING" for name in names)
        self._fill(
            graph.label,
            f"id INT64{columns}",
            [[node["id"], *(node[n] for n in names)] for node in graph.nodes],
        )
        self.connection.execute(f"CREATE REL TABLE {graph.edge_label}(FROM {graph.label} TO {graph.label})")
        self._copy(graph.edge_label, [list(edge) for edge in graph.edges])

    def load_items(self, rows: list[dict[str, Any]]) -> None:
        self._fill("Item", "id INT64, grp INT64, price DOUBLE", [list(row.values()) for row in rows])

    def _fill(self, label: str, columns: str, rows: Rows) -> None:
        self.connection.execute(f"CREATE NODE TABLE {label}({columns}, PRIMARY KEY(id))")
        self._copy(label, rows)

    def _copy(self, table: str, rows: Rows) -> None:
        path = self.directory / f"{table}.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, quoting=csv.QUOTE_ALL).writerows(rows)
        self.connection.execute(f"COPY {table} FROM '{path}' (HEADER=false)")

    def runner(self, name: str) -> Callable[[list[Any]], Rows]:
        connection = self.durable if name == COMMIT else self.connection
        text = self.statements[name]

        def run(values: list[Any]) -> Rows:
            rows: Rows = connection.execute(text, named(values)).get_all()
            return rows

        return run


SYSTEMS: dict[str, Callable[[Path], System]] = {"skerry": Skerry, "grafeo": Grafeo, "ladybug": Ladybug}


def named(values: Sequence[Any]) -> dict[str, Any]:
    """Parameters $a, $b, ..."""
    return dict(zip("abc", values, strict=False))


def batches(rows: list[dict[str, Any]], size: int = 5_000) -> list[list[dict[str, Any]]]:
    """Slices."""
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def load(system: System, size: Size) -> dict[str, Any]:
    """Load all graphs; how long each took."""
    seconds: dict[str, float] = {}
    for title, graph in (("random", random_graph(size)), ("flights", flights_graph())):
        began_s = time.perf_counter()
        system.load(graph)
        seconds[title] = time.perf_counter() - began_s
    began_s = time.perf_counter()
    system.load_items(items(size))
    seconds["items"] = time.perf_counter() - began_s
    return {"seconds": seconds}


def measure(system: System, name: str, keys: list[list[Any]]) -> dict[str, Any]:
    """Run a statement for each list of parameters."""
    run = system.runner(name)
    answers: list[Rows] = []
    began_ns = time.perf_counter_ns()
    for values in keys:
        answers.append(run(values))
    taken_us = (time.perf_counter_ns() - began_ns) / 1000
    return {"us": taken_us / len(keys), "answers": [sorted(rows) for rows in answers]}


def main() -> None:
    """Serve tasks until the input ends."""
    system = SYSTEMS[sys.argv[1]](Path(sys.argv[2]))
    for line in sys.stdin:
        task = json.loads(line)
        try:
            if task["do"] == "load":
                answer = load(system, Size.quick() if task["size"] == "quick" else Size())
            else:
                answer = measure(system, task["name"], task["keys"])
        except BaseException as problem:  # noqa: BLE001 -- a panic of a library is no Exception
            answer = {"error": f"{type(problem).__name__}: {problem}"[:300]}
        print(json.dumps(answer, default=float), flush=True)


if __name__ == "__main__":
    main()
