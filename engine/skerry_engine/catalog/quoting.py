"""Identifiers and literals as SQL text, and names read from it."""

from __future__ import annotations

import re
from collections.abc import Iterable

from skerry_engine import errors
from skerry_engine.functions.keywords import NEEDS_QUOTES

_PLAIN = re.compile(r"[a-z_][a-z0-9_]*")
_PART = re.compile(r'\s*(?:"((?:[^"]|"")*)"|([A-Za-z_\x80-\U0010ffff][\w$]*))\s*')


def quote_identifier(name: str) -> str:
    """The name as PostgreSQL writes it in SQL: bare only if it is letters, digits and underscores, and no keyword."""
    if _PLAIN.fullmatch(name) and name not in NEEDS_QUOTES:
        return name
    return '"' + name.replace('"', '""') + '"'


def quote_qualified(parts: Iterable[str]) -> str:
    """A dotted name, each part quoted where needed."""
    return ".".join(quote_identifier(part) for part in parts)


def quote_literal(text: str) -> str:
    """A string literal, as read under standard_conforming_strings: a backslash is a character like others."""
    return "'" + text.replace("'", "''") + "'"


def split_name(text: str) -> tuple[str, ...]:
    """The parts of a dotted name as a function argument holds it; bare parts in lower case.

    Raises InvalidName for what is no name.
    """
    parts: list[str] = []
    position = 0
    while True:
        match = _PART.match(text, position)
        if match is None:
            raise errors.InvalidName("invalid name syntax")
        parts.append(match[2].lower() if match[1] is None else match[1].replace('""', '"'))
        position = match.end()
        if position == len(text):
            return tuple(parts)
        if text[position] != ".":
            raise errors.InvalidName("invalid name syntax")
        position += 1
