"""What nests too deeply is refused as such, wherever in the engine it gets too deep, and what is kept can be read
back."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from support.catalog_swap import swap_catalog
from support.sessions import SqlDatabase

from skerry_engine import errors

SHAPES: dict[str, Callable[[int], str]] = {
    "plus": lambda n: "+".join(["a"] * n),
    "parentheses": lambda n: "(" * n + "a" + ")" * n,
    "subqueries": lambda n: "(select " * n + "a" + ")" * n,
    "case": lambda n: "case when b then " * n + "a" + " end" * n,
    "calls": lambda n: "abs(" * n + "a" + ")" * n,
    "casts": lambda n: "a" + "::text::int" * n,
    "not": lambda n: "(" + "not " * n + "b)::int",
    "arrays": lambda n: "(array[" * n + "a" + "])[1]" * n,
    "joins": lambda n: (
        "(select count(*) from t x" + "".join(f" join t x{i} on true" for i in range(n // 2)) + ")"
    ),
}
STATEMENTS = (
    "select {} from t",
    "create view v as select {} as x from t",
    "alter table t add check ({} > 0)",
    "create index on t (({}))",
    "create table made as select {} as x from t",
    "alter table t alter a type bigint using {}",
    "update t set a = {}",
)
DEPTHS = (40, 130, 245, 1000)


@pytest.mark.parametrize("shape", SHAPES)
def test_what_nests_deeply_works_or_is_refused_as_too_complex(shape: str) -> None:
    done = refused = 0
    for statement in STATEMENTS:
        for depth in DEPTHS:
            database = SqlDatabase("create table t (a int, b bool)", "insert into t values (1, true)")
            text = statement.format(SHAPES[shape](depth))
            try:
                database.session().run_all(text)
                done += 1
            except errors.NotSupportedError:  # a subquery in an index
                continue
            except errors.StatementTooComplex:
                refused += 1
            swap_catalog(database.engine)
            assert database.rows("select b from t") == [(True,)]
    assert done and refused
