"""From the files' rows to nodes and edges, a batch of them in each statement.

Airports are committed before the routes come, so that the planner knows how many there are.
"""

from __future__ import annotations

from collections.abc import Sequence

import skerry
from flights.files import Airport, Flights, Route
from flights.progress import batches

BATCH = 1000

ONE_OF_EACH = "CREATE CONSTRAINT one_of_each FOR (a:Airport) REQUIRE a.id IS UNIQUE"
"""Makes the index, too, by which routes find their airports."""

INSERT_AIRPORTS = """
    FOR airport IN $airports
    INSERT (:Airport {
        id: airport.id, name: airport.name, city: airport.city, country: airport.country,
        iata: airport.iata, latitude: airport.latitude, longitude: airport.longitude
    })
"""

INSERT_ROUTES = """
    FOR route IN $routes
    MATCH (source:Airport WHERE source.id = route.source), (target:Airport WHERE target.id = route.target)
    INSERT (source)-[:ROUTE {
        airline: route.airline, carrier: route.carrier, stops: route.stops, distance_km: route.distance_km
    }]->(target)
"""


def load(database: skerry.Database, flights: Flights, quiet: bool = False) -> None:
    """Insert every airport and every route."""
    with database.begin_transaction() as transaction:
        transaction.execute(ONE_OF_EACH)
        airports = list(flights.airports.values())
        for some in batches(airports, BATCH, "airports", quiet):
            transaction.execute(INSERT_AIRPORTS, {"airports": [airport_values(each) for each in some]})
        transaction.commit()
    with database.begin_transaction() as transaction:
        for some_routes in batches(flights.routes, BATCH, "routes", quiet):
            transaction.execute(INSERT_ROUTES, {"routes": route_values(some_routes)})
        transaction.commit()


def airport_values(airport: Airport) -> dict[str, object]:
    """An airport as a record; what is not known is no property."""
    return vars(airport).copy()


def route_values(routes: Sequence[Route]) -> list[dict[str, object]]:
    """Routes as records."""
    return [vars(route).copy() for route in routes]
