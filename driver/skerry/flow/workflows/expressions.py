"""What an update computes from the row: `"quantity": "${quantity - reserved}"`.

    sum      = product {("+" | "-" | "||") product}
    product  = unary {("*" | "/" | "%") unary}
    unary    = ["-"] operand
    operand  = number | 'text' | column | node.field | excluded.column | function(sum, ...) | (sum)

A name by itself is a column of the row, one with a dot a node's output; `excluded` is the row that an upsert could not
insert.  Functions: abs, coalesce, lower, upper.  What comes out is SQL that this module wrote, in full parentheses,
since databases differ in what binds how tightly; texts and nodes' outputs are parameters.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from skerry.flow.workflows.references import Outputs, Reference, parse_reference
from skerry_engine.errors import WorkflowError

FUNCTIONS = ("abs", "coalesce", "lower", "upper")
_TOKEN = re.compile(
    r"""\s*(?:
      (?P<number>\d+(?:\.\d+)?)(?![\w.])
    | '(?P<text>(?:[^']|'')*)'
    | (?P<name>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*|\[-?\d+\])*)
    | (?P<sign>\|\||[-+*/%(),])
    )""",
    re.VERBOSE,
)
_SUMS = ("+", "-", "||")
_PRODUCTS = ("*", "/", "%")
_DEEPEST = 50


class ColumnName(NamedTuple):
    """A column of the row, or of the row that was not inserted."""

    name: str
    is_excluded: bool = False


class Text(NamedTuple):
    """A text, which becomes a parameter."""

    value: str


class _Value(NamedTuple):
    """What a reference stood for."""

    value: object


Part: TypeAlias = str | ColumnName | Text | Reference | _Value


class Expression:
    """A computed value: SQL with gaps for names and parameters."""

    __slots__ = ("source", "parts", "references", "columns")

    def __init__(self, source: str, parts: list[Part]) -> None:
        self.source = source
        self.parts = tuple(parts)
        self.references = tuple(each for each in parts if isinstance(each, Reference))
        self.columns = tuple(each for each in parts if isinstance(each, ColumnName))

    def fill(self, outputs: Outputs) -> Expression:
        """The same with nodes' outputs in their places.  Raises WorkflowError."""
        if not self.references:
            return self
        filled = Expression(self.source, [])
        filled.parts = tuple(
            _Value(each.resolve(outputs)) if isinstance(each, Reference) else each for each in self.parts
        )
        return filled

    def render(
        self, column: Callable[[ColumnName], str], encode: Callable[[object], object]
    ) -> tuple[str, list[object]]:
        """The SQL, with %s, and its parameters."""
        texts: list[str] = []
        values: list[object] = []
        for part in self.parts:
            if isinstance(part, ColumnName):
                texts.append(column(part))
            elif isinstance(part, str):
                texts.append(part)
            else:
                texts.append("%s")
                values.append(encode(part.value if isinstance(part, Text | _Value) else None))
        return " ".join(texts), values


def parse(source: str) -> Expression | Reference:
    """Read the inside of `${...}`: a reference, if it is no more than that.  Raises WorkflowError."""
    reference = parse_reference(source)
    if reference is not None and reference.node != "excluded":
        return reference
    return Expression(source, _Parser(source).whole())


class _Parser:
    """Reads by the rules that the module gives."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._tokens = self._read()
        self._at = 0
        self._depth = 0

    def _read(self) -> list[re.Match[str]]:
        found = []
        end = 0
        while self._source[end:].strip():
            match = _TOKEN.match(self._source, end)
            if match is None:
                raise self._wrong(self._source[end:].strip()[:20])
            found.append(match)
            end = match.end()
        return found

    def _wrong(self, at: str) -> WorkflowError:
        return WorkflowError(
            f"${{{self._source}}} can't be computed: {at!r} was not expected",
            hint="Use columns, node.field, numbers, 'texts', + - * / % ||, parentheses, "
            + ", ".join(FUNCTIONS),
        )

    def _sign(self) -> str | None:
        return self._tokens[self._at]["sign"] if self._at < len(self._tokens) else None

    def _expect(self, sign: str) -> None:
        if self._sign() != sign:
            raise self._wrong(self._here())
        self._at += 1

    def _here(self) -> str:
        return self._tokens[self._at][0].strip() if self._at < len(self._tokens) else "its end"

    def whole(self) -> list[Part]:
        """All of it."""
        parts = self._sum()
        if self._at < len(self._tokens):
            raise self._wrong(self._here())
        return parts

    def _sum(self) -> list[Part]:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise WorkflowError(f"${{{self._source[:40]}...}} is nested too deeply")
        parts = self._binary(self._product, _SUMS)
        self._depth -= 1
        return parts

    def _product(self) -> list[Part]:
        return self._binary(self._unary, _PRODUCTS)

    def _binary(self, operand: Callable[[], list[Part]], signs: tuple[str, ...]) -> list[Part]:
        parts = operand()
        while True:
            sign = self._sign()
            if sign not in signs:
                return parts
            self._at += 1
            parts = ["(", *parts, "%%" if sign == "%" else sign, *operand(), ")"]

    def _unary(self) -> list[Part]:
        if self._sign() == "-":
            self._at += 1
            return ["(", "-", *self._operand(), ")"]
        return self._operand()

    def _operand(self) -> list[Part]:
        if self._at >= len(self._tokens):
            raise self._wrong("its end")
        token = self._tokens[self._at]
        self._at += 1
        if token["number"] is not None:
            return [token["number"]]
        if token["text"] is not None:
            return [Text(token["text"].replace("''", "'"))]
        if token["name"] is not None:
            return self._name(token["name"])
        if token["sign"] == "(":
            parts = self._sum()
            self._expect(")")
            return parts
        self._at -= 1
        raise self._wrong(self._here())

    def _name(self, name: str) -> list[Part]:
        if self._sign() == "(":
            return self._call(name)
        reference = parse_reference(name)
        if reference is None:
            return [ColumnName(name)]
        if reference.node == "excluded" and len(reference.path) == 1:
            return [ColumnName(reference.field, is_excluded=True)]
        return [reference]

    def _call(self, name: str) -> list[Part]:
        if name.lower() not in FUNCTIONS:
            raise self._wrong(f"{name}(")
        self._expect("(")
        parts: list[Part] = [f"{name.lower()}(", *self._sum()]
        while self._sign() == ",":
            self._at += 1
            parts += [",", *self._sum()]
        self._expect(")")
        return [*parts, ")"]
