"""The same statements to Skerry and to PostgreSQL: what comes back must be equal,
down to the text of each value.

Each file of `corpus/` runs from its first statement to its last, on one connection to each server, in a
database of its own (files whose first line is `-- @chinook` share one with the Chinook data, and only read).
Every statement is then a test of its own: column names, types, rows, command tags, notices,
and each field of an error.

Rows are compared in order when the statement says ORDER BY, else as a multiset.  A position is compared when
PostgreSQL gives one.  Wording is PostgreSQL 15's:
beside another version every error is compared by SQLSTATE only.

Directives in comments above a statement say where Skerry is known to answer otherwise; the reason stands
beside them: `-- @unordered` forces the multiset, `-- @position` leaves out an error's position, `--
@sqlstate` compares an error by SQLSTATE only, `-- @refused` expects 0A000, `-- @differs` expects another
answer, though never an internal error.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from support.postgres_server import Address
from support.sql_files import Statement, read_statements
from support.wire_client import Outcome, WireClient

HERE = Path(__file__).parent
CHINOOK_SQL = HERE.parent / "data" / "chinook.sql"
FILES = sorted((HERE / "corpus").glob("*.sql"))
CASES = [
    pytest.param(path, number, id=f"{path.stem}:{statement.line}")
    for path in FILES
    for number, statement in enumerate(read_statements(path))
]
FIRST_USER_OID = 16384
ERROR_FIELDS = {"C": "SQLSTATE", "M": "message", "D": "detail", "H": "hint", "P": "position"}


@dataclass
class Pair:
    """A statement's two outcomes."""

    statement: Statement
    expected: Outcome
    actual: Outcome
    same_wording: bool


def _create_database(address: Address, name: str) -> WireClient:
    admin = WireClient(address)
    for text in (f"DROP DATABASE IF EXISTS {name}", f"CREATE DATABASE {name}"):
        made = admin.query(text)
        assert made.error is None, made.error
    admin.close()
    return _connect(address, name)


def _connect(address: Address, name: str) -> WireClient:
    return WireClient(address, name, client_encoding="UTF8", TimeZone="UTC", DateStyle="ISO, MDY")


def load_chinook(address: Address) -> None:
    """Make the database `differential_chinook` with Chinook's tables and rows."""
    client = _create_database(address, "differential_chinook")
    for statement in read_statements(CHINOOK_SQL):
        if "DATABASE" in statement.text.split("(")[0]:
            continue
        outcome = client.query(statement.text)
        assert outcome.error is None, (statement.line, outcome.error)
    client.close()


@pytest.fixture(scope="session")
def chinook(postgres: Address, skerry_server: Address) -> None:
    """Chinook's data on both sides."""
    load_chinook(postgres)
    load_chinook(skerry_server)


class Side:
    """One server, one database, one connection: reopened when the server drops it,
    which is an outcome too."""

    def __init__(self, address: Address, database: str, fresh: bool) -> None:
        self._address, self._database = address, database
        self._client = _create_database(address, database) if fresh else _connect(address, database)
        self.is_reference = self._client.parameters["server_version"].startswith("15.")

    def run(self, text: str) -> Outcome:
        """The outcome of one statement."""
        try:
            return self._client.query(text)
        except (ConnectionError, TimeoutError) as problem:
            self._client = _connect(self._address, self._database)
            return Outcome(error={"C": "08006", "M": f"connection lost: {problem}"})

    def close(self) -> None:
        """End the connection."""
        self._client.close()


@pytest.fixture(scope="session")
def runs() -> dict[Path, list[Pair]]:
    """Outcomes by file, so that a file runs once however many tests look at it."""
    return {}


@pytest.fixture
def pairs(
    path: Path,
    runs: dict[Path, list[Pair]],
    postgres: Address,
    skerry_server: Address,
    request: pytest.FixtureRequest,
) -> list[Pair]:
    """All outcomes of one file."""
    if path in runs:
        return runs[path]
    shared = path.read_text(encoding="utf-8").startswith("-- @chinook")
    if shared:
        request.getfixturevalue("chinook")
    database = "differential_chinook" if shared else f"differential_{path.stem}"
    expected = Side(postgres, database, fresh=not shared)
    actual = Side(skerry_server, database, fresh=not shared)
    found = []
    for statement in read_statements(path):
        outcomes = expected.run(statement.text), actual.run(statement.text)
        found.append(Pair(statement, *outcomes, same_wording=expected.is_reference))
    expected.close()
    actual.close()
    runs[path] = found
    return found


def _rows(statement: Statement, outcome: Outcome) -> list[tuple[str | None, ...]]:
    ordered = "order by" in statement.text.lower() and "unordered" not in statement.directives
    return outcome.rows if ordered else sorted(outcome.rows, key=repr)


def _error(pair: Pair, outcome: Outcome) -> dict[str, str] | None:
    if outcome.error is None:
        return None
    directives = pair.statement.directives
    exact = pair.same_wording and "sqlstate" not in directives
    fields = dict(ERROR_FIELDS) if exact else {"C": "SQLSTATE"}
    if "position" in directives or pair.expected.error is None or "P" not in pair.expected.error:
        fields.pop("P", None)
    return {name: outcome.error[letter] for letter, name in fields.items() if letter in outcome.error}


def _columns(outcome: Outcome) -> list[tuple[str, int, int]] | None:
    """Columns with the OIDs of user-made types, which differ from run to run, made equal."""
    if outcome.columns is None or outcome.error is not None:
        return None  # whether columns are announced before an error depends on when it is found
    return [(name, min(oid, FIRST_USER_OID), typmod) for name, oid, typmod in outcome.columns]


def _comparable(pair: Pair, outcome: Outcome) -> dict[str, object]:
    return {
        "error": _error(pair, outcome),
        "rows": _rows(pair.statement, outcome),
        "columns": _columns(outcome),
        "tags": outcome.tags,
        "copied": outcome.copied,
        "notices": [(notice["C"], notice["M"]) for notice in outcome.notices],
        "status": outcome.status,
    }


@pytest.mark.parametrize(("path", "number"), CASES)
def test_same_outcome(pairs: list[Pair], number: int) -> None:
    pair = pairs[number]
    sqlstate = None if pair.actual.error is None else pair.actual.error["C"]
    assert sqlstate != "XX000", pair.statement.text
    if "refused" in pair.statement.directives:
        assert sqlstate == "0A000", pair.statement.text
        return
    actual = _comparable(pair, pair.actual)
    expected = _comparable(pair, pair.expected)
    if "differs" in pair.statement.directives:
        assert actual != expected, f"no longer differs: {pair.statement.text}"
        return
    assert actual == expected, pair.statement.text
