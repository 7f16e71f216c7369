"""The grammar against PostgreSQL's: statements of every kind, as they are and with random damage.

PostgreSQL parses a simple query's whole text before it runs any of it, so behind `SELECT 1/0;` a statement is
parsed and never run: a syntax error says what the grammar thinks of it, a division by zero that it was taken.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.postgres_server import Address
from support.wire_client import WireClient

from skerry_engine import errors
from skerry_engine.sql.front import parse_batch
from skerry_engine.sql.lexer import tokenize

CORPUS = Path(__file__).parents[1] / "data" / "statements.sql"
SHIELD = "SELECT 1/0; "
INTRUDERS = (
    "(",
    ")",
    ",",
    "select",
    "from",
    "not",
    "null",
    "1",
    "'x'",
    "order",
    "*",
    "=",
    "as",
    ".",
    "::",
    "[",
    "in",
)
SYNTAX = ("syntax error", "unterminated", "trailing junk", "zero-length")
DAMAGED_PER_STATEMENT = 12
ALLOWED_DISAGREEMENT = 0.01  # of damaged texts taken by one and refused by the other

Verdict = tuple[str, int] | None


def statements() -> list[str]:
    return [part.strip() for part in CORPUS.read_text().split(";\n") if part.strip()]


def damaged(text: str, chance: random.Random) -> str:
    """The text with one token left out, doubled, replaced or put in, or cut off behind one."""
    tokens = tokenize(text)
    place = chance.randrange(len(tokens.kinds) - 1)
    begin, end = tokens.starts[place], tokens.ends[place]
    kind = chance.randrange(5)
    if kind == 0:
        return text[:begin] + text[end:]
    if kind == 1:
        return f"{text[:end]} {text[begin:]}"
    if kind == 2:
        other = chance.randrange(len(tokens.kinds) - 1)
        return f"{text[:begin]} {text[tokens.starts[other] : tokens.ends[other]]} {text[end:]}"
    if kind == 3:
        return f"{text[:begin]} {chance.choice(INTRUDERS)} {text[begin:]}"
    return text[:end]


def theirs(client: WireClient, text: str) -> Verdict:
    error = client.query(SHIELD + text).error
    assert error is not None  # a division by zero at least
    if error["C"] == "42601" and error["M"].startswith(SYNTAX):
        return error["M"], int(error["P"])
    return None


def ours(text: str) -> Verdict:
    try:
        parse_batch(SHIELD + text)
    except errors.SyntaxError as error:
        if error.message.startswith(SYNTAX):
            assert error.position is not None
            return error.message, error.position
    except errors.DatabaseError:
        pass
    return None


@pytest.fixture
def client(postgres: Address) -> Iterator[WireClient]:
    connection = WireClient(postgres)
    yield connection
    connection.close()


def test_every_statement_is_taken_by_both(client: WireClient) -> None:
    verdicts = {text: (theirs(client, text), ours(text)) for text in statements()}
    assert [text for text, verdict in verdicts.items() if verdict != (None, None)] == []


def test_damaged_statements_are_refused_by_both(client: WireClient) -> None:
    chance = random.Random(1)
    texts = [damaged(text, chance) for text in statements() for _ in range(DAMAGED_PER_STATEMENT)]
    verdicts = [(text, theirs(client, text), ours(text)) for text in texts]
    disagreements = [verdict for verdict in verdicts if (verdict[1] is None) != (verdict[2] is None)]
    assert len(disagreements) <= len(texts) * ALLOWED_DISAGREEMENT, disagreements
    refused = [verdict for verdict in verdicts if verdict[1] is not None and verdict[2] is not None]
    elsewhere = [verdict for verdict in refused if verdict[1] != verdict[2]]
    assert len(elsewhere) <= len(refused) * 0.1, elsewhere[:10]
