"""A statement without its constants: the key that statements differing only in literals share.

    SELECT a FROM t WHERE b = 42 AND c = 'x'      key   select a from t where b = ?i and c = ?s
                                                  literals   (int4 42, string 'x')

The key holds each lifted literal's type class (?i int4, ?l int8, ?n numeric, ?s string), as these decide
types and so plans.  In statements that compare expressions with each other (GROUP BY, DISTINCT) equal
literals share one slot and the key shows which, so `SELECT a + 1 ... GROUP BY a + 1` keeps its meaning.

Not lifted, because grammar or plan depend on the text: ordinals behind ORDER BY and GROUP BY, type modifiers,
typed literals (date '...'), LIMIT and FETCH counts, ON CONFLICT targets, EXTRACT's field, and all of what stands in
GRAPH_TABLE (...), which GQL's grammar reads.  When in doubt a
literal stays: that costs a cache entry, never a wrong row.  The grammar checks the other side: reading a
lifted token as anything but a constant calls `unlift`, which makes the whole text the key.

Long lists are data, not syntax (more than 8 items):

    x IN (1, 2, ... 900)                  one token that stands for `lists[i]`
    VALUES (1, 'a'), (2, NULL), ...       one row per shape stays in the token list; the values are in
                                          `row_lists[i]`
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from skerry_engine.sql.graph_table import closing_index
from skerry_engine.sql.lexer import (
    INTEGER,
    LITERAL_LIST,
    NUMERIC,
    OPERATOR,
    PUNCTUATION,
    STRING,
    WORD,
    Tokens,
    tokenize,
)
from skerry_engine.sql.literals import MARKS, Literal, classify, key_part, widest
from skerry_engine.sql.row_lists import RowCollector, RowList, row_spans

_LIST_LIMIT: Final = 8

# Words in front of a string constant that leave it a plain constant; any other word may be a type's name.
_BEFORE_STRING: Final = frozenset(
    """select where and or not in like ilike to then else when case between from for escape values returning
    on using set distinct all having as placing variadic offset symmetric asymmetric similar is by both
    leading trailing limit""".split()
)
_BEFORE_FIXED_NUMBER: Final = frozenset(("limit", "first", "next"))
# Words before a parenthesis whose numbers are modifiers, not values.
_MODIFIER_WORDS: Final = frozenset(
    """varchar char character nchar bpchar varying numeric decimal dec float timestamp timestamptz time
    timetz interval bit varbit second current_time current_timestamp localtime localtimestamp extract""".split()
)
_LIST_END_WORDS: Final = frozenset(
    """limit offset fetch for having window union intersect except select where rows range groups returning from
    on""".split()
)
# Words before a parenthesis that holds items of GROUP BY, ORDER BY, DISTINCT ON.
_BEFORE_ITEMS: Final = frozenset(("by", "on", "rollup", "cube", "sets", "distinct", "all"))


@dataclass(frozen=True, slots=True)
class LiteralList:
    """An IN list of constants.  `kind` is the widest of their classes, all `values` are of it."""

    kind: str
    values: tuple[int | Decimal | str, ...]
    position: int


class Normalised:
    """A statement as tokens, with what was taken out of it.

    `key` names it in plan caches (read it after parsing: see `unlift`).  `literal_at`, `slot_at`,
    `row_list_at` tell for a token's index which literal, template slot or row list it stands for.
    """

    __slots__ = (
        "tokens",
        "source",
        "key",
        "literals",
        "lists",
        "row_lists",
        "literal_at",
        "slot_at",
        "row_list_at",
        "language",
    )

    def __init__(self, tokens: Tokens, language: str = "sql") -> None:
        self.language: str = language  # 'sql' or 'gql': whose tokens these are
        self.tokens: Tokens = tokens
        self.source: Tokens = tokens  # as it was written
        self.key: str = ""
        self.literals: tuple[Literal, ...] = ()
        self.lists: tuple[LiteralList, ...] = ()
        self.row_lists: tuple[RowList, ...] = ()
        self.literal_at: dict[int, int] = {}
        self.slot_at: dict[int, int] = {}
        self.row_list_at: dict[int, int] = {}

    @property
    def text(self) -> str:
        """The whole text that the positions refer to."""
        return self.tokens.text

    def unlift(self) -> None:
        """Put every literal and list back: the grammar met one where it is no value.

        The whole text becomes the key.
        """
        self.tokens = self.source
        self.key = "unlifted " + _plain_key(self.source) if self.language == "sql" else self.written_key()
        self.literals = ()
        self.lists = ()
        self.row_lists = ()
        self.literal_at.clear()
        self.slot_at.clear()
        self.row_list_at.clear()

    def written_key(self) -> str:
        """The key of a statement in another language than SQL: its tokens as they are written."""
        tokens = self.source
        pieces = [tokens.text[start:end] for start, end in zip(tokens.starts, tokens.ends, strict=True)]
        return f"{self.language} unlifted {' '.join(pieces)}"


def normalise(source: str | Tokens, lift: bool = True) -> Normalised:
    """Normalise one statement.  With `lift` False its literals stay where they are.  Raises SyntaxError."""
    tokens = tokenize(source) if isinstance(source, str) else source
    if not lift:
        plain = Normalised(tokens)
        plain.key = "unlifted " + _plain_key(tokens)
        return plain
    return _Lifter(tokens).run()


def _plain_key(tokens: Tokens) -> str:
    return " ".join([key_part(tokens, index) for index in range(len(tokens.kinds))])


class _Lifter:
    """One run over a statement's tokens."""

    __slots__ = ("source", "result", "parts", "literals", "lists", "row_lists", "shared", "fixed", "out")

    def __init__(self, tokens: Tokens) -> None:
        self.source: Tokens = tokens
        self.result: Normalised = Normalised(tokens)
        self.parts: list[str] = []
        self.literals: list[Literal] = []
        self.lists: list[LiteralList] = []
        self.row_lists: list[RowList] = []
        values = tokens.values
        self.shared: dict[tuple[str, str], int] | None = (
            {} if "group" in values or "distinct" in values else None
        )
        self.fixed: frozenset[int] = _fixed_places(tokens)
        self.out: Tokens | None = None  # the new token list, once one has to differ from the source

    def run(self) -> Normalised:
        source = self.source
        kinds = source.kinds
        values = source.values
        parts = self.parts
        count = len(kinds)
        index = 0
        while index < count:
            kind = kinds[index]
            value = values[index]
            if kind == WORD:
                if value == "values" or value == "in":
                    following = self.long_list(index)
                    if following > index:
                        index = following
                        continue
                if value == "graph_table":
                    index = self.verbatim(index)
                    continue
                parts.append(value)
            elif kind == OPERATOR or kind == PUNCTUATION:
                parts.append(value)
            elif (kind == INTEGER or kind == STRING or kind == NUMERIC) and self.is_liftable(index):
                self.lift(index)
            else:
                parts.append(key_part(source, index))
            if self.out is not None:
                self.out.copy_from(source, index, index + 1)
            index += 1
        return self.finish()

    def finish(self) -> Normalised:
        result = self.result
        if self.out is not None:
            result.tokens = self.out
        result.key = " ".join(self.parts)
        result.literals = tuple(self.literals)
        result.lists = tuple(self.lists)
        result.row_lists = tuple(self.row_lists)
        return result

    def place(self, index: int) -> int:
        """The index that the source's token `index`, next to be written, has in the new list."""
        return index if self.out is None else len(self.out.kinds)

    def start_output(self, index: int) -> Tokens:
        """The new token list, holding everything before token `index`."""
        if self.out is None:
            self.out = Tokens(self.source.text)
            self.out.copy_from(self.source, 0, index)
        return self.out

    # --- single literals --------------------------------------------------------------------------

    def is_liftable(self, index: int) -> bool:
        """Whether the constant at `index` is a value wherever the grammar may put it."""
        if index in self.fixed:
            return False
        source = self.source
        kind = source.kinds[index]
        if index == 0:
            return False
        before = source.kinds[index - 1]
        word = source.values[index - 1]
        if before == WORD:
            if kind == STRING:
                return word in _BEFORE_STRING
            return word not in _BEFORE_FIXED_NUMBER
        if before == PUNCTUATION:
            return self.is_value_behind(word, index)
        return before == OPERATOR

    def is_value_behind(self, punctuation: str, index: int) -> bool:
        """Whether a constant behind this punctuation is a value, not a type's modifier."""
        values = self.source.values
        if punctuation == "(":
            return index < 2 or values[index - 2] not in _MODIFIER_WORDS
        if punctuation == ",":
            return index < 4 or values[index - 3] != "(" or values[index - 4] not in _MODIFIER_WORDS
        return punctuation in ("[", ":", ":=")

    def lift(self, index: int) -> None:
        kind, value = classify(self.source.kinds[index], self.source.values[index])
        mark = MARKS[kind]
        number = len(self.literals)
        if self.shared is not None:
            number = self.shared.setdefault((kind, self.source.values[index]), number)
            mark += str(number)
        if number == len(self.literals):
            self.literals.append(Literal(kind, value, self.source.starts[index] + 1))
        self.result.literal_at[self.place(index)] = number
        self.parts.append(mark)

    def verbatim(self, index: int) -> int:
        """Keep the word at `index`, and what stands in the brackets behind it, as they are; the index behind."""
        source = self.source
        end = closing_index(source, index + 1) if source.values[index + 1] == "(" else index + 1
        self.parts += [key_part(source, each) for each in range(index, end)]
        if self.out is not None:
            self.out.copy_from(source, index, end)
        return end

    # --- lists ------------------------------------------------------------------------------------

    def long_list(self, index: int) -> int:
        """Take out the list that the word at `index` begins, if it is long.

        Returns the index behind it, or `index`.
        """
        source = self.source
        if source.values[index + 1] != "(" or source.kinds[index + 1] != PUNCTUATION:
            return index
        if source.values[index] == "in":
            return self.long_in_list(index)
        return self.long_values(index)

    def long_in_list(self, index: int) -> int:
        found = _constants(self.source, index + 2)
        if found is None:
            return index
        kind, values, end = found
        out = self.start_output(index)
        start = self.source.starts[index + 2]
        out.copy_from(self.source, index, index + 2)
        out.add(LITERAL_LIST, str(len(self.lists)), start, self.source.ends[end - 1])
        out.copy_from(self.source, end, end + 1)
        self.lists.append(LiteralList(kind, values, start + 1))
        self.parts += ["in", "(", "?list" + MARKS[kind], ")"]
        return end + 1

    def long_values(self, index: int) -> int:
        rows = row_spans(self.source, index + 1)
        if len(rows) <= _LIST_LIMIT:
            return index
        collected = RowCollector(self.source, self.is_liftable).collect(rows)
        if collected is None:
            return index
        out = self.start_output(index)
        self.result.row_list_at[len(out.kinds)] = len(self.row_lists)
        out.copy_from(self.source, index, index + 1)
        collected.write(out, self.result.slot_at, rows)
        self.row_lists.append(collected.row_list(self.source.starts[index] + 1))
        self.parts += ["values", "?rows", *collected.shapes(), "?end"]
        return rows[-1][1] + 1


