"""Cypher's expressions and patterns as GQL's, by recursive descent.

What differs: `+` of strings and lists is ||, ^ and % are functions, chained comparisons are conjunctions, XOR binds
tighter than OR, a pattern as a condition stands in EXISTS {}, `n:A:B` is a label expression, a variable-length
relationship is an edge pattern with a quantifier, shortestPath() is ANY SHORTEST.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tck.cursor import Cursor, NotGql
from tck.cypher import END, NAME, NUMBER, PARAMETER, QUOTED, STRING, NotCypher
from tck.names import identifier

AGGREGATES: Final = frozenset(
    "count sum avg min max collect stdev stdevp percentiledisc percentilecont".split()
)
RENAMED: Final = {
    "collect": "COLLECT_LIST",
    "stdev": "STDDEV_SAMP",
    "stdevp": "STDDEV_POP",
    "percentiledisc": "PERCENTILE_DISC",
    "percentilecont": "PERCENTILE_CONT",
    "length": "PATH_LENGTH",
    "tolower": "LOWER",
    "toupper": "UPPER",
    "log": "LN",
    "time": "ZONED_TIME",
    "localtime": "LOCAL_TIME",
    "datetime": "ZONED_DATETIME",
    "localdatetime": "LOCAL_DATETIME",
    "duration.between": "DURATION_BETWEEN",
}
CASTS: Final = {
    "tostring": "STRING",
    "tointeger": "INTEGER",
    "tofloat": "FLOAT",
    "toboolean": "BOOLEAN",
}
SHARED: Final = frozenset(
    """
    count sum avg min max abs ceil floor sqrt exp sin cos tan cot asin acos atan degrees radians log10 coalesce trim
    ltrim rtrim left right size date duration
    """.split()
)
"""Functions that both languages have under one name."""
LISTS: Final = frozenset("collect range keys labels nodes relationships tail".split())
"""Functions that give lists."""
TEMPORAL: Final = frozenset("date time localtime datetime localdatetime duration".split())
_FRACTION: Final = re.compile(r"[.,]\d{7,}")
QUANTIFIERS: Final = frozenset(("ALL", "ANY", "NONE", "SINGLE"))
LIST_KINDS: Final = ("string", "list")


@dataclass(frozen=True)
class Piece:
    """GQL text of an expression: whether it aggregates, what it is known to be, whether it is one word."""

    text: str
    aggregates: bool = False
    kind: str = ""
    variable: str = ""
    is_number: bool = False
    fields: tuple[str, ...] = ()
    """A map literal's names."""


