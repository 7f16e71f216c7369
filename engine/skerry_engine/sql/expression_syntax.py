"""Value expressions: PostgreSQL's a_expr and b_expr as a precedence climber.

`binary` reads operators by the levels of `precedence`; what stands between them is in `primary_syntax` and
`call_syntax`, the special call syntaxes (EXTRACT, TRIM, ...) in `special_calls`.  The nodes that come out are
listed in `bridge`.
"""

from __future__ import annotations

from sqlglot import expressions as exp

from skerry_engine.sql import precedence
from skerry_engine.sql.call_syntax import CallParser
from skerry_engine.sql.lexer import END, LITERAL_LIST, OPERATOR, PUNCTUATION, QUOTED, WORD
from skerry_engine.sql.primary_syntax import LiteralInSyntax
from skerry_engine.sql.types_syntax import parse_type

# Words with which an infix or postfix construct begins, and its level.
_WORD_LEVELS = {
    "or": precedence.OR,
    "and": precedence.AND,
    "is": precedence.IS,
    "isnull": precedence.IS,
    "notnull": precedence.IS,
    "between": precedence.RANGE,
    "in": precedence.RANGE,
    "like": precedence.RANGE,
    "ilike": precedence.RANGE,
    "similar": precedence.RANGE,
    "collate": precedence.COLLATE,
}
_RANGE_WORDS = frozenset(("between", "in", "like", "ilike", "similar"))
_LABELS_AT_THE_END = frozenset(
    ("is", "between", "in", "like", "ilike", "similar", "and", "or", "not", "collate")
)
_LOWEST_INTEGERS = frozenset(("2147483648", "9223372036854775808"))
_NEVER_PREFIX = frozenset(("<", ">", "=", "<=", ">=", "<>", "*", "/", "%", "^", "=>"))
_LIKE_OPERATORS = {"like": "~~", "ilike": "~~*", "similar": "~"}


