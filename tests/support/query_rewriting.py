"""Writes a query differently without changing what it asks: other aliases,
conditions and output columns in another order.

It works on tokens, not on a parsed tree, so that it knows nothing of the engine under test beyond its lexer.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_TOKEN = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|\w+|::|[^\s\w]|\s+")
_RELATION_STARTS = frozenset({"from", "join", ","})
_NO_ALIASES = frozenset(
    "on as join left right full inner cross where order group union and or not is in end then else when case limit"
    " having set for with using lateral natural except intersect asc desc collate only from".split()
)


@dataclass(frozen=True)
class Rewritten:
    """The other text.  Its output column n is the original's `order[n]`."""

    text: str
    order: list[int]


def rewrite(query: str) -> Rewritten:
    """Rename the aliases, reverse the ANDs of the outermost WHERE, and rotate the outermost select list."""
    tokens = _TOKEN.findall(query.rstrip().rstrip(";"))
    tokens = _renamed(tokens)
    tokens = _reversed_conditions(tokens)
    tokens, order = _rotated_columns(tokens)
    return Rewritten("".join(tokens), order)


def _solid(tokens: list[str], index: int, step: int) -> int:
    """The index of the next token that is no white space; -1 at an end."""
    index += step
    while 0 <= index < len(tokens) and tokens[index].isspace():
        index += step
    return index if 0 <= index < len(tokens) else -1


def _at(tokens: list[str], index: int) -> str:
    return tokens[index].lower() if index >= 0 else ""


def _renamed(tokens: list[str]) -> list[str]:
    places = [index for index in range(len(tokens)) if _declares_alias(tokens, index)]
    names = {tokens[index] for index in places}
    made = list(tokens)
    for index, token in enumerate(tokens):
        if token not in names:
            continue
        qualifies = _at(tokens, _solid(tokens, index, 1)) == "."
        is_part = _at(tokens, _solid(tokens, index, -1)) == "."
        if index in places or (qualifies and not is_part):
            made[index] = f"{token}_other"
    return made


def _declares_alias(tokens: list[str], index: int) -> bool:
    """Whether the token is an alias behind a relation's name in FROM."""
    if not re.fullmatch(r"[a-z_]\w*", tokens[index]) or tokens[index] in _NO_ALIASES:
        return False
    before = _solid(tokens, index, -1)
    if _at(tokens, before) == "as":
        before = _solid(tokens, before, -1)
    if not re.fullmatch(r"\w+", _at(tokens, before)) or _at(tokens, before) in _NO_ALIASES:
        return False
    start = _solid(tokens, before, -1)
    if _at(tokens, start) == ".":
        start = _solid(tokens, _solid(tokens, start, -1), -1)
    if _at(tokens, start) == ",":
        return _is_in_from(tokens, start)
    return _at(tokens, start) in _RELATION_STARTS


def _is_in_from(tokens: list[str], index: int) -> bool:
    """Whether a comma separates relations: FROM is the nearest clause before it at its depth."""
    depth = 0
    while index >= 0:
        word = _at(tokens, index)
        depth += (word == ")") - (word == "(")
        if depth < 0:
            return False
        if depth == 0 and word in ("from", "select", "where", "by"):
            return word == "from"
        index -= 1
    return False


def _outer_clauses(tokens: list[str]) -> dict[str, int]:
    """Where the clauses of the outermost query begin;
    empty when there is more than one query at that depth."""
    found: dict[str, int] = {}
    depth = 0
    for index, token in enumerate(tokens):
        word = token.lower()
        depth += (word in ("(", "case")) - (word in (")", "end"))
        if depth == 0 and word in ("select", "from", "where", "order", "group", "union", "limit", "having"):
            if word == "union" or word in found:
                return {}
            found[word] = index
    return found


def _split(tokens: list[str], separator: str) -> list[list[str]]:
    parts: list[list[str]] = [[]]
    depth = between = 0
    for token in tokens:
        word = token.lower()
        depth += (word in ("(", "[", "case")) - (word in (")", "]", "end"))
        between += depth == 0 and word == "between"
        if depth == 0 and word == separator and not between:
            parts.append([])
            continue
        if depth == 0 and word == "and" and between:
            between -= 1
        parts[-1].append(token)
    return parts


def _reversed_conditions(tokens: list[str]) -> list[str]:
    clauses = _outer_clauses(tokens)
    if "where" not in clauses:
        return tokens
    start = clauses["where"] + 1
    end = min([place for word, place in clauses.items() if place > start], default=len(tokens))
    conditions = _split(tokens[start:end], "and")
    if any(len(_split(condition, "or")) > 1 for condition in conditions):
        return tokens
    reversed_ = [["(", *condition, ")"] for condition in reversed(conditions)]
    joined = [token for condition in reversed_ for token in [" and ", *condition]][1:]
    return [*tokens[:start], " ", *joined, "\n", *tokens[end:]]


def _rotated_columns(tokens: list[str]) -> tuple[list[str], list[int]]:
    """The select list begins with its second column; ORDER BY goes, for it may name columns by number."""
    clauses = _outer_clauses(tokens)
    if "from" not in clauses or "group" in clauses or "limit" in clauses:
        return tokens, []
    items = _split(tokens[clauses["select"] + 1 : clauses["from"]], ",")
    if any("*" in item or _at(item, _solid(item, -1, 1)) == "distinct" for item in items):
        return tokens, []
    order = [*range(1, len(items)), 0]
    listed = ", ".join("".join(items[number]).strip() for number in order)
    end = clauses.get("order", len(tokens))
    return ["select ", listed, "\n", *tokens[clauses["from"] : end]], order
