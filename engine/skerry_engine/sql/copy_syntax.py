"""COPY: its two syntaxes and the checks of its options."""

from __future__ import annotations

from skerry_engine.errors import InvalidParameterValue, NotSupportedError, SyntaxError
from skerry_engine.sql import statements as st
from skerry_engine.sql.utility_base import UtilityBase

_OLD_OPTIONS = frozenset(
    (
        "binary",
        "freeze",
        "delimiter",
        "delimiters",
        "null",
        "csv",
        "header",
        "quote",
        "escape",
        "force",
        "encoding",
    )
)
_UNUSABLE_DELIMITERS = frozenset("\\.abcdefghijklmnopqrstuvwxyz0123456789")
_LIST_OPTIONS = frozenset(("force_quote", "force_not_null", "force_null"))


class CopyParser(UtilityBase):
    """Reads COPY; the word itself has been read."""

    def copy(self) -> st.Statement:
        if self.accept("("):
            query = self.plan_query(self.closing_index())
            self.expect(")")
            self.expect_word("to")
            target, file = self.copy_target(False)
            return st.Copy(False, target, self.copy_options(False), query=query, file=file)
        given: list[st.Option] = []
        if self.word() == "binary" and not self.at(".", 1):
            self.index += 1
            given.append(st.Option("format", "binary"))
        table = self.object_name()
        columns = self.names_in_parentheses() if self.at("(") else ()
        direction = self.accept_one_of("from", "to")
        if not direction:
            raise self.error()
        is_from = direction == "from"
        target, file = self.copy_target(is_from)
        if self.word() in ("using", "delimiters"):
            self.accept_word("using")
            self.expect_word("delimiters")
            given.append(st.Option("delimiter", self.string()))
        options = self.copy_options(is_from, given)
        where = None
        if self.word() == "where":
            if not is_from:
                raise SyntaxError("WHERE clause not allowed with COPY TO", position=self.position())
            self.index += 1
            where = self.source_expression()
        return st.Copy(is_from, target, options, table, columns, None, file, where)

    def copy_target(self, is_from: bool) -> tuple[str, str]:
        """('stdin' | 'stdout' | 'file' | 'program', file name or command)."""
        if self.accept_word("program"):
            return "program", self.string()
        if self.accept_one_of("stdin", "stdout"):
            return "stdin" if is_from else "stdout", ""
        return "file", self.string()

    def copy_options(self, is_from: bool, given: list[st.Option] | None = None) -> st.CopyOptions:
        options = list(given or ())
        self.accept_word("with")
        if self.at("("):
            options += self.option_list()
        else:
            while self.word() in _OLD_OPTIONS:
                options.append(self.old_option())
        return copy_options(options, is_from)

    def old_option(self) -> st.Option:
        """An option in the syntax from before PostgreSQL 9.0."""
        position = self.position()
        word = self.word()
        self.index += 1
        if word in ("binary", "csv"):
            return st.Option("format", word, position)
        if word in ("freeze", "header"):
            return st.Option(word, "true", position)
        if word == "encoding":
            return st.Option("encoding", self.string(), position)
        if word == "force":
            return self.force_option(position)
        self.accept_word("as")
        return st.Option("delimiter" if word == "delimiters" else word, self.string(), position)

    def force_option(self, position: int) -> st.Option:
        if self.accept_words("not", "null"):
            name = "force_not_null"
        elif self.accept_word("null"):
            name = "force_null"
        else:
            self.expect_word("quote")
            name = "force_quote"
            if self.accept_operator("*"):
                return st.Option(name, ("*",), position)
        columns = [self.name()]
        while self.accept(","):
            columns.append(self.name())
        return st.Option(name, tuple(columns), position)


def copy_options(options: list[st.Option], is_from: bool) -> st.CopyOptions:
    """Options checked as PostgreSQL checks them.  Raises its errors."""
    seen: dict[str, st.Option] = {}
    for option in options:
        if option.name in seen:
            raise SyntaxError("conflicting or redundant options", position=option.position)
        seen[option.name] = option
    found = st.CopyOptions(
        format=_format(seen.pop("format", None)),
        delimiter=_text(seen.pop("delimiter", None)),
        null=_text(seen.pop("null", None)),
        **_header(seen.pop("header", None), is_from),
        quote=_text(seen.pop("quote", None)),
        escape=_text(seen.pop("escape", None)),
        force_quote=_columns(seen.pop("force_quote", None)),
        force_not_null=_columns(seen.pop("force_not_null", None)),
        force_null=_columns(seen.pop("force_null", None)),
        encoding=_text(seen.pop("encoding", None)),
        freeze=_boolean(seen.pop("freeze", None)),
    )
    for option in seen.values():
        raise SyntaxError(f'option "{option.name}" not recognized', position=option.position)
    _check_binary(found)
    if found.format != "binary":
        _check_characters(found)
        _check_quoting(found)
        _check_forces(found, is_from)
    return found


