"""Random INSERTs, UPDATEs and DELETEs over three tables with keys, checks and foreign keys.

What SQL leaves open is not drawn: an UPDATE from a join sets constants, an INSERT of a query is ordered.
"""

from __future__ import annotations

from support.random_queries import COLUMNS, QueryMaker, Source

TABLES = """
create table a (id int primary key, x int default 5, y int, t text, b boolean);
create table c (id int primary key, a_id int references a on delete set null on update cascade, x int unique,
    t text not null default 'd', n numeric(8,2) check (n < 90));
create table e (id int, x bigint, d date);
create index on a (x);
create index on c (a_id);
create unique index on a (y, t) where x > 3;
create index on c (t);
insert into a select g, g % 7, g, 'w' || g % 3, g % 2 = 0 from generate_series(1, 30) g;
insert into c select g, g, g * 3, 'q' || g % 4, g from generate_series(1, 25) g;
insert into e select g, g % 5, date '2020-01-01' + g from generate_series(1, 20) g
"""
CONTENTS = [
    "select * from a order by id",
    "select * from c order by id",
    "select * from e order by id, x nulls first, d nulls first",
]
_CONSTANTS = {"int": "3", "text": "'zz'", "bool": "true", "num": "1.5", "date": "date '2020-01-01'"}


class ChangeMaker(QueryMaker):
    """Draws one change."""

    def change(self) -> str:
        """Its text."""
        table = self.rng.choice(["a", "a", "c", "c", "e"])
        columns = COLUMNS[table]
        pick = self.rng.randrange(9)
        returning = ""
        if self.rng.randrange(3) == 0:
            scope = [Source(table, columns)]
            returning = f" returning {', '.join(self._expression(scope, kind, 2) for _, kind in columns[:2])}"
        if pick < 3:
            return self._update(table, columns, returning)
        if pick < 5:
            return f"delete from {table} where {self._condition([Source(table, columns)])}{returning}"
        return self._insert(table, columns, pick == 5) + returning

    def _update(self, table: str, columns: list[tuple[str, str]], returning: str) -> str:
        scope = [Source(table, columns)]
        changed = self.rng.sample(columns, self.rng.randrange(1, 3))
        if self.rng.randrange(4) == 0:
            item, source = self._item([])
            match = f"{table}.id = {self._column([source], 'int')} and {self._condition([*scope, source], 1)}"
            name, kind = changed[0] if changed[0][0] != "id" else columns[1]
            return f"update {table} set {name} = {_CONSTANTS[kind]} from {item} where {match}"
        values = [
            self._expression(scope, kind, 1) if self.rng.randrange(6) else "default" for _, kind in changed
        ]
        sets = ", ".join(f"{name} = {value}" for (name, _), value in zip(changed, values, strict=True))
        where = f" where {self._condition(scope)}" if self.rng.randrange(5) else ""
        return f"update {table} set {sets}{where}{returning}"

    def _insert(self, table: str, columns: list[tuple[str, str]], from_query: bool) -> str:
        given = [column for column in columns if column[0] == "id" or self.rng.randrange(4)]
        if from_query:
            inner, _ = self._block([], kinds=[kind for _, kind in given])
            body = f"{inner} order by {', '.join(str(n) for n in range(1, len(given) + 1))}"
        else:
            rows = [
                f"({', '.join(self._value(name, kind) for name, kind in given)})"
                for _ in range(self.rng.choice([1, 2, 3, 12]))
            ]
            body = f"values {', '.join(rows)}"
        conflict = ""
        if table != "e" and self.rng.randrange(2) == 0:
            condition = self._condition([Source(table, columns)], 2)
            conflict = self.rng.choice(
                [
                    " on conflict do nothing",
                    " on conflict (id) do nothing",
                    f" on conflict (id) do update set t = excluded.t || {table}.t",
                    f" on conflict (id) do update set x = {table}.x + 1 where {condition}",
                ]
            )
        return f"insert into {table} ({', '.join(name for name, _ in given)}) {body}{conflict}"

    def _value(self, name: str, kind: str) -> str:
        if name == "id":
            return str(self.rng.randrange(1, 60))
        if name == "a_id":
            return "null" if self.rng.randrange(3) == 0 else str(self.rng.randrange(1, 40))
        if name == "x" and self.rng.randrange(3):
            return str(self.rng.randrange(0, 200))
        return "default" if self.rng.randrange(8) == 0 else self._maybe_null(kind)
