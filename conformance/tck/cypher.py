"""Cypher's tokens.  Numbers that are malformed are tokens, too: GQL has to refuse them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

NAME: Final = "name"
QUOTED: Final = "quoted name"
STRING: Final = "string"
NUMBER: Final = "number"
PARAMETER: Final = "parameter"
SYMBOL: Final = "symbol"
END: Final = "end"

_TOKEN = re.compile(
    r"""
    (?P<space>\s+|//[^\n]*|/\*.*?\*/)
  | (?P<number>0[xo]\w*|(?:\d+\.\d+|\.\d+|\d+)(?:[eE][+-]?\d+)?\w*)
  | (?P<name>[^\W\d]\w*)
  | (?P<quoted>`(?:[^`]|``)*`)
  | (?P<string>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")
  | (?P<parameter>\$(?:\w+|`(?:[^`]|``)*`))
  | (?P<symbol><>|<=|>=|=~|\+=|\.\.|[-+*/%^=<>()\[\]{},.:|;&!?])
    """,
    re.VERBOSE | re.DOTALL,
)


class NotCypher(Exception):
    """The text is not made of Cypher's tokens, or not put together as Cypher's are."""


@dataclass(frozen=True)
class Token:
    """A token, where it begins and ends.  A quoted name's text is what the quotes hold."""

    kind: str
    text: str
    start: int
    end: int

    @property
    def word(self) -> str:
        """An unquoted name in capitals, to compare keywords with; else empty."""
        return self.text.upper() if self.kind == NAME else ""


def tokens_of(text: str) -> list[Token]:
    """All tokens and one of kind END.  Raises NotCypher."""
    found: list[Token] = []
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise NotCypher(f"no token at {text[position : position + 20]!r}")
        if match.lastgroup != "space":
            found.append(_token(match))
        position = match.end()
    found.append(Token(END, "", position, position))
    return found


def _token(match: re.Match[str]) -> Token:
    kinds = {"name": NAME, "quoted": QUOTED, "string": STRING, "number": NUMBER, "parameter": PARAMETER}
    kind = kinds.get(match.lastgroup or "", SYMBOL)
    text = match[0]
    if kind == QUOTED:
        text = text[1:-1].replace("``", "`")
    return Token(kind, text, match.start(), match.end())
