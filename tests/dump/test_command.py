"""`skerry dump` as one types it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.commands import Commands
from support.dumps import dump, new_database, psql, url
from support.postgres_server import Address, free_port

COMMAND = [sys.executable, "-c", "import sys; from skerry_server.cli import main; sys.exit(main())"]


Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def skerry_command(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Runs a command of Skerry's."""
    with Commands(tmp_path_factory.mktemp("commands")) as commands:
        yield commands.run


@pytest.fixture(scope="module")
def shop(skerry_server: Address) -> Iterator[str]:
    """The address of a database with two tables and much in one of them."""
    with new_database(skerry_server) as name:
        psql(
            skerry_server,
            name,
            "CREATE SCHEMA app; CREATE TABLE app.item (id serial PRIMARY KEY, name text);"
            "INSERT INTO app.item (name) VALUES ('ä'), (NULL); CREATE TABLE big (t text);"
            "INSERT INTO big SELECT repeat('x', 1000) FROM generate_series(1, 2000);",
        )
        yield url(skerry_server, name)


def test_standard_output(skerry_command: Run, shop: str, skerry_server: Address) -> None:
    ran = skerry_command("dump", shop)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout == dump(skerry_server, shop.rpartition("/")[2])
    assert ran.stdout.endswith("-- Skerry database dump complete\n--\n")
    assert "1\tä\n2\t\\N\n\\.\n" in ran.stdout


def test_a_file_appears_when_it_is_complete(skerry_command: Run, shop: str, tmp_path: Path) -> None:
    target = tmp_path / "shop.sql"
    target.write_text("the last one")
    failed = skerry_command("dump", shop, "--output", str(target), "--table", "nothing")
    assert failed.returncode == 1
    assert (
        failed.stderr
        == 'skerry: error: no table, view or sequence is named like "nothing" (SQLSTATE 42P01)\n'
    )
    assert target.read_text() == "the last one"
    assert skerry_command("dump", shop, "--output", str(target)).returncode == 0
    assert target.read_text(encoding="utf-8") == skerry_command("dump", shop).stdout
    assert list(tmp_path.iterdir()) == [target]


def test_options(skerry_command: Run, shop: str) -> None:
    schema = skerry_command("dump", "-s", "-t", "app.*", shop).stdout
    assert "CREATE TABLE app.item" in schema and "COPY" not in schema and "big" not in schema
    data = skerry_command("dump", "-a", "--inserts", "-t", "item", shop).stdout
    assert "INSERT INTO app.item (id, name) VALUES ('1', 'ä');\n" in data and "CREATE" not in data
    database = shop.rpartition("/")
    assert (
        skerry_command("dump", "-d", database[2], database[0] + "/postgres").stdout
        == skerry_command("dump", shop).stdout
    )


def test_a_reader_that_has_enough_is_no_error_message(shop: str) -> None:
    line = f"{sys.executable} -c '{COMMAND[2]}' dump {shop} | head -n 3"
    ran = subprocess.run(
        ["sh", "-c", line], capture_output=True, text=True, timeout=60, check=False, env=os.environ
    )
    assert ran.stdout == "--\n-- Skerry database dump\n--\n"
    assert ran.stderr == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full is Linux's")
def test_a_full_disk(skerry_command: Run, shop: str) -> None:
    ran = skerry_command("dump", shop, "-o", "/dev/full")
    assert ran.returncode == 1
    assert "No space left on device" in ran.stderr and "Traceback" not in ran.stderr


def test_wrong_usage_and_wrong_addresses(skerry_command: Run, shop: str, tmp_path: Path) -> None:
    assert skerry_command("dump").returncode == 2
    assert skerry_command("dump", "--schema-only", "--data-only", shop).returncode == 2
    for address in (
        f"skerry://127.0.0.1:{free_port()}/x",
        f"{shop}_not",
        "http://127.0.0.1/",
        str(tmp_path / "no"),
    ):
        ran = skerry_command("dump", address)
        assert ran.returncode == 1, address
        assert ran.stderr.startswith("skerry: error: ") and "Traceback" not in ran.stderr
        assert ran.stdout == ""
    ran = skerry_command("dump", shop, "-o", str(tmp_path / "no" / "such" / "file"))
    assert ran.returncode == 1 and "No such file" in ran.stderr
