"""Databases to dump and to load dumps into, on Skerry and on PostgreSQL."""

from __future__ import annotations

import io
import itertools
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import skerry
from support.databases import drop_database
from support.postgres_server import Address

_NUMBERS = itertools.count()


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
