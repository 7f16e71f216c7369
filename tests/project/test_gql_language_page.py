"""The statements of docs/gql-language.md, run from top to bottom."""

from __future__ import annotations

from pathlib import Path

import skerry

PAGE = Path(__file__).parents[2] / "docs" / "gql-language.md"


def blocks() -> str:
    """The indented lines of the page."""
    return "\n".join(
        [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("    ")]
    )


def test_every_statement_of_the_page_runs() -> None:
    from skerry_engine.gql.front import parse_batch

    statements = [source for _, source in parse_batch(blocks())]
    assert len(statements) > 25
    with skerry.open() as database:
        results = {text: [tuple(row) for row in database.execute(text)] for text in statements}
    assert results['SELECT count(*) FROM home."Person"'] == [(2,)]
    assert results["MATCH (a:Person) WHERE EXISTS {(a)-[:KNOWS]->()} RETURN a.name"] == [("Ada",)]
    assert results["MATCH (a)-[:WORKS_AT]->(c) RETURN a.name, c.name"] == [("Ada", "Analytical Engines")]
