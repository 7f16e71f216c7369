"""Random compositions of clauses, patterns and queries within expressions: each gives rows, or an error of its own kind.

Nothing is said of what the rows are; other tests do that for smaller pieces.  What would show here are statements that
the planner has no plan for, and generated code that does not run.
"""

from __future__ import annotations

import random

import pytest

import skerry

STATEMENTS = 60


class Composer:
    """Makes texts; remembers for each variable how a number is had of it."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.forms: dict[str, str] = {}

    def _new(self, form: str) -> str:
        name = f"v{len(self.forms)}"
        self.forms[name] = form
        return name

    def _one(self, *texts: str) -> str:
        return self.random.choice(texts)

    # --- values ----------------------------------------

    def value(self, depth: int, names: list[str]) -> str:
        """A number, or NULL."""
        if depth <= 0 or self.random.random() < 0.35:
            if names and self.random.random() < 0.7:
                name = self._one(*names)
                return self.forms[name].format(name)
            return self._one("1", "2", "null")
        made = self.random.randrange(8)
        inside = [self.value(depth - 1, names) for _ in range(2)]
        if made == 0:
            return f"({inside[0]} {self._one('+', '-', '*')} {inside[1]})"
        if made == 1:
            return f"CASE WHEN {self.condition(depth - 1, names)} THEN {inside[0]} ELSE {inside[1]} END"
        if made == 2:
            return f"VALUE {{{self.query(depth - 1, names, 1)} LIMIT 1}}"
        if made == 3:
            return f"{self._one('count', 'sum', 'max')}({self._one('', 'DISTINCT ')}{inside[0]})"
        return self._one(
            f"COALESCE({inside[0]}, {inside[1]})",
            f"CAST({inside[0]} AS {self._one('INT', 'INT | STRING')})",
            f"{{k: {inside[0]}}}.k",
            f"[{inside[0]}, 2][0]",
        )

    def condition(self, depth: int, names: list[str]) -> str:
        left, right = self.value(depth - 1, names), self.value(depth - 1, names)
        made = self.random.randrange(4) if depth > 0 else 0
        if made == 1:
            return f"({left} > 1 {self._one('AND', 'OR', 'XOR')} {self.condition(depth - 1, names)})"
        if made == 2:
            return f"{left} IS {self._one('', 'NOT ')}NULL"
        if made == 3:
            return f"EXISTS {{{self.query(depth - 1, names, 1)}}}"
        return f"{left} {self._one('=', '<>', '<')} {right}"

    # --- patterns ----------------------------------------

    def pattern(self, depth: int, names: list[str]) -> tuple[str, list[str]]:
        """A path, and its variables."""
        new: list[str] = []
        path = ""
        if self.random.random() < 0.3:
            new.append(self._new("path_length({})"))
            path = f"{new[0]} = "
        path += self._one("", "", "", "ANY SHORTEST ", "TRAIL ", "SHORTEST 2 ") + self._node(
            depth, names, new
        )
        for _ in range(self.random.randrange(3)):
            if self.random.random() < 0.25:
                path += self._stretch(depth, new)
            else:
                path += self._edge(new)
            path += self._node(depth, names, new)
        return path, new

    def _node(self, depth: int, names: list[str], new: list[str]) -> str:
        bound = [name for name in names if self.forms[name] == "{}.n"]
        if bound and self.random.random() < 0.3:
            return f"({self._one(*bound)})"
        name = self._new("{}.n")
        new.append(name)
        asked = self._one("", "", " {n: 1}", " WHERE")
        if asked == " WHERE":
            asked = f" WHERE {self.condition(min(depth, 1), [*names, name])}"
        return f"({name}{self._one('', ':S', ':T', ':S|T')}{asked})"

    def _edge(self, new: list[str]) -> str:
        quantifier = self._one("", "", "", "{1,2}", "*", "?")
        name = self._new("{}.w" if quantifier in ("", "?") else "size({})")
        new.append(name)
        left, right = self.random.choice([("-", "->"), ("<-", "-"), ("-", "-")])
        return f"{left}[{name}{self._one('', ':L')}]{right}{quantifier}"

    def _stretch(self, depth: int, new: list[str]) -> str:
        quantifier = self._one("", "{1,2}", "?")
        inner: list[str] = []
        name = self._new("path_length({})" if quantifier != "{1,2}" else "size({})")
        text = f"({name} = {self._node(depth, [], inner)}{self._edge(inner)}{self._node(depth, [], inner)})"
        if quantifier == "{1,2}":
            self.forms.update(dict.fromkeys(inner, "size({})"))
        new += [name, *inner]
        return f" {text}{quantifier} "

    # --- statements ----------------------------------------

    def query(self, depth: int, names: list[str], columns: int) -> str:
        names = list(names)
        text = ""
        for _ in range(self.random.randrange(1, 4)):
            kind = self.random.randrange(8)
            if kind < 4:
                pattern, new = self.pattern(depth, names)
                text += f"{self._one('', '', 'OPTIONAL ')}MATCH {pattern} "
                names += new
            elif kind == 4:
                value = self.value(depth, names)
                names.append(self._new("{}"))
                text += f"LET {names[-1]} = {value} "
            elif kind == 5:
                value = self.value(depth, names)
                names.append(self._new("{}"))
                text += f"FOR {names[-1]} IN [1, {value}] "
            elif kind == 6:
                text += f"FILTER {self.condition(depth, names)} "
            elif depth > 0:
                text += f"CALL {{{self.query(depth - 1, names, 1)}}} "
        items = [f"{self.value(depth, names)} AS {self._new('{}')}" for _ in range(columns)]
        return f"{text}RETURN {self._one('', '', 'DISTINCT ')}{', '.join(items)}"

    def change(self) -> str:
        pattern, names = self.pattern(1, [])
        text = f"MATCH {pattern} "
        changed = [name for name in names if self.forms[name] in ("{}.n", "{}.w")]
        for _ in range(self.random.randrange(1, 3)):
            name, value = self._one(*changed), self.value(1, names)
            text += self._one(
                f"SET {name}.n = {value} ",
                f"REMOVE {name}.n ",
                f"DETACH DELETE {name} ",
                f"INSERT (:T {{n: {value}}}) ",
                f"MERGE (:T {{n: {value}}}) ",
            )
        return text + self._one("", f"RETURN {self.value(1, names)} AS x")


NATIVE = """
INSERT (a:S {n: 1})-[:L {w: 1}]->(b:S {n: 2})-[:L {w: 2}]->(c:T {n: 3})-[:L {w: 3}]->(a), (a)-[:M]->(c)
"""
TABLES = """
create table "S" (id int primary key, n bigint);
create table "T" (id int primary key, n bigint);
create table "L" (id int primary key, a int, b int, w bigint);
create table "M" (id int primary key, a int, b int, w bigint);
insert into "S" values (1, 1), (2, 2);
insert into "T" values (1, 3);
insert into "L" values (1, 1, 2, 1), (2, 2, 1, 2);
insert into "M" values (1, 1, 1, 3);
create property graph g vertex tables ("S", "T") edge tables (
    "L" source key (a) references "S" (id) destination key (b) references "S" (id),
    "M" source key (a) references "S" (id) destination key (b) references "T" (id));
