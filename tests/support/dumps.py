"""Databases to dump and to load dumps into, on Skerry and on PostgreSQL."""

from __future__ import annotations

import io
import itertools
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import skerry
from support.databases import drop_database
from support.postgres_server import Address

_NUMBERS = itertools.count()
BLOCK = re.compile(r"(^COPY [^\n]* FROM stdin;\n)(.*?)(^\\\.$)", re.MULTILINE | re.DOTALL)
VIEW = re.compile(r"^CREATE VIEW (?P<name>[^\n]*?)(?: WITH \([^\n]*\))? AS\n.*?;\n", re.MULTILINE | re.DOTALL)


def url(address: Address, database: str) -> str:
    """A server's database as Skerry's driver takes it; PostgreSQL's, too."""
    return f"skerry://{address.user}@{address.host}:{address.port}/{database}"


@contextmanager
def new_database(address: Address) -> Iterator[str]:
    """The name of an empty database."""
    name = f"dump_{os.getpid()}_{next(_NUMBERS)}"
    with skerry.open(url(address, "postgres")) as admin:
        admin.execute(f"CREATE DATABASE {name}")
        yield name
        drop_database(admin, name)


def psql(address: Address, database: str, script: str | bytes, *arguments: str) -> str:
    """Run a script as somebody would who wants to know whether it worked; what it wrote to standard error."""
    ran = subprocess.run(
        ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", *arguments, "-f", "-"],
        input=script.encode() if isinstance(script, str) else script,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**os.environ, **address.environment(), "PGDATABASE": database},
        timeout=120,
        check=False,
    )
    said = ran.stderr.decode()
    assert ran.returncode == 0, said
    return said


def dump(address: Address, database: str, **options: object) -> str:
    """The dump of a server's database."""
    with skerry.open(url(address, database)) as opened:
        return dump_of(opened, **options)


def dump_of(database: skerry.Database, **options: object) -> str:
    """The dump of an open database, which must be without warnings."""
    stream = io.BytesIO()
    assert database.dump(stream, **options) == []  # type: ignore[arg-type]
    return stream.getvalue().decode()


def without_views(text: str) -> str:
    """A dump without its views' queries, whose layout PostgreSQL chooses otherwise."""
    return VIEW.sub("", text)


def sorted_rows(text: str) -> str:
    """A dump with each table's rows sorted: PostgreSQL puts a row wherever there is room."""
    return BLOCK.sub(lambda match: match[1] + "".join(sorted(match[2].splitlines(True))) + match[3], text)


def rows_of_views(address: Address, database: str, names: list[str]) -> dict[str, list[str]]:
    """What views show, as text in no order."""
    with skerry.open(url(address, database)) as opened:
        return {
            name: sorted(
                str(row) for row in opened.execute(f"SELECT row_to_json(a_row)::text FROM {name} a_row")
            )
            for name in names
        }


def check_round_trips(text: str, skerry_server: Address, postgres: Address) -> None:
    """Load a dump here and there and back again."""
    with new_database(skerry_server) as here:
        assert psql(skerry_server, here, text) == ""
        assert dump(skerry_server, here) == text
        with new_database(postgres) as there, new_database(skerry_server) as back:
            assert psql(postgres, there, text) == ""
            of_postgres = dump(postgres, there)
            assert sorted_rows(without_views(of_postgres)) == sorted_rows(without_views(text))
            views = [match["name"] for match in VIEW.finditer(text)]
            assert rows_of_views(postgres, there, views) == rows_of_views(skerry_server, here, views)
            assert psql(skerry_server, back, of_postgres) == ""
            assert sorted_rows(dump(skerry_server, back)) == sorted_rows(text)
