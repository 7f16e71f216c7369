"""What real clients were seen to send to PostgreSQL (captured/README.md) is sent to Skerry: every statement succeeds.

Beside a PostgreSQL the answers are compared too: messages, columns with their types, command tags, and rows without
regard to their order; in binary, where OIDs can't be told from numbers, only how many rows.  OIDs above those that
are built in, times and sizes are masked.  What differs, differs for a cause in DIFFERENT.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import pytest
from support.builds import this_builds
from support.captured import Answer, Capture, Replay, read_captures
from support.postgres_server import Address

SCHEMA, CAPTURES = read_captures()

REFUSED = {
    "users' functions": (
        r"'addone'::pg_catalog\.regproc",
        r"^SELECT \$1::pg_catalog\.regproc::pg_catalog\.oid",
    ),
}
"""Statements that do not succeed, by cause."""

DIFFERENT = {
    "what is built in is other: fewer types, operators and settings, no text search, a schema skerry": (
        r"FROM (pg_catalog\.)?pg_(am|cast|collation|conversion|language|opclass|operator|opfamily|ts_\w+)\b",
        r"FROM (pg_catalog\.)?pg_(extension|init_privs|namespace n?$|proc p|rewrite|settings)\b",
        r"pg_attribute ORDER BY",
        r"relkind = ANY\(\$1\)",
        r"pg_depend\b",
        r"'pg_extension'::regclass",
        r"pg_description ORDER BY",
        r"^SELECT DISTINCT attrelid",
        r"getColumnACLs",
        r"nspname (NOT )?LIKE",
        r"nspname !~",
        r"nspname FROM pg_catalog\.pg_namespace ORDER",
        r"^SELECT tableoid, oid, typname",
        r"^SELECT oid, typname, typreceive",
        r"non-composite types",
    ),
    "other databases are there, other roles are each other's members": (
        r"FROM pg_catalog\.pg_database",
        r"FROM pg_catalog\.pg_roles",
    ),
    "the views of information_schema have no domains for their columns' types": (
        r"^SELECT pg_catalog\.pg_type\.typname AS name, .*typbasetype",
        r"^SELECT nsp\.nspname schema_name, cls",
    ),
    "no system columns xmin, cmin, xmax, cmax": (r"^SELECT a\.attname AS column_name",),
    "the order of rows is not said": (r"^FETCH FORWARD 2", r"ORDER BY 2 DESC LIMIT 2$"),
    "attmissingval is an array of texts": (r"^SELECT a\.attrelid, a\.attnum, a\.attname, a\.atttypmod",),
    "a whole row is a record, not of its table's row type": (r"^select book from book",),
}
"""Statements that are answered otherwise than by PostgreSQL, by cause."""

_MASKS = (
    (re.compile(r"\b\d{5,}\b"), "N"),
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\S*"), "T"),
    (re.compile(r"\b\d+ (?:bytes|kB|MB)"), "B"),
    (re.compile(r"PostgreSQL 15\..*"), "V"),
)


@pytest.fixture(params=this_builds(CAPTURES), ids=lambda capture: capture.client)
def capture(request: pytest.FixtureRequest) -> Capture:
    """What one client sent."""
    return request.param


def cause_of(answer: Answer, causes: Mapping[str, Sequence[str]]) -> str | None:
    """Why a statement is answered otherwise; None if nothing is known about it."""
    text = _on_one_line(answer.text)
    found = (cause for cause, patterns in causes.items() if any(re.search(each, text) for each in patterns))
    return next(found, None)


def test_every_statement_succeeds(skerry_server: Address, capture: Capture) -> None:
    answers = list(Replay(skerry_server, SCHEMA).run(capture))
    failed = [answer for answer in answers if answer.outcome.error is not None]
    told = [f"{each} {each.outcome.error}" for each in failed if cause_of(each, REFUSED) is None]
    assert not told, "\n".join(told)
    assert len(answers) > 10


def test_answers_are_those_of_postgres(skerry_server: Address, postgres: Address, capture: Capture) -> None:
    expected = Replay(postgres, SCHEMA).run(capture)
    found = Replay(skerry_server, SCHEMA).run(capture)
    told = []
    for theirs, ours in zip(expected, found, strict=True):
        if cause_of(ours, REFUSED | DIFFERENT) is not None:
            continue
        assert theirs.outcome.error is None, f"{theirs} {theirs.outcome.error}"
        if _seen(theirs) != _seen(ours):
            told.append(f"{ours}\n    expected {_seen(theirs)}\n    found    {_seen(ours)}"[:2000])
    assert not told, "\n".join(told)


def _seen(answer: Answer) -> tuple[object, ...]:
    """What is compared of an answer."""
    outcome = answer.outcome
    columns = [
        (name, oid if oid < 10_000 else "a user's", typmod) for name, oid, typmod in outcome.columns or []
    ]
    rows = [tuple(map(_masked, row)) for row in outcome.rows]
    return outcome.kinds, outcome.tags, columns, len(rows) if answer.is_binary else sorted(rows, key=str)


def _masked(value: str | None) -> str | None:
    if value is not None:
        for pattern, mask in _MASKS:
            value = pattern.sub(mask, value)
    return value


def test_causes_are_about_statements_that_clients_send() -> None:
    texts = {_on_one_line(message.text) for capture in CAPTURES for message in capture.messages}
    patterns = [pattern for patterns in (REFUSED | DIFFERENT).values() for pattern in patterns]
    assert [each for each in patterns if not any(re.search(each, text) for text in texts)] == []


def _on_one_line(text: str) -> str:
    return " ".join(text.split())
