"""Columns and calls, and the constants that look like calls.
The nodes that come out are listed in `bridge`."""

from __future__ import annotations

from sqlglot import expressions as exp

from skerry_engine.errors import SyntaxError
from skerry_engine.sql import keywords
from skerry_engine.sql.lexer import END, OPERATOR, QUOTED, STRING, WORD
from skerry_engine.sql.primary_syntax import PrimaryParser
from skerry_engine.sql.types_syntax import TypeName, parse_modifiers


class CallParser(PrimaryParser):
    """Adds columns and calls to the operands."""

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
                place = self.index
                node.set("over", self.mark(exp.Window(this=self.identifier(), named=True), place))
        elif self.word() == "over" and self.kinds[self.index + 1] == END:
            raise self.error(self.index + 1)
