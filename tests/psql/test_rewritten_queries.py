"""The catalog is tables like any other: psql's own queries give the same rows when they
are written differently.

psql says what it asks (`psql -E`).  Each of its queries is rewritten, aliases renamed, and the conditions of
its outermost WHERE reversed, then run in front of Skerry both ways, and in front of PostgreSQL.  An engine
that recognised known queries by their text would answer one and not the other.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from support.postgres_server import Address
from support.wire_client import WireClient

COMMANDS = [
    *(
        "\\d",
        "\\d author",
        "\\d book",
        "\\d titles",
        "\\d counter",
        "\\d app.things",
        "\\d+ author",
        "\\dt",
        "\\dt *.*",
    ),
    *(
        "\\di",
        "\\ds",
        "\\dv",
        "\\dn",
        "\\dn+",
        "\\l",
        "\\du",
        "\\dp",
        "\\dT",
        "\\df upper",
        "\\d pg_class",
        "\\dd",
        "\\ddp",
    ),
]
HIDDEN = re.compile(r"\*+ QUERY \*+\n(.*?)\n\*{10,}", re.DOTALL)
DECLARED = re.compile(
    r"(?:FROM|JOIN|,)\s+(?:pg_catalog\.)?\w+(?:\([^()]*\))?\s+(?:AS\s+)?([a-z]\w{0,3})\b(?!\s*\()",
    re.IGNORECASE,
)
KEYWORDS = {
    "on",
    "as",
    "join",
    "left",
    "set",
    "and",
    "or",
    "not",
    "is",
    "in",
    "end",
    "then",
    "else",
    "when",
    "case",
}
KEYWORDS |= {"from", "asc", "desc", "for", "with"}
KEYWORDS |= {"name", "x"}  # what psql also uses as columns
WORD = re.compile(r"'(?:[^']|'')*'|\"[^\"]*\"|\w+|\S|\s+")


def rename_aliases(query: str) -> str:
    """Give every table alias another name, outside strings and quoted names."""
    aliases = {alias for alias in DECLARED.findall(query) if alias.lower() not in KEYWORDS}
    tokens = WORD.findall(query)
    for index, token in enumerate(tokens):
        follows_dot = index > 0 and tokens[index - 1] == "."
        if token in aliases and not follows_dot:
            before_dot = index + 1 < len(tokens) and tokens[index + 1] == "."
            if before_dot or _is_declaration(tokens, index):
                tokens[index] = f"renamed_{token}"
    return "".join(tokens)


def _is_declaration(tokens: list[str], index: int) -> bool:
    """Whether the word at `index` follows a table name (or AS after one)
    rather than standing in an expression."""
    before = [token for token in tokens[:index] if token.strip()][-5:]
    if before and before[-1].upper() == "AS":
        before.pop()
    if not before or not re.fullmatch(r"\w+|\)", before[-1]):
        return False
    if before[-1] == ")":
        return True
    head = before[-4] if len(before) >= 4 and before[-2] == "." else before[-2] if len(before) >= 2 else ""
    return head.upper() in ("FROM", "JOIN", ",")


def reverse_conditions(query: str) -> str:
    """Reverse the conditions that AND joins in the outermost WHERE;
    as it is when OR or BETWEEN stand there."""
    tokens = WORD.findall(query)
    start = end = depth = 0
    pieces: list[list[str]] = []
    for index, token in enumerate(tokens):
        depth += (token == "(") - (token == ")")
        depth += (token.upper() == "CASE") - (token.upper() == "END")
        if depth:
            continue
        upper = token.upper()
        if upper == "WHERE" and not start:
            start = index + 1
            pieces.append([])
        elif start and upper in ("OR", "BETWEEN", "UNION"):
            return query
        elif start and not end and upper in ("ORDER", "GROUP", ";"):
            end = index
    if not start:
        return query
    end = end or len(tokens)
    conditions = _split_conditions(tokens[start:end])
    return "".join([*tokens[:start], " ", " AND ".join(reversed(conditions)), "\n", *tokens[end:]])


def _split_conditions(tokens: list[str]) -> list[str]:
    conditions, depth = [""], 0
    for token in tokens:
        depth += (token == "(") - (token == ")")
        if token.upper() == "AND" and depth == 0:
            conditions.append("")
        else:
            conditions[-1] += token
    return [condition.strip() for condition in conditions]


def psql_queries(address: Address, database: str, command: str) -> list[str]:
    """The queries that psql sends for a backslash command."""
    ran = subprocess.run(
        ["psql", "-X", "-E", "-d", database, "-c", command],
        capture_output=True,
        text=True,
        env={**os.environ, **address.environment(), "PGDATABASE": database},
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return HIDDEN.findall(ran.stdout)


def make_database(address: Address) -> None:
    """A database with the objects of the describe script."""
    admin = WireClient(address)
    admin.query("DROP DATABASE IF EXISTS psql_rewritten")
    assert admin.query("CREATE DATABASE psql_rewritten").error is None
    admin.close()
    client = WireClient(address, "psql_rewritten")
    script = (Path(__file__).parent / "scripts" / "describe.sql").read_text(encoding="utf-8")
    for line in script.splitlines():
        if line.startswith(("CREATE", "COMMENT")):
            assert client.query(line).error is None, line
    client.close()


@pytest.fixture(scope="session")
def described(skerry_server: Address) -> Address:
    """Skerry with the describe script's objects in the database psql_rewritten."""
    make_database(skerry_server)
    return skerry_server


@pytest.mark.parametrize("command", COMMANDS)
def test_rewritten_queries_give_the_same_rows(described: Address, command: str) -> None:
    queries = psql_queries(described, "psql_rewritten", command)
    assert queries
    client = WireClient(described, "psql_rewritten")
    try:
        for query in queries:
            rewritten = reverse_conditions(rename_aliases(query))
            plain, other = client.query(query), client.query(rewritten)
            assert plain.error is None, (query, plain.error)
            assert other.error is None, (rewritten, other.error)
            assert sorted(other.rows, key=repr) == sorted(plain.rows, key=repr), rewritten
    finally:
        client.close()


def test_most_queries_are_really_rewritten(described: Address) -> None:
    queries = [query for command in COMMANDS for query in psql_queries(described, "psql_rewritten", command)]
    renamed = sum("renamed_" in rename_aliases(query) for query in queries)
    reversed_ = sum(reverse_conditions(query) != query for query in queries)
    assert renamed > len(queries) * 0.8
    assert reversed_ > len(queries) * 0.3
