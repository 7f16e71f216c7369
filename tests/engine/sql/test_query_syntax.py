"""The trees that queries become, and PostgreSQL's errors for what is none."""

from __future__ import annotations

import pytest
from sqlglot import expressions as exp

from skerry_engine.errors import NotSupportedError, StatementTooComplex, SyntaxError, WindowingError
from skerry_engine.sql.bridge import parse_expression, parse_query, position_of, type_name_of


def call(text: str) -> exp.Anonymous:
    node = parse_expression(text)
    assert isinstance(node, exp.Anonymous)
    return node


@pytest.mark.parametrize(
    ("text", "name", "arguments"),
    [
        ("extract(year from d)", "extract", ["'year'", "d"]),
        ("position('a' in b)", "position", ["b", "'a'"]),
        ("substring(a from 2 for 3)", "substring", ["a", "2", "3"]),
        ("substring(a for 3 from 2)", "substring", ["a", "2", "3"]),
        ("substring(a for 3)", "substring", ["a", "1", "3"]),
        ("trim(a)", "btrim", ["a"]),
        ("trim(leading 'x' from a)", "ltrim", ["a", "'x'"]),
        ("trim(trailing from a)", "rtrim", ["a"]),
        ("overlay(a placing b from 1)", "overlay", ["a", "b", "1"]),
        ("a at time zone 'UTC'", "timezone", ["'UTC'", "a"]),
        ("(a, b) overlaps (c, d)", "overlaps", ["a", "b", "c", "d"]),
        ("collation for (a)", "pg_collation_for", ["a"]),
    ],
)
def test_special_syntax_becomes_calls_of_system_functions(text: str, name: str, arguments: list[str]) -> None:
    node = call(text)
    assert (node.name, node.args["schema"]) == (name, "pg_catalog")
    assert [argument.sql("postgres") for argument in node.expressions] == arguments


def test_calls_keep_their_clauses() -> None:
    node = call("s.f(distinct a, b order by c) filter (where d) over (partition by e order by g)")
    assert (node.name, node.args["schema"], node.args["distinct"]) == ("f", "s", True)
    assert len(node.args["order"].expressions) == 1
    assert node.args["filter"].name == "d"
    assert node.args["over"].args["partition_by"][0].name == "e"


def test_within_group_star_variadic_and_named_arguments() -> None:
    assert call("percentile_cont(0.5) within group (order by x)").args["within_group"].expressions
    assert call("count(*)").args["star"] is True
    assert call("f(a, variadic b)").args["variadic"] is True
    assert isinstance(call("f(a => 1)").expressions[0], exp.Kwarg)


def test_words_that_are_calls_without_parentheses() -> None:
    assert (call("current_timestamp(3)").name, call("current_date").args["bare"]) == (
        "current_timestamp",
        True,
    )


def test_casts_carry_the_written_type() -> None:
    node = parse_expression("a::character varying(10)[]")
    name = type_name_of(node.args["to"])
    assert (name.names, name.modifiers, name.dimensions) == (("pg_catalog", "varchar"), ("10",), 1)


def test_intervals_keep_their_text_and_fields() -> None:
    node = parse_expression("interval '1' day to second(2)")
    name = type_name_of(node.args["to"])
    assert (node.this.name, node.args["typed_literal"]) == ("1", True)
    assert (name.interval_fields, name.modifiers) == ("day to second", ("2",))


def test_row_tests_keep_their_negation() -> None:
    node = parse_expression("row(a, b) is not null")
    assert isinstance(node, exp.Is)
    assert node.args["negate"] is True  # not the same as NOT (row IS NULL)


def test_nested_parentheses_show_themselves_as_queries_late() -> None:
    node = parse_expression("((select 1) union (select 2))")
    assert isinstance(node, exp.Subquery)
    assert isinstance(node.this, exp.Union)
    assert isinstance(parse_expression("((select 1) + 1)"), exp.Operator)


def test_set_operations_group_and_take_options_once() -> None:
    tree = parse_query("select 1 union select 2 intersect select 3 order by 1 limit 2")
    assert isinstance(tree, exp.Union)
    assert isinstance(tree.expression, exp.Intersect)
    assert tree.args["order"] is not None
    with pytest.raises(SyntaxError, match="multiple LIMIT clauses not allowed"):
        parse_query("(select 1 limit 1) limit 2")


