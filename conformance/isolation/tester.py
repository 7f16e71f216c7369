"""Runs isolationtester against a server, each time in a database of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.postgres_server import Address
from support.wire_client import WireClient

STEP_TIMEOUT_S = 10
TEARDOWN_TIMEOUT_S = 15
SPEC_TIMEOUT_S = 300
DRIVER_ENVIRONMENT = {
    "PGDATESTYLE": "Postgres, MDY",
    "PGTZ": "PST8PDT",
    # Later than STEP_TIMEOUT_S, so that it ends teardowns only, which isolationtester itself never gives up.
    "PGOPTIONS": f"-c intervalstyle=postgres_verbose -c lock_timeout={TEARDOWN_TIMEOUT_S * 1000}",
    "PGISOLATIONTIMEOUT": str(STEP_TIMEOUT_S),
}
DATABASE = "isolation_regression"


class CannotRun(Exception):
    """Something that the run needs is missing; the message says what."""


class Tester:
    """One isolationtester, with the settings that PostgreSQL's test driver gives it.  Keeps every transcript in
    the directory `keep`, if there is one."""

    def __init__(self, program: Path, keep: Path | None = None) -> None:
        self._program = program
        self._keep = keep

    def transcript(self, address: Address, name: str, text: str, kept_as: str) -> str:
        """Run a spec's text in a database of its own; what isolationtester printed.  `kept_as` ends the name of
        the file in which it is kept, if it is."""
        found = self._run(address, name, text)
        if self._keep is not None:
            self._keep.mkdir(parents=True, exist_ok=True)
            (self._keep / f"{name}.{kept_as}").write_text(found)
        return found

    def _run(self, address: Address, name: str, text: str) -> str:
        with _own_database(address) as database:
            environment = {
                **os.environ,
                **address.environment(),
                **DRIVER_ENVIRONMENT,
                "PGDATABASE": database,
                "PGAPPNAME": f"isolation/{name}",
            }
            try:
                ran = subprocess.run(
                    [str(self._program), f"dbname={database}"],
                    input=text.encode(),
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    env=environment,
                    timeout=SPEC_TIMEOUT_S,
                    check=False,
                )
            except subprocess.TimeoutExpired as late:
                printed = late.stdout or b""
                return f"{printed.decode()}\n(not done after {SPEC_TIMEOUT_S} s)\n"
        return ran.stdout.decode()


@contextmanager
def _own_database(address: Address) -> Iterator[str]:
    """A new database, dropped afterwards."""
    client = WireClient(address)
    try:
        for text in (f"DROP DATABASE IF EXISTS {DATABASE}", f"CREATE DATABASE {DATABASE} TEMPLATE template0"):
            error = client.query(text).error
            if error is not None:
                raise CannotRun(f"{text}: {error['M']}")
        yield DATABASE
        client.query(f"DROP DATABASE IF EXISTS {DATABASE}")
    finally:
        client.close()


def find_tester(named: Path | None) -> Path:
    """isolationtester: the one named, else the one that pg_config leads to.  Raises CannotRun."""
    if named is not None:
        if not os.access(named, os.X_OK):
            raise CannotRun(f"{named} can't be run")
        return named
    config = shutil.which("pg_config")
    candidates = sorted(Path("/usr/lib/postgresql").glob("*/lib/pgxs/src/test/isolation/isolationtester"))
    if config is not None:
        ran = subprocess.run([config, "--pgxs"], capture_output=True, text=True, check=False)
        pgxs = Path(ran.stdout.strip() or "/none")
        candidates.insert(0, pgxs.parent.parent / "test" / "isolation" / "isolationtester")
    for candidate in candidates:
        if os.access(candidate, os.X_OK):
            return candidate
    raise CannotRun(
        "no isolationtester: install PostgreSQL 15 and its server's headers, or use --isolationtester"
    )
