"""Random tables, deferred views over them and changes of the tables: after every catch-up a view has what its query gives.

    python -m support.deferred_views SEED [SEED ...]     (in tests/) one after the other; SKERRY_VIEW_SECONDS=60 for new ones

A seed is everything.  Two images of one value (1.0 and 1.00) are only in columns that are no key of a group: which of
them shows there is nobody's promise.
"""

from __future__ import annotations

import os
import random
import sys
import time
from collections import Counter
from dataclasses import dataclass

from skerry_engine import errors
from skerry_engine.session.steps import Wait
from support.sessions import SqlDatabase, SqlSession

COLUMNS = {
    "k": ("int4", ["NULL", "1", "2", "3"]),
    "b": ("int8", ["NULL", "1", "2", "-5", "4611686018427387904"]),
    "n": (
        "numeric",
        ["NULL", "0", "1.0", "1.00", "2.5", "-0.125", "'NaN'", "'Infinity'", "'-Infinity'", "1e-20"],
    ),
    "m": ("numeric(9, 2)", ["NULL", "1", "2.25", "-3.5"]),
    "s": ("text", ["NULL", "''", "'a'", "'b'", "'ä'"]),
    "f": ("float8", ["NULL", "1.5", "'NaN'", "-2"]),
    "t": ("bool", ["NULL", "true", "false"]),
    "d": ("date", ["NULL", "'2024-02-29'", "'1999-12-31'"]),
}
KEYS = ("k", "b", "m", "s", "f", "t", "d")
TABLES = ("t1", "t2", "t3")


@dataclass(frozen=True)
class Source:
    """Something to select from: its text, and its columns with their kinds (names in COLUMNS)."""

    text: str
    columns: dict[str, str]