def _fixed_places(tokens: Tokens) -> frozenset[int]:
    """The constants that must stay: list items behind BY and DISTINCT ON,
    and whatever an ON CONFLICT target holds."""
    values = tokens.values
    if "by" not in values and "conflict" not in values and "distinct" not in values:
        return frozenset()
    fixed: set[int] = set()
    for index, value in enumerate(values):
        if tokens.kinds[index] != WORD:
            continue
        if value == "by" or (value == "on" and index > 0 and values[index - 1] == "distinct"):
            _fix_list_items(tokens, index + 1, fixed)
        elif value == "conflict" and index > 0 and values[index - 1] == "on":
            end = index
            while end < len(values) - 1 and values[end] != "do":
                end += 1
            fixed.update(range(index, end))
    return frozenset(fixed)


def _fix_list_items(tokens: Tokens, index: int, fixed: set[int]) -> None:
    """A constant that is an item by itself, also in parentheses: `BY 1, (2, 3)`, `GROUPING SETS ((1), ())`.

    What a call, a list or an array holds is no item.
    """
    depth = 0
    inner_depth = 0  # of the outermost parenthesis that is not just around items
    while index < len(tokens.kinds):
        kind = tokens.kinds[index]
        value = tokens.values[index]
        if kind == PUNCTUATION:
            if value == "(" or value == "[":
                depth += 1
                if not inner_depth and (value == "[" or not _is_around_items(tokens, index)):
                    inner_depth = depth
            elif value == ")" or value == "]":
                if depth == inner_depth:
                    inner_depth = 0
                depth -= 1
                if depth < 0:
                    return
        elif kind == WORD and depth == 0 and value in _LIST_END_WORDS:
            return
        elif not inner_depth and kind in (INTEGER, STRING, NUMERIC) and _stands_alone(tokens, index):
            fixed.add(index)
        index += 1


