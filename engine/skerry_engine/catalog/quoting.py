"""Identifiers and literals as SQL text."""

from __future__ import annotations

import re
from collections.abc import Iterable

_PLAIN = re.compile(r"[a-z_][a-z0-9_$]*")

# Keywords that must be quoted as identifiers: all but the unreserved ones of PostgreSQL 15.
_COLUMN_NAME_KEYWORDS = """
between bigint bit boolean char character coalesce dec decimal exists extract float greatest grouping inout
int integer interval least national nchar none normalize nullif numeric out overlay position precision real
row setof smallint substring time timestamp treat trim values varchar xmlattributes xmlconcat xmlelement
xmlexists xmlforest xmlnamespaces xmlparse xmlpi xmlroot xmlserialize xmltable
"""
_TYPE_FUNCTION_KEYWORDS = """
authorization binary collation concurrently cross current_schema freeze full ilike inner is isnull join left
like natural notnull outer overlaps right similar tablesample verbose
"""
_RESERVED_KEYWORDS = """
all analyse analyze and any array as asc asymmetric both case cast check collate column constraint create
current_catalog current_date current_role current_time current_timestamp current_user default deferrable desc
distinct do else end except false fetch for foreign from grant group having in initially intersect into
lateral leading limit localtime localtimestamp not null offset on only or order placing primary references
returning select session_user some symmetric table then to trailing true union unique user using variadic when
where window with
"""
QUOTED_KEYWORDS = frozenset(f"{_COLUMN_NAME_KEYWORDS} {_TYPE_FUNCTION_KEYWORDS} {_RESERVED_KEYWORDS}".split())


def quote_identifier(name: str) -> str:
    """The name as it must be written in SQL: bare where that reads back the same."""
    if _PLAIN.fullmatch(name) and name not in QUOTED_KEYWORDS:
        return name
    return '"' + name.replace('"', '""') + '"'


def quote_qualified(parts: Iterable[str]) -> str:
    """A dotted name, each part quoted where needed."""
    return ".".join(quote_identifier(part) for part in parts)


def quote_literal(text: str) -> str:
    """A string literal: E'' where it holds a backslash, as PostgreSQL prints constants."""
    escaped = text.replace("'", "''")
    if "\\" in escaped:
        return "E'" + escaped.replace("\\", "\\\\") + "'"
    return f"'{escaped}'"