def test_joins_group_left_and_take_the_nearest_condition() -> None:
    tree = parse_query("select 1 from a join b join c on x on y left join d using (k)")
    outer = tree.args["from_"].expressions[0]
    assert (outer.args["side"], [name.name for name in outer.args["using"]]) == ("LEFT", ["k"])
    inner = outer.args["left"]
    assert inner.args["on"].name == "y"
    assert inner.this.args["on"].name == "x"


def test_functions_in_from() -> None:
    tree = parse_query(
        "select 1 from f(1) with ordinality as g(a, b), rows from (f(1), h(2)) as z, j() as (x int)"
    )
    first, second, third = tree.args["from_"].expressions
    assert (first.args["ordinality"], [c.name for c in first.args["alias"].args["columns"]]) == (
        True,
        ["a", "b"],
    )
    assert (second.args["rows_from"], len(second.expressions)) == (True, 2)
    assert third.args["columns"][0].name == "x"


def test_data_changes() -> None:
    tree = parse_query(
        "with w as (select 1) insert into t as x (a, b[1]) overriding user value select 1, 2 "
        "on conflict (a, lower(b)) where c do update set a = 1, (b, c) = (select 1, 2) where x.a > 1 returning *"
    )
    assert isinstance(tree, exp.Insert)
    conflict = tree.args["conflict"]
    assert (tree.args["overriding"], conflict.args["action"]) == ("USER", "UPDATE")
    assert len(conflict.args["conflict_keys"]) == 2
    assert isinstance(conflict.expressions[1].this, exp.Tuple)
    assert tree.args["with_"] is not None


def test_client_parameters_without_spaces() -> None:
    tree = parse_query("insert into plain(id,name) values($1,$2)")
    assert [node.name for node in tree.find_all(exp.Parameter)] == ["1", "2"]


def test_positions_are_those_of_the_text() -> None:
    tree = parse_query("select a,\n lower(b) from t where c = 1")
    found = {
        type(node).__name__: position_of(node)
        for node in tree.find_all(exp.Anonymous, exp.Table, exp.Operator)
    }
    assert found == {"Anonymous": 12, "Table": 26, "Operator": 36}


@pytest.mark.parametrize(
    ("text", "message", "position"),
    [
        ("select 1 +", "syntax error at end of input", 11),
        ("select from where", 'syntax error at or near "where"', 13),
        ("select a b c", 'syntax error at or near "c"', 12),
        ("select 'a' 'b'", "syntax error at or near \"'b'\"", 12),
        ("select a from t where", "syntax error at end of input", 22),
        ("select * from t limit 1, 2", "LIMIT #,# syntax is not supported", 17),
        ("select * from (select 1)", "subquery in FROM must have an alias", 15),
        ("select 1 < 2 < 3", 'syntax error at or near "<"', 14),
        ("select now()[1]", 'syntax error at or near "["', 13),
        ("select x -> y from t group by", "syntax error at end of input", 30),
        ("select a.b.c.d.e", "improper qualified name (too many dotted names): a.b.c.d.e", 8),
        ("insert into t values (1", "syntax error at end of input", 24),
        ("update t set a", "syntax error at end of input", 15),
        ("delete t", 'syntax error at or near "t"', 8),
        ("select 1 from t join u", "syntax error at end of input", 23),
        ("select case end", 'syntax error at or near "end"', 13),
    ],
)
def test_errors_are_postgres_errors(text: str, message: str, position: int) -> None:
    with pytest.raises(SyntaxError) as caught:
        parse_query(text)
    assert (caught.value.message, caught.value.position) == (message, position)


def test_frames_that_end_before_they_start_are_refused() -> None:
    with pytest.raises(WindowingError, match="frame end cannot be UNBOUNDED PRECEDING"):
        parse_query("select sum(a) over (rows between current row and unbounded preceding) from t")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("select * from t tablesample system (1)", "TABLESAMPLE"),
        ("select xmlelement(name a)", "XMLELEMENT"),
        ("delete from t where current of c", "WHERE CURRENT OF"),
        ("with recursive a as (select 1) search depth first by x set y select 1", "SEARCH in WITH"),
    ],
)
def test_what_skerry_lacks_is_refused_by_name(text: str, what: str) -> None:
    with pytest.raises(NotSupportedError, match=what):
        parse_query(text)


def test_deep_nesting_is_refused_and_long_chains_are_not() -> None:
    with pytest.raises(StatementTooComplex):
        parse_query("select " + "(" * 5000 + "1" + ")" * 5000)
    assert parse_query("select " + " or ".join(["a = 1"] * 3000)) is not None