def _stands_alone(tokens: Tokens, index: int) -> bool:
    """Whether the constant at `index` is a whole item, as far as its neighbours tell."""
    behind = index + 1
    if behind < len(tokens.kinds) and tokens.kinds[behind] == OPERATOR:
        return False
    return tokens.values[index - 1] in ("by", ",", "(")


def _is_around_items(tokens: Tokens, index: int) -> bool:
    """Whether the parenthesis at `index` holds items of the list: it is none of a call or an IN."""
    before = tokens.values[index - 1]
    if tokens.kinds[index - 1] == WORD:
        return before in _BEFORE_ITEMS
    return tokens.kinds[index - 1] == PUNCTUATION and before in (",", "(")


def _constants(tokens: Tokens, index: int) -> tuple[str, tuple[int | Decimal | str, ...], int] | None:
    """The constants of a long list that begins at `index`: class, values and the closing parenthesis' index.

    None when it is short or holds anything but constants of one family.
    """
    kinds = tokens.kinds
    values = tokens.values
    found: list[int | Decimal | str] = []
    family = ""
    while True:
        negative = kinds[index] == OPERATOR and values[index] == "-"
        if negative:
            index += 1
        if kinds[index] not in (INTEGER, NUMERIC, STRING) or (negative and kinds[index] == STRING):
            return None
        kind, value = classify(kinds[index], values[index])
        if negative and not isinstance(value, str):
            value = -value
        if family and (kind == "string") != (family == "string"):
            return None
        family = widest(family, kind) if family else kind
        found.append(value)
        index += 1
        if kinds[index] != PUNCTUATION or values[index] not in (",", ")"):
            return None
        if values[index] == ")":
            break
        index += 1
    if len(found) <= _LIST_LIMIT:
        return None
    if family == "numeric":
        found = [Decimal(value) for value in found]
    return family, tuple(found), index
