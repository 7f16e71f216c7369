"""The one entry from text to statement.

    parse_statement(text)   one statement -> a class of `statements`; None for an empty text
    parse_batch(text)       a simple-query text -> its statements, all parsed before the first one runs

A suffix AS OF is taken off first (as_of.py): `Historic` holds it and the statement before it.

A query comes back as `statements.Query`: normalised, not yet parsed, since its plan may be cached under
`query.normalised.key`.  `bridge.parse_query(query.normalised)` gives the tree when it is not.
"""

from __future__ import annotations

from skerry_engine.errors import SyntaxError
from skerry_engine.sql.as_of import read_suffix, suffix_index
from skerry_engine.sql.bridge import parse_query, too_complex
from skerry_engine.sql.lexer import END, PUNCTUATION, WORD, Tokens, tokenize
from skerry_engine.sql.normalise import normalise
from skerry_engine.sql.statements import (
    Copy,
    CreateTableAs,
    DeclareCursor,
    Explain,
    Historic,
    Prepare,
    Query,
    Statement,
)
from skerry_engine.sql.utility import UtilityParser

QUERY_VERBS = frozenset(("select", "values", "table", "with", "insert", "update", "delete", "merge"))


def parse_statement(text: str) -> Statement | None:
    """The statement in `text` (one trailing semicolon is allowed); None when there is none.

    Raises SyntaxError with PostgreSQL's words and position; also for a second statement behind the first.
    """
    tokens = tokenize(text)
    if ";" in text and len(statement_spans(tokens)) > 1:
        parse_batch(text)  # what is wrong with one of them is said first
        raise SyntaxError("cannot insert multiple commands into a prepared statement")
    return parse_tokens(tokens)


def parse_tokens(tokens: Tokens) -> Statement | None:
    """The statement that a token list holds."""
    word = first_word(tokens)
    if word in QUERY_VERBS:
        if tokens.values[-2] == ";" and tokens.kinds[-2] == PUNCTUATION:
            tokens = tokens.slice(0, len(tokens.kinds) - 2)  # the semicolon is no part of a plan's key
        end = len(tokens.kinds) - 1
        suffix = suffix_index(tokens, 0, end)
        if suffix < 0:
            return _query(tokens, word)
        return Historic(_query(tokens.slice(0, suffix), word), read_suffix(tokens, suffix, end))
    if tokens.kinds[0] == END or (tokens.values[0] == ";" and tokens.kinds[1] == END):
        return None
    parser = UtilityParser(normalise(tokens, lift=False))
    try:
        statement = parser.whole_statement()
    except RecursionError:
        raise too_complex() from None
    return statement if parser.as_of is None else Historic(statement, parser.as_of)


def _query(tokens: Tokens, word: str) -> Statement:
    """A query; SELECT INTO is a CREATE TABLE AS."""
    verb = query_verb(tokens, word)
    into = _into_index(tokens) if verb == "select" and "into" in tokens.values else -1
    if into < 0:
        return Query(normalise(tokens), verb)
    end = len(tokens.kinds) - 1
    parser = UtilityParser(normalise(tokens.slice(into + 1, end), lift=False))
    persistence = parser.persistence()
    parser.accept_word("table")
    name = parser.object_name()
    behind = tokens.starts.index(parser.tokens.starts[parser.index])
    rest = Tokens(tokens.text)
    rest.copy_from(tokens, 0, into)
    rest.copy_from(tokens, behind, end + 1)
    return CreateTableAs(name, Query(normalise(rest), verb), persistence=persistence)


def _into_index(tokens: Tokens) -> int:
    """Where INTO stands behind a SELECT's list, -1 if it does not.  Raises SyntaxError behind UNION and its kin."""
    depth = 0
    is_first, is_behind = True, False
    for index, kind in enumerate(tokens.kinds):
        value = tokens.values[index]
        if kind == PUNCTUATION:
            depth += 1 if value == "(" else -1 if value == ")" else 0
        elif kind != WORD or depth or tokens.values[index - 1] in ("as", "."):
            continue
        elif value in ("union", "intersect", "except"):
            is_first = False
        elif value == "from":
            is_behind = True
        elif value == "into" and is_first:
            return -1 if is_behind else index
        elif value == "into":
            raise SyntaxError(
                "INTO is only allowed on first SELECT of UNION/INTERSECT/EXCEPT",
                position=tokens.starts[index + 1] + 1,
            )
    return -1


def parse_batch(text: str) -> list[tuple[Statement, str]]:
    """The statements of a simple-query text, each with its own text; positions refer to the whole.

    Where there are several, a syntax error in any of them is found here, before the first one runs.
    """
    tokens = tokenize(text)
    found: list[tuple[Statement, str]] = []
    for begin, end in statement_spans(tokens):
        statement = parse_tokens(tokens.slice(begin, end))
        if statement is not None:
            found.append((statement, text[tokens.starts[begin] : tokens.ends[end - 1]]))
    if len(found) > 1:
        for statement, _ in found:
            for query in queries_of(statement):
                parse_query(query.normalised)
    return found


def queries_of(statement: Statement) -> list[Query]:
    """The queries that a statement is or holds, whose trees are not made yet."""
    if isinstance(statement, Query):
        return [statement]
    if isinstance(statement, Historic):
        return queries_of(statement.statement)
    if isinstance(statement, Explain):
        return queries_of(statement.statement)
    if isinstance(statement, (Prepare, DeclareCursor, CreateTableAs)):
        return [statement.query]
    if isinstance(statement, Copy) and statement.query is not None:
        return [statement.query]
    return []


def statement_spans(tokens: Tokens) -> list[tuple[int, int]]:
    """The token ranges between semicolons, empty ones left out."""
    spans: list[tuple[int, int]] = []
    begin = 0
    for index, kind in enumerate(tokens.kinds):
        if kind == END or (kind == PUNCTUATION and tokens.values[index] == ";"):
            if index > begin:
                spans.append((begin, index))
            begin = index + 1
    return spans


def first_word(tokens: Tokens) -> str:
    """The first word behind any opening parentheses."""
    index = 0
    while tokens.kinds[index] == PUNCTUATION and tokens.values[index] == "(":
        index += 1
    return tokens.values[index] if tokens.kinds[index] == WORD else ""


def query_verb(tokens: Tokens, word: str) -> str:
    """The verb that decides what a query does: for WITH, the one behind its list."""
    if word != "with":
        return word
    depth = 0
    for index, kind in enumerate(tokens.kinds):
        if kind == PUNCTUATION:
            depth += 1 if tokens.values[index] == "(" else -1 if tokens.values[index] == ")" else 0
        elif kind == WORD and depth == 0 and index > 0 and tokens.values[index] in QUERY_VERBS:
            if tokens.values[index - 1] == ")":
                return tokens.values[index]
    return "select"
