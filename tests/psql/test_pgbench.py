"""pgbench: initialises and runs in every mode without an error, and the books balance."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest
from support.postgres_server import Address
from support.wire_client import WireClient


def _program() -> str:
    found = shutil.which("pgbench")
    if found is None:
        installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/pgbench"))
        if not installed:
            pytest.skip("no pgbench")
        found = str(installed[-1])
    return found


def _pgbench(address: Address, arguments: Sequence[str]) -> str:
    ran = subprocess.run(
        [_program(), *arguments, "pgbench_db"],
        capture_output=True,
        text=True,
        env={**os.environ, **address.environment()},
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert "ERROR" not in ran.stderr and "aborted" not in ran.stderr, ran.stderr
    return ran.stdout


@pytest.fixture(scope="module")
def initialised(skerry_server: Address) -> Address:
    """The server with pgbench's tables, scale 1, in the database pgbench_db."""
    with closing(WireClient(skerry_server)) as admin:
        admin.query("DROP DATABASE IF EXISTS pgbench_db")
        assert admin.query("CREATE DATABASE pgbench_db").error is None
    _pgbench(skerry_server, ["-i", "-s", "1", "--foreign-keys"])
    return skerry_server


@pytest.mark.parametrize("clients", [1, 8])
@pytest.mark.parametrize("mode", ["simple", "extended", "prepared"])
def test_select_only(initialised: Address, mode: str, clients: int) -> None:
    output = _pgbench(initialised, ["-n", "-S", "-M", mode, "-c", str(clients), "-t", "50"])
    assert f"number of transactions actually processed: {clients * 50}/{clients * 50}" in output


@pytest.mark.parametrize("clients", [1, 8])
@pytest.mark.parametrize("mode", ["simple", "extended", "prepared"])
def test_tpc_b(initialised: Address, mode: str, clients: int) -> None:
    output = _pgbench(initialised, ["-n", "-M", mode, "-c", str(clients), "-t", "30"])
    assert f"number of transactions actually processed: {clients * 30}/{clients * 30}" in output
    with closing(WireClient(initialised, "pgbench_db")) as client:
        sums = [
            client.query(f"SELECT coalesce(sum({column}), 0) FROM pgbench_{table}").rows[0][0]
            for table, column in (
                ("accounts", "abalance"),
                ("tellers", "tbalance"),
                ("branches", "bbalance"),
                ("history", "delta"),
            )
        ]
    assert len(set(sums)) == 1, sums


def test_repeatable_read_retries(initialised: Address) -> None:
    """Under snapshot isolation conflicts are real and retryable: pgbench retries them all."""
    ran = subprocess.run(
        [_program(), "-n", "-c", "4", "-t", "20", "--max-tries=100", "pgbench_db"],
        capture_output=True,
        text=True,
        env={
            **os.environ,
            **initialised.environment(),
            "PGOPTIONS": "-c default_transaction_isolation=repeatable\\ read",
        },
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert "number of transactions actually processed: 80/80" in ran.stdout
