"""GQL as a statement of SQLAlchemy's.

`text()` takes `:name` for a parameter, which in GQL is a label.  `gql()` takes parameters as GQL has them:

    connection.execute(gql("MATCH (p:Person {name: $name})-[:KNOWS]->(f) RETURN f"), {"name": "Ann"})
"""

from __future__ import annotations

import re

from sqlalchemy import TextClause, text

# What `text()` would take for a parameter of its own.
_COLON_NAME = re.compile(r"(?<![:\w$\\]):(?=[\w$]+(?![:\w$]))")

_TOKEN = re.compile(
    r"""
      (?P<kept> (?:--|//)[^\n]* | /\*.*?\*/                                 # comments
        | @(?:'[^']*'|"[^"]*"|`[^`]*`)                                      # strings and quoted names
        | '(?:[^'\\]|\\.)*' | "(?:[^"\\]|\\.)*" | `(?:[^`\\]|\\.)*`
        | \$\$\w+ )
    | (?<![\w$])\$(?P<name>[^\W\d]\w*)
    """,
    re.VERBOSE | re.DOTALL,
)


def gql(statement: str) -> TextClause:
    """A statement in GQL (or SQL) whose parameters are written `$name`; use it as one of `text()`."""
    parts = []
    end = 0
    for token in _TOKEN.finditer(statement):
        parts.append(_without_parameters(statement[end : token.start()]))
        parts.append(_without_parameters(token[0]) if token["name"] is None else f":{token['name']}")
        end = token.end()
    parts.append(_without_parameters(statement[end:]))
    return text("".join(parts))


def _without_parameters(part: str) -> str:
    return _COLON_NAME.sub(r"\\:", part)
