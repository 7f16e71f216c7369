"""GRAPH_TABLE (graph MATCH pattern COLUMNS (...)): SQL's tokens as text that GQL's parser reads.

SQL's lexical rules hold up to the closing bracket: unquoted words fold, "x" is a name, strings have no escapes unless
they are E''.  So the tokens are SQL's, and GQL gets a text with everything where it was, so that its
errors point into the statement:

- words are folded where they stand;
- strings and quoted names are stand-ins of the same length; what they hold is in `contents`, by where they begin;
- comments, and what is outside of the brackets, are blanks.

The literals are part of the plan's key (normalise.py), none is lifted.

A view keeps the text (`stored_pieces`), cut where it reads columns from outside, whose names may change.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from skerry_engine.catalog.quoting import quote_literal
from skerry_engine.sql.lexer import QUOTED, STRING, WORD, Tokens


@dataclass(frozen=True, slots=True)
class GraphTableText:
    """What stands in the brackets.  `original` is the whole text, for messages; `position` (1-based) the word's.
    `tokens` are SQL's: (start, end, as a view keeps it)."""

    text: str
    contents: Mapping[int, str]
    original: str
    position: int
    tokens: tuple[tuple[int, int, str], ...] = ()


def graph_table_text(tokens: Tokens, begin: int, end: int, position: int) -> GraphTableText:
    """The text of tokens `begin` to `end` (exclusive)."""
    original = tokens.text
    pieces: list[str] = []
    contents: dict[int, str] = {}
    kept: list[tuple[int, int, str]] = []
    place = 0
    for index in range(begin, end):
        start, stop = tokens.starts[index], tokens.ends[index]
        pieces.append(_blank(original[place:start]))
        kind = tokens.kinds[index]
        if kind == WORD:
            pieces.append(tokens.values[index])
            kept.append((start, stop, original[start:stop]))
        elif kind in (STRING, QUOTED):
            quote = "'" if kind == STRING else "`"
            pieces.append(quote + "x" * (stop - start - 2) + quote)
            contents[start] = tokens.values[index]
            kept.append((start, stop, _quoted(kind, tokens.values[index])))
        else:
            pieces.append(original[start:stop])
            kept.append((start, stop, original[start:stop]))
        place = stop
    return GraphTableText("".join(pieces), contents, original, position, tuple(kept))


def _quoted(kind: int, value: str) -> str:
    return quote_literal(value) if kind == STRING else '"' + value.replace('"', '""') + '"'


def stored_pieces(written: GraphTableText, outer: Mapping[int, int]) -> tuple[str, ...]:
    """The text from MATCH on, without comments and line breaks, and without the names of columns from outside, of which
    `outer` has for the place (0-based) of the first how many there are, with dots between: a piece before each, and one
    behind the last."""
    first = next(n for n, (_, _, text) in enumerate(written.tokens) if n and text.lower() == "match")
    pieces: list[str] = []
    text, place, index = "", written.tokens[first][0], first
    while index < len(written.tokens):
        start, stop, shown = written.tokens[index]
        text += " " if start > place else ""
        if start in outer:
            pieces.append(text)
            index += 2 * outer[start] - 2
            text, place = "", written.tokens[index][1]
        else:
            text, place = text + shown, stop
        index += 1
    return (*pieces, text)


def _blank(text: str) -> str:
    """Blanks for everything but line breaks."""
    return "".join([character if character in "\r\n" else " " for character in text])


def closing_index(tokens: Tokens, opening: int) -> int:
    """The index of the bracket that closes the one at `opening`; of END where none does."""
    depth = 0
    for index in range(opening, len(tokens.kinds)):
        value = tokens.values[index]
        if tokens.kinds[index] in (STRING, QUOTED):
            continue
        if value == "(":
            depth += 1
        elif value == ")":
            depth -= 1
            if depth == 0:
                return index
    return len(tokens.kinds) - 1
