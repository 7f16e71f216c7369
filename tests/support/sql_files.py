"""Reading files of SQL statements, for tests that send them one at a time."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_TOKEN = re.compile(
    r"""
      (?P<comment> --[^\n]* | /\*.*?\*/ )
    | (?P<quoted> [eE]'(?:[^'\\]|\\.|'')*' | '(?:[^']|'')*' | "(?:[^"]|"")*" | (?P<tag>\$\w*\$).*?(?P=tag) )
    | (?P<end> ; )
    """,
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True)
class Statement:
    """One statement of a file: its text without the semicolon, its 1-based line,
    and the directives above it."""

    text: str
    line: int
    directives: frozenset[str] = frozenset()


def split_statements(text: str) -> list[Statement]:
    """Split at semicolons outside strings and comments.

    A comment line `-- @word` before a statement is a directive to the test runner.
    """
    found: list[Statement] = []
    start = 0
    for match in _TOKEN.finditer(text):
        if match.lastgroup == "end":
            _add(found, text, start, match.start())
            start = match.end()
    _add(found, text, start, len(text))
    return found


def _add(found: list[Statement], text: str, start: int, end: int) -> None:
    chunk = text[start:end]
    directives = frozenset(re.findall(r"^--\s*@(\w+)", chunk, re.MULTILINE))
    body = re.match(r"(?:\s+|--[^\n]*(?:\n|$))*", chunk)
    begin = start + (body.end() if body is not None else 0)
    statement = text[begin:end].rstrip()
    if statement:
        found.append(Statement(statement, text.count("\n", 0, begin) + 1, directives))


def read_statements(path: Path) -> list[Statement]:
    """The statements of a file, without the lines that are psql's own (`\\c` and kin)."""
    text = path.read_text(encoding="utf-8")
    return split_statements(re.sub(r"^\\.*$", "", text, flags=re.MULTILINE))
