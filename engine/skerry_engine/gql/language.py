"""Which language a statement is in: its first words tell.

    SQL     everything not named below: SELECT, WITH, VALUES, INSERT INTO, CREATE TABLE, SET, BEGIN, ...
    GQL     MATCH, OPTIONAL, LET, FOR, FILTER, RETURN, FINISH, USE, CALL, SESSION, REMOVE, DETACH, NODETACH, AT,
            ORDER BY, LIMIT, OFFSET, SKIP, GRAPH, BINDING, PROPERTY, VALUE name, TABLE name =, {
            INSERT (, INSERT name =, CREATE (, CREATE name =, MERGE (not MERGE INTO)
            CREATE [OR REPLACE] [PROPERTY] GRAPH, DROP GRAPH, CREATE CONSTRAINT, DROP CONSTRAINT
            CREATE INDEX [IF NOT EXISTS] [name] FOR, CREATE or DROP SCHEMA with a path (/name)
            START TRANSACTION and BEGIN with a statement behind their modes
    either  EXPLAIN, PREPARE ... AS, DECLARE ... FOR, COPY (: the language of the statement inside

CREATE PROPERTY GRAPH name is SQL where VERTEX, NODE, EDGE or RELATIONSHIP TABLES follow, or nothing; so is
DROP PROPERTY GRAPH, which drops graphs of all kinds.

`SET language = 'sql'` makes everything SQL; 'gql' everything GQL but the statements about the session itself
(_COMMON), which are the same in both.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

AUTO: Final = "auto"
SQL: Final = "sql"
GQL: Final = "gql"

_SKIPPED = re.compile(r"(?:\s+|--[^\r\n]*|//[^\r\n]*|/\*[\s\S]*?\*/)*")
_TOKEN = re.compile(
    r"(?P<word>[^\W\d]\w*)|(?P<name>\"(?:[^\"]|\"\")*\"|`(?:[^`]|``)*`)|(?P<string>'(?:[^']|'')*')|(?P<other>::|.)",
    re.DOTALL,
)

_GQL_WORDS: Final = frozenset(
    """
    match optional let for filter return finish use call session remove detach nodetach at order limit offset skip
    graph binding property value unwind foreach
    """.split()
)
_WRITING_WORDS: Final = frozenset(("insert", "create", "merge", "set", "delete", "drop"))
_COMMON: Final = frozenset(
    """
    set show reset begin start commit rollback end abort savepoint release prepare execute deallocate declare fetch
    move close discard listen unlisten notify checkpoint vacuum analyze copy lock backup explain
    """.split()
)
_MODES: Final = frozenset(
    """
    transaction work read only write isolation level serializable snapshot repeatable committed uncommitted not
    deferrable
    """.split()
)
_TABLES_WORDS: Final = frozenset(("vertex", "node", "edge", "relationship"))
_EXPLAIN_WORDS: Final = frozenset(("analyze", "analyse", "verbose"))


# What most statements begin with, so that they need not be read further: group 1 SQL, group 2 GQL
_AT_ONCE = re.compile(
    r"\s*(?:(select|update|delete\s+from|insert\s+into|with|values|set|show|commit|rollback)"
    r"|(match|return|optional|insert(?=\s*\()|create(?=\s*\()|merge(?=\s*\()|for|let|use|call))\b",
    re.IGNORECASE,
)


class Beginning:
    """Where a statement begins and in which language it is.

    `body` is where the GQL begins: behind EXPLAIN, PREPARE ... AS and their like, else the same as `begin`.
    """

    __slots__ = ("begin", "body", "language")

    def __init__(self, language: str, begin: int, body: int) -> None:
        self.language: str = language
        self.begin: int = begin
        self.body: int = body


def beginning(text: str, position: int = 0, forced: str = AUTO) -> Beginning:
    """The beginning of the statement that follows `position`."""
    known = _AT_ONCE.match(text, position) if forced == AUTO else None
    if known is not None and known.lastindex is not None:
        begin = known.start(known.lastindex)
        return Beginning(SQL if known.lastindex == 1 else GQL, begin, begin)
    begin = _skip(text, position)
    body = _inner(text, begin)
    if forced == SQL:
        return Beginning(SQL, begin, begin)
    if "//" in text[position:begin] and begin == len(text):
        return Beginning(GQL, begin, begin)  # nothing, and SQL would not read it
    if body == begin:
        is_gql = _is_gql(text, begin) or (forced == GQL and _can_be_gql(text, begin))
    else:
        is_gql = forced == GQL or _is_gql(text, body)
    return Beginning(GQL, begin, body) if is_gql else Beginning(SQL, begin, begin)


def _skip(text: str, position: int) -> int:
    found = _SKIPPED.match(text, position)
    return position if found is None else found.end()


def _tokens(text: str, position: int) -> Iterator[tuple[str, int]]:
    """Tokens from `position` on, words in lower case, with where they begin; "" at the end and at a semicolon.

    Quoted names come as `name`, strings as 'string'.
    """
    while True:
        position = _skip(text, position)
        found = _TOKEN.match(text, position)
        if found is None or found[0] == ";":
            yield "", position
            return
        kind = found.lastgroup
        yield (found[0].lower() if kind == "word" else found[0] if kind == "other" else f"`{kind}`"), position
        position = found.end()


class _Words:
    """The first words of a statement, read as far as somebody asks."""

    def __init__(self, text: str, position: int) -> None:
        self._tokens = _tokens(text, position)
        self._read: list[tuple[str, int]] = []

    def __getitem__(self, index: int) -> str:
        return self._at(index)[0]

    def place(self, index: int) -> int:
        """Where word `index` begins."""
        return self._at(index)[1]

    def _at(self, index: int) -> tuple[str, int]:
        while len(self._read) <= index and (not self._read or self._read[-1][0]):
            self._read.append(next(self._tokens))
        return self._read[min(index, len(self._read) - 1)]


def _can_be_gql(text: str, begin: int) -> bool:
    """Whether a statement is not about the session itself."""
    word = _Words(text, begin)[0]
    return word != "" and word not in _COMMON


def _is_gql(text: str, begin: int) -> bool:
    words = _Words(text, begin)
    first = words[0]
    if first in _GQL_WORDS or first == "{":
        return True
    match first:
        case "insert":
            return words[1] == "(" or words[2] == "="
        case "merge":
            return words[1] not in ("into", "")
        case "create":
            return _creates_graph(words)
        case "drop":
            return _drops_graph(words)
        case "table":
            return words[2] in ("=", "::", "typed", "table", "binding")
        case "start" | "begin":
            return _is_followed(words)
    return False


def _creates_graph(words: _Words) -> bool:
    at = 3 if words[1] == "or" else 1
    second = words[at]
    if second in ("(", "graph", "constraint") or words[2] == "=":
        return True
    if second == "property":
        return words[at + 1] == "graph" and not _lists_tables(words, at + 2)
    at = _behind_condition(words, 2)
    if second == "schema":
        return words[at] in ("/", ".")
    return second == "index" and "for" in (words[at], words[at + 1]) and words[at] != "on"


def _lists_tables(words: _Words, at: int) -> bool:
    """Whether the graph named from `at` on is laid over tables, as SQL does."""
    at = _behind_condition(words, at) + 1
    while words[at] == ".":
        at += 2
    return words[at] in _TABLES_WORDS or words[at] == ""


def _drops_graph(words: _Words) -> bool:
    at = _behind_condition(words, 2)
    if words[1] == "schema":
        return words[at] in ("/", ".")
    return words[1] in ("graph", "constraint") or (words[1] == "property" and words[3] == "type")


def _behind_condition(words: _Words, at: int) -> int:
    """Behind IF [NOT] EXISTS, if it stands there."""
    if words[at] != "if":
        return at
    return at + 3 if words[at + 1] == "not" else at + 2


def _is_followed(words: _Words) -> bool:
    """Whether a statement of GQL stands behind START TRANSACTION or BEGIN and their modes."""
    at = 1
    while words[at] in _MODES or words[at] == ",":
        at += 1
    return words[at] in _GQL_WORDS or words[at] in _WRITING_WORDS


def _inner(text: str, begin: int) -> int:
    """Where the statement begins that another one holds; `begin` if it holds none."""
    words = _Words(text, begin)
    at = 0
    if words[0] == "explain":
        at = _behind_brackets(words, 1) if words[1] == "(" else 1
        while words[at] in _EXPLAIN_WORDS:
            at += 1
    elif words[0] == "prepare" and words[1] not in ("transaction", "commit"):
        at = _behind_brackets(words, 2) if words[2] == "(" else 2
        at = at + 1 if words[at] == "as" else 0
    elif words[0] == "declare":
        at = 1
        while words[at] not in ("for", ""):
            at += 1
        at = at + 1 if words[at] else 0
    elif words[0] == "copy" and words[1] == "(":
        at = 2
    return words.place(at)


def _behind_brackets(words: _Words, at: int) -> int:
    depth = 0
    while words[at]:
        depth += 1 if words[at] == "(" else -1 if words[at] == ")" else 0
        at += 1
        if depth == 0:
            break
    return at
