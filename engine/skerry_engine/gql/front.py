"""The one entry from text to statement, in either language.

    parse_statement(text)   one statement -> a class of sql/statements.py or gql/statements.py; None for an empty text
    parse_batch(text)       a text of statements, SQL and GQL as they come -> all of them, parsed before the first runs

`language.beginning` says for each statement which language it is in.  Texts that are all SQL go to sql/front.py as
they are.  Otherwise statements are read one after the other, each by its own lexer, for the two differ in where a
string ends.

A GQL query comes back as `Query`, normalised, its tree not made: its plan may be cached (`parser.parse_normalised`
makes it).  Everything else is parsed here in full.  A text without semicolons may still hold several statements
(START TRANSACTION ... COMMIT around a procedure): they come back one by one.

EXPLAIN, PREPARE, DECLARE CURSOR and COPY (...) TO around GQL are read by SQL's parser with an empty query in the
GQL's place.  AS OF is taken off a query's end as in SQL.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from skerry_engine.errors import NotSupportedError, SyntaxError
from skerry_engine.gql import tree
from skerry_engine.gql.diagnosis import located
from skerry_engine.gql.language import AUTO, GQL, SQL, Beginning, beginning
from skerry_engine.gql.lexer import tokenize
from skerry_engine.gql.normalise import LANGUAGE, normalise
from skerry_engine.gql.parser import parse_normalised, parse_tokens
from skerry_engine.gql.statements import SessionCommand, definition_of
from skerry_engine.sql import front as sql_front
from skerry_engine.sql import lexer as sql_lexer
from skerry_engine.sql import statements as st
from skerry_engine.sql.as_of import KINDS, read_suffix
from skerry_engine.sql.bridge import parse_query
from skerry_engine.sql.lexer import PUNCTUATION, WORD, Tokens
from skerry_engine.sql.normalise import Normalised

Found = list[tuple[st.Statement, str]]

VERB: Final = "match"
_ENDS: Final = frozenset(("commit", "rollback", "transaction", "work", "close"))
_STARTS: Final = frozenset(("start", "begin", "session", "commit", "rollback", "savepoint", "release"))
_CREATE_OR_DROP: Final = re.compile(r"\b(?:create|drop)\b", re.IGNORECASE)
_TRANSACTION: Final = re.compile(r"(?:start|begin|commit|rollback|savepoint|release)\b", re.IGNORECASE)
_OF: Final = re.compile(r"\bof\b", re.IGNORECASE)
_DEFINED: Final = frozenset(("graph", "property", "schema", "index", "constraint", "or"))


def parse_statement(text: str, language: str = AUTO) -> st.Statement | None:
    """The statement in `text` (one trailing semicolon is allowed); None when there is none.

    Raises SyntaxError; also for a second statement behind the first.
    """
    begun = beginning(text, 0, language)
    if begun.language == SQL:
        try:
            return sql_front.parse_statement(text)
        except SyntaxError as error:
            found, end = _marks_in_gql(text, begun.begin, language, error)
    else:
        found, end = _read_gql(text, begun)
    if len(found) > 1 or text[end:].strip(" \t\r\n;"):
        raise SyntaxError("cannot insert multiple commands into a prepared statement")
    return found[0][0] if found else None


def parse_batch(text: str, language: str = AUTO) -> Found:
    """The statements of a text, each with its own text; positions refer to the whole.

    Where there are several, a syntax error in any of them is found here, before the first one runs.
    """
    if language == SQL or (beginning(text, 0, language).language == SQL and _is_all_sql(text, language)):
        try:
            return sql_front.parse_batch(text)
        except SyntaxError:
            if language == SQL or not ("//" in text or "`" in text):
                raise
    found: Found = []
    position = 0
    while position < len(text):
        begun = beginning(text, position, language)
        if begun.language == GQL:
            read, end = _read_gql(text, begun)
        else:
            read, end = _read_sql(text, begun.begin, language)
        found += read
        position = end + 1
    if len(found) > 1:
        for statement, _ in found:
            for query in sql_front.queries_of(statement):
                check_query(query.normalised)
    return found


def check_query(normalised: Normalised) -> None:
    """Raise SyntaxError if a query does not parse."""
    if normalised.language == LANGUAGE:
        parse_normalised(normalised)
    else:
        parse_query(normalised)


def _is_all_sql(text: str, language: str) -> bool:
    """Whether no statement of a text is GQL, if the first one is not.

    SQL's lexer reads statement after statement rightly up to the first GQL one, so that it finds its beginning.
    """
    if ";" not in text:
        return True
    try:
        tokens = sql_lexer.tokenize(text)
    except SyntaxError:
        return False
    return all(
        beginning(text, tokens.starts[begin], language).language == SQL
        for begin, _ in sql_front.statement_spans(tokens)
    )


def _marks_in_gql(text: str, begin: int, language: str, error: SyntaxError) -> tuple[Found, int]:
    """A statement about the transaction that is written as only GQL can be: `names`, // comments.

    Raises SQL's error for any other, or GQL's own where everything is GQL.
    """
    if language == SQL or _TRANSACTION.match(text, begin) is None:
        raise error
    try:
        return _read_gql(text, Beginning(GQL, begin, begin))
    except SyntaxError:
        if language == GQL:
            raise
        raise error from None


# --- SQL among GQL --------------------------------------------------------------------------------------------------


def _read_sql(text: str, begin: int, language: str) -> tuple[Found, int]:
    """The SQL statement that begins at an offset, and the offset of the semicolon or end behind it."""
    try:
        tokens = sql_lexer.tokenize(text, begin, single=True)
        end = tokens.starts[-1]
        if len(tokens.kinds) == 1:
            return [], end
        statement = sql_front.parse_tokens(tokens)
    except SyntaxError as error:
        return _marks_in_gql(text, begin, language, error)
    return ([] if statement is None else [(statement, text[begin : tokens.ends[-2]])]), end


# --- GQL ------------------------------------------------------------------------------------------------------------


def _read_gql(text: str, begun: Beginning) -> tuple[Found, int]:
    """The GQL statement that begins at an offset, and the offset of the semicolon or end behind it."""
    try:
        tokens = tokenize(text, begun.body, single=True)
        end = tokens.starts[-1]
        if len(tokens.kinds) == 1:
            return [], end
        if begun.body != begun.begin:
            return _wrapped(text, begun, tokens), end
        return gql_statements(tokens), end
    except SyntaxError as error:
        raise located(error, text) from None


def gql_statements(tokens: Tokens) -> Found:
    """The statements that the tokens of one text without semicolons hold."""
    if tokens.values[0].lower() in _STARTS or tokens.values[-2].lower() in _ENDS or _defines(tokens):
        return _parts(tokens)
    return [(gql_query(tokens), _text(tokens))]


def gql_query(tokens: Tokens) -> st.Statement:
    """A query or data change, its AS OF taken off."""
    suffix = _suffix_index(tokens)
    if suffix < 0:
        return st.Query(normalise(tokens), VERB)
    end = tokens.ends[-2]
    # only SQL's lexer knows what SQL's parser reads there
    rest = sql_lexer.tokenize(tokens.text[:end], tokens.starts[suffix])
    as_of = read_suffix(rest, 0, len(rest.kinds) - 1)
    return st.Historic(st.Query(normalise(tokens.slice(0, suffix)), VERB), as_of)


def _suffix_index(tokens: Tokens) -> int:
    """Where AS OF EPOCH or AS OF TIMESTAMP begins outside of all brackets; -1 where there is none."""
    if _OF.search(tokens.text, tokens.starts[0]) is None:
        return -1
    depth = 0
    for index in range(len(tokens.kinds) - 2, 1, -1):
        kind, value = tokens.kinds[index], tokens.values[index]
        if kind == PUNCTUATION:
            depth += 1 if value in (")", "}") else -1 if value in ("(", "{") else 0
        elif kind == WORD and depth == 0 and value.lower() in KINDS:
            before = [tokens.values[index - 2].lower(), tokens.values[index - 1].lower()]
            if before == ["as", "of"] and index < len(tokens.kinds) - 2:
                return index - 2
    return -1


def _text(tokens: Tokens) -> str:
    return tokens.text[tokens.starts[0] : tokens.ends[-2]]


def _defines(tokens: Tokens) -> bool:
    """Whether there are, or may be, catalog statements among the tokens."""
    if _CREATE_OR_DROP.search(tokens.text, tokens.starts[0]) is None:
        return False
    words = [value.lower() for value in tokens.values]
    return any(
        word in ("create", "drop") and words[index + 1] in _DEFINED for index, word in enumerate(words[:-1])
    )


def _parts(tokens: Tokens) -> Found:
    """The statements of a program that has, or may have, others in it than queries."""
    program = parse_tokens(tokens)
    begins = [_index_at(tokens, part.position) for part in program.parts]
    ends = [*begins[1:], len(tokens.kinds) - 1]
    found: Found = []
    for part, begin, end in zip(program.parts, begins, ends, strict=True):
        own = tokens.slice(begin, end)
        if isinstance(part, tree.Procedure):
            found += gql_statements(own) if len(program.parts) > 1 else _procedure(part, own)
        else:
            found.append((_command(part, own), _text(own)))
    return found


def _procedure(procedure: tree.Procedure, tokens: Tokens) -> Found:
    """A procedure that was parsed: catalog statements are done with that."""
    definition = definition_of(procedure)
    return [(definition or gql_query(tokens), _text(tokens))]


def _index_at(tokens: Tokens, position: int) -> int:
    return tokens.starts.index(position - 1)


def _command(part: tree.SessionStatement | tree.TransactionStatement, tokens: Tokens) -> st.Statement:
    if isinstance(part, tree.SessionSetParameter) and part.definition.kind == "value":
        return SessionCommand(part, _value_query(tokens))
    if isinstance(part, tree.SessionStatement):
        return SessionCommand(part)
    if isinstance(part, (tree.Savepoint, tree.ReleaseSavepoint)):
        part = replace(part, name=_savepoint(part.name, tokens))
    elif isinstance(part, tree.Rollback) and part.savepoint is not None:
        part = replace(part, savepoint=_savepoint(part.savepoint, tokens))
    if isinstance(part, tree.StartTransaction):
        modes = st.TransactionModes(part.isolation, part.read_only, part.deferrable)
        return st.Begin(modes, is_start=tokens.values[0].lower() == "start")
    return _TRANSACTIONS[type(part)](part)


def _savepoint(name: str, tokens: Tokens) -> str:
    """The name that ends the tokens, in lower case unless it is quoted: savepoints are SQL's, and have SQL's names."""
    return name.lower() if tokens.kinds[-2] == WORD else name


def _value_query(tokens: Tokens) -> st.Query:
    """What gives a parameter its value: the expression behind the equals sign, returned."""
    begin = tokens.starts[tokens.values.index("=") + 1]
    own = tokenize(f"return ({tokens.text[begin : tokens.ends[-2]]}) as value")
    return st.Query(normalise(own), VERB)


_TRANSACTIONS: Final[dict[type[tree.TransactionStatement], Callable[..., st.Statement]]] = {
    tree.Commit: lambda part: st.Commit(),
    tree.Rollback: lambda part: (
        st.Rollback() if part.savepoint is None else st.RollbackToSavepoint(part.savepoint)
    ),
    tree.Savepoint: lambda part: st.Savepoint(part.name),
    tree.ReleaseSavepoint: lambda part: st.ReleaseSavepoint(part.name),
}


# --- EXPLAIN and its like -------------------------------------------------------------------------------------------


def _wrapped(text: str, begun: Beginning, tokens: Tokens) -> Found:
    """A statement of SQL around GQL."""
    close = _closing_bracket(tokens)
    inner = tokens if close < 0 else tokens.slice(0, close)
    behind = "" if close < 0 else text[tokens.starts[close] : tokens.starts[-1]]
    if len(inner.kinds) == 1:
        raise SyntaxError("a GQL statement was expected", position=inner.starts[0] + 1)
    outer = sql_front.parse_statement(f"{text[begun.begin : begun.body]} select 1 {behind}")
    held = gql_statements(inner)
    if len(held) > 1:
        raise NotSupportedError("several statements cannot stand here", position=inner.starts[0] + 1)
    query = held[0][0]
    as_of: st.AsOf | None = None
    if isinstance(query, st.Historic):
        as_of = query.as_of
        query = query.statement
    if isinstance(outer, st.Explain):
        statement: st.Statement = replace(outer, statement=query)
    elif isinstance(outer, (st.Prepare, st.DeclareCursor, st.Copy)) and isinstance(query, st.Query):
        statement = replace(outer, query=query)
    else:
        raise SyntaxError("this GQL statement cannot stand here", position=inner.starts[0] + 1)
    whole = text[begun.begin : tokens.ends[-2]]
    return [(statement if as_of is None else st.Historic(statement, as_of), whole)]


def _closing_bracket(tokens: Tokens) -> int:
    """The bracket that closes one opened before the tokens; -1 where there is none."""
    depth = 0
    for index, (kind, value) in enumerate(zip(tokens.kinds, tokens.values, strict=True)):
        if kind == PUNCTUATION:
            depth += 1 if value == "(" else -1 if value == ")" else 0
            if depth < 0:
                return index
    return -1