class ExpressionParser(CallParser):
    """Adds operators: whole expressions."""

    # --- operators --------------------------------------------------------------------------------

    def expression(self) -> exp.Expression:
        """Any value expression (a_expr)."""
        return self.binary(precedence.LOWEST, False)

    def restricted_expression(self) -> exp.Expression:
        """An expression without AND, OR, NOT, IN, LIKE, BETWEEN, IS NULL outside parentheses (b_expr)."""
        return self.binary(precedence.LOWEST, True)

    def binary(self, minimum: int, restricted: bool) -> exp.Expression:
        """An expression whose operators bind at least as tightly as `minimum`."""
        self.enter()
        left = self.prefix(restricted)
        closed = -1  # level of a non-associative operator whose right side was just read
        while True:
            level = self.infix_level(restricted)
            if level < 0 or level < minimum:
                break
            if level == closed:
                raise self.error()
            before = self.index
            left, ends_in_operand = self.infix(left, level, restricted)
            closed = level if ends_in_operand and level in precedence.NOT_ASSOCIATIVE else -1
            assert self.index > before
        self.leave()
        return left

    def infix_level(self, restricted: bool) -> int:
        """The level of the construct that continues an expression at the next token, -1 if none does."""
        index = self.index
        kind = self.kinds[index]
        value = self.values[index]
        if kind == OPERATOR:
            return -1 if value == "=>" else precedence.operator_precedence(value)
        if kind == PUNCTUATION:
            return precedence.TYPECAST if value == "::" else -1
        if kind != WORD:
            return -1
        if value == "operator":
            return precedence.OTHER_OPERATOR if self.at("(", 1) else -1
        if restricted:
            return precedence.IS if value == "is" else -1
        if self.depth == self.target_depth and value in _LABELS_AT_THE_END and self.item_ends(index + 1):
            return -1  # SELECT 1 IS: a column called so, as PostgreSQL's parser finds
        if value == "not":
            return precedence.RANGE if self.word_at(1) in _RANGE_WORDS else -1
        if value == "at":
            return precedence.AT_TIME_ZONE if self.at_words("at", "time", "zone") else -1
        return _WORD_LEVELS.get(value, -1)

    def item_ends(self, index: int) -> bool:
        """Whether token `index` ends a select-list item."""
        kind, value = self.kinds[index], self.values[index]
        return kind == END or (kind == PUNCTUATION and value in ",);") or (kind == WORD and value == "from")

    def infix(self, left: exp.Expression, level: int, restricted: bool) -> tuple[exp.Expression, bool]:
        """Read one construct behind `left`.

        Returns the node, and whether it ended in an operand of its level.
        """
        index = self.index
        value = self.values[index]
        if self.kinds[index] == OPERATOR or value == "operator":
            return self.operator(left, level, restricted)
        if value == "::":
            self.index += 1
            return self.cast_node(left, parse_type(self), index), False
        if level == precedence.AND or level == precedence.OR:
            self.index += 1
            right = self.binary(level + 1, False)
            node = (
                exp.And(this=left, expression=right)
                if level == precedence.AND
                else exp.Or(this=left, expression=right)
            )
            return self.mark(node, index), False
        if level == precedence.IS:
            return self.is_test(left, restricted)
        if level == precedence.RANGE:
            return self.range_test(left)
        self.index += 1
        if value == "collate":
            return self.mark(self.collate(left), index), False
        self.index += 2  # at time zone
        zone = self.binary(precedence.AT_TIME_ZONE + 1, restricted)
        return self.system_call("timezone", [zone, left], "at time zone", index), False

    def operator(self, left: exp.Expression, level: int, restricted: bool) -> tuple[exp.Expression, bool]:
        """A binary operator with its right side, which may be ANY or ALL of something."""
        index = self.index
        name, schema = self.operator_name()
        if not restricted and self.word() in ("any", "some", "all"):
            return self.operator_node(left, name, self.quantified(), schema, index), False
        right = self.binary(level + 1, restricted)
        return self.operator_node(left, name, right, schema, index), True

    def operator_name(self) -> tuple[str, str | None]:
        """An operator token, or OPERATOR(schema.op): the name and the schema."""
        if self.kind() == OPERATOR:
            self.index += 1
            return self.values[self.index - 1], None
        self.expect_word("operator")
        self.expect("(")
        schema: str | None = None
        while self.kind() != OPERATOR:
            schema = self.name()
            self.expect(".")
        name = self.values[self.index]
        if name == "=>":
            raise self.error()
        self.index += 1
        self.expect(")")
        return name, schema

    def operator_node(
        self, left: exp.Expression | None, name: str, right: exp.Expression, schema: str | None, index: int
    ) -> exp.Expression:
        return self.mark(exp.Operator(this=left, operator=name, expression=right, schema=schema), index)

    def quantified(self) -> exp.Expression:
        """ANY (...), SOME (...) or ALL (...) of a subquery or an array."""
        index = self.index
        is_all = self.word() == "all"
        self.index += 1
        self.expect("(")
        operand = self.inside_parentheses()
        node = exp.All(this=operand) if is_all else exp.Any(this=operand)
        return self.mark(node, index)

    def is_test(self, left: exp.Expression, restricted: bool) -> tuple[exp.Expression, bool]:
        """IS [NOT] NULL, TRUE, FALSE, UNKNOWN, DISTINCT FROM; ISNULL, NOTNULL."""
        index = self.index
        word = self.word()
        self.index += 1
        if word != "is":
            node = exp.Is(this=left, expression=exp.Null(), negate=word == "notnull")
            return self.mark(node, index), False
        negate = self.accept_word("not")
        if self.accept_word("distinct"):
            self.expect_word("from")
            right = self.binary(precedence.IS + 1, restricted)
            distinct = exp.NullSafeEQ if negate else exp.NullSafeNEQ
            return self.mark(distinct(this=left, expression=right), index), True
        if self.word() in ("document", "normalized", "nfc", "nfd", "nfkc", "nfkd"):
            raise self.unsupported(f"IS {self.word().upper()}")
        test = "" if restricted else self.accept_one_of("null", "true", "false", "unknown")
        if not test:
            raise self.error()
        what: exp.Expression = exp.Null()
        if test in ("true", "false"):
            what = exp.Boolean(this=test == "true")
        elif test == "unknown":
            what = exp.Var(this="UNKNOWN")
        return self.mark(exp.Is(this=left, expression=what, negate=negate), index), False

    def range_test(self, left: exp.Expression) -> tuple[exp.Expression, bool]:
        """[NOT] BETWEEN, IN, LIKE, ILIKE, SIMILAR TO."""
        index = self.index
        negate = self.accept_word("not")
        word = self.word()
        self.index += 1
        if word == "between":
            return self.mark(self.between(left, negate), index), True
        if word == "in":
            return self.mark(self.in_list(left, negate), index), False
        return self.pattern_test(left, word, negate, index)

    def between(self, left: exp.Expression, negate: bool) -> exp.Expression:
        symmetric = self.accept_one_of("symmetric", "asymmetric") == "symmetric"
        low = self.restricted_expression()
        self.expect_word("and")
        high = self.binary(precedence.RANGE + 1, False)
        return exp.Between(this=left, low=low, high=high, symmetric=symmetric, negate=negate)

    def in_list(self, left: exp.Expression, negate: bool) -> exp.Expression:
        self.expect("(")
        if self.kind() == LITERAL_LIST:
            node = exp.Literal.number("0")
            node.meta["list"] = int(self.values[self.index])
            self.mark(node, self.index)
            self.index += 1
            self.expect(")")
            return exp.In(this=left, expressions=[node], negate=negate)
        first = self.inside_parentheses(many=True)
        if isinstance(first, exp.Subquery):
            return exp.In(this=left, query=first, negate=negate)
        return exp.In(this=left, expressions=first.expressions, negate=negate)

    def pattern_test(
        self, left: exp.Expression, word: str, negate: bool, index: int
    ) -> tuple[exp.Expression, bool]:
        name = ("!" if negate else "") + _LIKE_OPERATORS[word]
        if word == "similar":
            self.expect_word("to")
        elif self.word() in ("any", "some", "all"):
            return self.operator_node(left, name, self.quantified(), None, index), False
        pattern = self.binary(precedence.RANGE + 1, False)
        arguments = [pattern]
        place = self.index
        if self.accept_word("escape"):
            arguments.append(self.binary(precedence.RANGE + 1, False))
        if word == "similar":
            pattern = self.system_call("similar_to_escape", arguments, "similar to", index)
        elif len(arguments) == 2:
            pattern = self.system_call("like_escape", arguments, "escape", place)
        return self.operator_node(left, name, pattern, None, index), True

    def collate(self, left: exp.Expression) -> exp.Expression:
        """The collation's name behind COLLATE."""
        names = [self.identifier()]
        while self.accept("."):
            names.append(self.label_identifier())
        return exp.Collate(this=left, expression=names[-1], schema=names[-2] if len(names) > 1 else None)

    def prefix(self, restricted: bool) -> exp.Expression:
        """An operand with the operators before it."""
        index = self.index
        kind = self.kinds[index]
        value = self.values[index]
        if kind == OPERATOR:
            if value in _NEVER_PREFIX:
                raise self.error()
            self.index += 1
            if value == "-" and self.values[index + 1] in _LOWEST_INTEGERS and index + 1 in self.literals:
                raise LiteralInSyntax  # with its sign it is of a smaller type than without
            level = precedence.UNARY_SIGN if value in ("-", "+") else precedence.OTHER_OPERATOR + 1
            return self.operator_node(None, value, self.binary(level, restricted), None, index)
        if kind == WORD:
            if value == "default" and restricted:
                raise self.error()
            if value == "not" and not restricted:
                self.index += 1
                return self.mark(exp.Not(this=self.binary(precedence.NOT, False)), index)
            if value == "operator" and self.at("(", 1) and self.is_operator_syntax():
                name, schema = self.operator_name()
                operand = self.binary(precedence.OTHER_OPERATOR + 1, restricted)
                return self.operator_node(None, name, operand, schema, index)
        return self.primary()

    def is_operator_syntax(self) -> bool:
        """Whether `operator (` begins OPERATOR(schema.op) rather than a call of a function so named."""
        index = self.index + 2
        while (
            self.kinds[index] in (WORD, QUOTED)
            and self.kinds[index + 1] == PUNCTUATION
            and self.values[index + 1] == "."
        ):
            index += 2
        return self.kinds[index] == OPERATOR
