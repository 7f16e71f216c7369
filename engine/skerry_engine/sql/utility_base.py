"""What the readers of utility statements share: names, option lists,
and queries and expressions inside statements."""

from __future__ import annotations

from skerry_engine.errors import SyntaxError
from skerry_engine.sql import keywords
from skerry_engine.sql.as_of import read_suffix, suffix_index
from skerry_engine.sql.dml_syntax import DataParser
from skerry_engine.sql.lexer import END, INTEGER, NUMERIC, OPERATOR, QUOTED, STRING, WORD
from skerry_engine.sql.normalise import normalise
from skerry_engine.sql.statements import (
    AsOf,
    NotSupported,
    ObjectName,
    Option,
    Query,
    SequenceOptions,
    SourceExpression,
    SourceQuery,
    Statement,
)
from skerry_engine.sql.types_syntax import parse_simple_type

_VALUE_WORDS = frozenset(("true", "false", "on", "default", "all", "none"))
_QUERY_VERBS = frozenset(("select", "values", "table", "with", "insert", "update", "delete", "merge"))


class UtilityBase(DataParser):
    """Reads parts of utility statements from tokens whose literals are not lifted.

    `as_of` is what the statement's query ended with, if it did.
    """

    as_of: AsOf | None = None

    def statement(self) -> Statement:
        """Any one statement, up to the end of the tokens."""
        raise NotImplementedError

    def not_supported(self, what: str) -> NotSupported:
        """A refused statement; the rest of it is not read."""
        self.index = len(self.kinds) - 1
        return NotSupported(what, 1)

    # --- names ------------------------------------------------------------------------------------

    def object_name(self) -> ObjectName:
        position = self.position()
        return ObjectName(self.qualified_name(), position)

    def object_names(self) -> tuple[ObjectName, ...]:
        names = [self.object_name()]
        while self.accept(","):
            names.append(self.object_name())
        return tuple(names)

    def relation_names(self) -> tuple[ObjectName, ...]:
        """[ONLY] name [*], ...; the inheritance marks mean nothing, as there is no inheritance."""
        names = [self.marked_relation()]
        while self.accept(","):
            names.append(self.marked_relation())
        return tuple(names)

    def marked_relation(self) -> ObjectName:
        self.accept_word("only")
        name = self.object_name()
        self.accept_operator("*")
        return name

    def dotted_name(self) -> ObjectName:
        """A name of any number of parts, as COMMENT ON COLUMN takes."""
        position = self.position()
        parts = [self.name()]
        while self.accept("."):
            parts.append(self.label())
        return ObjectName(tuple(parts), position)

    def accept_if_exists(self) -> bool:
        return self.accept_words("if", "exists")

    def accept_if_not_exists(self) -> bool:
        return self.accept_words("if", "not", "exists")

    def accept_cascade(self) -> bool:
        """CASCADE or RESTRICT (the default)."""
        return self.accept_one_of("cascade", "restrict") == "cascade"

    # --- queries and expressions ------------------------------------------------------------------

    def source_expression(self) -> SourceExpression:
        begin = self.index
        tree = self.expression()
        return SourceExpression(self.source(begin), tree)

    def source_query(self) -> SourceQuery:
        begin = self.index
        tree = self.query()
        return SourceQuery(self.source(begin), tree)

    def plan_query(self, end: int) -> Query:
        """The query in the tokens from here to `end`, normalised for the plan cache."""
        begin = self.index
        verb = self.values[begin]
        ahead = begin
        while self.at("(", ahead - self.index):
            ahead += 1
            verb = self.values[ahead]
        if verb not in _QUERY_VERBS:
            raise self.error(ahead)
        if verb == "with":
            verb = self.verb_behind_with(begin, end)
        self.index = end
        suffix = suffix_index(self.tokens, begin, end)
        if suffix >= 0:
            self.as_of = read_suffix(self.tokens, suffix, end)
            end = suffix
        return Query(normalise(self.tokens.slice(begin, end)), verb)

    def verb_behind_with(self, begin: int, end: int) -> str:
        depth = 0
        for index in range(begin + 1, end):
            value = self.values[index]
            if self.kinds[index] == WORD:
                if depth == 0 and value in _QUERY_VERBS and self.values[index - 1] == ")":
                    return value
            elif value == "(":
                depth += 1
            elif value == ")":
                depth -= 1
        return "select"

    def last_index(self) -> int:
        """The index of the END token, or of the semicolon before it."""
        last = len(self.kinds) - 1
        while last > self.index and self.values[last - 1] == ";":
            last -= 1
        return last

    def closing_index(self) -> int:
        """The index of the parenthesis that closes the one before the next token."""
        depth = 1
        index = self.index
        while self.kinds[index] != END:
            if self.at("(", index - self.index):
                depth += 1
            elif self.at(")", index - self.index):
                depth -= 1
                if depth == 0:
                    return index
            index += 1
        raise self.error(index)

    # --- options ----------------------------------------------------------------------------------

    def option_list(self) -> tuple[Option, ...]:
        """(name [= value] | name value, ...)."""
        self.expect("(")
        found = [self.option()]
        while self.accept(","):
            found.append(self.option())
        self.expect(")")
        return tuple(found)

    def option(self) -> Option:
        position = self.position()
        name = self.label()
        while self.accept("."):
            name += "." + self.label()
        self.accept_operator("=")
        value: str | tuple[str, ...] | None = None
        if self.accept_operator("*"):
            value = ("*",)
        elif self.at("("):
            value = self.names_in_parentheses()
        elif not self.at(",") and not self.at(")"):
            value = self.option_value()
        return Option(name, value, position)

    def storage_options(self) -> tuple[Option, ...]:
        """(name [= value], ...) of tables, indexes and views: here a value needs its sign."""
        begin = self.index
        options = self.option_list()
        for index in range(begin + 1, self.index):
            is_value = self.kinds[index] in (WORD, QUOTED, STRING, INTEGER, NUMERIC)
            if is_value and self.kinds[index - 1] in (WORD, QUOTED):
                raise self.error(index)
        return options

    def option_value(self) -> str:
        """A word, string or signed number as text."""
        if self.word() in keywords.RESERVED and self.word() not in _VALUE_WORDS:
            raise self.error()
        sign = ""
        if self.kind() == OPERATOR and self.values[self.index] in "+-":
            sign = self.values[self.index].replace("+", "")
            self.index += 1
            if self.kind() not in (INTEGER, NUMERIC):
                raise self.error()
        if self.kind() not in (WORD, QUOTED, STRING, INTEGER, NUMERIC):
            raise self.error()
        self.index += 1
        return sign + self.values[self.index - 1]

    def flag(self, value: str | tuple[str, ...] | None, name: str) -> bool:
        """An option's value as a Boolean."""
        if value is None:
            return True
        if isinstance(value, str) and value.lower() in ("true", "on", "1"):
            return True
        if isinstance(value, str) and value.lower() in ("false", "off", "0"):
            return False
        raise SyntaxError(f"{name} requires a Boolean value")

    def non_reserved_word(self) -> str:
        """A word that is not reserved, or a quoted identifier."""
        if self.kind() == WORD and self.word() in keywords.RESERVED:
            raise self.error()
        return self.label()

    # --- sequences --------------------------------------------------------------------------------

    def sequence_options(self, in_parentheses: bool = False) -> SequenceOptions:
        """The options of CREATE/ALTER SEQUENCE, or of an identity column in parentheses."""
        found: dict[str, object] = {}
        while self.sequence_option(found):
            pass
        if in_parentheses:
            self.expect(")")
        return SequenceOptions(**found)  # type: ignore[arg-type]

    def sequence_option(self, found: dict[str, object]) -> bool:
        """Read one option into `found`; False when none follows."""
        index = self.index
        word = self.word()
        before = len(found)
        if word == "as":
            self.index += 1
            found["data_type"] = parse_simple_type(self)
        elif word in ("increment", "start"):
            self.index += 1
            self.accept_word("by" if word == "increment" else "with")
            self.set_option(found, word, self.signed_integer(), index)
            return True
        elif word in ("minvalue", "maxvalue", "cache"):
            self.index += 1
            names = {"minvalue": "minimum", "maxvalue": "maximum", "cache": "cache"}
            self.set_option(found, names[word], self.signed_integer(), index)
            return True
        elif word == "no" and self.word_at(1) in ("minvalue", "maxvalue", "cycle"):
            self.index += 2
            names = {"minvalue": "no_minimum", "maxvalue": "no_maximum", "cycle": "cycle"}
            what = self.values[self.index - 1]
            self.set_option(found, names[what], what != "cycle", index)
            return True
        elif word == "cycle":
            self.index += 1
            found["cycle"] = True
        elif word == "restart":
            self.index += 1
            self.restart_option(found)
        elif word == "owned":
            self.index += 1
            self.expect_word("by")
            found["owned_by"] = () if self.accept_word("none") else self.dotted_name().parts
        elif word == "sequence" and self.word_at(1) == "name":
            self.index += 2
            found["sequence_name"] = self.object_name()
        else:
            return False
        if len(found) == before:
            raise self.redundant(index)
        return True

    def restart_option(self, found: dict[str, object]) -> None:
        found["is_restart"] = True
        has_with = self.accept_word("with")
        if has_with or self.kind() == INTEGER or self.at_operator("-"):
            found["restart"] = self.signed_integer()

    def set_option(self, found: dict[str, object], name: str, value: object, index: int) -> None:
        if name in found:
            raise self.redundant(index)
        found[name] = value

    def redundant(self, index: int) -> SyntaxError:
        return SyntaxError("conflicting or redundant options", position=self.tokens.starts[index] + 1)
