"""Joins whose generated code once read a row that was not there."""

from __future__ import annotations

import pytest
from support.sessions import SqlDatabase, SqlSession


@pytest.fixture(scope="module")
def session() -> SqlSession:
    return SqlDatabase(
        "create table a (id int primary key, x int)",
        "create table b (id int primary key, a_id int, n int not null)",
        "create index on b (a_id)",
        "insert into a values (1, 10), (2, 20), (3, null)",
        "insert into b values (1, 1, 5), (2, 1, 6), (3, null, 7)",
    ).session()


def test_a_built_side_is_no_argument_of_a_stage(session: SqlSession) -> None:
    text = """
        select b.id, g from a left join b on b.a_id = a.id join b c on c.id = b.id
        left join generate_series(1, 0) g on b.id <> g where a.id = 1 order by 1
    """
    assert session.rows(text) == [(1, None), (2, None)]


def test_a_nullable_key_with_a_further_condition(session: SqlSession) -> None:
    text = "select a.id, b.id from b left join a on b.a_id = a.id and a.x between 5 and 15 order by 2"
    assert session.rows(text) == [(1, 1), (1, 2), (None, 3)]


def test_a_not_null_column_is_null_behind_an_outer_join(session: SqlSession) -> None:
    text = (
        "select b.n, count(*) from b right join a on a.id = b.a_id group by b.n order by b.n desc nulls last"
    )
    assert session.rows(text) == [(6, 1), (5, 1), (None, 2)]


def test_the_group_of_an_enclosing_outer_join(session: SqlSession) -> None:
    text = """
        select (select b.n from a i group by b.n order by b.n desc limit 1)
        from a left join b on a.id = b.a_id where a.id = 2
    """
    assert session.rows(text) == [(None,)]


def test_nulls_in_a_long_values_list(session: SqlSession) -> None:
    rows = ", ".join(f"({n}, {'null' if n % 3 == 0 else f'{n}.25'})" for n in range(1, 13))
    session.run_all("create temp table if not exists price (id int, amount numeric(6, 1))")
    session.run_all(f"insert into price values {rows}")
    assert [str(row[0]) for row in session.rows("select amount from price where id < 4 order by id")] == [
        "1.3",
        "2.3",
        "None",
    ]


def test_the_rows_of_an_anti_join_are_not_the_changes_business(session: SqlSession) -> None:
    condition = "exists (select 1 from b where b.a_id = a.id and (b.n, b.id) <> (a.x, a.id))"
    session.run_all("begin")
    assert session.rows(f"update a set x = 0 where not {condition} returning id") == [(2,), (3,)]
    assert session.rows(f"delete from a where not {condition} returning id") == [(2,), (3,)]
    session.run_all("rollback")
