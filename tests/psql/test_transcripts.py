"""psql in front of Skerry prints what it prints in front of PostgreSQL, character by character.

Each file of `scripts/` runs in a fresh database on both; prompts are off, statements are echoed.  What must
differ is masked: times of `\\timing`, names and ports of the connection, sizes, process
numbers.
"""

from __future__ import annotations

import difflib
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from support.postgres_server import Address
from support.wire_client import WireClient

SCRIPTS = sorted((Path(__file__).parent / "scripts").glob("*.sql"))
MASKS = (
    (re.compile(r"Time: [\d.]+ ms(?: \([^)]*\))?"), "Time: N ms"),
    (re.compile(r"\b\d+ (?:bytes|kB)\b"), "N bytes"),
    (re.compile(r"server process with PID \d+"), "server process with PID N"),
)


@pytest.fixture(scope="session")
def psql() -> str:
    """The psql program."""
    found = shutil.which("psql")
    if found is None:
        pytest.skip("no psql on the path")
    return found


def transcript(psql: str, address: Address, script: Path) -> list[str]:
    """The output of a script, standard error included, in a database made for it."""
    name = f"psql_{script.stem}"
    admin = WireClient(address)
    admin.query(f"DROP DATABASE IF EXISTS {name}")
    made = admin.query(f"CREATE DATABASE {name}")
    assert made.error is None, made.error
    admin.close()
    ran = subprocess.run(
        [psql, "-X", "--echo-all", "-d", name, "-v", "SHOW_ALL_RESULTS=on", "-f", "-"],
        input=script.read_bytes(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={
            **os.environ,
            **address.environment(),
            "PGDATABASE": name,
            "PGTZ": "UTC",
            "PGCLIENTENCODING": "UTF8",
        },
        timeout=120,
        check=False,
    )
    text = ran.stdout.decode()
    for pattern, replacement in MASKS:
        text = pattern.sub(replacement, text)
    return text.splitlines()


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_same_transcript(psql: str, postgres: Address, skerry_server: Address, script: Path) -> None:
    client = WireClient(postgres)
    client.close()
    if not client.parameters["server_version"].startswith("15."):
        pytest.skip(f"wording is compared with PostgreSQL 15, this is {client.parameters['server_version']}")
    expected = transcript(psql, postgres, script)
    actual = transcript(psql, skerry_server, script)
    difference = list(difflib.unified_diff(expected, actual, "PostgreSQL", "Skerry", lineterm="", n=2))
    assert not difference, "\n" + "\n".join(difference)


def test_chinook_loads_as_a_user_would_load_it(psql: str, skerry_server: Address) -> None:
    script = Path(__file__).parent.parent / "data" / "chinook.sql"
    ran = subprocess.run(
        [psql, "-X", "-v", "ON_ERROR_STOP=1", "-q", "-f", str(script)],
        capture_output=True,
        text=True,
        env={**os.environ, **skerry_server.environment()},
        timeout=300,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert "ERROR" not in ran.stderr
    client = WireClient(skerry_server, "chinook")
    counts = {
        "album": 347,
        "artist": 275,
        "customer": 59,
        "employee": 8,
        "genre": 25,
        "invoice": 412,
        "invoice_line": 2240,
        "media_type": 5,
        "playlist": 18,
        "playlist_track": 8715,
        "track": 3503,
    }
    for table, rows in counts.items():
        assert client.query(f"SELECT count(*) FROM {table}").rows == [(str(rows),)]
    client.close()
