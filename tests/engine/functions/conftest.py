"""A small evaluator for single expressions, so that functions can be tested without parser,
binder and planner.

It knows literals, `::type`, calls, one prefix or infix operator per parenthesis, and ARRAY[...]; it resolves
overloads and coerces as a binder does, then calls the implementation.  The same text is valid SQL, which is
how the expectations in `data/` were made: by PostgreSQL 15, with TimeZone 'Europe/Berlin'.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import tzinfo
from random import Random
from types import SimpleNamespace

import pytest

from skerry_engine.errors import DatabaseError
from skerry_engine.functions import casts, polymorphism, resolve
from skerry_engine.functions.namespace import NAMESPACE
from skerry_engine.functions.registry import AggregateFunction, Function
from skerry_engine.values import oids
from skerry_engine.values.io import IoContext, text_decoder, text_encoder
from skerry_engine.values.numeric import read_numeric
from skerry_engine.values.timezones import zone_named
from skerry_engine.values.types import SqlType, interval_typmod, type_by_name

ZONE = "Europe/Berlin"
NOON = 800_000_000_000_000  # some instant in 2025

_TOKEN = re.compile(
    r"""\s*(?:(?P<string>'(?:[^']|'')*')|(?P<number>\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+)|(?P<cast>::)
    |(?P<name>[A-Za-z_][A-Za-z_0-9]*|"char")|(?P<open>[(\[])|(?P<close>[)\]])|(?P<comma>,)
    |(?P<operator>[-+*/<>=~!@\#%^&|`?]+))""",
    re.VERBOSE,
)


class Context:
    """A FunctionContext with fixed answers."""

    def __init__(self) -> None:
        self.transaction_timestamp = NOON
        self.statement_timestamp = NOON
        self.time_zone: tzinfo = zone_named(ZONE)
        self.io = IoContext(timezone=ZONE, now=lambda: NOON)
        self.session_user = self.current_user = "skerry"
        self.current_database = "postgres"
        self.backend_pid = 42
        self.random = Random(1)
        self.transaction_id = 7
        self.settings = {"server_version": "15.18", "client_encoding": "UTF8"}
        self.catalog = SimpleNamespace()
        self.notified: list[tuple[str, str]] = []

    def clock_timestamp(self) -> int:
        return NOON

    def current_schemas(self, include_implicit: bool) -> list[str]:
        return ["pg_catalog", "public"] if include_implicit else ["public"]

    def get_setting(self, name: str, missing_ok: bool) -> str | None:
        return self.settings.get(name)

    def set_setting(self, name: str, value: str | None, is_local: bool) -> str:
        self.settings[name] = value or ""
        return value or ""

    def notify(self, channel: str, payload: str) -> None:
        self.notified.append((channel, payload))


Typed = tuple[int, object]


class Evaluator:
    """Evaluates one expression; an unknown literal has the type `oids.UNKNOWN` and its text as value."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.tokens: list[tuple[str, str]] = []

    def evaluate(self, text: str) -> Typed:
        self.tokens = list(_tokens(text))
        result = self._expression()
        assert not self.tokens, self.tokens
        return result

    def text(self, text: str) -> str:
        """The result as PostgreSQL prints it; several lines for a set; `!SQLSTATE message` for an error."""
        try:
            type_oid, value = self.evaluate(text)
            if type_oid == oids.UNKNOWN:
                type_oid = oids.TEXT
            encode = text_encoder(SqlType(type_oid), self.context.io)
            values = list(value) if isinstance(value, (list, range, Iterator)) else [value]
            return "\n".join(["NULL" if item is None else encode(item) for item in values])
        except DatabaseError as error:
            return f"!{error.sqlstate} {error.message}"

    # --- grammar ---

    def _peek(self) -> tuple[str, str]:
        return self.tokens[0] if self.tokens else ("end", "")

    def _take(self) -> tuple[str, str]:
        return self.tokens.pop(0)

    def _expression(self) -> Typed:
        kind, text = self._peek()
        if kind == "operator":
            self._take()
            return self._operate(text, None, self._primary())
        left = self._primary()
        kind, text = self._peek()
        if kind != "operator":
            return left
        self._take()
        return self._operate(text, left, self._primary())

    def _primary(self) -> Typed:
        result = self._atom()
        while self._peek()[0] == "cast":
            self._take()
            result = self._cast(result, self._type())
        return result

    def _type(self) -> SqlType:
        name = self._take()[1]
        info = type_by_name(name)
        assert info is not None, name
        typmod = -1
        if self._peek() == ("open", "("):
            self._take()
            numbers = [int(self._take()[1])]
            while self._take()[1] == ",":
                numbers.append(int(self._take()[1]))
            typmod = _typmod(info.oid, numbers)
        if self._peek() == ("open", "["):
            self._take()
            self._take()
            return SqlType(info.array_oid, typmod)
        return SqlType(info.oid, typmod)

    def _atom(self) -> Typed:
        kind, text = self._take()
        if kind == "string":
            return oids.UNKNOWN, text[1:-1].replace("''", "'")
        if kind == "number":
            return _number(text)
        if kind == "open":
            inner = self._expression()
            self._take()
            return inner
        assert kind == "name", (kind, text)
        if text.lower() in _WORDS:
            return _WORDS[text.lower()]
        items = self._arguments()
        return self._array(items) if text == "ARRAY" else self._call(text, items)

    def _arguments(self) -> list[Typed]:
        self._take()
        items: list[Typed] = []
        while self._peek()[0] != "close":
            items.append(self._expression())
            if self._peek()[0] == "comma":
                self._take()
        self._take()
        return items

    # --- meaning ---

    def _array(self, items: list[Typed]) -> Typed:
        element = polymorphism.common_type([item[0] for item in items], "ARRAY")
        values = tuple([self._coerce(item, element) for item in items])
        array = element if polymorphism.element_type(element) else polymorphism.array_type_of(element)
        return array, values

    def _call(self, name: str, items: list[Typed]) -> Typed:
        types = [item[0] for item in items]
        target = resolve.coercion_target(name, types)
        if target is not None:
            return self._cast(items[0], SqlType(target))
        function, declared, result = resolve.resolve_function(name, types)
        assert isinstance(function, Function)
        values = [self._coerce(item, wanted) for item, wanted in zip(items, declared, strict=True)]
        return result, self._apply(function, values)

    def _operate(self, name: str, left: Typed | None, right: Typed) -> Typed:
        operator, declared, result = resolve.resolve_operator(name, left[0] if left else None, right[0])
        items = [right] if left is None else [left, right]
        values = [self._coerce(item, wanted) for item, wanted in zip(items, declared, strict=True)]
        return result, self._apply(operator.function, values)

    def _apply(self, function: Function, values: list[object]) -> object:
        if function.strict and None in values:
            return None
        implementation = function.implementation
        assert implementation is not None, function.name
        return implementation(self.context, *values) if function.needs_context else implementation(*values)

    def _coerce(self, item: Typed, wanted: int) -> object:
        source, value = item
        if value is None or source == wanted or wanted in polymorphism.POLYMORPHIC or wanted == oids.ANY:
            return value
        if source == oids.UNKNOWN:
            return text_decoder(SqlType(wanted), self.context.io)(str(value))
        return self._converted(source, value, SqlType(wanted), "i")

    def _cast(self, item: Typed, target: SqlType) -> Typed:
        source, value = item
        if value is None:
            return target.oid, None
        if source == oids.UNKNOWN:
            value = text_decoder(SqlType(target.oid), self.context.io)(str(value))
        else:
            value = self._converted(source, value, target, "e")
        return target.oid, self._fitted(value, target)

    def _converted(self, source: int, value: object, target: SqlType, context: str) -> object:
        coercion = casts.find_coercion(source, target.oid, context)
        assert coercion is not None, (source, target)
        if coercion.function is None:
            return value
        rest = [target.typmod, True][: len(coercion.function.arg_types) - 1]
        return self._apply(coercion.function, [value, *rest])

    def _fitted(self, value: object, target: SqlType) -> object:
        function = casts.length_coercion(target.oid) if target.typmod >= 0 else None
        if function is None:
            return value
        rest = [target.typmod, True][: len(function.arg_types) - 1]
        return self._apply(function, [value, *rest])


_WORDS: dict[str, Typed] = {
    "null": (oids.UNKNOWN, None),
    "true": (oids.BOOL, True),
    "false": (oids.BOOL, False),
}


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    position = 0
    while position < len(text.rstrip()):
        match = _TOKEN.match(text, position)
        assert match is not None and match.lastgroup is not None, text[position:]
        yield match.lastgroup, match[match.lastgroup]
        position = match.end()


def _number(text: str) -> Typed:
    if text.isdigit():
        value = int(text)
        if value < 2**31:
            return oids.INT4, value
        if value < 2**63:
            return oids.INT8, value
    return oids.NUMERIC, read_numeric(text)


def _typmod(type_oid: int, numbers: list[int]) -> int:
    if type_oid == oids.NUMERIC:
        return ((numbers[0] << 16) | ((numbers[1] if len(numbers) > 1 else 0) & 0x7FF)) + 4
    if type_oid in (oids.VARCHAR, oids.BPCHAR):
        return numbers[0] + 4
    if type_oid == oids.INTERVAL:
        return interval_typmod(None, numbers[0])
    return numbers[0]


@pytest.fixture
def context() -> Context:
    return Context()


@pytest.fixture
def evaluate(context: Context) -> Callable[[str], str]:
    """Expression text to result text."""
    return Evaluator(context).text


def run_aggregate(context: Context, name: str, type_name: str, texts: list[str]) -> str:
    """`name` over values of a type given as text ('NULL' for NULL), by the aggregate's own protocol."""
    info = type_by_name(type_name)
    assert info is not None
    decode = text_decoder(SqlType(info.oid), context.io)
    values = [None if text == "NULL" else decode(text) for text in texts]
    function, declared, result = resolve.resolve_function(name, [info.oid])
    assert isinstance(function, AggregateFunction)
    rows: list[tuple[object, ...]] = [(_implicit(context, info.oid, declared[0], value),) for value in values]
    try:
        value = _aggregated(context, function, rows)
    except DatabaseError as error:
        return f"!{error.sqlstate} {error.message}"
    return "NULL" if value is None else text_encoder(SqlType(result), context.io)(value)


def _implicit(context: Context, source: int, target: int, value: object) -> object:
    if value is None or target == oids.ANY:
        return value
    return Evaluator(context)._converted(source, value, SqlType(target), "i")


def _aggregated(context: Context, function: AggregateFunction, rows: list[tuple[object, ...]]) -> object:
    wanted = [row for row in rows if not (function.strict and None in row)]
    if function.final is None:
        assert function.finish is not None
        inputs = [row[0] if len(row) == 1 else row for row in wanted]
        return function.finish(context, inputs) if function.needs_context else function.finish(inputs)
    assert function.initial is not None and function.step is not None
    slots = {f"s{i}": f"slot{i}" for i in range(len(function.initial))}
    scope: dict[str, object] = dict(NAMESPACE)
    for index, initial in enumerate(function.initial):
        scope[f"slot{index}"] = eval(initial, scope)
    step = compile(function.step.format("arg0", **slots), "step", "exec")
    for row in wanted:
        scope["arg0"] = row[0]
        exec(step, scope)
    return eval(function.final.format(**slots), scope)


@pytest.fixture
def aggregate(context: Context) -> Callable[[str, str, list[str]], str]:
    """(aggregate, type, input texts) to the result as text."""
    return lambda name, type_name, texts: run_aggregate(context, name, type_name, texts)
