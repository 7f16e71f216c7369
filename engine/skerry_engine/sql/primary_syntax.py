"""Operands of expressions: PostgreSQL's c_expr.

Constants, parameters, parentheses and rows, subscripts, CASE, ARRAY, subqueries, constants of a named type.
Columns and calls are in `call_syntax`, operators in `expression_syntax`.
The nodes that come out are listed in `bridge`.
"""

from __future__ import annotations

from dataclasses import replace

from sqlglot import expressions as exp

from skerry_engine.errors import SyntaxError
from skerry_engine.sql import keywords
from skerry_engine.sql.cursor import Cursor
from skerry_engine.sql.lexer import (
    BIT_STRING,
    HEX_STRING,
    INTEGER,
    NAMED_PARAMETER,
    NUMERIC,
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
    parse_simple_type,
    parse_type,
    starts_standard_type,
)

QUERY_WORDS = frozenset(("select", "values", "with", "table"))
QUERY_CONTINUES = frozenset(("union", "intersect", "except", "order", "limit", "offset", "fetch", "for"))
_BARE_CALLS = frozenset(
    """current_date current_time current_timestamp localtime localtimestamp current_role current_user
    session_user user current_catalog current_schema""".split()
)
_BARE_WITH_PRECISION = frozenset(("current_time", "current_timestamp", "localtime", "localtimestamp"))


class LiteralInSyntax(Exception):
    """A lifted literal turned out to be part of the syntax: the statement has to be read again, unlifted."""


class PrimaryParser(Cursor):
    """Reads operands from normalised tokens."""

    def __init__(self, source: Normalised) -> None:
        super().__init__(source.tokens)
        self.literals = source.literal_at
        self.slots = source.slot_at
        self.row_lists = source.row_list_at
        self.target_depth = -1  # the depth at which an expression is itself a select-list item

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

    def expression(self) -> exp.Expression:
        """Any value expression (a_expr)."""
        raise NotImplementedError

    def name_primary(self) -> exp.Expression:
        """A column reference, a call, or a constant of a type that is named by an identifier."""
        raise NotImplementedError

    def expressions(self) -> list[exp.Expression]:
        """One or more expressions separated by commas."""
        items = [self.expression()]
        while self.accept(","):
            items.append(self.expression())
        return items

    # --- nodes -------------------------------------------------------------------------------------

    def cast_node(
        self, operand: exp.Expression, type_name: TypeName, index: int, typed_literal: bool = False
    ) -> exp.Expression:
        target = exp.DataType(this=exp.DataType.Type.USERDEFINED, kind=type_name.text())
        target.meta["type_name"] = type_name
        return self.mark(exp.Cast(this=operand, to=target, typed_literal=typed_literal), index)

    def system_call(
        self, name: str, arguments: list[exp.Expression], syntax: str, index: int
    ) -> exp.Expression:
        """A call of one of PostgreSQL's own functions for a special syntax."""
        node = exp.Anonymous(this=name, schema="pg_catalog", expressions=arguments, syntax=syntax)
        return self.mark(node, index)

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
            return self.mark(exp.Subquery(this=query), index - 1)
        first = self.expression()
        if isinstance(first, exp.Subquery) and self.word() in QUERY_CONTINUES:
            query = self.query_rest(first.this)
            self.expect(")")
            return self.mark(exp.Subquery(this=query), index - 1)
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
        return self.mark(exp.Subquery(this=query), index - 1)

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
        """Whether the type keyword at hand begins a constant such as TIMESTAMP '...'
        (else it names a column)."""
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
        if type_name.names[-1] == "bpchar" and self.kinds[place - 1] != PUNCTUATION:
            type_name = replace(type_name, modifiers=())  # without a length, char 'abc' is of any length
        constant = self.mark(exp.Literal.string(text), place)
        return self.cast_node(constant, type_name, index, typed_literal=True)
