"""What the translator's parts stand on: a place among tokens, and what was met on the way."""

from __future__ import annotations

from tck.cypher import END, NAME, QUOTED, SYMBOL, NotCypher, Token, tokens_of


class NotGql(Exception):
    """What the text says can't be said in GQL with the same meaning; the message names it."""


class Cursor:
    """Tokens of one text, read from left to right.

    `extensions` collects constructs that are Cypher's and not GQL's, but are passed on as they are: a database may
    have them.  A query with such that is refused is no failure.
    """

    def __init__(self, text: str) -> None:
        self.source = text
        self.tokens = tokens_of(text)
        self.at = 0
        self.extensions: set[str] = set()

    @property
    def token(self) -> Token:
        """The token here."""
        return self.tokens[self.at]

    def ahead(self, count: int = 1) -> Token:
        """A token further on."""
        return self.tokens[min(self.at + count, len(self.tokens) - 1)]

    def advance(self) -> Token:
        """Take the token here."""
        token = self.token
        if token.kind != END:
            self.at += 1
        return token

    def is_symbol(self, *symbols: str) -> bool:
        """Whether one of these symbols is here."""
        return self.token.kind == SYMBOL and self.token.text in symbols

    def is_word(self, *words: str) -> bool:
        """Whether these words are here, one after the other."""
        return all(self.ahead(index).word == word for index, word in enumerate(words))

    def take_symbol(self, symbol: str) -> bool:
        """Take a symbol if it is here."""
        found = self.is_symbol(symbol)
        if found:
            self.at += 1
        return found

    def take_word(self, *words: str) -> bool:
        """Take words if they are here."""
        found = self.is_word(*words)
        if found:
            self.at += len(words)
        return found

    def expect_symbol(self, symbol: str) -> None:
        """Take a symbol that must be here; raises NotCypher."""
        if not self.take_symbol(symbol):
            raise self.unexpected(symbol)

    def expect_word(self, *words: str) -> None:
        """Take words that must be here; raises NotCypher."""
        if not self.take_word(*words):
            raise self.unexpected(" ".join(words))

    def expect_name(self) -> str:
        """Take a name, quoted or not; raises NotCypher."""
        if self.token.kind not in (NAME, QUOTED):
            raise self.unexpected("a name")
        return self.advance().text

    def unexpected(self, wanted: str) -> NotCypher:
        """An error that says what is here and what was wanted."""
        here = self.token.text or "the end"
        return NotCypher(f"{wanted} expected at {here}")

    def adjacent(self, *texts: str) -> bool:
        """Whether these symbols are here with nothing between them."""
        for index, text in enumerate(texts):
            token = self.ahead(index)
            if token.kind != SYMBOL or token.text != text:
                return False
            if index and token.start != self.ahead(index - 1).end:
                return False
        return True
