"""Random statements, run: whatever they say, they end with rows or with an error of the database's own."""

from __future__ import annotations

import pytest
from support.gql_sentences import TOKENS, Speaker

import skerry
from skerry_engine.errors import SyntaxError
from skerry_engine.gql.parser import parse

STATEMENTS = 150
FITTING = {
    **TOKENS,
    "IDENT": ["a", "b", "x", "n", "e", "Person", "KNOWS", "count", "sum"],
    "QUOTED": ["`a`"],
    "DOUBLE_QUOTED": ['"x"'],
    "INTEGER": ["0", "1", "2", "3"],
    "PARAM": ["$p"],
}
GRAPH = "INSERT (a:Person {a: 1, x: 'y'})-[:KNOWS {x: 1}]->(:Person&x {a: 2, n: [1, 2]}), (:n {a: 1.5})"
BEFORE = "MATCH (a)-[e]->(b) LET x = 1, n = [1] "


class Clauses(Speaker):
    """Says linear statements about the graph at hand."""

    def say(self, name: str, words: list[str]) -> None:
        if name == "graph_reference":
            words.append("CURRENT_GRAPH")
        else:
            super().say(name, words)


@pytest.mark.parametrize("seed", range(4))
def test_random_statements_end_as_they_should(seed: int) -> None:
    speaker = Clauses(seed, FITTING)
    with skerry.open() as database:
        database.execute("SET statement_timeout = '2s'")
        database.execute(GRAPH)
        done = 0
        while done < STATEMENTS:
            text = BEFORE + speaker.sentence("linear")
            try:
                parse(text)
            except SyntaxError:
                continue
            done += 1
            with database.begin_transaction() as transaction:
                try:
                    transaction.execute(text, {"p": 1} if "$p" in text else None)
                except skerry.Error:
                    pass
                except Exception as error:
                    raise AssertionError(text) from error
                transaction.rollback()
        assert database.execute("MATCH (n) RETURN count(n) AS c").scalar() == 3