session set graph g
"""


@pytest.mark.parametrize(
    ("setup", "seed"), [(NATIVE, 0), (NATIVE, 1), (TABLES, 2)], ids=["native", "more", "tables"]
)
def test_whatever_is_composed_gives_rows_or_an_error_of_its_own(setup: str, seed: int) -> None:
    composer = Composer(seed)
    succeeded = 0
    with skerry.open() as database:
        for text in ["SET statement_timeout = '2s'", *setup.split(";\n")]:
            database.execute(text)
        for number in range(STATEMENTS):
            composer.forms.clear()
            text = composer.change() if number % 4 == 3 else composer.query(2, [], 2)
            try:
                database.execute(text).fetchall()
                succeeded += 1
            except (
                skerry.ProgrammingError,
                skerry.DataError,
                skerry.IntegrityError,
                skerry.NotSupportedError,
            ):
                pass
            except skerry.errors.QueryCanceled:
                pass
            except Exception as problem:
                problem.add_note(text)
                raise
    assert succeeded > STATEMENTS // 4


@pytest.mark.parametrize("setup", [NATIVE, TABLES], ids=["native", "tables"])
@pytest.mark.parametrize("label", ["S", "T", "S|T"])
def test_a_search_may_pass_elements_that_are_known(setup: str, label: str) -> None:
    with skerry.open() as database:
        for text in setup.split(";\n"):
            database.execute(text)
        end = "RETURN x.n AS x, y.n AS y, k.n AS k, size(e) AS e ORDER BY x, y, k, e"
        path = "(x)-[e]->{1,2}(k)-[f]->{0,2}(y)"
        known = database.execute(f"MATCH (k:{label}) MATCH {path} {end}").fetchall()
        assert known
        assert known == database.execute(f"MATCH {path} WHERE k IS LABELED {label} {end}").fetchall()
        edge = "MATCH (:S)-[m]->(:S|T) MATCH (a)-[m]->(b)-[o]->{0,2}(c) RETURN count(*)"
        other = "MATCH (a:S)-[m]->(b:S|T)-[o]->{0,2}(c) RETURN count(*)"
        assert database.execute(edge).scalar() == database.execute(other).scalar()
