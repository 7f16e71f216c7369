"""psql in a terminal: TAB completes names out of the catalogs."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing

import pytest
from support.postgres_server import Address
from support.wire_client import WireClient

TIMEOUT_S = 30.0
OBJECTS = (
    "CREATE SCHEMA completable_schema",
    "CREATE TABLE completable_schema.inner_table (a int)",
    "CREATE TABLE completable_table (peculiar_column int, other_column int)",
    "CREATE VIEW only_view AS SELECT 1 AS one",
    "CREATE SEQUENCE only_sequence",
    "CREATE INDEX only_index ON completable_table (other_column)",
)


class Terminal:
    """An interactive psql behind a pseudo-terminal."""

    def __init__(self, address: Address, database: str) -> None:
        program = shutil.which("psql")
        if program is None:
            pytest.skip("no psql on the path")
        self.master, slave = pty.openpty()
        self.process = subprocess.Popen(
            [program, "-X", "-d", database],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={
                **os.environ,
                **address.environment(),
                "PGDATABASE": database,
                "TERM": "dumb",
                "PAGER": "cat",
                "INPUTRC": "/dev/null",
            },
            start_new_session=True,
        )
        os.close(slave)
        self.read_until(r"[=#>] $")

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self.master, text.encode())

    def read_until(self, pattern: str) -> str:
        """What the screen shows until it matches the pattern."""
        shown, deadline_s = "", time.monotonic() + TIMEOUT_S
        while not re.search(pattern, shown):
            ready = select.select([self.master], [], [], max(0.0, deadline_s - time.monotonic()))[0]
            assert ready, f"{pattern!r} is not in {shown!r}"
            shown += os.read(self.master, 4096).decode()
        return shown

    def close(self) -> None:
        """End psql."""
        self.process.kill()
        self.process.wait()
        os.close(self.master)


@pytest.fixture(scope="module")
def terminal(skerry_server: Address) -> Iterator[Terminal]:
    with closing(WireClient(skerry_server)) as admin:
        admin.query("DROP DATABASE IF EXISTS completion")
        assert admin.query("CREATE DATABASE completion").error is None
    with closing(WireClient(skerry_server, "completion")) as client:
        for statement in OBJECTS:
            assert client.query(statement).error is None
    with closing(Terminal(skerry_server, "completion")) as made:
        yield made


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("SELECT * FROM completable_t", "completable_table "),
        ("SELECT * FROM only_v", "only_view "),
        ("SELECT * FROM completable_schema.", r"completable_schema\.inner_table "),
        ("UPDATE completable_table SET pec", "peculiar_column "),
        ("ALTER SEQUENCE only", "only_sequence "),
        ("DROP INDEX only", "only_index "),
        ("SET client_min", "client_min_messages "),
        ("\\d completable_t", "completable_table "),
        ("\\c compl", "completion "),
        ("COMMENT ON SCHEMA compl", "completable_schema "),
    ],
)
def test_tab_completes(terminal: Terminal, typed: str, completed: str) -> None:
    terminal.type(f"{typed}\t")
    terminal.read_until(completed)
    terminal.type("\x15")  # forget the line
