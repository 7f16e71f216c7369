"""What stands in the catalogs' pg_node_tree columns.

PostgreSQL keeps a printed parse tree there, which clients only ever hand to pg_get_expr.  Here it is a
reference to where the expression is kept, `{DEFAULT 16424}`; pg_get_expr follows it and prints the expression
with the present names of what it mentions.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_REFERENCE = re.compile(r"\{(DEFAULT|CHECK|KEYS|PREDICATE|RULE|DOMAIN) (\d+)\}")


@dataclass(frozen=True, slots=True)
class NodeReference:
    """`kind`: DEFAULT (of pg_attrdef), CHECK (of a constraint), KEYS or PREDICATE (of an index), RULE (of a
    view), DOMAIN (a domain's default).
    """

    kind: str
    oid: int


def default_text(default_oid: int) -> str:
    return f"{{DEFAULT {default_oid}}}"


def check_text(constraint_oid: int) -> str:
    return f"{{CHECK {constraint_oid}}}"


def domain_default_text(domain_oid: int) -> str:
    return f"{{DOMAIN {domain_oid}}}"


def index_expressions_text(index_oid: int) -> str:
    return f"{{KEYS {index_oid}}}"


def predicate_text(index_oid: int) -> str:
    return f"{{PREDICATE {index_oid}}}"


def rule_text(view_oid: int) -> str:
    return f"{{RULE {view_oid}}}"


def parse_reference(text: str) -> NodeReference | None:
    """What a node text refers to, None when it is none of ours."""
    match = _REFERENCE.fullmatch(text)
    return None if match is None else NodeReference(match[1], int(match[2]))
