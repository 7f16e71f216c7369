"""pg_dump, PostgreSQL's own, in front of Skerry: what it writes loads into PostgreSQL, and into Skerry again, and makes
the database that it was taken from.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from contextlib import closing

import pytest
from psql import describing
from support.postgres_server import Address
from support.wire_client import WireClient

OWN_LINES = re.compile(r"^(--.*|\\restrict .*|\\unrestrict .*|GRANT USAGE ON SCHEMA pg_catalog TO PUBLIC;|)$")
"""What differs from one server to the next, and the right to pg_catalog that everybody has."""


def _run(server: Address, program: str, *arguments: str, script: str = "") -> str:
    ran = subprocess.run(
        [program, *arguments],
        input=script,
        capture_output=True,
        text=True,
        env={**os.environ, **server.environment(), "PGTZ": "UTC"},
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    return ran.stdout


def _load(server: Address, database: str, script: str) -> None:
    with closing(WireClient(server)) as admin:
        admin.query(f"DROP DATABASE IF EXISTS {database}")
        assert admin.query(f"CREATE DATABASE {database}").error is None
    _run(server, "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", database, "-f", "-", script=script)


def _dump(server: Address, database: str, *arguments: str) -> list[str]:
    """The lines of a dump that say something."""
    text = _run(server, "pg_dump", *arguments, database)
    return [line for line in text.splitlines() if not OWN_LINES.match(line)]


@pytest.mark.parametrize("arguments", [(), ("--inserts",)], ids=["copy", "inserts"])
def test_a_dump_makes_the_same_database_again(
    skerry_server: Address, postgres: Address, arguments: tuple[str, ...]
) -> None:
    if shutil.which("pg_dump") is None:
        pytest.skip("no pg_dump on the path")
    _load(skerry_server, "dumped", (describing.HERE / "schema.sql").read_text())
    dumped = _dump(skerry_server, "dumped", *arguments)
    script = "\n".join(dumped)
    for server in (postgres, skerry_server):
        _load(server, "reloaded", script)
        again = _dump(server, "reloaded", *arguments)
        assert sorted(again) == sorted(dumped)  # what does not depend on each other comes by name or by OID
