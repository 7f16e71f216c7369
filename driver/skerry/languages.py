"""Whether a text is GQL, as its first words tell: for what a driver does with it before it is sent.

The database decides for itself (and `SET language` may overrule words).  Here it matters for parameters alone: in GQL a
value is of its own type, a str a string, a list any list, where SQL has a parameter take the type of its place.

    GQL     MATCH, OPTIONAL, LET, FOR, FILTER, RETURN, FINISH, USE, CALL, SESSION, REMOVE, DETACH, NODETACH, AT,
            ORDER BY, LIMIT, OFFSET, SKIP, GRAPH, BINDING, PROPERTY, VALUE name, {
            INSERT and MERGE without INTO, CREATE (, CREATE name =
    either  EXPLAIN: by what is explained
"""

from __future__ import annotations

import re
from functools import lru_cache

_SKIPPED = r"(?:\s+|--[^\r\n]*|//[^\r\n]*|/\*[\s\S]*?\*/)*"
_EXPLAIN = rf"(?:explain\b{_SKIPPED}(?:\([^()]*\){_SKIPPED})?(?:(?:analyze|analyse|verbose)\b{_SKIPPED})*)?"
_WORDS = (
    r"(?:match|optional|let|for|filter|return|finish|use|call|session|remove|detach|nodetach|at|order|limit|offset|skip"
    r"|graph|binding|property|value)\b"
)
_WRITES = rf"(?:insert|merge)\b(?!{_SKIPPED}into\b)|create\b{_SKIPPED}(?:\(|[^\W\d]\w*{_SKIPPED}=)"
_GQL = re.compile(rf"{_SKIPPED}{_EXPLAIN}(?:{_WORDS}|{_WRITES}|\{{)", re.IGNORECASE)


@lru_cache(maxsize=512)
def is_gql(text: str) -> bool:
    """Whether the text begins with a GQL statement."""
    return _GQL.match(text) is not None
