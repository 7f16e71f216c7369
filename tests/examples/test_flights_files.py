"""The flights example: what its files hold, and how progress is shown."""

from __future__ import annotations

import pytest
from flights.files import Airport, Flights, distance_km, read_flights
from flights.progress import batches, plain


@pytest.fixture(scope="module")
def flights() -> Flights:
    return read_flights()


def test_files_hold_airports_and_the_routes_between_them(flights: Flights) -> None:
    assert len(flights.airports) == 7698
    assert len(flights.routes) == 66771
    assert flights.left_out == 67663 - 66771
    assert flights.airports[332].name == 'Magdeburg "City" Airport'
    assert flights.airports[22].iata is None
    first = flights.routes[0]
    assert (first.airline, first.carrier, first.source, first.target) == ("2B", "Aerocondor", 2965, 2990)


def test_distances_are_great_circles() -> None:
    pole = Airport(1, "", "", "", None, 90.0, 0.0)
    equator = Airport(2, "", "", "", None, 0.0, 77.0)
    assert distance_km(pole, equator) == pytest.approx(6371 * 3.14159265 / 2)
    assert distance_km(equator, equator) == 0


def test_plain_progress_says_a_few_times_how_far_it_is() -> None:
    said: list[str] = []
    assert list(plain(range(9), said.append)) == list(range(9))
    assert said == ["22 %", "44 %", "66 %", "88 %", "100 %"]


def test_batches_are_all_the_items_in_order() -> None:
    assert [list(some) for some in batches(range(5), 2, "items", quiet=True)] == [[0, 1], [2, 3], [4]]
