"""Random queries over small tables with NULLs and duplicates: Skerry's rows are PostgreSQL's.

The generator makes valid, deterministic queries from a grammar: joins of every kind, predicates with
three-valued logic, subqueries, grouping, windows, set operations.  A seed names each query, so a failure can
be run alone.  Errors must agree too, by SQLSTATE.  `SKERRY_RANDOM_QUERIES=5000` runs longer.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator

import pytest
from support.builds import this_builds
from support.postgres_server import Address
from support.wire_client import Outcome, WireClient

QUERIES = int(os.environ.get("SKERRY_RANDOM_QUERIES", "400"))
SCHEMA = [
    "CREATE TABLE a (id int PRIMARY KEY, x int, s text, n numeric(8,2), d date, b boolean)",
    "CREATE TABLE b (id int PRIMARY KEY, x int, s varchar(10), f float8, t timestamp)",
    "CREATE TABLE c (id bigint, x smallint, s text, UNIQUE (id, x))",
    "CREATE INDEX a_x ON a (x)",
    "CREATE INDEX b_s ON b (s, x DESC)",
]
COLUMNS = {
    "a": {"id": "int", "x": "int", "s": "text", "n": "num", "d": "date", "b": "bool"},
    "b": {"id": "int", "x": "int", "s": "text", "f": "float", "t": "time"},
    "c": {"id": "int", "x": "int", "s": "text"},
}
WORDS = ["'a'", "'b'", "'ab'", "'B'", "''", "'zz'"]
DATES = ["date '2024-01-01'", "date '2024-02-29'", "date '1999-12-31'"]
TIMES = ["timestamp '2024-01-01 10:00'", "timestamp '2024-02-29 00:00'"]


class Generator:
    """Makes one random query."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.aliases = 0

    def pick(self, *choices: str) -> str:
        return self.random.choice(choices)

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def scope(self, count: int) -> tuple[str, list[tuple[str, str]]]:
        """A FROM clause, and the (column, type) pairs that it offers."""
        table = self.pick(*COLUMNS)
        alias = self._alias()
        clause = f"{table} {alias}"
        columns = self._columns(alias, table)
        for _ in range(count - 1):
            table, alias = self.pick(*COLUMNS), self._alias()
            added = self._columns(alias, table)
            kind = self.pick("JOIN", "JOIN", "LEFT JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN")
            left = self._of_type(columns, "int")
            right = self._of_type(added, "int")
            condition = f"{left} = {right}"
            if kind != "FULL JOIN" and self.chance(0.4):
                condition += f" AND {self.predicate(columns + added, 1)}"
            clause += f" {kind} {table} {alias} ON {condition}"
            columns = columns + added
        return clause, columns

    def _alias(self) -> str:
        self.aliases += 1
        return f"t{self.aliases}"

    @staticmethod
    def _columns(alias: str, table: str) -> list[tuple[str, str]]:
        return [(f"{alias}.{name}", kind) for name, kind in COLUMNS[table].items()]

    def _of_type(self, columns: list[tuple[str, str]], kind: str) -> str:
        return self.random.choice([name for name, found in columns if found == kind])

    def value(self, columns: list[tuple[str, str]], kind: str, depth: int) -> str:
        """An expression of a type."""
        named = [name for name, found in columns if found == kind]
        if named and (depth <= 0 or self.chance(0.5)):
            return self.random.choice(named)
        if depth <= 0:
            return self.literal(kind)
        inner = depth - 1
        match kind:
            case "int":
                return self.pick(
                    f"({self.value(columns, 'int', inner)} {self.pick('+', '-', '*')} {self.value(columns, 'int', inner)})",
                    f"coalesce({self.value(columns, 'int', inner)}, {self.literal('int')})",
                    f"length({self.value(columns, 'text', inner)})",
                    f"CASE WHEN {self.predicate(columns, inner)} THEN {self.value(columns, 'int', inner)} END",
                    f"nullif({self.value(columns, 'int', inner)}, {self.literal('int')})",
                    f"({self.value(columns, 'int', inner)} % 3)",
                    f"abs({self.value(columns, 'int', inner)})",
                    self.literal("int"),
                )
            case "text":
                return self.pick(
                    f"({self.value(columns, 'text', inner)} || {self.value(columns, 'text', inner)})",
                    f"upper({self.value(columns, 'text', inner)})",
                    f"coalesce({self.value(columns, 'text', inner)}, 'none')",
                    f"substr({self.value(columns, 'text', inner)}, 1, 1)",
                    f"CASE {self.value(columns, 'int', inner)} WHEN 1 THEN 'one' WHEN 2 THEN 'two' ELSE 'more' END",
                    f"({self.value(columns, 'int', inner)})::text",
                    self.literal("text"),
                )
            case "num":
                return self.pick(
                    f"({self.value(columns, 'num', inner)} {self.pick('+', '-', '*')} {self.value(columns, 'int', inner)})",
                    f"round({self.value(columns, 'num', inner)}, 1)",
                    f"({self.value(columns, 'int', inner)} / 4.0)",
                    self.literal("num"),
                )
            case "bool":
                return f"({self.predicate(columns, inner)})"
            case _:
                return self.literal(kind)

    def literal(self, kind: str) -> str:
        """A literal of a type, sometimes NULL."""
        if self.chance(0.05):
            names = {"num": "numeric", "float": "float8", "time": "timestamp"}
            return f"NULL::{names.get(kind, kind)}"
        match kind:
            case "int":
                return str(self.random.randint(-2, 6))
            case "text":
                return self.pick(*WORDS)
            case "num":
                return self.pick("1.5", "0.00", "-2.25", "10")
            case "float":
                return self.pick("1.5::float8", "0::float8", "'NaN'::float8")
            case "date":
                return self.pick(*DATES)
            case "time":
                return self.pick(*TIMES)
            case _:
                return self.pick("true", "false")

    def predicate(self, columns: list[tuple[str, str]], depth: int) -> str:
        """A condition."""
        if depth > 0 and self.chance(0.4):
            joined = f" {self.pick('AND', 'OR')} ".join(self.predicate(columns, depth - 1) for _ in range(2))
            return f"NOT ({joined})" if self.chance(0.2) else f"({joined})"
        kind = self.pick(*{kind for _, kind in columns if kind != "bool"} or {"int"})
        left = self.value(columns, kind, depth - 1)
        choices = [
            f"{left} {self.pick('=', '<>', '<', '<=', '>', '>=')} {self.value(columns, kind, depth - 1)}",
            f"{left} {self.pick('=', '<', '>')} {self.literal(kind)}",
            f"{left} IS {self.pick('', 'NOT ')}NULL",
            f"{left} {self.pick('', 'NOT ')}BETWEEN {self.literal(kind)} AND {self.literal(kind)}",
            f"{left} IS {self.pick('', 'NOT ')}DISTINCT FROM {self.value(columns, kind, depth - 1)}",
            f"{left} {self.pick('', 'NOT ')}IN ({', '.join(self.literal(kind) for _ in range(3))})",
        ]
        if kind == "text":
            choices.append(
                f"{left} {self.pick('', 'NOT ')}{self.pick('LIKE', 'ILIKE')} {self.pick(chr(39) + 'a%' + chr(39), chr(39) + '_' + chr(39))}"
            )
        if kind == "int" and depth > 0:
            choices += [self.subquery(columns, left), self.exists(columns)]
        return self.random.choice(choices)

    def subquery(self, columns: list[tuple[str, str]], left: str) -> str:
        """IN, ANY, ALL or a scalar subquery, perhaps correlated."""
        table, alias = self.pick(*COLUMNS), self._alias()
        inner = self._columns(alias, table)
        where = self.predicate(inner + columns, 0) if self.chance(0.7) else "true"
        column = self._of_type(inner, "int")
        return self.pick(
            f"{left} {self.pick('', 'NOT ')}IN (SELECT {column} FROM {table} {alias} WHERE {where})",
            f"{left} {self.pick('=', '<', '>=')} {self.pick('ANY', 'ALL')} (SELECT {column} FROM {table} {alias} WHERE {where})",
            f"{left} {self.pick('=', '<', '>=')} (SELECT {self.pick('max', 'min', 'count', 'sum')}({column}) FROM {table} {alias} WHERE {where})",
        )

    def exists(self, columns: list[tuple[str, str]]) -> str:
        """EXISTS, correlated."""
        table, alias = self.pick(*COLUMNS), self._alias()
        inner = self._columns(alias, table)
        condition = f"{self._of_type(inner, 'int')} = {self._of_type(columns, 'int')}"
        if self.chance(0.5):
            condition += f" AND {self.predicate(inner + columns, 0)}"
        return f"{self.pick('', 'NOT ')}EXISTS (SELECT 1 FROM {table} {alias} WHERE {condition})"

    def select(self) -> str:
        """A whole query."""
        match self.random.randrange(10):
            case 0 | 1 | 2 | 3:
                return self.plain()
            case 4 | 5 | 6:
                return self.grouped()
            case 7:
                return self.windowed()
            case 8:
                kinds = self.random.choices(["int", "text", "num"], k=2)
                operation = self.pick(
                    "UNION", "UNION ALL", "INTERSECT", "EXCEPT", "EXCEPT ALL", "INTERSECT ALL"
                )
                return f"{self.plain(kinds)} {operation} {self.plain(kinds)}"
            case _:
                clause, columns = self.scope(1)
                body = ", ".join(f"{name} AS c{number}" for number, (name, _) in enumerate(columns))
                outer = [(f"q.c{number}", kind) for number, (_, kind) in enumerate(columns)]
                inner = f"SELECT {body} FROM {clause} WHERE {self.predicate(columns, 1)}"
                return f"WITH q AS ({inner}) SELECT {self.value(outer, 'int', 2)}, q.* FROM q WHERE {self.predicate(outer, 2)}"

    def plain(self, kinds: list[str] | None = None) -> str:
        """SELECT ... FROM ... WHERE."""
        clause, columns = self.scope(self.random.randint(1, 3))
        kinds = kinds or self.random.choices(["int", "text", "num", "bool", "date", "float"], k=3)
        outputs = ", ".join(self.value(columns, kind, 2) for kind in kinds)
        distinct = "DISTINCT " if self.chance(0.15) else ""
        where = f" WHERE {self.predicate(columns, 2)}" if self.chance(0.8) else ""
        return f"SELECT {distinct}{outputs} FROM {clause}{where}"

    def grouped(self) -> str:
        """GROUP BY with aggregates and HAVING."""
        clause, columns = self.scope(self.random.randint(1, 2))
        keys = [
            self.value(columns, kind, 1)
            for kind in self.random.choices(["int", "text", "bool"], k=self.random.randint(0, 2))
        ]
        keys = [key for key in keys if "t" in key and "." in key]
        aggregates = [
            "count(*)",
            f"count({self.pick('', 'DISTINCT ')}{self.value(columns, 'int', 1)})",
            f"sum({self.value(columns, 'int', 1)})",
            f"max({self.value(columns, 'text', 1)})",
            f"min({self.value(columns, 'num', 1)})",
            f"avg({self.value(columns, 'num', 0)})",
            f"bool_or({self.predicate(columns, 0)})",
            f"sum({self.value(columns, 'int', 0)}) FILTER (WHERE {self.predicate(columns, 1)})",
        ]
        outputs = keys + self.random.sample(aggregates, 3)
        where = f" WHERE {self.predicate(columns, 1)}" if self.chance(0.6) else ""
        group = f" GROUP BY {', '.join(str(number + 1) for number in range(len(keys)))}" if keys else ""
        having = f" HAVING {self.random.choice(aggregates[:3])} > 1" if self.chance(0.3) else ""
        return f"SELECT {', '.join(outputs)} FROM {clause}{where}{group}{having}"

    def windowed(self) -> str:
        """Window functions whose order is total."""
        clause, columns = self.scope(1)
        order = ", ".join(name for name, _ in columns)
        partition = f"PARTITION BY {self.value(columns, 'int', 1)} " if self.chance(0.6) else ""
        function = self.pick(
            "row_number()",
            "rank()",
            f"lag({self.value(columns, 'int', 1)})",
            f"sum({self.value(columns, 'int', 1)})",
            f"count({self.value(columns, 'text', 0)})",
            f"first_value({self.value(columns, 'text', 1)})",
            f"max({self.value(columns, 'num', 1)})",
        )
        frame = self.pick("", "", " ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING", " ROWS UNBOUNDED PRECEDING")
        return f"SELECT {columns[0][0]}, {function} OVER ({partition}ORDER BY {order}{frame}) FROM {clause}"


