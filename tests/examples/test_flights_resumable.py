"""A load that is killed, with SIGKILL, at any moment goes on where its last commit was."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from pathlib import Path

from flights.files import read_flights
from flights.resumable import ROWS_PER_COMMIT, load

from skerry import flow

ROUTES = 6200
EXAMPLES = Path(__file__).parents[2] / "examples"


def loading(directory: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "flights.resumable", str(directory), "--routes", str(ROUTES)]
    return subprocess.Popen(command, cwd=EXAMPLES, stdout=subprocess.PIPE, text=True)


def kill_after(process: subprocess.Popen[str], routes: int) -> None:
    """Kill it as soon as it says that so many are there."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.endswith("routes\n") and int(line.split()[0]) >= routes:
            break
    process.kill()
    assert process.wait() == -signal.SIGKILL, "it was too fast"
    process.stdout.close()


def test_killed_and_resumed_nothing_is_lost_and_nothing_comes_twice(tmp_path: Path) -> None:
    place = random.Random(7)
    flights = read_flights()
    committed = 0
    for _ in range(2):
        kill_after(loading(tmp_path / "db"), committed + place.randint(1001, 2200))
        with flow.open(tmp_path / "db") as db:
            found = db.execute("SELECT count(*), max(line) + 1 FROM route").fetchall()[0]
        assert found[0] == found[1], "rows are missing in between"
        assert committed < found[0] < ROUTES
        assert found[0] % ROWS_PER_COMMIT == 0
        committed = found[0]
    with flow.open(tmp_path / "db") as db:
        report = load(db, flights, ROUTES).report
        assert report.stages["add_route"].rows == ROUTES - committed
        assert report.stages["add_route"].commits == -(-(ROUTES - committed) // ROWS_PER_COMMIT)
        assert "add_airport" not in report.stages
        rows = db.execute("SELECT source, target, airline, distance_km FROM route ORDER BY line").fetchall()
        assert rows == [
            (route.source, route.target, route.airline, route.distance_km)
            for route in flights.routes[:ROUTES]
        ]
        airports = db.execute("SELECT id, name, country, iata FROM airport ORDER BY line").fetchall()
        assert airports == [
            (airport.id, airport.name, airport.country, airport.iata) for airport in flights.airports.values()
        ]
        assert load(db, flights, ROUTES).report.rows == 2
