"""Long VALUES lists as data: rows sorted into few shapes, each shape kept once as a template.

VALUES (1, 'a'), (2, NULL), (3, default), ...     templates  ( ?i ?s )  ( ?i default )
                                                  rows       (0, (1, 'a')), (0, (2, None)), (1, (3,)), ...
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from skerry_engine.sql.lexer import INTEGER, NUMERIC, OPERATOR, PUNCTUATION, STRING, WORD, Tokens
from skerry_engine.sql.literals import MARKS, Value, classify, key_part, widest

_MAX_TEMPLATES: Final = 16


@dataclass(frozen=True, slots=True)
class RowTemplate:
    """What rows of one shape have in common: the class of each slot: int4, int8, numeric, string, bool,
    null."""

    kinds: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RowList:
    """The data of a long VALUES list: for each row its template's number and its slots' values, in order."""

    templates: tuple[RowTemplate, ...]
    rows: list[tuple[int, tuple[Value, ...]]]
    position: int


def row_spans(tokens: Tokens, index: int) -> list[tuple[int, int]]:
    """The rows of a VALUES list: (index of the opening parenthesis, index of the closing one) each."""
    kinds = tokens.kinds
    values = tokens.values
    spans: list[tuple[int, int]] = []
    while kinds[index] == PUNCTUATION and values[index] == "(":
        begin = index
        depth = 0
        while True:
            if kinds[index] == PUNCTUATION:
                value = values[index]
                if value == "(":
                    depth += 1
                elif value == ")":
                    depth -= 1
                    if depth == 0:
                        break
            elif kinds[index] == 0:
                return []
            index += 1
        spans.append((begin, index))
        index += 1
        if kinds[index] != PUNCTUATION or values[index] != ",":
            break
        index += 1
    return spans


class _Shape:
    """Rows that one template covers.

    `cells` is None for rows of exactly equal tokens apart from their constants.
    """

    __slots__ = ("cells", "kinds", "first_row", "text")

    def __init__(self, cells: list[str] | None, kinds: list[str], first_row: int, text: str) -> None:
        self.cells: list[str] | None = cells
        self.kinds: list[str] = kinds
        self.first_row: int = first_row
        self.text: str = text


class RowCollector:
    """Sorts the rows of a VALUES list into few shapes.

    A row of bare constants is described by the family of each cell: n(umber), s(tring), b(oolean),
    d(efault), or * for NULL, which fits any family.  Other rows must agree token by token, constants apart.
    """

    __slots__ = ("tokens", "is_liftable", "shapes_found", "by_text", "rows")

    def __init__(self, tokens: Tokens, is_liftable: Callable[[int], bool]) -> None:
        self.tokens: Tokens = tokens
        self.is_liftable: Callable[[int], bool] = is_liftable
        self.shapes_found: list[_Shape] = []
        self.by_text: dict[str, int] = {}
        self.rows: list[tuple[int, tuple[Value, ...]]] = []

    def collect(self, spans: list[tuple[int, int]]) -> RowCollector | None:
        """Self with all rows sorted, None when they have too many shapes."""
        for number, (begin, end) in enumerate(spans):
            simple = self.simple_row(begin + 1, end)
            if simple is None:
                self.other_row(number, begin + 1, end)
            else:
                self.rows.append((self.simple_shape(simple[0], simple[1], number), tuple(simple[2])))
            if len(self.shapes_found) > _MAX_TEMPLATES:
                return None
        self.widen_numbers()
        return self

    def simple_row(self, index: int, end: int) -> tuple[str, list[str], list[Value]] | None:
        """Families, classes and values of a row of bare constants; None if it holds anything else."""
        kinds = self.tokens.kinds
        texts = self.tokens.values
        families: list[str] = []
        classes: list[str] = []
        row: list[Value] = []
        while index < end:
            kind = kinds[index]
            text = texts[index]
            if kind == STRING:
                families.append("s")
                classes.append("string")
                row.append(text)
            elif kind == INTEGER or kind == NUMERIC or (kind == OPERATOR and text == "-"):
                negative = kind == OPERATOR
                index += negative
                if kinds[index] != INTEGER and kinds[index] != NUMERIC:
                    return None
                number_class, number = classify(kinds[index], texts[index])
                assert not isinstance(number, str)
                families.append("n")
                classes.append(number_class)
                row.append(-number if negative else number)
            elif kind == WORD and text in ("null", "true", "false", "default"):
                families.append("*" if text == "null" else "d" if text == "default" else "b")
                if text != "default":
                    classes.append("null" if text == "null" else "bool")
                    row.append(None if text == "null" else text == "true")
            else:
                return None
            index += 1
            if index < end:
                if texts[index] != "," or kinds[index] != PUNCTUATION:
                    return None
                index += 1
        return "".join(families), classes, row

    def simple_shape(self, families: str, classes: list[str], row: int) -> int:
        """The number of the shape that fits, made or made more precise if need be."""
        number = self.by_text.get(families)
        if number is None:
            number = self.fitting_shape(families)
            if number is None:
                number = len(self.shapes_found)
                self.shapes_found.append(_Shape(list(families), list(classes), row, ""))
            self.by_text[families] = number
        shape = self.shapes_found[number]
        if shape.kinds != classes:
            shape.kinds = [_merge_class(old, new) for old, new in zip(shape.kinds, classes, strict=True)]
        return number

    def fitting_shape(self, families: str) -> int | None:
        for number, shape in enumerate(self.shapes_found):
            if shape.cells is None or len(shape.cells) != len(families):
                continue
            if all(_fits(cell, family) for cell, family in zip(shape.cells, families, strict=True)):
                shape.cells = [b if a == "*" else a for a, b in zip(shape.cells, families, strict=True)]
                self.by_text = {text: n for text, n in self.by_text.items() if n != number}
                return number
        return None

    def other_row(self, number: int, index: int, end: int) -> None:
        parts: list[str] = []
        classes: list[str] = []
        row: list[Value] = []
        tokens = self.tokens
        for place in range(index, end):
            if tokens.kinds[place] in (INTEGER, NUMERIC, STRING) and self.is_liftable(place):
                kind, value = classify(tokens.kinds[place], tokens.values[place])
                classes.append(kind)
                row.append(value)
                parts.append(MARKS[kind])
            else:
                parts.append(key_part(tokens, place))
        text = " ".join(parts)
        shape = self.by_text.get("other " + text)
        if shape is None:
            shape = self.by_text["other " + text] = len(self.shapes_found)
            self.shapes_found.append(_Shape(None, classes, number, text))
        self.rows.append((shape, tuple(row)))

    def widen_numbers(self) -> None:
        """Make whole numbers Decimal where their column holds numerics too."""
        wide = [
            [slot for slot, kind in enumerate(shape.kinds) if kind == "numeric"]
            for shape in self.shapes_found
        ]
        if not any(wide):
            return
        for place, (number, row) in enumerate(self.rows):
            if any(isinstance(row[slot], int) for slot in wide[number]):
                mended = list(row)
                for slot in wide[number]:
                    value = mended[slot]
                    mended[slot] = Decimal(value) if isinstance(value, int) else value
                self.rows[place] = (number, tuple(mended))

    def row_list(self, position: int) -> RowList:
        templates = tuple(RowTemplate(tuple(shape.kinds)) for shape in self.shapes_found)
        return RowList(templates, self.rows, position)

    def shapes(self) -> list[str]:
        """The shapes as parts of the cache key."""
        parts: list[str] = []
        for shape in self.shapes_found:
            if shape.cells is None:
                parts.append(f"( {shape.text} )")
            else:
                kinds = iter(shape.kinds)
                parts.append(
                    "( " + " ".join("default" if c == "d" else MARKS[next(kinds)] for c in shape.cells) + " )"
                )
        return parts

    def write(self, out: Tokens, slots: dict[int, int], spans: list[tuple[int, int]]) -> None:
        """Write one row per shape to the token list."""
        for number, shape in enumerate(self.shapes_found):
            begin, end = spans[shape.first_row]
            if number:
                out.add(PUNCTUATION, ",", self.tokens.starts[begin], self.tokens.starts[begin])
            if shape.cells is not None:
                self.write_cells(out, slots, shape.cells, self.tokens.starts[begin], self.tokens.ends[end])
                continue
            slot = 0
            for place in range(begin, end + 1):
                if self.tokens.kinds[place] in (INTEGER, NUMERIC, STRING) and self.is_liftable(place):
                    slots[len(out.kinds)] = slot
                    slot += 1
                out.copy_from(self.tokens, place, place + 1)

    def write_cells(self, out: Tokens, slots: dict[int, int], cells: list[str], start: int, end: int) -> None:
        """A row of constants, written as zeros that carry their slots."""
        out.add(PUNCTUATION, "(", start, start + 1)
        slot = 0
        for number, cell in enumerate(cells):
            if number:
                out.add(PUNCTUATION, ",", start, start)
            if cell == "d":
                out.add(WORD, "default", start, start)
                continue
            slots[len(out.kinds)] = slot
            slot += 1
            out.add(STRING if cell == "s" else INTEGER, "0", start, start)
        out.add(PUNCTUATION, ")", end - 1, end)


def _fits(cell: str, family: str) -> bool:
    if cell == "d" or family == "d":
        return cell == family
    return cell == family or cell == "*" or family == "*"


def _merge_class(old: str, new: str) -> str:
    if old == new or new == "null":
        return old
    return new if old == "null" else widest(old, new)
