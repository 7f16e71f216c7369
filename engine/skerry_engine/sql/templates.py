"""Texts that differ from a known query in their numbers only: recognised without being read again.

    select v from t where id = 42      skeleton   select v from t where id = NUL
                                       numbers    42

Clients that write values into their texts send one query over and over.  Once such a text has been read in full,
and each of its numbers turned out to be a literal that was lifted, the text without its numbers is a template:
what stands in another text between its numbers decides what these are.

Why that is sure.  A number here is a run of one to nine digits that touches no letter, digit, `$`, `.` or `_`.
Such a run can't begin, end or change any other token, so texts of the same skeleton have the same tokens save
for the numbers' values; and nine digits are always an int4.  A number inside a comment or a quoted name was no
literal in the text that was read, so that text is no template.  Texts with strings are left alone: they differ in
more than numbers.
"""

from __future__ import annotations

import re
from typing import Final

from skerry_engine.sql.lexer import Tokens
from skerry_engine.sql.literals import Literal
from skerry_engine.sql.normalise import Normalised
from skerry_engine.sql.statements import Query, Statement

TEMPLATES_KEPT: Final = 1000
TEXT_CHARACTERS: Final = 2000
"""Longer texts are read in full."""

# What a number begins with comes first, so that the search can skip to it.
_NUMBER: Final = re.compile(r"(?=[0-9])(?<![\w$.])([0-9]{1,9})(?![\w$.])")


# What such a number is in each language
_KINDS: Final = {"sql": "int4", "gql": "int8"}
# Where GQL compares values as expressions, equal literals share a place, too
_COMPARING: Final = re.compile(r"\b(?:order|group|distinct)\b", re.IGNORECASE)


class Template:
    """What queries of one skeleton share."""

    __slots__ = ("key", "kind", "language", "numbers", "verb")

    def __init__(self, key: str, verb: str, numbers: int, language: str) -> None:
        self.language: str = language
        self.kind: str = _KINDS[language]
        self.key: str = key
        self.verb: str = verb
        self.numbers: int = numbers


class Templates:
    """The templates of an engine."""

    def __init__(self) -> None:
        self._templates: dict[str, Template] = {}

    def recognised(self, text: str) -> Query | None:
        """The query in `text`, if its template is known.

        It has a key and literals, for a plan that is at hand, but no tokens to make one from.
        """
        if "'" in text or len(text) > TEXT_CHARACTERS:
            return None
        pieces: list[str] = _NUMBER.split(text)
        template = self._templates.get("\0".join(pieces[::2]))
        if template is None or template.numbers != len(pieces) // 2:
            return None
        normalised = Normalised(Tokens(text), template.language)
        normalised.key = template.key
        normalised.literals = tuple(_literals(pieces, template.kind))
        return Query(normalised, template.verb)

    def learn(self, text: str, statement: Statement) -> None:
        """Take over the template of a text that was read in full, if it makes one."""
        if not isinstance(statement, Query) or "'" in text or len(text) > TEXT_CHARACTERS:
            return
        normalised = statement.normalised
        words = normalised.tokens.values
        if normalised.lists or normalised.row_lists or "group" in words or "distinct" in words:
            return  # equal literals share a place there
        if normalised.language != "sql" and _COMPARING.search(text) is not None:
            return
        pieces: list[str] = _NUMBER.split(text)
        kind = _KINDS[normalised.language]
        if len(pieces) == 1 or normalised.literals != tuple(_literals(pieces, kind)):
            return
        if len(self._templates) >= TEMPLATES_KEPT:
            self._templates.clear()
        self._templates["\0".join(pieces[::2])] = Template(
            normalised.key, statement.verb, len(pieces) // 2, normalised.language
        )


def _literals(pieces: list[str], kind: str) -> list[Literal]:
    """The numbers among the pieces of a text, as the literals that they are."""
    found: list[Literal] = []
    position = 1
    for index in range(0, len(pieces) - 1, 2):
        number = pieces[index + 1]
        position += len(pieces[index])
        found.append(Literal(kind, int(number), position))
        position += len(number)
    return found
