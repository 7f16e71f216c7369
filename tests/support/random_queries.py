"""Random SELECTs over three small tables with NULLs and duplicates:
text that every SQL database takes the same way.

    text, is_ordered = QueryMaker(random).query()

`random` is anything with `random.Random`'s interface; hypothesis' `randoms()` makes what fails shrink.
Nothing drawn here depends on what SQL leaves open: ORDER BY names every output column, nothing divides or
overflows, and LIMIT comes with ORDER BY only.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

TABLES = """
create table a (id int not null, x int, y int, t text, b boolean);
create table c (id int not null, a_id int, x int, t text, n numeric(8,2));
create table e (id int not null, x bigint, d date);
"""

INDEXES = """
alter table a add primary key (id);
alter table c add primary key (id);
create index on a (x);
create index on a (y desc, t);
create index on a (t) where x > 1;
create index on c (a_id);
create unique index on c (x, id);
create index on c (t desc nulls last);
create index on c (n);
create index on e (x);
create unique index on e (id);
create index on e (d);
create index on a (lower(t));
"""

COLUMNS = {
    "a": [("id", "int"), ("x", "int"), ("y", "int"), ("t", "text"), ("b", "bool")],
    "c": [("id", "int"), ("a_id", "int"), ("x", "int"), ("t", "text"), ("n", "num")],
    "e": [("id", "int"), ("x", "int"), ("d", "date")],
}
_WORDS = ["", "a", "b", "ab", "B", "é", "a%", "zz", "a b"]
_DATES = ["2020-01-01", "2020-02-29", "1999-12-31", "2030-06-15"]
_COMPARISONS = ["=", "=", "=", "<>", "<", "<=", ">", ">="]


def _literal(rng: Random, kind: str) -> str:
    if kind == "int":
        return str(rng.randrange(-2, 9))
    if kind == "text":
        return f"'{rng.choice(_WORDS)}'"
    if kind == "num":
        return rng.choice(["0", "1.5", "2.25", "-3.10", "7", "100.01"])
    if kind == "date":
        return f"date '{rng.choice(_DATES)}'"
    return rng.choice(["true", "false"])


def rows_sql(rng: Random, count: int = 30) -> str:
    """INSERTs that fill the tables."""
    lines = []
    for table, columns in COLUMNS.items():
        rows = []
        for number in range(1, count + 1):
            cells = [str(number)]
            for name, kind in columns[1:]:
                if name == "a_id":
                    cells.append("null" if rng.randrange(5) == 0 else str(rng.randrange(1, 36)))
                else:
                    cells.append("null" if rng.randrange(5) == 0 else _literal(rng, kind))
            rows.append(f"({', '.join(cells)})")
        lines.append(f"insert into {table} values {', '.join(rows)};")
    return "\n".join(lines)


@dataclass
class Source:
    """A name in scope with its columns and their kinds."""

    alias: str
    columns: list[tuple[str, str]]


class QueryMaker:
    """Draws one query."""

    def __init__(self, rng: Random, budget: int = 18) -> None:
        self.rng = rng
        self.budget = budget
        self._count = 0
        self._ctes: list[Source] = []

    # --- choices ----------------------------------------

    def _one_in(self, n: int) -> bool:
        return self.rng.randrange(n) == 0

    def _spend(self) -> bool:
        """Whether something nested can still be afforded."""
        self.budget -= 1
        return self.budget > 0

    def _alias(self) -> str:
        self._count += 1
        return f"r{self._count}"

    # --- queries ----------------------------------------

    def query(self) -> tuple[str, bool]:
        """(text, whether the order of its rows is determined)."""
        prefix = ""
        if self._one_in(5):
            name = self._alias()
            inner, columns = self._block([], top=False)
            hint = self.rng.choice(["", "", "materialized ", "not materialized "])
            prefix = f"with {name} as {hint}({inner}) "
            self._ctes.append(Source(name, columns))
        if self._one_in(6):
            body, columns = self._set_operation()
        else:
            body, columns = self._block([], top=True)
        if self._one_in(3):
            return prefix + body, False
        order = ", ".join(
            f"{n}{self.rng.choice(['', '', ' desc', ' nulls first', ' desc nulls last'])}"
            for n in self._shuffled(range(1, len(columns) + 1))
        )
        body += f" order by {order}"
        if self._one_in(3):
            body += f" limit {self.rng.randrange(0, 9)}"
            if self._one_in(2):
                body += f" offset {self.rng.randrange(0, 6)}"
        return prefix + body, True

    def _shuffled(self, items: range) -> list[int]:
        made = list(items)
        if self._one_in(2):
            made.reverse()
        return made

    def _set_operation(self) -> tuple[str, list[tuple[str, str]]]:
        kinds = [self.rng.choice(["int", "text", "int"]) for _ in range(self.rng.randrange(1, 3))]
        text, columns = self._block([], kinds=kinds)
        for _ in range(self.rng.randrange(1, 3)):
            operator = self.rng.choice(
                ["union", "union all", "intersect", "except", "except all", "intersect all"]
            )
            other, _ = self._block([], kinds=kinds)
            text = f"({text}) {operator} ({other})"
        return text, columns

    def _block(
        self, outer: list[Source], top: bool = False, kinds: list[str] | None = None
    ) -> tuple[str, list[tuple[str, str]]]:
        """(SELECT ..., its output columns), with the sources of enclosing blocks in scope."""
        source, sources = self._from(outer)
        scope = sources + outer
        where = f" where {self._condition(scope)}" if self._one_in(2) or not top else ""
        if self._one_in(4):
            return self._grouped(source, sources, scope, where, kinds)
        items, columns = [], []
        for number in range(len(kinds) if kinds else self.rng.randrange(1, 4)):
            kind = kinds[number] if kinds else self.rng.choice(["int", "int", "text", "bool", "num", "date"])
            name = f"o{number}"
            expression = self._expression(scope, kind)
            if kind == "int" and self._one_in(8):
                expression = self._window(sources)
            items.append(f"{expression} as {name}")
            columns.append((name, kind))
        distinct = "distinct " if self._one_in(6) else ""
        return f"select {distinct}{', '.join(items)} from {source}{where}", columns

    def _grouped(
        self, source: str, sources: list[Source], scope: list[Source], where: str, kinds: list[str] | None
    ) -> tuple[str, list[tuple[str, str]]]:
        kinds_of_keys = [k for k in ("int", "text", "int", "bool") if self._has(sources, k)]
        keys = [
            self._column(sources, self.rng.choice(kinds_of_keys))
            for _ in range(self.rng.randrange(0, 3) if kinds_of_keys else 0)
        ]
        wanted = kinds or [
            self.rng.choice(["int", "num", "text", "bool"]) for _ in range(self.rng.randrange(1, 4))
        ]
        items = [f"{self._aggregate(sources, kind)} as o{n}" for n, kind in enumerate(wanted)]
        columns = [(f"o{n}", kind) for n, kind in enumerate(wanted)]
        if kinds is None:
            for number, key in enumerate(keys):
                items.append(f"{key} as k{number}")
                columns.append((f"k{number}", self._kind_of(sources, key)))
        group = ""
        if keys:
            listed = ", ".join(keys)
            group = f" group by {self.rng.choice([listed, listed, listed, f'rollup ({listed})', f'cube ({listed})'])}"
        having = (
            f" having {self._aggregate(sources, 'int')} > {self.rng.randrange(0, 4)}"
            if self._one_in(4)
            else ""
        )
        return f"select {', '.join(items)} from {source}{where}{group}{having}", columns

    def _kind_of(self, sources: list[Source], column: str) -> str:
        alias, _, name = column.partition(".")
        for source in sources:
            if source.alias == alias:
                return dict(source.columns)[name]
        return "int"

    def _aggregate(self, sources: list[Source], kind: str) -> str:
        if kind == "int":
            column = self._expression(sources, "int", 2)
            made = self.rng.choice(
                [
                    "count(*)",
                    f"count({column})",
                    f"count(distinct {column})",
                    f"sum({column})::int",
                    f"min({column})",
                    f"max({column})",
                ]
            )
        elif kind == "text":
            column = self._expression(sources, "text", 2)
            made = self.rng.choice(
                [f"min({column})", f"max({column})", f"string_agg({column}, ',' order by {column})"]
            )
        elif kind == "num":
            column = self._expression(sources, "num", 2)
            made = self.rng.choice([f"sum({column})", f"max({column})", f"round(avg({column}), 3)"])
        elif kind == "date":
            made = f"max({self._expression(sources, 'date', 2)})"
        else:
            column = self._condition(sources, 2)
            made = self.rng.choice([f"bool_and({column})", f"bool_or({column})"])
        if self._one_in(6) and "::" not in made and not made.startswith("round"):
            made += f" filter (where {self._condition(sources, 2)})"
        return made

    def _window(self, sources: list[Source]) -> str:
        ids = ", ".join(f"{source.alias}.{name}" for source in sources for name, _ in source.columns)
        partition = f"partition by {self._column(sources, 'int')} " if self._one_in(2) else ""
        value = self._column(sources, "int")
        function = self.rng.choice(
            [
                "count(*)",
                f"sum({value})::int",
                f"min({value})",
                "rank()",
                "dense_rank()",
                f"count({value})",
            ]
        )
        if function.endswith("::int"):
            return f"(sum({value}) over ({partition}order by {ids}))::int"
        frame = self.rng.choice(
            ["", "", " rows between 2 preceding and 1 following", " rows unbounded preceding"]
        )
        if function.endswith("rank()"):
            frame = ""
        return f"{function} over ({partition}order by {ids}{frame})"

    # --- FROM ----------------------------------------

    def _from(self, outer: list[Source]) -> tuple[str, list[Source]]:
        text, source = self._item(outer)
        sources = [source]
        while self._one_in(2) and len(sources) < 4 and self._spend():
            if self._one_in(6):
                more, other = self._lateral(sources + outer)
                text += f" {self.rng.choice(['cross join', 'cross join', 'left join'])} {more}"
                sources.append(other)
                if "left join" in text[-len(more) - 12 : -len(more)]:
                    text += f" on {self._condition(sources, 2)}"
                continue
            more, other = self._item(outer)
            kind = self.rng.choice(
                ["join", "join", "left join", "right join", "full join", "cross join", ","]
            )
            if kind == ",":
                # a comma binds more weakly than JOIN: the rest of the list is one item of its own
                text = f"{text} cross join {more}"
            elif kind == "cross join":
                text += f" cross join {more}"
            else:
                equality = f"{self._column(sources, 'int')} = {self._column([other], 'int')}"
                condition = equality
                if kind != "full join":
                    condition = self.rng.choice(
                        [
                            equality,
                            equality,
                            f"{equality} and {self._condition([*sources, other], 2)}",
                            self._condition([*sources, other], 2),
                        ]
                    )
                text += f" {kind} {more} on {condition}"
            sources.append(other)
        return text, sources

    def _item(self, outer: list[Source]) -> tuple[str, Source]:
        alias = self._alias()
        pick = self.rng.randrange(12)
        if pick == 0 and self._ctes:
            cte = self.rng.choice(self._ctes)
            return f"{cte.alias} as {alias}", Source(alias, cte.columns)
        if pick == 1 and self._spend():
            inner, columns = self._block([])
            return f"({inner}) as {alias}", Source(alias, columns)
        if pick == 2:
            rows = ", ".join(
                f"({self._maybe_null('int')}, {self._maybe_null('text')})"
                for _ in range(self.rng.randrange(1, 12))
            )
            return f"(values (1, 'v'), {rows}) as {alias} (vi, vt)", Source(
                alias, [("vi", "int"), ("vt", "text")]
            )
        if pick == 3:
            return f"generate_series(1, {self.rng.randrange(0, 6)}) as {alias} (g)", Source(
                alias, [("g", "int")]
            )
        table = self.rng.choice(["a", "a", "c", "c", "e"])
        return f"{table} as {alias}", Source(alias, COLUMNS[table])

    def _maybe_null(self, kind: str) -> str:
        return "null" if self._one_in(5) else _literal(self.rng, kind)

    def _lateral(self, outer: list[Source]) -> tuple[str, Source]:
        alias = self._alias()
        if self._one_in(2):
            call = f"lateral generate_series(1, {self._column(outer, 'int')})"
            return f"{call} as {alias} (g)", Source(alias, [("g", "int")])
        inner, columns = self._block(outer)
        return f"lateral ({inner}) as {alias}", Source(alias, columns)

    # --- expressions ----------------------------------------

    def _column(self, sources: list[Source], kind: str) -> str:
        found = [f"{s.alias}.{name}" for s in sources for name, its in s.columns if its == kind]
        if found:
            return self.rng.choice(found)
        if kind == "num":
            return f"({self._column(sources, 'int')})::numeric" if self._has(sources, "int") else "1.5"
        return f"cast({_literal(self.rng, kind)} as {_TYPES[kind]})"

    def _has(self, sources: list[Source], kind: str) -> bool:
        return any(its == kind for s in sources for _, its in s.columns)

    def _expression(self, sources: list[Source], kind: str, depth: int = 0) -> str:
        pick = self.rng.randrange(10)
        if depth >= 3 or pick < 4 or not self._spend():
            return self._column(sources, kind)
        if pick == 4:
            return _typed_literal(self.rng, kind)
        if pick == 5:
            return (
                f"case when {self._condition(sources, depth + 1)} then {self._expression(sources, kind, depth + 1)}"
                f" else {self._expression(sources, kind, depth + 1)} end"
            )
        if pick == 6:
            return f"coalesce({self._expression(sources, kind, depth + 1)}, {_typed_literal(self.rng, kind)})"
        if pick == 7 and depth < 2:
            inner, _ = self._scalar_block(sources, kind)
            return f"({inner})"
        return self._operation(sources, kind, depth)

    def _scalar_block(self, outer: list[Source], kind: str) -> tuple[str, str]:
        source, sources = self._from(outer) if self._one_in(2) else self._plain_from()
        where = f" where {self._condition(sources + outer, 1)}"
        function = self.rng.choice(["min", "max"]) if kind != "bool" else "bool_or"
        return f"select {function}({self._column(sources, kind)}) from {source}{where}", kind

    def _plain_from(self) -> tuple[str, list[Source]]:
        alias = self._alias()
        table = self.rng.choice(["a", "c", "e"])
        return f"{table} as {alias}", [Source(alias, COLUMNS[table])]

    def _operation(self, sources: list[Source], kind: str, depth: int) -> str:
        def sub(of: str) -> str:
            return self._expression(sources, of, depth + 1)

        if kind == "int":
            made = self.rng.choice(
                [
                    "({0} + {1})",
                    "({0} - {1})",
                    "-({0})",
                    "abs({0})",
                    "nullif({0}, {1})",
                    "greatest({0}, {1})",
                    "least({0}, {1})",
                    "length({t})",
                    "({0} % 7)",
                ]
            )
        elif kind == "text":
            made = self.rng.choice(
                [
                    "({0} || {1})",
                    "upper({0})",
                    "lower({0})",
                    "substr({0}, 1, 1)",
                    "({i})::text",
                    "concat({0}, {i})",
                    "nullif({0}, {1})",
                ]
            )
        elif kind == "num":
            made = self.rng.choice(["({0} + {1})", "({0} - {i})", "round({0}, 1)", "({i} * 1.5)"])
        elif kind == "date":
            made = self.rng.choice(["({0} + {i})", "least({0}, {1})"])
        else:
            return f"({self._condition(sources, depth + 1)})"
        return made.format(sub(kind), sub(kind), t=sub("text"), i=self._column(sources, "int"))

    def _condition(self, sources: list[Source], depth: int = 0) -> str:
        pick = self.rng.randrange(16)
        if depth < 3 and pick < 5 and self._spend():
            left, right = self._condition(sources, depth + 1), self._condition(sources, depth + 1)
            return self.rng.choice(
                [f"({left} and {right})", f"({left} or {right})", f"not ({left})", f"{left} and {right}"]
            )
        kind = self.rng.choice(["int", "int", "int", "text", "num", "date"])
        if not self._has(sources, kind):
            kind = "int"
        left = self._expression(sources, kind, depth + 1)
        if pick == 6:
            return f"{left} is {self.rng.choice(['', 'not '])}null"
        if pick == 7:
            return f"{left} between {_literal(self.rng, kind)} and {_literal(self.rng, kind)}"
        if pick == 8:
            items = ", ".join(self._maybe_null(kind) for _ in range(self.rng.choice([1, 2, 3, 12])))
            return f"{left} {self.rng.choice(['', 'not '])}in ({items})"
        if pick == 9:
            return f"{left} is {self.rng.choice(['', 'not '])}distinct from {self._maybe_null(kind)}"
        if pick == 10 and depth < 2 and self._spend():
            return self._subquery_condition(sources, left, kind)
        if pick == 11 and depth < 2 and self._spend():
            source, inner = self._plain_from() if self._one_in(2) else self._from(sources)
            test = f"select 1 from {source} where {self._condition(inner + sources, depth + 1)}"
            if self._one_in(2) and self._has(inner, "int") and self._has(sources, "int"):
                test += f" and {self._column(inner, 'int')} = {self._column(sources, 'int')}"
            return f"{self.rng.choice(['', 'not '])}exists ({test})"
        if pick == 12 and self._has(sources, "bool"):
            column = self._column(sources, "bool")
            return column + self.rng.choice(
                ["", "", " is true", " is not true", " is false", " is unknown", " = true"]
            )
        if pick == 13 and self._has(sources, "text"):
            column = self._expression(sources, "text", depth + 1)
            return f"{column} {self.rng.choice(['like', 'not like', 'ilike'])} {self.rng.choice(_PATTERNS)}"
        if pick == 14:
            column = self._column(sources, "int")
            array = self.rng.choice(["array[1, 2, null]", "array[3]", "'{1,5,7}'::int[]", "array[]::int[]"])
            return f"{column} {self.rng.choice(['= any', '<> all', '< any', '>= all'])} ({array})"
        if pick == 15 and self._has(sources, "int"):
            pair = f"({self._column(sources, 'int')}, {self._column(sources, 'int')})"
            return f"{pair} {self.rng.choice(['=', '<', '>=', '<>'])} ({self._maybe_null('int')}, {_literal(self.rng, 'int')})"
        right = _literal(self.rng, kind) if self._one_in(2) else self._expression(sources, kind, depth + 1)
        return f"{left} {self.rng.choice(_COMPARISONS)} {right}"

    def _subquery_condition(self, sources: list[Source], left: str, kind: str) -> str:
        outer = sources if self._one_in(2) else []
        inner, _ = self._block(outer, kinds=[kind])
        form = self.rng.choice(["in", "not in", "= any", "<> all", "> all", "<= any", "in"])
        return f"{left} {form} ({inner})"


_TYPES = {"int": "int", "text": "text", "num": "numeric", "date": "date", "bool": "boolean"}
_PATTERNS = ["'a%'", "'%b'", "'_'", "'%'", "''", "'a\\%'", "'%é%'"]


def _typed_literal(rng: Random, kind: str) -> str:
    text = _literal(rng, kind)
    return f"cast({text} as text)" if kind == "text" else text