class RandomQueries:
    """Queries of the shapes that can be maintained."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._names = 0

    def _name(self) -> str:
        self._names += 1
        return f"x{self._names}"

    def query(self, depth: int = 2) -> Source:
        """A query; its text is what stands in parentheses."""
        kinds = [self._plain, self._plain, self._grouped, self._grouped, self._distinct, self._total]
        if depth:
            kinds += [self._union, self._with]
        return self._rng.choice(kinds)(depth)

    def _base(self, depth: int) -> Source:
        """A table, a view or a query, with an alias."""
        alias = self._name()
        if depth and self._rng.random() < 0.3:
            inner = self.query(depth - 1)
            text = f"({inner.text}) {alias}"
            columns = inner.columns
        else:
            table = self._rng.choice((*TABLES, "w"))
            text = f"{table} {alias}"
            columns = {"k": "k", "s": "s"} if table == "w" else {name: name for name in COLUMNS}
        return Source(text, {f"{alias}.{name}": kind for name, kind in columns.items()})

    def _from(self, depth: int) -> Source:
        """A FROM clause with its WHERE."""
        rng = self._rng
        made = self._base(depth)
        conditions: list[str] = []
        for _ in range(rng.choice((0, 0, 1, 1, 2))):
            other = self._base(depth)
            pairs = [
                (one, two)
                for one, kind in made.columns.items()
                for two, kind_of_two in other.columns.items()
                if kind == kind_of_two or {kind, kind_of_two} == {"k", "b"}
            ]
            if pairs and rng.random() < 0.85:
                one, two = rng.choice(pairs)
                if rng.random() < 0.5:
                    made = Source(
                        f"{made.text} JOIN {other.text} ON {one} = {two}", {**made.columns, **other.columns}
                    )
                    continue
                conditions.append(f"{two} = {one}")
            made = Source(f"{made.text} CROSS JOIN {other.text}", {**made.columns, **other.columns})
        conditions += [self._condition(made.columns) for _ in range(rng.choice((0, 1, 1, 2)))]
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        return Source(f"FROM {made.text}{where}", made.columns)

    def _condition(self, columns: dict[str, str]) -> str:
        rng = self._rng
        name, kind = rng.choice(list(columns.items()))
        value = rng.choice(COLUMNS[kind][1][1:])
        return rng.choice(
            (
                f"{name} = {value}",
                f"{name} IS NOT NULL",
                f"{name} IS DISTINCT FROM {value}",
                f"({name} >= {value} OR {name} IS NULL)",
                f"NOT {name} < {value}",
                f"{name} IN ({value}, {rng.choice(COLUMNS[kind][1])})",
            )
        )

    def _select_list(self, columns: dict[str, str], wanted: int) -> tuple[list[str], dict[str, str]]:
        """(items of a select list, names and kinds)."""
        items: list[str] = []
        kinds: dict[str, str] = {}
        for _ in range(wanted):
            name, kind = self._rng.choice(list(columns.items()))
            made = self._name()
            items.append(f"{self._expression(name, kind)} AS {made}")
            kinds[made] = kind
        return items, kinds

    def _expression(self, name: str, kind: str) -> str:
        others = {
            "k": f"coalesce({name}, 7)",
            "b": f"{name} % 3",
            "n": f"CASE WHEN {name} > 0 THEN {name} ELSE 0 END",
            "s": f"upper({name}) || 'z'",
            "t": f"NOT {name}",
        }
        return others[kind] if kind in others and self._rng.random() < 0.3 else name

    def _plain(self, depth: int) -> Source:
        made = self._from(depth)
        items, kinds = self._select_list(made.columns, self._rng.randint(1, 4))
        return Source(f"SELECT {', '.join(items)} {made.text}", kinds)

    def _distinct(self, depth: int) -> Source:
        made = self._from(depth)
        columns = {name: kind for name, kind in made.columns.items() if kind in KEYS}
        if not columns:
            return self._plain(depth)
        items, kinds = self._select_list(columns, self._rng.randint(1, 2))
        return Source(f"SELECT DISTINCT {', '.join(items)} {made.text}", kinds)

    def _aggregates(self, columns: dict[str, str]) -> tuple[list[str], dict[str, str]]:
        rng = self._rng
        items: list[str] = []
        kinds: dict[str, str] = {}
        for _ in range(rng.randint(1, 3)):
            name, kind = rng.choice(list(columns.items()))
            forms = [("count(*)", "b"), (f"count({name})", "b")]
            if kind in KEYS:
                forms += [(f"count(DISTINCT {name})", "b")]
                if kind != "t":
                    forms += [(f"min({name})", kind), (f"max({name})", kind)] * 2
            if kind in "kbnm":
                of_sum = {"k": "b"}.get(kind, "n")
                forms += [(f"sum({name})", of_sum), (f"avg({name})", "n")] * 2
            if kind in "kbm":
                forms.append((f"sum(DISTINCT {name})", {"k": "b"}.get(kind, "n")))
            if kind == "t":
                forms += [(f"bool_and({name})", "t"), (f"bool_or({name})", "t")]
            text, of = rng.choice(forms)
            if rng.random() < 0.2:
                text += f" FILTER (WHERE {self._condition(columns)})"
            made = self._name()
            items.append(f"{text} AS {made}")
            kinds[made] = of
        return items, kinds

    def _total(self, depth: int) -> Source:
        made = self._from(depth)
        items, kinds = self._aggregates(made.columns)
        return Source(f"SELECT {', '.join(items)} {made.text}", kinds)

    def _grouped(self, depth: int) -> Source:
        made = self._from(depth)
        names = [name for name, kind in made.columns.items() if kind in KEYS]
        if not names:
            return self._total(depth)
        keys = self._rng.sample(names, min(len(names), self._rng.randint(1, 2)))
        items, kinds = self._aggregates(made.columns)
        for key in keys:
            name = self._name()
            items.append(f"{key} AS {name}")
            kinds[name] = made.columns[key]
        having = " HAVING count(*) > 1" if self._rng.random() < 0.3 else ""
        return Source(f"SELECT {', '.join(items)} {made.text} GROUP BY {', '.join(keys)}{having}", kinds)

    def _union(self, depth: int) -> Source:
        one = self.query(depth - 1)
        all_of_it = "" if set(one.columns.values()) <= set(KEYS) and self._rng.random() < 0.4 else " ALL"
        table = self._rng.choice(TABLES)
        same = ", ".join(f"{table}.{kind}" for kind in one.columns.values())
        text = f"({one.text}) UNION{all_of_it} SELECT {same} FROM {table}"
        return Source(text, one.columns)

    def _with(self, depth: int) -> Source:
        inner = self.query(depth - 1)
        cte, alias = self._name(), self._name()
        columns = {f"{alias}.{name}": kind for name, kind in inner.columns.items()}
        items, kinds = self._select_list(columns, self._rng.randint(1, 2))
        key = next((name for name, kind in inner.columns.items() if kind in KEYS), None)
        other = "" if key is None else f" JOIN {cte} AS {alias}b ON {alias}.{key} = {alias}b.{key}"
        return Source(
            f"WITH {cte} AS ({inner.text}) SELECT {', '.join(items)} FROM {cte} {alias}{other}", kinds
        )


class RandomChanges:
    """Statements that change the tables."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng

    def _row(self) -> str:
        return f"({', '.join(self._rng.choice(values) for _, values in COLUMNS.values())})"

    def _where(self) -> str:
        name = self._rng.choice(list(COLUMNS))
        value = self._rng.choice(COLUMNS[name][1])
        return f"{name} IS NOT DISTINCT FROM {value}"

    def statement(self) -> str:
        """One statement."""
        rng = self._rng
        table, name = rng.choice(TABLES), rng.choice(list(COLUMNS))
        draw = rng.random()
        if draw < 0.45:
            rows = ", ".join(self._row() for _ in range(rng.randint(1, 5)))
            return f"INSERT INTO {table} VALUES {rows}"
        if draw < 0.75:
            value = rng.choice(COLUMNS[name][1])
            return f"UPDATE {table} SET {name} = {value} WHERE {self._where()}"
        if draw < 0.97:
            return f"DELETE FROM {table} WHERE {self._where()}"
        if draw < 0.985:
            return f"TRUNCATE {table}"
        return f"ALTER TABLE {table} ALTER e TYPE {rng.choice(('int8', 'int4', 'text'))} USING NULL"

    def transaction(self, session: SqlSession) -> None:
        """Some statements in one transaction, which may be rolled back, a part of it before."""
        session.run_all("BEGIN")
        for _ in range(self._rng.randint(1, 3)):
            session.run_all("SAVEPOINT s")
            session.run_all(self.statement())
            if self._rng.random() < 0.1:
                session.run_all("ROLLBACK TO s")
        session.run_all("ROLLBACK" if self._rng.random() < 0.1 else "COMMIT")


