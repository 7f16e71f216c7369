"""What the builders need of the text: tokens, and which literals were lifted out of it."""

from __future__ import annotations

from skerry_engine.errors import SyntaxError
from skerry_engine.sql.lexer import Tokens

_INTEGER_DIGITS = 9


class Unlift(Exception):
    """A lifted literal stands where the grammar reads no value: parse again with everything put back."""


class Source:
    """One statement while its tree is built.  `literal_at`: the number of the lifted literal that a token is."""

    __slots__ = ("literal_at", "tokens")

    def __init__(self, tokens: Tokens, literal_at: dict[int, int]) -> None:
        self.tokens: Tokens = tokens
        self.literal_at: dict[int, int] = literal_at

    def word(self, index: int) -> str:
        """A keyword, in lower case."""
        return self.tokens.values[index].lower()

    def plain(self, index: int) -> str:
        """What a literal's token says that is read here and now.  Raises Unlift."""
        if index in self.literal_at:
            raise Unlift
        return self.tokens.values[index]

    def integer(self, index: int) -> int:
        """A length or count written as a plain number."""
        text = self.plain(index)
        if len(text) > _INTEGER_DIGITS:
            raise SyntaxError(f"{text} is too large here", position=self.tokens.starts[index] + 1)
        return int(text)
