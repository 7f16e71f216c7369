"""docs/graphs.md: its examples run, and its table of session statements is right."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.sessions import SqlDatabase

from skerry_engine.gql.front import parse_statement
from skerry_engine.gql.statements import GraphDefinition, SessionCommand

PAGE = (Path(__file__).parents[2] / "docs" / "graphs.md").read_text(encoding="utf-8")


def examples() -> Iterator[str]:
    """The indented examples: a statement a line, or one over several lines in braces.  Those of COPY come with data."""
    for block in re.findall(r"(?:^ {4}.*\n)+", PAGE.partition("\n## COPY\n")[0], re.MULTILINE):
        if "{\n" in block:
            yield block
        else:
            yield from block.strip().splitlines()


def test_the_examples_run_one_after_the_other() -> None:
    database = SqlDatabase()
    found = [database.session().lines(text) for text in examples()]
    assert len(found) == 10
    assert found[1] == ["Alix", "SELECT 1"]
    assert database.rows("select count(*) from pg_indexes where schemaname = 'public'") == [(2,)]
    made = "create graph g typed social; use g insert (:Person {name: 'Alix'}); use g insert (:City {name: 'Oslo'})"
    database.session().run_all(made)
    assert database.rows("select count(*) from pg_indexes where tablename = 'g'") == [(2,)]


def statements() -> Iterator[str]:
    """The statements in tables, optional parts left out."""
    for line in PAGE.splitlines():
        if line.startswith("| `"):
            for text in re.findall(r"`([^`]+)`", line.split(" | ")[0] if "RESET [" not in line else line):
                plain = re.sub(r" ?\[[^\]]*\]", "", text)
                if not plain.startswith(("SHOW", "USE", "skerry.")) and "{...}" not in plain:
                    yield plain.replace(" ...", "")


@pytest.mark.parametrize("text", list(statements()))
def test_what_the_tables_list_is_a_definition_or_a_word_to_the_session(text: str) -> None:
    assert isinstance(parse_statement(text), (GraphDefinition, SessionCommand))