def images(rows: list[tuple[object, ...]]) -> Counter[str]:
    """How often each row is there, values that look different told apart."""
    return Counter(repr(row) for row in rows)


def work(database: SqlDatabase) -> None:
    """What a host does when views are due."""
    while (steps := database.engine.deferred_views.work()) is not None:
        for step in steps:
            if isinstance(step, Wait):
                database.flush()


class Run:
    """One seed's database with its views."""

    def __init__(self, seed: int, views: int = 4) -> None:
        self.rng = random.Random(seed)
        self.database = SqlDatabase()
        self.session = self.database.session()
        self.database.engine.set_retention(3600, None)
        columns = ", ".join(f"{name} {sql_type}" for name, (sql_type, _) in COLUMNS.items())
        for table in TABLES:
            self.session.run_all(f"CREATE TABLE {table} ({columns}, e int4)")
        self.session.run_all("CREATE VIEW w AS SELECT k, s FROM t1 WHERE t")
        self.changes = RandomChanges(self.rng)
        self.queries: dict[str, str] = {}
        for number in range(views):
            self.change()
            self.add_view(f"v{number}")

    def add_view(self, name: str) -> None:
        """Another view."""
        query = RandomQueries(self.rng).query().text
        self.queries[name] = query
        self.session.run_all(f"CREATE MATERIALIZED VIEW {name} WITH (refresh = deferred) AS {query}")

    def change(self) -> None:
        """Some transactions."""
        for _ in range(self.rng.randint(0, 3)):
            self.changes.transaction(self.session)

    def check(self) -> None:
        """Every view has what its query gives at the view's epoch."""
        epochs = self.session.rows("SELECT name, epoch, last_error FROM skerry.deferred_views")
        assert len(epochs) == len(self.queries)
        for name, epoch, error in epochs:
            query = self.queries[str(name)]
            assert error is None, (query, error)
            if epoch is None:
                continue
            found = images(self.session.rows(f"SELECT * FROM {name}"))
            wanted = images(self.session.rows(f"{query} AS OF EPOCH {epoch}"))
            assert found == wanted, (query, found - wanted, wanted - found)

    def step(self) -> None:
        """Changes, with the views behind; then bring some or all of them up to date."""
        self.change()
        self.check()
        if self.rng.random() < 0.4:
            name = self.rng.choice(list(self.queries))
            self.session.run_all(f"REFRESH MATERIALIZED VIEW {name}")
            self.check()
        if self.rng.random() < 0.8:
            work(self.database)
            lags = self.session.rows("SELECT lag_commits, pending_changes FROM skerry.deferred_views")
            assert set(lags) == {(0, 0)}
            self.check()


def run(seed: int, steps: int = 12) -> None:
    """One seed.  Raises AssertionError."""
    try:
        made = Run(seed)
    except errors.NumericValueOutOfRange:
        return  # a sum that no bigint holds, over the rows that there are
    try:
        for _ in range(steps):
            made.step()
    finally:
        made.database.engine.close()


def main() -> None:
    """Seeds from the command line, or new ones for a while."""
    for seed in map(int, sys.argv[1:]):
        run(seed)
    until_s = time.monotonic() + float(os.environ.get("SKERRY_VIEW_SECONDS", "0"))
    seed = int(time.time())
    while time.monotonic() < until_s:
        try:
            run(seed, 30)
        except Exception as error:
            print(f"seed {seed}: {error!r}")
            raise
        seed += 1


if __name__ == "__main__":
    main()
