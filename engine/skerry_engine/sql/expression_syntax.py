"""Value expressions: PostgreSQL's a_expr, b_expr and c_expr as a precedence climber.

`expression` reads operators by the levels of `precedence`; `primary` reads what stands between them; the
special call syntaxes (EXTRACT, TRIM, ...) are in `special_calls`.  The nodes that come out are listed in
`bridge`.
"""

from __future__ import annotations

from sqlglot import expressions as exp

from skerry_engine.errors import SyntaxError
from skerry_engine.sql import keywords, precedence
from skerry_engine.sql.cursor import Cursor
from skerry_engine.sql.lexer import (
    BIT_STRING,
    HEX_STRING,
    INTEGER,
    LITERAL_LIST,
    NAMED_PARAMETER,
    NUMERIC,
    OPERATOR,
    PARAMETER,
    PUNCTUATION,
    QUOTED,
    STRING,
    WORD,
)
from skerry_engine.sql.normalise import Normalised
from skerry_engine.sql.types_syntax import (
    TypeName,
    parse_interval_fields,
    parse_modifiers,
    parse_simple_type,
    parse_type,
    starts_standard_type,
)

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
_NEVER_PREFIX = frozenset(("<", ">", "=", "<=", ">=", "<>", "*", "/", "%", "^", "=>"))
_LIKE_OPERATORS = {"like": "~~", "ilike": "~~*", "similar": "~"}
QUERY_WORDS = frozenset(("select", "values", "with", "table"))
QUERY_CONTINUES = frozenset(("union", "intersect", "except", "order", "limit", "offset", "fetch", "for"))
_BARE_CALLS = frozenset(
    """current_date current_time current_timestamp localtime localtimestamp current_role current_user
    session_user user current_catalog current_schema""".split()
)
_BARE_WITH_PRECISION = frozenset(("current_time", "current_timestamp", "localtime", "localtimestamp"))


class LiteralInSyntax(Exception):
    """A lifted literal turned out to be part of the syntax: the statement has to be read again, unlifted."""