def _format(option: st.Option | None) -> str:
    if option is None:
        return "text"
    value = option.value if isinstance(option.value, str) else ""
    if value not in ("text", "csv", "binary"):
        raise InvalidParameterValue(f'COPY format "{value}" not recognized', position=option.position)
    return value


def _text(option: st.Option | None) -> str | None:
    if option is None:
        return None
    if not isinstance(option.value, str):
        raise SyntaxError(f"{option.name} requires a parameter", position=option.position)
    return option.value


def _columns(option: st.Option | None) -> tuple[str, ...]:
    if option is None:
        return ()
    if not isinstance(option.value, tuple):
        raise InvalidParameterValue(
            f'argument to option "{option.name}" must be a list of column names', position=option.position
        )
    return option.value


def _boolean(option: st.Option | None) -> bool:
    if option is None:
        return False
    value = option.value
    if value is None or (isinstance(value, str) and value.lower() in ("true", "on", "1")):
        return True
    if isinstance(value, str) and value.lower() in ("false", "off", "0"):
        return False
    raise SyntaxError(f"{option.name} requires a Boolean value")


def _header(option: st.Option | None, is_from: bool) -> dict[str, bool]:
    if option is not None and isinstance(option.value, str) and option.value.lower() == "match":
        if not is_from:
            raise NotSupportedError('cannot use "match" with HEADER in COPY TO')
        return {"header": True, "header_match": True}
    try:
        return {"header": _boolean(option), "header_match": False}
    except SyntaxError:
        raise SyntaxError('header requires a Boolean value or "match"') from None


def _check_binary(options: st.CopyOptions) -> None:
    if options.format != "binary":
        return
    if options.delimiter is not None:
        raise SyntaxError("cannot specify DELIMITER in BINARY mode")
    if options.null is not None:
        raise SyntaxError("cannot specify NULL in BINARY mode")
    if options.header:
        raise NotSupportedError("cannot specify HEADER in BINARY mode")


def _check_characters(options: st.CopyOptions) -> None:
    is_csv = options.format == "csv"
    delimiter = options.delimiter if options.delimiter is not None else "," if is_csv else "\t"
    if len(delimiter.encode()) != 1:
        raise NotSupportedError("COPY delimiter must be a single one-byte character")
    if delimiter in "\r\n":
        raise InvalidParameterValue("COPY delimiter cannot be newline or carriage return")
    if options.null is not None and ("\r" in options.null or "\n" in options.null):
        raise InvalidParameterValue("COPY null representation cannot use newline or carriage return")
    if not is_csv and delimiter in _UNUSABLE_DELIMITERS:
        raise InvalidParameterValue(f'COPY delimiter cannot be "{delimiter}"')
    null = options.null if options.null is not None else "" if is_csv else "\\N"
    if delimiter in null:
        raise InvalidParameterValue("COPY delimiter must not appear in the NULL specification")


def _check_quoting(options: st.CopyOptions) -> None:
    if options.format != "csv":
        for value, name in ((options.quote, "quote"), (options.escape, "escape")):
            if value is not None:
                raise NotSupportedError(f"COPY {name} available only in CSV mode")
        return
    quote = '"' if options.quote is None else options.quote
    if len(quote.encode()) != 1:
        raise NotSupportedError("COPY quote must be a single one-byte character")
    if quote == (options.delimiter or ","):
        raise InvalidParameterValue("COPY delimiter and quote must be different")
    if options.escape is not None and len(options.escape.encode()) != 1:
        raise NotSupportedError("COPY escape must be a single one-byte character")
    if quote in (options.null or ""):
        raise InvalidParameterValue("CSV quote character must not appear in the NULL specification")


def _check_forces(options: st.CopyOptions, is_from: bool) -> None:
    for columns, name, wants_from in (
        (options.force_quote, "force quote", False),
        (options.force_not_null, "force not null", True),
        (options.force_null, "force null", True),
    ):
        if columns and options.format != "csv":
            raise NotSupportedError(f"COPY {name} available only in CSV mode")
        if columns and wants_from != is_from:
            raise NotSupportedError(f"COPY {name} only available using COPY {'FROM' if wants_from else 'TO'}")