class Expressions(Cursor):
    """The translator of expressions and patterns."""

    # --- operators, loosest first -----------------------------------------------------------------------------

    def expression(self) -> Piece:
        """A whole expression."""
        return self._left_to_right(self._xor, {"OR": "OR"})

    def _xor(self) -> Piece:
        piece = self._and()
        if not self.is_word("XOR"):
            return piece
        parts = [piece]
        while self.take_word("XOR"):
            parts.append(self._and())
        return _joined("(" + " XOR ".join(f"({part.text})" for part in parts) + ")", *parts)

    def _and(self) -> Piece:
        return self._left_to_right(self._not, {"AND": "AND"})

    def _left_to_right(self, operand: Callable[[], Piece], words: dict[str, str]) -> Piece:
        piece = operand()
        while self.token.word in words:
            operator = words[self.advance().word]
            right = operand()
            piece = _joined(f"{piece.text} {operator} {right.text}", piece, right)
        return piece

    def _not(self) -> Piece:
        if not self.take_word("NOT"):
            return self._comparison()
        piece = self._not()
        return _joined(f"NOT ({piece.text})", piece)

    def _comparison(self) -> Piece:
        operands = [self._predicate()]
        operators: list[str] = []
        while self.is_symbol("=", "<>", "<", ">", "<=", ">="):
            operators.append(self.advance().text)
            operands.append(self._predicate())
        if not operators:
            return operands[0]
        pairs = zip(operands, operators, operands[1:], strict=False)
        texts = [f"{left.text} {operator} {right.text}" for left, operator, right in pairs]
        text = texts[0] if len(texts) == 1 else "(" + " AND ".join(texts) + ")"
        return _joined(text, *operands)

    def _predicate(self) -> Piece:
        piece = self._sum()
        while True:
            if self.take_word("IS", "NULL"):
                piece = _joined(f"{piece.text} IS NULL", piece)
            elif self.take_word("IS", "NOT", "NULL"):
                piece = _joined(f"{piece.text} IS NOT NULL", piece)
            elif (operator := self._extension_operator()) is not None:
                self.extensions.add(operator)
                right = self._sum()
                piece = _joined(f"{piece.text} {operator} {right.text}", piece, right)
            else:
                return piece

    def _extension_operator(self) -> str | None:
        for words in (("IN",), ("STARTS", "WITH"), ("ENDS", "WITH"), ("CONTAINS",)):
            if self.take_word(*words):
                return " ".join(words)
        if self.take_symbol("=~"):
            raise NotGql("=~: regular expressions")
        return None

    def _sum(self) -> Piece:
        piece = self._product()
        while self.is_symbol("+", "-"):
            sign = self.advance().text
            right = self._product()
            known = {piece.kind, right.kind} & set(LIST_KINDS)
            if sign == "+" and piece.kind != right.kind and known:
                self.extensions.add("+ of a list or a string and something else")
            elif sign == "+" and not known and not (piece.is_number or right.is_number):
                self.extensions.add("+ of what may be lists or strings")
            operator = "||" if sign == "+" and known else sign
            kind = next(iter(known), "") if sign == "+" else ""
            piece = _joined(f"{piece.text} {operator} {right.text}", piece, right, kind=kind)
        return piece

    def _product(self) -> Piece:
        piece = self._power()
        while self.is_symbol("*", "/", "%"):
            sign = self.advance().text
            right = self._power()
            text = f"MOD({piece.text}, {right.text})" if sign == "%" else f"{piece.text} {sign} {right.text}"
            piece = _joined(text, piece, right)
        return piece

    def _power(self) -> Piece:
        piece = self._sign()
        while self.take_symbol("^"):
            right = self._sign()
            piece = _joined(f"POWER({piece.text}, {right.text})", piece, right)
        return piece

    def _sign(self) -> Piece:
        if self.is_symbol("-", "+"):
            sign = self.advance().text
            piece = self._sign()
            space = " " if piece.text.startswith(("-", "+")) else ""
            return _joined(f"{sign}{space}{piece.text}", piece)
        return self._postfix()

    def _postfix(self) -> Piece:
        piece = self._atom()
        while True:
            if self.is_symbol(".") and self.ahead().kind in (NAME, QUOTED):
                self.advance()
                piece = _joined(f"{piece.text}.{identifier(self.expect_name())}", piece)
            elif self.is_symbol("["):
                piece = self._element_of(piece)
            elif self.is_symbol(":") and self.ahead().kind in (NAME, QUOTED):
                piece = _joined(f"{piece.text} IS LABELED {self._labels('&')}", piece)
            else:
                return piece

    def _element_of(self, piece: Piece) -> Piece:
        """Elements by position or key, and slices."""
        self.extensions.add("[]: elements of lists and maps by position or key")
        self.expect_symbol("[")
        parts: list[Piece] = []
        text = ""
        for _ in range(2):
            if not self.is_symbol("..", "]"):
                parts.append(self.expression())
                text += parts[-1].text
            text += ".." if self.take_symbol("..") else ""
        self.expect_symbol("]")
        return _joined(f"{piece.text}[{text}]", piece, *parts, kind="list" if ".." in text else "")

    # --- atoms --------------------------------------------------------------------------------------------------

    def _atom(self) -> Piece:
        token = self.token
        if token.kind == NUMBER:
            return Piece(self.advance().text, is_number=True)
        if token.kind == STRING:
            return Piece(_string(self.advance().text), kind="string")
        if token.kind == PARAMETER:
            name = self.advance().text[1:].strip("`")
            return Piece("$" + (name if re.fullmatch(r"\w+", name) else identifier(name)))
        if self.is_symbol("("):
            return self._parenthesised()
        if self.is_symbol("["):
            return self._list()
        if self.is_symbol("{"):
            return self._map()
        if token.kind == QUOTED:
            name = self.advance().text
            return Piece(identifier(name), variable=name)
        if token.kind == NAME:
            return self._word()
        raise self.unexpected("an expression")

    def _word(self) -> Piece:
        word = self.token.word
        if word in ("TRUE", "FALSE", "NULL"):
            return Piece(self.advance().word)
        if word == "CASE":
            return self._case()
        if word == "EXISTS" and self.ahead().text == "{":
            return self._exists()
        if word == "COUNT" and self.ahead().text == "{":
            raise NotGql("COUNT {}")
        name = self._function_name()
        if name is not None:
            return self._call(name)
        variable = self.advance().text
        if self.is_symbol("{"):
            raise NotGql("map projections")
        return Piece(identifier(variable), variable=variable)

    def _function_name(self) -> str | None:
        """A function's name with its dots, taken, if one is called here."""
        count = 0
        while self.ahead(count + 1).text == "." and self.ahead(count + 2).kind == NAME:
            count += 2
        if self.ahead(count + 1).text != "(":
            return None
        parts = [self.advance().text for _ in range(count + 1)]
        return "".join(parts)

    def _parenthesised(self) -> Piece:
        pattern = self._attempt(self._pattern_condition)
        if pattern is not None:
            return pattern
        self.expect_symbol("(")
        piece = self.expression()
        self.expect_symbol(")")
        return _joined(f"({piece.text})", piece, kind=piece.kind)

    def _attempt(self, parse: Callable[[], Piece]) -> Piece | None:
        """What `parse` gives, or None with nothing taken where it doesn't fit."""
        start, extensions = self.at, set(self.extensions)
        try:
            return parse()
        except NotCypher:
            self.at, self.extensions = start, extensions
            return None

    def _pattern_condition(self) -> Piece:
        text, edges = self.path_pattern()
        if not edges:
            raise NotCypher("no pattern")
        return Piece(f"EXISTS {{ {text} }}", kind="pattern")

    def _list(self) -> Piece:
        self.expect_symbol("[")
        if self.token.kind in (NAME, QUOTED) and self.ahead().word == "IN":
            raise NotGql("list comprehensions")
        if self._is_pattern_comprehension():
            raise NotGql("pattern comprehensions")
        pieces: list[Piece] = []
        while not self.is_symbol("]"):
            pieces.append(self.expression())
            if not self.take_symbol(","):
                break
        self.expect_symbol("]")
        return _joined("[" + ", ".join(piece.text for piece in pieces) + "]", *pieces, kind="list")

    def _is_pattern_comprehension(self) -> bool:
        if self.token.kind in (NAME, QUOTED) and self.ahead().text == "=":
            return self.ahead(2).text == "("
        if not self.is_symbol("("):
            return False
        start = self.at
        found = self._attempt(self._pattern_condition) is not None and (
            self.is_symbol("|") or self.is_word("WHERE")
        )
        self.at = start
        return found

    def _map(self) -> Piece:
        texts: list[str] = []
        pieces: list[Piece] = []
        names: list[str] = []
        for name, piece in self.map_entries():
            names.append(name)
            texts.append(f"{identifier(name)}: {piece.text}")
            pieces.append(piece)
        made = _joined("{" + ", ".join(texts) + "}", *pieces, kind="map")
        return Piece(made.text, made.aggregates, "map", fields=tuple(names))

    def map_entries(self) -> list[tuple[str, Piece]]:
        """A map literal's names and values."""
        self.expect_symbol("{")
        entries: list[tuple[str, Piece]] = []
        while not self.is_symbol("}"):
            name = self.expect_name()
            self.expect_symbol(":")
            entries.append((name, self.expression()))
            if not self.take_symbol(","):
                break
        self.expect_symbol("}")
        return entries

    def _case(self) -> Piece:
        self.expect_word("CASE")
        words = ["CASE"]
        pieces: list[Piece] = []

        def operand() -> None:
            pieces.append(self.expression())
            words.append(pieces[-1].text)

        if not self.is_word("WHEN"):
            operand()
        while self.take_word("WHEN"):
            words.append("WHEN")
            operand()
            self.expect_word("THEN")
            words.append("THEN")
            operand()
        if self.take_word("ELSE"):
            words.append("ELSE")
            operand()
        self.expect_word("END")
        return _joined(" ".join([*words, "END"]), *pieces)

    def _exists(self) -> Piece:
        self.expect_word("EXISTS")
        self.expect_symbol("{")
        if self.is_symbol("(") or (self.token.kind == NAME and self.ahead().text == "="):
            body = self.patterns()
            if self.take_word("WHERE"):
                body += f" WHERE {self.expression().text}"
        else:
            body = self.subquery()
        self.expect_symbol("}")
        return Piece(f"EXISTS {{ {body} }}")

    def subquery(self) -> str:
        """A query in braces, up to the closing one."""
        raise NotImplementedError

    # --- functions ----------------------------------------------------------------------------------------------

    def _call(self, name: str) -> Piece:
        lower = name.lower()
        if name.upper() in QUANTIFIERS and self.ahead(2).word == "IN":
            raise NotGql("all(), any(), none() and single() of a list")
        self.expect_symbol("(")
        if lower == "count" and self.take_symbol("*"):
            self.expect_symbol(")")
            return Piece("COUNT(*)", aggregates=True)
        if lower in ("shortestpath", "allshortestpaths"):
            raise NotGql("shortestPath() as an expression")
        distinct = "DISTINCT " if self.take_word("DISTINCT") else ""
        arguments: list[Piece] = []
        while not self.is_symbol(")"):
            arguments.append(self.expression())
            if not self.take_symbol(","):
                break
        self.expect_symbol(")")
        return self._function(lower, name, distinct, arguments)

    def _function(self, lower: str, name: str, distinct: str, arguments: list[Piece]) -> Piece:
        texts = ", ".join(argument.text for argument in arguments)
        if lower == "exists" and len(arguments) == 1:
            piece = arguments[0]
            text = piece.text if piece.kind == "pattern" else f"{piece.text} IS NOT NULL"
            return _joined(f"({text})", piece)
        if any(argument.kind == "pattern" for argument in arguments):
            raise NotGql("a pattern as a function's argument")
        if lower in CASTS and len(arguments) == 1:
            kind = "string" if lower == "tostring" else ""
            return _joined(f"CAST({texts} AS {CASTS[lower]})", *arguments, kind=kind)
        if "." in name and lower not in RENAMED:
            raise NotGql(f"{name}()")
        if lower not in RENAMED and lower not in SHARED:
            self.extensions.add(f"{name}()")
        if lower == "size" and len(arguments) == 1 and arguments[0].kind == "string":
            lower, name = "char_length", "CHAR_LENGTH"
        if lower in TEMPORAL:
            _check_temporal(name, arguments)
        kind = "list" if lower in LISTS else ""
        piece = _joined(f"{RENAMED.get(lower, name)}({distinct}{texts})", *arguments, kind=kind)
        return Piece(piece.text, piece.aggregates or lower in AGGREGATES, kind)

    # --- patterns -----------------------------------------------------------------------------------------------

    def patterns(self) -> str:
        """Path patterns between commas."""
        texts = [self._named_pattern()]
        while self.take_symbol(","):
            texts.append(self._named_pattern())
        return ", ".join(texts)

    def _named_pattern(self) -> str:
        prefix = ""
        if self.token.kind in (NAME, QUOTED) and self.ahead().text == "=":
            prefix = f"{identifier(self.expect_name())} = "
            self.expect_symbol("=")
        selector = {"SHORTESTPATH": "ANY SHORTEST ", "ALLSHORTESTPATHS": "ALL SHORTEST "}.get(self.token.word)
        if selector is not None:
            self.advance()
            self.expect_symbol("(")
            text, _ = self.path_pattern()
            self.expect_symbol(")")
            return f"{prefix}{selector}{text}"
        return prefix + self.path_pattern()[0]

    def path_pattern(self) -> tuple[str, int]:
        """A path pattern, and how many edge patterns it has."""
        texts = [self._node()]
        while self.is_symbol("-") or self.adjacent("<", "-"):
            texts.append(self._edge())
            texts.append(self._node())
        return "".join(texts), len(texts) // 2

    def _node(self) -> str:
        self.expect_symbol("(")
        filler = self._filler("&")
        self.expect_symbol(")")
        return f"({filler})"

    def _filler(self, joint: str) -> str:
        """Variable, labels and properties."""
        parts: list[str] = []
        if self.token.kind in (NAME, QUOTED):
            parts.append(identifier(self.expect_name()))
        if self.is_symbol(":"):
            parts.append(":" + self._labels(joint))
        return "".join(parts) + self._properties()

    def _properties(self) -> str:
        if self.token.kind == PARAMETER:
            raise NotGql("a parameter for a pattern's properties")
        return " " + self._map().text if self.is_symbol("{") else ""

    def _labels(self, joint: str) -> str:
        """`:A:B` of a node, `:A|B` or `:A|:B` of a relationship."""
        self.expect_symbol(":")
        names = [identifier(self.expect_name())]
        while self.is_symbol(":" if joint == "&" else "|"):
            self.advance()
            self.take_symbol(":")
            names.append(identifier(self.expect_name()))
        return joint.join(names)

    def _edge(self) -> str:
        left = self.take_symbol("<")
        self.expect_symbol("-")
        filler, quantifier = "", ""
        if self.take_symbol("["):
            start = self.at
            filler, quantifier = self._edge_filler()
            self.expect_symbol("]")
            filler = f"[{filler}]" if self.at > start + 1 else "[]"
        self.expect_symbol("-")
        right = self.take_symbol(">")
        if not filler:
            return {(True, False): "<-[]-", (False, True): "-[]->", (True, True): "<-[]->"}.get(
                (left, right), "-[]-"
            )
        return f"{'<' if left else ''}-{filler}-{'>' if right else ''}{quantifier}"

    def _edge_filler(self) -> tuple[str, str]:
        parts: list[str] = []
        if self.token.kind in (NAME, QUOTED):
            parts.append(identifier(self.expect_name()))
        if self.is_symbol(":"):
            parts.append(":" + self._labels("|"))
        quantifier = self._quantifier() if self.take_symbol("*") else ""
        return "".join(parts) + self._properties(), quantifier

    def _quantifier(self) -> str:
        low = self._bound()
        if not self.take_symbol(".."):
            return "+" if low is None else f"{{{low}}}"
        high = self._bound()
        lowest = "1" if low is None else low
        if high is not None and int(high) < int(lowest):
            raise NotGql("a variable length whose upper bound is below its lower one")
        return f"{{{lowest},{'' if high is None else high}}}"

    def _bound(self) -> str | None:
        return self.advance().text if self.token.kind == NUMBER else None

    def at_end(self) -> bool:
        """Whether all tokens are read."""
        return self.token.kind == END


def _joined(text: str, *parts: Piece, kind: str = "") -> Piece:
    return Piece(text, any(part.aggregates for part in parts), kind)


def _check_temporal(name: str, arguments: list[Piece]) -> None:
    """Raise NotGql for what GQL's temporal functions have no fields for, or no digits."""
    for argument in arguments:
        if "nanosecond" in argument.fields or _FRACTION.search(argument.text):
            raise NotGql("nanoseconds: how exact times are is the implementation's choice")
        if TEMPORAL & set(argument.fields):
            raise NotGql(f"{name}() of parts of another temporal value")


def _string(literal: str) -> str:
    """A string literal between single quotes."""
    body = literal[1:-1]
    if literal[0] == '"':
        body = body.replace('\\"', '"').replace("'", "\\'")
    return f"'{body}'"