class ExpressionParser(Cursor):
    """Reads expressions from normalised tokens."""

    def __init__(self, source: Normalised) -> None:
        super().__init__(source.tokens)
        self.literals = source.literal_at
        self.slots = source.slot_at
        self.row_lists = source.row_list_at

    def read_as_text(self) -> None:
        if self.index in self.literals or self.index in self.slots:
            raise LiteralInSyntax
        self.index += 1

    # --- what other parts of the grammar add ------------------------------------------------------

    def query(self) -> exp.Expression:
        """A SELECT, VALUES, WITH or TABLE with everything that belongs to it."""
        raise NotImplementedError

    def query_rest(self, left: exp.Expression) -> exp.Expression:
        """What may follow a parenthesised query: set operations, ORDER BY, LIMIT."""
        raise NotImplementedError

    def order_by(self) -> exp.Order | None:
        """ORDER BY and its list, if it follows."""
        raise NotImplementedError

    def window(self) -> exp.Window:
        """A window specification in parentheses."""
        raise NotImplementedError

    def special_call(self, word: str) -> exp.Expression | None:
        """A call with a syntax of its own that begins with `word (`; None if it is none."""
        raise NotImplementedError

    # --- operators --------------------------------------------------------------------------------

    def expression(self) -> exp.Expression:
        """Any value expression (a_expr)."""
        return self.binary(precedence.LOWEST, False)

    def restricted_expression(self) -> exp.Expression:
        """An expression without AND, OR, NOT, IN, LIKE, BETWEEN, IS NULL outside parentheses (b_expr)."""
        return self.binary(precedence.LOWEST, True)

    def expressions(self) -> list[exp.Expression]:
        """One or more expressions separated by commas."""
        items = [self.expression()]
        while self.accept(","):
            items.append(self.expression())
        return items

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
        if value == "not":
            return precedence.RANGE if self.word_at(1) in _RANGE_WORDS else -1
        if value == "at":
            return precedence.AT_TIME_ZONE if self.at_words("at", "time", "zone") else -1
        return _WORD_LEVELS.get(value, -1)

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

    def cast_node(
        self, operand: exp.Expression, type_name: TypeName, index: int, typed_literal: bool = False
    ) -> exp.Expression:
        target = exp.DataType(this=exp.DataType.Type.USERDEFINED, kind=type_name.text())
        target.meta["type_name"] = type_name
        return self.mark(exp.Cast(this=operand, to=target, typed_literal=typed_literal), index)

    def prefix(self, restricted: bool) -> exp.Expression:
        """An operand with the operators before it."""
        index = self.index
        kind = self.kinds[index]
        value = self.values[index]
        if kind == OPERATOR:
            if value in _NEVER_PREFIX:
                raise self.error()
            self.index += 1
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

    # --- operands ---------------------------------------------------------------------------------

    def primary(self) -> exp.Expression:
        """A constant, column, call, CASE, subquery or parenthesised expression (c_expr)."""
        index = self.index
        kind = self.kinds[index]
        if kind in (INTEGER, NUMERIC, STRING):
            self.index += 1
            return self.literal(index)
        if kind == WORD:
            return self.word_primary()
        if kind == QUOTED:
            return self.name_primary()
        if kind == PUNCTUATION and self.values[index] == "(":
            self.index += 1
            return self.indirection(self.parenthesised(index), index)
        if kind == PARAMETER:
            self.index += 1
            node: exp.Expression = exp.Parameter(this=exp.Literal.number(self.values[index]))
            return self.indirection(self.mark(node, index), index)
        if kind == NAMED_PARAMETER:
            self.index += 1
            return self.indirection(self.mark(exp.Placeholder(this=self.values[index]), index), index)
        if kind in (BIT_STRING, HEX_STRING):
            self.index += 1
            bits = exp.BitString if kind == BIT_STRING else exp.HexString
            return self.mark(bits(this=self.values[index]), index)
        raise self.error()

    def literal(self, index: int) -> exp.Expression:
        """The constant at token `index`, which has been read."""
        node = exp.Literal(this=self.values[index], is_string=self.kinds[index] == STRING)
        lifted = self.literals.get(index)
        if lifted is not None:
            node.meta["literal"] = lifted
        slot = self.slots.get(index)
        if slot is not None:
            node.meta["slot"] = slot
        return self.mark(node, index)

    def parenthesised(self, index: int) -> exp.Expression:
        """What stands between parentheses; the opening one has been read."""
        first = self.inside_parentheses(many=True)
        if (
            isinstance(first, exp.Tuple)
            and not first.args.get("row")
            and first.meta.get("list_of") is not None
        ):
            items: list[exp.Expression] = first.expressions
            if len(items) == 1:
                return items[0]
            return self.overlaps(self.mark(exp.Tuple(expressions=items), index))
        return first

    def inside_parentheses(self, many: bool = False) -> exp.Expression:
        """A subquery, or an expression (with `many`: a list of them in a Tuple), and the closing parenthesis.

        `((SELECT 1) UNION SELECT 2)` shows itself as a query only behind its first part.
        """
        index = self.index
        if self.word() in QUERY_WORDS and not (self.word() == "values" and not self.at("(", 1)):
            query = self.query()
            self.expect(")")
            return self.mark(exp.Subquery(this=query), index)
        first = self.expression()
        if isinstance(first, exp.Subquery) and self.word() in QUERY_CONTINUES:
            query = self.query_rest(first.this)
            self.expect(")")
            return self.mark(exp.Subquery(this=query), index)
        if not many or (isinstance(first, exp.Subquery) and self.at(")")):
            self.expect(")")
            return first
        items = [first]
        while self.accept(","):
            items.append(self.expression())
        self.expect(")")
        node = exp.Tuple(expressions=items)
        node.meta["list_of"] = len(items)
        return node

    def subquery(self) -> exp.Expression:
        """A query where only a query may stand, and the closing parenthesis."""
        index = self.index
        if self.word() not in QUERY_WORDS and not self.at("("):
            raise self.error()
        query = self.query()
        self.expect(")")
        return self.mark(exp.Subquery(this=query), index)

    def overlaps(self, left: exp.Expression) -> exp.Expression:
        """`left`, or the OVERLAPS test that begins with this row."""
        index = self.index
        if not self.accept_word("overlaps"):
            return left
        place = self.index
        right: exp.Expression
        if self.accept_word("row"):
            self.expect("(")
            right = self.row(place)
        else:
            self.expect("(")
            right = self.mark(self.inside_parentheses(many=True), place)
        for side in (left, right):
            if not isinstance(side, exp.Tuple) or len(side.expressions) != 2:
                which = "left" if side is left else "right"
                raise SyntaxError(
                    f"wrong number of parameters on {which} side of OVERLAPS expression",
                    position=side.meta.get("position"),
                )
        return self.system_call("overlaps", left.expressions + right.expressions, "overlaps", index)

    def row(self, index: int) -> exp.Expression:
        """The members of ROW(...); the opening parenthesis has been read."""
        items = [] if self.at(")") else self.expressions()
        self.expect(")")
        return self.mark(exp.Tuple(expressions=items, row=True), index)

    def indirection(self, node: exp.Expression, index: int) -> exp.Expression:
        """`node` with the subscripts and fields behind it."""
        while True:
            if self.at("["):
                subscripts: list[exp.Expression] = []
                while self.accept("["):
                    subscripts.append(self.subscript())
                node = self.mark(exp.Bracket(this=node, expressions=subscripts), index)
            elif self.accept("."):
                field: exp.Expression = exp.Star() if self.accept_operator("*") else self.label_identifier()
                node = self.mark(exp.Dot(this=node, expression=field), index)
            else:
                return node

    def subscript(self) -> exp.Expression:
        """An index or a slice; the opening bracket has been read."""
        low = None if self.at(":") else self.expression()
        if not self.accept(":"):
            assert low is not None
            self.expect("]")
            return low
        high = None if self.at("]") else self.expression()
        self.expect("]")
        return exp.Slice(this=low, expression=high)

    # --- operands that begin with a word ----------------------------------------------------------

    def word_primary(self) -> exp.Expression:
        """An operand that begins with an unquoted word."""
        index = self.index
        word = self.values[index]
        if word in keywords.RESERVED or word == "current_schema":
            return self.reserved_primary(word)
        if word in keywords.COLUMN_NAME:
            if self.at("(", 1):
                special = self.special_call(word)
                if special is not None:
                    return special
            if starts_standard_type(self) and self.is_typed_literal(word):
                return self.standard_typed_literal(index)
        elif word == "double" and self.word_at(1) == "precision" and self.kinds[index + 2] == STRING:
            return self.standard_typed_literal(index)
        elif word == "collation" and self.word_at(1) == "for":
            return self.collation_for(index)
        elif word == "normalize" and self.at("(", 1):
            special = self.special_call(word)
            if special is not None:
                return special
        return self.name_primary()

    def reserved_primary(self, word: str) -> exp.Expression:
        """An operand that begins with a reserved word."""
        index = self.index
        self.index += 1
        if word == "null":
            return self.mark(exp.Null(), index)
        if word in ("true", "false"):
            return self.mark(exp.Boolean(this=word == "true"), index)
        if word == "case":
            return self.mark(self.case(), index)
        if word == "cast":
            return self.cast_call(index)
        if word == "array":
            return self.array(index)
        if word == "default":
            return self.mark(exp.Var(this="DEFAULT"), index)
        if word in _BARE_CALLS:
            return self.bare_call(word, index)
        raise self.error(index)

    def bare_call(self, word: str, index: int) -> exp.Expression:
        """CURRENT_DATE and its kin, which take no parentheses."""
        if word == "current_schema" and self.at("("):
            self.index = index
            return self.name_primary()
        arguments: list[exp.Expression] = []
        if word in _BARE_WITH_PRECISION and self.accept("("):
            arguments.append(exp.Literal.number(str(self.integer())))
            self.expect(")")
        return self.mark(exp.Anonymous(this=word, expressions=arguments, bare=True), index)

    def case(self) -> exp.Expression:
        """CASE, the word itself having been read."""
        operand = None if self.word() == "when" else self.expression()
        branches: list[exp.Expression] = []
        while self.word() == "when":
            index = self.index
            self.index += 1
            condition = self.expression()
            self.expect_word("then")
            branches.append(self.mark(exp.If(this=condition, true=self.expression()), index))
        if not branches:
            raise self.error()
        default = self.expression() if self.accept_word("else") else None
        self.expect_word("end")
        return exp.Case(this=operand, ifs=branches, default=default)

    def cast_call(self, index: int) -> exp.Expression:
        self.expect("(")
        operand = self.expression()
        self.expect_word("as")
        type_name = parse_type(self)
        self.expect(")")
        return self.cast_node(operand, type_name, index)

    def array(self, index: int) -> exp.Expression:
        """ARRAY[...] or ARRAY(query)."""
        if self.accept("("):
            return self.mark(exp.Array(query=self.subquery()), index)
        return self.array_members(index)

    def array_members(self, index: int) -> exp.Expression:
        self.expect("[")
        members: list[exp.Expression] = []
        nested = self.at("[")
        while not self.accept("]"):
            if members:
                self.expect(",")
            members.append(self.array_members(self.index) if nested else self.expression())
        return self.mark(exp.Array(expressions=members), index)

    def collation_for(self, index: int) -> exp.Expression:
        self.index += 2
        self.expect("(")
        operand = self.expression()
        self.expect(")")
        return self.system_call("pg_collation_for", [operand], "collation for", index)

    # --- constants of a named type ----------------------------------------------------------------

    def is_typed_literal(self, word: str) -> bool:
        """Whether the type keyword at hand begins a constant such as TIMESTAMP '...' (else it names a column)."""
        index = self.index + 1
        if self.kinds[index] == STRING:
            return True
        if word in ("national", "nchar", "character", "char", "bit"):
            return True
        if self.at("(", 1):
            return word not in ("int", "integer", "smallint", "bigint", "real", "boolean")
        if word in ("time", "timestamp"):
            return self.word_at(1) in ("with", "without") and self.word_at(2) == "time"
        return False

    def standard_typed_literal(self, index: int) -> exp.Expression:
        """A constant whose type is spelled by SQL-standard keywords."""
        type_name = parse_simple_type(self)
        place = self.index
        text = self.string()
        if type_name.names[-1] == "interval" and not type_name.interval_fields:
            fields, precision = parse_interval_fields(self)
            if fields and type_name.modifiers:
                raise self.error(place + 1)
            if fields:
                type_name = TypeName(
                    type_name.names, precision, interval_fields=fields, position=type_name.position
                )
        elif type_name.interval_fields:
            raise self.error(index + 1)
        return self.typed_literal(type_name, text, place, index)

    def typed_literal(self, type_name: TypeName, text: str, place: int, index: int) -> exp.Expression:
        constant = self.mark(exp.Literal.string(text), place)
        return self.cast_node(constant, type_name, index, typed_literal=True)

    # --- columns and calls ------------------------------------------------------------------------

    def name_primary(self) -> exp.Expression:
        """A column reference, a call, or a constant of a type that is named by an identifier."""
        index = self.index
        parts = [self.label_identifier()]
        while self.at("."):
            if self.kinds[self.index + 1] == OPERATOR and self.values[self.index + 1] == "*":
                self.index += 2
                return self.column(parts, exp.Star(), index)
            self.index += 1
            parts.append(self.label_identifier())
        if self.at("("):
            self.check_function_name(index, len(parts))
            return self.call_or_constant(parts, index)
        if self.kind() == STRING and len(parts) <= 3:
            self.check_function_name(index, len(parts))
            names = tuple(part.name for part in parts)
            place = self.index
            position = self.tokens.starts[index] + 1
            return self.typed_literal(TypeName(names, position=position), self.string(), place, index)
        if self.kinds[index] == WORD and self.values[index] in keywords.NOT_COLUMN_NAME:
            raise self.error(index if self.values[index] in keywords.RESERVED else None)
        return self.indirection(self.column(parts, None, index), index)

    def check_function_name(self, index: int, parts: int) -> None:
        """A column-name keyword is no function's name unless qualified.

        A type-or-function keyword only unqualified.
        """
        if self.kinds[index] != WORD:
            return
        forbidden = keywords.COLUMN_NAME if parts == 1 else keywords.TYPE_OR_FUNCTION
        if self.values[index] in forbidden:
            raise self.error(index + 1)

    def column(self, parts: list[exp.Identifier], star: exp.Star | None, index: int) -> exp.Expression:
        """A column reference of up to four parts."""
        names: list[exp.Expression] = [*parts]
        if star is not None:
            names.append(star)
        if len(names) > 4:
            shown = ".".join("*" if isinstance(name, exp.Star) else name.name for name in names)
            raise SyntaxError(
                f"improper qualified name (too many dotted names): {shown}",
                position=self.tokens.starts[index] + 1,
            )
        names.reverse()
        names += [None] * (4 - len(names))  # type: ignore[list-item]
        node = exp.Column(this=names[0], table=names[1], db=names[2], catalog=names[3])
        return self.mark(node, index)

    def call_or_constant(self, parts: list[exp.Identifier], index: int) -> exp.Expression:
        """A call, or a constant of a type with modifiers: name(10) 'text'."""
        opening = self.index
        node = self.call(parts, index)
        if self.kind() != STRING:
            return node
        self.index = opening
        names = tuple(part.name for part in parts)
        type_name = TypeName(names, parse_modifiers(self), position=self.tokens.starts[index] + 1)
        place = self.index
        return self.typed_literal(type_name, self.string(), place, index)

    def call(self, parts: list[exp.Identifier], index: int) -> exp.Expression:
        """The arguments of a call and all that may follow them."""
        node = exp.Anonymous(this=parts[-1].name, schema=parts[-2].name if len(parts) > 1 else None)
        self.mark(node, index)
        self.expect("(")
        if self.accept_operator("*"):
            self.expect(")")
            node.set("star", True)
        else:
            self.call_arguments(node)
        self.call_suffixes(node)
        return node

    def call_arguments(self, node: exp.Anonymous) -> None:
        """The arguments up to and with the closing parenthesis."""
        quantifier = self.accept_one_of("all", "distinct")
        if quantifier:
            node.set(quantifier, True)
        arguments: list[exp.Expression] = []
        while not self.at(")"):
            if arguments:
                self.expect(",")
            if not quantifier and self.accept_word("variadic"):
                node.set("variadic", True)
                arguments.append(self.argument())
                break
            arguments.append(self.argument())
            if self.word() == "order":
                break
        if quantifier and not arguments:
            raise self.error()
        node.set("expressions", arguments)
        if arguments and self.word() == "order":
            node.set("order", self.order_by())
        self.expect(")")

    def argument(self) -> exp.Expression:
        """An argument, by position or by name."""
        index = self.index
        if self.kinds[index] in (WORD, QUOTED):
            following = self.values[index + 1]
            if (following == "=>" and self.kinds[index + 1] == OPERATOR) or self.at(":=", 1):
                name = self.label_identifier()
                self.index += 1
                return self.mark(exp.Kwarg(this=name, expression=self.expression()), index)
        return self.expression()

    def call_suffixes(self, node: exp.Anonymous) -> None:
        """WITHIN GROUP, FILTER and OVER."""
        if self.accept_words("within", "group"):
            if node.args.get("order") is not None:
                raise SyntaxError(
                    "cannot use multiple ORDER BY clauses with WITHIN GROUP", position=self.position()
                )
            if node.args.get("distinct"):
                raise SyntaxError("cannot use DISTINCT with WITHIN GROUP", position=self.position())
            if node.args.get("variadic"):
                raise SyntaxError("cannot use VARIADIC with WITHIN GROUP", position=self.position())
            self.expect("(")
            if self.word() != "order":
                raise self.error()
            node.set("within_group", self.order_by())
            self.expect(")")
        if self.word() == "filter" and self.at("(", 1):
            self.index += 2
            self.expect_word("where")
            node.set("filter", self.expression())
            self.expect(")")
        if self.word() == "over" and (self.at("(", 1) or self.kinds[self.index + 1] in (WORD, QUOTED)):
            self.index += 1
            if self.at("("):
                node.set("over", self.window())
            else:
                node.set("over", exp.Window(this=self.identifier(), named=True))

    def system_call(
        self, name: str, arguments: list[exp.Expression], syntax: str, index: int
    ) -> exp.Expression:
        """A call of one of PostgreSQL's own functions for a special syntax."""
        node = exp.Anonymous(this=name, schema="pg_catalog", expressions=arguments, syntax=syntax)
        return self.mark(node, index)
