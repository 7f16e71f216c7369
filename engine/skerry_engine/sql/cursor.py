"""A reader's place in a token list: what all parts of the grammar share.

Errors are PostgreSQL's: the grammar fails at the first token that fits no rule, with `syntax error at or
near "x"` and that token's position.
"""

from __future__ import annotations

from typing import TypeVar

from sqlglot import expressions as exp

from skerry_engine.errors import NotSupportedError, StatementTooComplex, SyntaxError
from skerry_engine.sql import keywords
from skerry_engine.sql.lexer import (
    END,
    INTEGER,
    OPERATOR,
    PUNCTUATION,
    QUOTED,
    STRING,
    WORD,
    Tokens,
    identifier_name,
)

Node = TypeVar("Node", bound=exp.Expression)
_MAX_DEPTH = 100


class Cursor:
    """Reads tokens from left to right.  `index` is the next token's."""

    def __init__(self, tokens: Tokens) -> None:
        self.tokens = tokens
        self.kinds = tokens.kinds
        self.values = tokens.values
        self.index = 0
        self.depth = 0

    # --- looking ----------------------------------------------------------------------------------

    def kind(self) -> int:
        return self.kinds[self.index]

    def word(self) -> str:
        """The next token if it is an unquoted word, else ''."""
        return self.values[self.index] if self.kinds[self.index] == WORD else ""

    def word_at(self, ahead: int) -> str:
        """The word `ahead` tokens further, '' if there is none."""
        index = self.index + ahead
        if index < len(self.kinds) and self.kinds[index] == WORD:
            return self.values[index]
        return ""

    def at(self, punctuation: str, ahead: int = 0) -> bool:
        index = self.index + ahead
        return (
            index < len(self.kinds) and self.kinds[index] == PUNCTUATION and self.values[index] == punctuation
        )

    def at_operator(self, operator: str) -> bool:
        return self.kinds[self.index] == OPERATOR and self.values[self.index] == operator

    def at_words(self, *words: str) -> bool:
        """Whether exactly these words follow."""
        return all(self.word_at(ahead) == word for ahead, word in enumerate(words))

    def at_end(self) -> bool:
        return self.kinds[self.index] == END

    def position(self) -> int:
        """1-based offset of the next token in the text."""
        return self.tokens.starts[self.index] + 1

    def source(self, begin: int) -> str:
        """The text from token `begin` to the last token read."""
        if self.index <= begin:
            return ""
        return self.tokens.text[self.tokens.starts[begin] : self.tokens.ends[self.index - 1]]

    # --- taking -----------------------------------------------------------------------------------

    def accept(self, punctuation: str) -> bool:
        if self.kinds[self.index] == PUNCTUATION and self.values[self.index] == punctuation:
            self.index += 1
            return True
        return False

    def accept_operator(self, operator: str) -> bool:
        if self.at_operator(operator):
            self.index += 1
            return True
        return False

    def accept_word(self, word: str) -> bool:
        if self.kinds[self.index] == WORD and self.values[self.index] == word:
            self.index += 1
            return True
        return False

    def accept_words(self, *words: str) -> bool:
        """Take these words if exactly they follow."""
        if self.word() != words[0] or not self.at_words(*words):
            return False
        self.index += len(words)
        return True

    def accept_phrase(self, first: str, *rest: str) -> bool:
        """Take a phrase that its first word announces: the others must follow.  Raises SyntaxError."""
        if not self.accept_word(first):
            return False
        self.expect_word(*rest)
        return True

    def accept_one_of(self, *words: str) -> str:
        """Take the next word if it is one of `words`; '' if not."""
        word = self.word()
        if word in words:
            self.index += 1
            return word
        return ""

    def expect(self, punctuation: str) -> None:
        if not self.accept(punctuation):
            raise self.error()

    def expect_operator(self, operator: str) -> None:
        if not self.accept_operator(operator):
            raise self.error()

    def expect_word(self, *words: str) -> None:
        for word in words:
            if not self.accept_word(word):
                raise self.error()

    def expect_end(self) -> None:
        if not self.at_end():
            raise self.error()

    def integer(self) -> int:
        """An unsigned integer constant."""
        if self.kind() != INTEGER:
            raise self.error()
        self.read_as_text()
        return int(self.values[self.index - 1])

    def signed_integer(self) -> int:
        negative = self.accept_operator("-")
        if not negative:
            self.accept_operator("+")
        value = self.integer()
        return -value if negative else value

    def string(self) -> str:
        if self.kind() != STRING:
            raise self.error()
        self.read_as_text()
        return self.values[self.index - 1]

    def read_as_text(self) -> None:
        """Take a constant whose text is part of the syntax, not a value.

        (Lifted literals: see ExpressionParser.)
        """
        self.index += 1

    # --- names ------------------------------------------------------------------------------------

    def at_name(self) -> bool:
        """Whether a column, table or alias name follows."""
        kind = self.kinds[self.index]
        return kind == QUOTED or (kind == WORD and self.values[self.index] not in keywords.NOT_COLUMN_NAME)

    def name(self) -> str:
        """A column, table, alias or object name (ColId)."""
        if not self.at_name():
            raise self.error()
        self.index += 1
        return identifier_name(self.values[self.index - 1])

    def label(self) -> str:
        """Any word or quoted identifier (ColLabel): behind AS or a dot."""
        if self.kinds[self.index] != WORD and self.kinds[self.index] != QUOTED:
            raise self.error()
        self.index += 1
        return identifier_name(self.values[self.index - 1])

    def role_name(self) -> str:
        """A role: a name that is not reserved, or one of the words that stand for the current roles."""
        word = self.word()
        if word in ("current_user", "current_role", "session_user"):
            self.index += 1
            return word
        if self.kind() == QUOTED or word not in keywords.RESERVED:
            return self.label()
        raise self.error()

    def qualified_name(self) -> tuple[str, ...]:
        """A possibly qualified name: (name,), (schema, name) or (database, schema, name)."""
        parts = [self.name()]
        while self.accept("."):
            parts.append(self.label())
        if len(parts) > 3:
            raise SyntaxError(
                f"improper qualified name (too many dotted names): {'.'.join(parts)}",
                position=self.position(),
            )
        return tuple(parts)

    def names_in_parentheses(self) -> tuple[str, ...]:
        """`(a, b, c)`."""
        self.expect("(")
        names = [self.name()]
        while self.accept(","):
            names.append(self.name())
        self.expect(")")
        return tuple(names)

    def identifier(self) -> exp.Identifier:
        """A name as a node."""
        index = self.index
        return self.mark(exp.Identifier(this=self.name(), quoted=self.kinds[index] == QUOTED), index)

    def label_identifier(self) -> exp.Identifier:
        """Any word as a node."""
        index = self.index
        return self.mark(exp.Identifier(this=self.label(), quoted=self.kinds[index] == QUOTED), index)

    # --- nodes and errors -------------------------------------------------------------------------

    def mark(self, node: Node, index: int) -> Node:
        """Note on `node` that it begins at token `index`."""
        node.meta["position"] = self.tokens.starts[index] + 1
        return node

    def enter(self) -> None:
        """One level of nesting deeper.

        Raises StatementTooComplex beyond the limit, well before Python's own.
        """
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise StatementTooComplex(
                "stack depth limit exceeded",
                hint=f"Skerry takes expressions and queries nested {_MAX_DEPTH} deep.",
                position=self.position(),
            )

    def leave(self) -> None:
        self.depth -= 1

    def error(self, index: int | None = None) -> SyntaxError:
        """The error that the token at `index` (default: the next) fits no rule."""
        return syntax_error(self.tokens, self.index if index is None else index)

    def unsupported(self, what: str, index: int | None = None) -> NotSupportedError:
        """The error that Skerry refuses `what`."""
        place = self.tokens.starts[self.index if index is None else index] + 1
        return NotSupportedError(f"{what} is not supported", position=place)


def syntax_error(tokens: Tokens, index: int) -> SyntaxError:
    """PostgreSQL's syntax error at a token."""
    if tokens.kinds[index] == END and tokens.starts[index] < len(tokens.text):
        # the end of a part: the punctuation behind it is what does not fit
        near = tokens.text[tokens.starts[index]]
        return SyntaxError(f'syntax error at or near "{near}"', position=tokens.starts[index] + 1)
    if tokens.kinds[index] == END:
        return SyntaxError("syntax error at end of input", position=tokens.starts[index] + 1)
    near = tokens.text[tokens.starts[index] : tokens.ends[index]]
    return SyntaxError(f'syntax error at or near "{near}"', position=tokens.starts[index] + 1)
