"""Calls with a syntax of their own: EXTRACT, TRIM, SUBSTRING, COALESCE, ...
and what PostgreSQL makes of them."""

from __future__ import annotations

from sqlglot import expressions as exp

from skerry_engine.sql.expression_syntax import ExpressionParser
from skerry_engine.sql.lexer import QUOTED, STRING, WORD

_REFUSED = frozenset(
    """treat xmlattributes xmlconcat xmlelement xmlexists xmlforest xmlnamespaces xmlparse xmlpi xmlroot
    xmlserialize xmltable""".split()
)
_TRIM_FUNCTIONS = {"": "btrim", "both": "btrim", "leading": "ltrim", "trailing": "rtrim"}


class SpecialCallParser(ExpressionParser):
    """Adds the special calls to the expression grammar."""

    def special_call(self, word: str) -> exp.Expression | None:
        """A call that begins with the keyword `word` and a parenthesis; None when it is none of these."""
        index = self.index
        if word in _REFUSED:
            raise self.unsupported(word.upper())
        if word in ("coalesce", "greatest", "least", "nullif"):
            return self.conditional(word, index)
        if word == "exists":
            self.index += 2
            return self.mark(exp.Exists(this=self.subquery().this), index)
        if word == "row":
            self.index += 2
            return self.overlaps(self.row(index))
        if word == "grouping":
            self.index += 2
            arguments = self.expressions()
            self.expect(")")
            return self.mark(exp.Anonymous(this="grouping", expressions=arguments, bare=True), index)
        return self.standard_function(word, index)

    def standard_function(self, word: str, index: int) -> exp.Expression | None:
        """The SQL-standard functions that take keywords between their arguments."""
        readers = {
            "extract": self.extract_call,
            "position": self.position_call,
            "substring": self.substring_call,
            "overlay": self.overlay_call,
            "trim": self.trim_call,
            "normalize": self.normalize_call,
        }
        reader = readers.get(word)
        if reader is None:
            return None
        self.index += 2
        node = reader(index)
        self.expect(")")
        return node

    def conditional(self, word: str, index: int) -> exp.Expression:
        self.index += 2
        arguments = self.expressions()
        if word == "nullif":
            if len(arguments) != 2:
                raise self.error()
            self.expect(")")
            return self.mark(exp.Nullif(this=arguments[0], expression=arguments[1]), index)
        self.expect(")")
        if word == "coalesce":
            return self.mark(exp.Coalesce(this=arguments[0], expressions=arguments[1:]), index)
        if word == "greatest":
            return self.mark(exp.Greatest(this=arguments[0], expressions=arguments[1:]), index)
        return self.mark(exp.Least(this=arguments[0], expressions=arguments[1:]), index)

    def extract_call(self, index: int) -> exp.Expression:
        if self.kind() not in (WORD, QUOTED, STRING):
            raise self.error()
        field = self.mark(exp.Literal.string(self.values[self.index]), self.index)
        self.read_as_text()
        self.expect_word("from")
        return self.system_call("extract", [field, self.expression()], "extract", index)

    def position_call(self, index: int) -> exp.Expression:
        needle = self.restricted_expression()
        self.expect_word("in")
        return self.system_call("position", [self.restricted_expression(), needle], "position", index)

    def substring_call(self, index: int) -> exp.Expression:
        subject = self.expression()
        if self.accept_word("similar"):
            pattern = self.expression()
            self.expect_word("escape")
            return self.system_call("substring", [subject, pattern, self.expression()], "substring", index)
        start: exp.Expression | None = None
        count: exp.Expression | None = None
        if self.word() not in ("from", "for"):
            return self.plain_call("substring", subject, index)
        while self.word() in ("from", "for"):
            if self.accept_word("from") if start is None else False:
                start = self.expression()
            elif self.accept_word("for") if count is None else False:
                count = self.expression()
            else:
                raise self.error()
        if count is None:
            assert start is not None
            return self.system_call("substring", [subject, start], "substring", index)
        if start is None:
            start = exp.Literal.number("1")
        return self.system_call("substring", [subject, start, count], "substring", index)

    def overlay_call(self, index: int) -> exp.Expression:
        subject = self.expression()
        if not self.accept_word("placing"):
            return self.plain_call("overlay", subject, index)
        arguments = [subject, self.expression()]
        self.expect_word("from")
        arguments.append(self.expression())
        if self.accept_word("for"):
            arguments.append(self.expression())
        return self.system_call("overlay", arguments, "overlay", index)

    def trim_call(self, index: int) -> exp.Expression:
        name = _TRIM_FUNCTIONS[self.accept_one_of("both", "leading", "trailing")]
        if self.accept_word("from"):
            return self.system_call(name, self.expressions(), "trim", index)
        characters = self.expressions()
        if self.accept_word("from"):
            subjects = self.expressions()
            return self.system_call(name, subjects + characters, "trim", index)
        return self.system_call(name, characters, "trim", index)

    def normalize_call(self, index: int) -> exp.Expression:
        arguments = [self.expression()]
        if self.accept(","):
            form = self.accept_one_of("nfc", "nfd", "nfkc", "nfkd")
            if not form:
                raise self.error()
            arguments.append(exp.Literal.string(form.upper()))
        return self.system_call("normalize", arguments, "normalize", index)

    def plain_call(self, name: str, first: exp.Expression, index: int) -> exp.Expression:
        """SUBSTRING and OVERLAY written like any function."""
        arguments = [first]
        while self.accept(","):
            arguments.append(self.expression())
        return self.mark(exp.Anonymous(this=name, expressions=arguments), index)
