"""psql's backslash commands print of one schema what they print in front of PostgreSQL.

What may differ, and why, is in `conformance/psql/rulings.toml`.  Rulings that nothing needs any more are told by
`make conformance`.
"""

from __future__ import annotations

import difflib

import pytest
from psql import describing
from support.postgres_server import Address
from support.wire_client import WireClient

SCHEMA = (describing.HERE / "schema.sql").read_text()


def test_every_command_prints_what_postgresql_prints(postgres: Address, skerry_server: Address) -> None:
    client = WireClient(postgres)
    client.close()
    if not client.parameters["server_version"].startswith("15."):
        pytest.skip(f"wording is compared with PostgreSQL 15, this is {client.parameters['server_version']}")
    commands, rulings = describing.read_commands(), describing.read_rulings()
    assert set(rulings) <= set(commands)
    expected = describing.describe(postgres, commands, SCHEMA)
    actual = describing.describe(skerry_server, commands, SCHEMA)
    problems: list[str] = []
    for command, theirs, ours in zip(commands, expected, actual, strict=True):
        verdict = describing.judge(command, theirs, ours, rulings.get(command))
        if verdict.is_worse:
            problems.append(f"{command}: {verdict.outcome}, not {verdict.expected.kind}")
            problems += difflib.unified_diff(theirs.splitlines(), ours.splitlines(), lineterm="", n=0)
    assert not problems, "\n".join(problems)


TABLE = " Name | Description \n------+-------------\n a    | first\n b    | second\n(2 rows)\n"
LESS = " Name | Description \n------+-------------\n a    | \n(1 row)\n"


@pytest.mark.parametrize(
    ("postgres", "skerry", "kind", "apart_from", "outcome"),
    [
        (TABLE, TABLE, "text", (), "text"),
        (TABLE, LESS, "text", (), "failing"),
        (TABLE, LESS, "subset", (), "failing"),
        (TABLE, LESS, "subset", ("Description",), "subset"),
        (LESS, TABLE, "subset", ("Description",), "failing"),
        (LESS, TABLE, "superset", ("Description",), "superset"),
        (TABLE, LESS.replace("Name", "Nome"), "subset", ("Description",), "failing"),
        (TABLE, "ERROR:  no | such\n", "subset", ("Description",), "failing"),
        (TABLE, LESS, "not applicable", (), "not applicable"),
        (TABLE, TABLE, "not applicable", (), "text"),
    ],
)
def test_judging(postgres: str, skerry: str, kind: str, apart_from: tuple[str, ...], outcome: str) -> None:
    ruling = describing.Ruling(kind, "because", apart_from) if kind != "text" else None
    verdict = describing.judge("\\d", postgres, skerry, ruling)
    assert verdict.outcome == outcome
    assert verdict.is_surprise == (outcome != kind)
    assert verdict.is_worse == (outcome not in (kind, "text"))
