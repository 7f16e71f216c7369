"""The flights example: each of its questions asked of networkx, too."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

import networkx
import pytest
from flights.files import Flights, Route, read_flights
from flights.load import load
from flights.questions import QUESTIONS, Question

import skerry

Rows = list[tuple[object, ...]]


class Oracle:
    """The same graph in networkx: `graph` has one edge for all routes between two airports, and none of an
    airport to itself."""

    def __init__(self, flights: Flights) -> None:
        self.airports = flights.airports
        self.routes = flights.routes
        self.graph = networkx.DiGraph()
        self.graph.add_nodes_from(flights.airports)
        for route in flights.routes:
            if route.source != route.target:
                self.graph.add_edge(route.source, route.target, distance_km=route.distance_km)
        self.by_code = {airport.iata: airport.id for airport in flights.airports.values() if airport.iata}

    def hubs(self) -> Rows:
        targets: dict[int, set[int]] = {}
        for route in self.routes:
            targets.setdefault(route.source, set()).add(route.target)
        found = [(self.airports[source].iata, len(ends)) for source, ends in targets.items()]
        return sorted(found, key=lambda row: (-row[1], str(row[0])))[:10]  # type: ignore[return-value]

    def one_change(self, origin: str) -> Rows:
        reached = networkx.single_source_shortest_path_length(self.graph, self.by_code[origin], cutoff=2)
        return [(len(reached) - 1,)]

    def reachable(self, origin: str) -> Rows:
        return [(len(networkx.descendants(self.graph, self.by_code[origin])),)]

    def farthest(self, origin: str) -> Rows:
        hops = networkx.single_source_shortest_path_length(self.graph, self.by_code[origin])
        rows = [
            (self.airports[number].name, self.airports[number].country, flights)
            for number, flights in hops.items()
            if flights
        ]
        return sorted(rows, key=lambda row: (-row[2], row[0]))[:5]  # type: ignore[return-value]

    def fewest_flights(self, origin: str, destination: str) -> Rows:
        paths = networkx.all_shortest_paths(self.graph, self.by_code[origin], self.by_code[destination])
        return [([self.airports[number].iata for number in path[1:]],) for path in paths]

    def fewest_kilometres(self, origin: str, destination: str) -> Rows:
        start, end = self.by_code[origin], self.by_code[destination]
        paths = networkx.all_simple_paths(self.graph, start, end, cutoff=2)
        return [(min(networkx.path_weight(self.graph, path, "distance_km") for path in paths),)]

    def round_trips(self, origin: str) -> Rows:
        start = self.by_code[origin]
        onward: dict[tuple[int, str], list[Route]] = {}
        for route in self.routes:
            onward.setdefault((route.source, route.airline), []).append(route)
        found: Counter[str] = Counter()
        for (source, airline), first in onward.items():
            if source == start:
                found[airline] = sum(
                    third.target == start
                    for one in first
                    if one.target != start
                    for second in onward.get((one.target, airline), ())
                    if second.target != start
                    for third in onward.get((second.target, airline), ())
                    if third is not second
                )
        return sorted(((name, n) for name, n in found.items() if n), key=lambda row: (-row[1], row[0]))  # type: ignore[return-value]

    def no_way_back(self) -> Rows:
        return [
            (len({source for source, target in self.graph.edges if not self.graph.has_edge(target, source)}),)
        ]

    def dead_ends(self) -> Rows:
        both = self.graph.to_undirected()
        counted = Counter(self.airports[number].country for number, degree in both.degree if degree == 1)
        return sorted(counted.items(), key=lambda row: (-row[1], row[0]))[:5]  # type: ignore[return-value]

    def no_flights(self) -> Rows:
        used = {end for route in self.routes for end in (route.source, route.target)}
        return [(len(self.airports) - len(used),)]


@pytest.fixture(scope="module")
def flights() -> Flights:
    return read_flights()


@pytest.fixture(scope="module")
def oracle(flights: Flights) -> Oracle:
    return Oracle(flights)


@pytest.fixture(scope="module")
def database(flights: Flights) -> Iterator[skerry.Database]:
    with skerry.open() as database:
        load(database, flights, quiet=True)
        yield database


def test_everything_is_loaded(database: skerry.Database, flights: Flights) -> None:
    assert database.execute("MATCH (a:Airport) RETURN COUNT(*) AS n").scalar() == len(flights.airports)
    assert database.execute("MATCH ()-[r:ROUTE]->() RETURN COUNT(*) AS n").scalar() == len(flights.routes)


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.name)
def test_networkx_gives_the_same_answer(
    database: skerry.Database, oracle: Oracle, question: Question
) -> None:
    ask: Callable[..., Rows] = getattr(oracle, question.name.replace(" ", "_"))
    expected = ask(**question.parameters)
    given = database.execute(question.gql, question.parameters).fetchall()
    if "ORDER BY" not in question.gql:
        given, expected = sorted(given), sorted(expected)
    assert expected
    assert given == expected