def rows(seed: int) -> list[str]:
    """INSERT statements with random rows, the same on both sides."""
    source = random.Random(seed)

    def maybe(text: str) -> str:
        return "NULL" if source.random() < 0.2 else text

    def word() -> str:
        return maybe(source.choice(WORDS))

    def number() -> str:
        return maybe(str(source.randint(-2, 6)))

    statements = []
    for key in range(1, 13):
        price = maybe(f"{source.randint(-300, 900) / 100}")
        flag = maybe(source.choice(["true", "false"]))
        statements.append(
            f"INSERT INTO a VALUES ({key}, {number()}, {word()}, {price}, {maybe(source.choice(DATES))}, {flag})"
        )
    for key in range(3, 12):
        real = maybe(source.choice(["1.5", "-0.25", "'NaN'", "1e10"]))
        statements.append(
            f"INSERT INTO b VALUES ({key}, {number()}, {word()}, {real}, {maybe(source.choice(TIMES))})"
        )
    for key in range(8):
        statements.append(f"INSERT INTO c VALUES ({maybe(str(key))}, {number()}, {word()})")
    return statements


def _open(address: Address) -> WireClient:
    with_admin = WireClient(address)
    with_admin.query("DROP DATABASE IF EXISTS differential_random")
    assert with_admin.query("CREATE DATABASE differential_random").error is None
    with_admin.close()
    client = WireClient(address, "differential_random", TimeZone="UTC")
    for statement in [*SCHEMA, *rows(1)]:
        made = client.query(statement)
        assert made.error is None, (statement, made.error)
    return client


@pytest.fixture(scope="module")
def both(postgres: Address, skerry_server: Address) -> Iterator[tuple[WireClient, WireClient]]:
    """The same rows on both sides."""
    clients = _open(postgres), _open(skerry_server)
    yield clients
    for client in clients:
        client.close()


def _summary(outcome: Outcome) -> object:
    if outcome.error is not None:
        return outcome.error["C"]
    columns = [(name, oid) for name, oid, _ in outcome.columns or []]
    return columns, sorted(outcome.rows, key=repr)


@pytest.mark.parametrize("seed", this_builds(range(QUERIES)))
def test_random_query(both: tuple[WireClient, WireClient], seed: int) -> None:
    query = Generator(seed).select()
    expected, actual = (_summary(client.query(query)) for client in both)
    assert actual == expected, query
