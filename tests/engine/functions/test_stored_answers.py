"""The answers stored in `data/` are PostgreSQL's: asked again of a live one, where there is one."""

from __future__ import annotations

import re
from pathlib import Path

import pg8000.native
import pytest
from support.postgres_server import Address

DATA = Path(__file__).parent / "data"
_ESCAPE = re.compile(r"\\(.)")


def _answer(connection: pg8000.native.Connection, expression: str) -> str:
    """The result as text, rows on lines of their own; format() gives '' for NULL."""
    try:
        rows = connection.run(f"select format('%s', {expression})")
    except pg8000.native.DatabaseError as error:
        return f"!{error.args[0]['C']} {error.args[0]['M']}"
    return "\n".join([row[0] for row in rows])


@pytest.mark.parametrize("path", sorted(DATA.glob("*.txt")), ids=lambda path: path.stem)
def test_stored_answers_are_postgresqls(path: Path, postgres: Address) -> None:
    connection = pg8000.native.Connection(
        postgres.user,
        host=postgres.host,
        port=postgres.port,
        database=postgres.database,
        password=postgres.password,
    )
    try:
        version = connection.run("show server_version")[0][0]
        if not version.startswith("15."):
            pytest.skip(f"the stored answers are PostgreSQL 15's, this is {version}")
        connection.run("set timezone = 'Europe/Berlin'")
        wrong = []
        for line in path.read_text(encoding="utf-8").splitlines():
            expression, stored = line.split("\t=> ")
            answer = _ESCAPE.sub(lambda match: "\n" if match[1] == "n" else match[1], stored)
            live = _answer(connection, expression)
            if live not in (answer, re.sub("^NULL$", "", answer, flags=re.MULTILINE)):
                wrong.append((expression, answer, live))
        assert not wrong
    finally:
        connection.close()
