"""The three CSV files as typed rows; distances are made here, as the files have none."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

DATA = Path(__file__).resolve().parent / "data"
UNKNOWN = r"\N"
EARTH_RADIUS_KM = 6371.0


@dataclass(frozen=True)
class Airport:
    """A row of airports.dat; `iata` is None where there is no code."""

    id: int
    name: str
    city: str
    country: str
    iata: str | None
    latitude: float
    longitude: float


@dataclass(frozen=True)
class Route:
    """A row of routes.dat: `airline` is the two-letter code, `carrier` the airline's name if it is known."""

    source: int
    target: int
    airline: str
    carrier: str | None
    stops: int
    distance_km: int


@dataclass(frozen=True)
class Flights:
    """What the files hold; routes from or to an airport that is not in the file are left out and counted."""

    airports: dict[int, Airport]
    routes: list[Route]
    left_out: int


def read_flights(directory: Path = DATA) -> Flights:
    """Read all three files."""
    airports = {airport.id: airport for airport in _airports(directory / "airports.dat")}
    carriers = {row[0]: row[1] for row in _rows(directory / "airlines.dat")}
    routes: list[Route] = []
    left_out = 0
    for airline, airline_id, _, source, _, target, _, stops, _ in _rows(directory / "routes.dat"):
        ends = _airport_of(airports, source), _airport_of(airports, target)
        if ends[0] is None or ends[1] is None:
            left_out += 1
            continue
        distance = round(distance_km(ends[0], ends[1]))
        routes.append(Route(ends[0].id, ends[1].id, airline, carriers.get(airline_id), int(stops), distance))
    return Flights(airports, routes, left_out)


def distance_km(one: Airport, other: Airport) -> float:
    """The great circle between two airports, on a round earth."""
    latitudes = math.radians(one.latitude), math.radians(other.latitude)
    longitude = math.radians(other.longitude - one.longitude)
    haversine = (
        math.sin((latitudes[1] - latitudes[0]) / 2) ** 2
        + math.cos(latitudes[0]) * math.cos(latitudes[1]) * math.sin(longitude / 2) ** 2
    )
    return 2 * EARTH_RADIUS_KM * math.asin(math.sqrt(haversine))


def _rows(path: Path) -> Iterator[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        yield from csv.reader(file)


def _airports(path: Path) -> Iterator[Airport]:
    for number, name, city, country, iata, _, latitude, longitude, *_ in _rows(path):
        code = None if iata == UNKNOWN else iata
        yield Airport(int(number), name, city, country, code, float(latitude), float(longitude))


def _airport_of(airports: dict[int, Airport], number: str) -> Airport | None:
    return None if number == UNKNOWN else airports.get(int(number))
