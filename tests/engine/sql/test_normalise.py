"""Which literals leave the cache key, and how long lists become data."""

from __future__ import annotations

from decimal import Decimal

import pytest
from sqlglot import expressions as exp

from skerry_engine.sql.bridge import list_index, literal_index, parse_query, template_slot
from skerry_engine.sql.normalise import normalise
from skerry_engine.sql.row_lists import RowList


def key(text: str) -> str:
    return normalise(text).key


def lifted(text: str) -> list[object]:
    return [literal.value for literal in normalise(text).literals]


def row_list(text: str) -> RowList:
    return normalise(text).row_lists[0]


def test_statements_that_differ_in_literals_share_a_key() -> None:
    assert key("SELECT a FROM t WHERE b = 1 AND c = 'x'") == key("select a  from t where b=2 and c='y' -- z")


def test_the_class_of_a_literal_is_in_the_key() -> None:
    keys = {
        key(f"select {text}")
        for text in ("1", "3000000000", "99999999999999999999", "1.5", "'1'", "null", "true")
    }
    assert len(keys) == 6  # the huge integer is a numeric, as 1.5 is


def test_literals_have_values_and_places() -> None:
    literals = normalise("select 7, 'a''b', 1e2").literals
    assert [(x.kind, x.value, x.position) for x in literals] == [
        ("int4", 7, 8),
        ("string", "a'b", 11),
        ("numeric", Decimal("1e2"), 19),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "select a from t order by 1, 2 desc",
        "select a, count(*) from t group by 1",
        "select distinct on (1) a from t",
        "select a from t limit 5",
        "select a from t fetch first 5 rows only",
        "select a::varchar(10), b::numeric(5, 2)",
        "select date '2020-01-01', interval '1 day', \"my type\" 'x'",
        "select extract('year' from d)",
        "select current_timestamp(3), 'a'::text[3]" if False else "select current_timestamp(3)",
    ],
)
def test_what_grammar_or_plan_depend_on_stays(text: str) -> None:
    assert lifted(text) == []


def test_equal_literals_share_a_slot_where_expressions_are_compared() -> None:
    same = "select a + 1 from t group by a + 1"
    other = "select a + 1 from t group by a + 2"
    assert lifted(same) == [1]
    assert key(same) != key(other)
    assert key(same) == key("select a + 5 from t group by a + 5")


def test_quoted_names_and_strings_do_not_collide_in_keys() -> None:
    assert key('select "a b"') != key("select a b")
    assert key("select date 'x'") != key('select date "x"')


def test_tree_literals_tell_their_slots() -> None:
    normalised = normalise("select a from t where b = 10 and c = 'x' limit 3")
    tree = parse_query(normalised)
    found = {literal_index(node): node.name for node in tree.find_all(exp.Literal)}
    assert found == {0: "10", 1: "x", None: "3"}


def test_a_lifted_literal_that_is_syntax_makes_the_whole_text_the_key() -> None:
    first = normalise("select a from t fetch first (5) rows only")
    parse_query(first)
    unsafe = normalise("select 'x'::mytype(3)")
    parse_query(unsafe)
    assert unsafe.literals == ()
    assert unsafe.key.startswith("unlifted")
    assert unsafe.key != normalise("select 'x'::mytype(4)").key


def test_long_in_lists_are_data() -> None:
    texts = [f"select a from t where b in ({', '.join(str(n) for n in range(count))})" for count in (9, 500)]
    first, second = (normalise(text) for text in texts)
    assert first.key == second.key
    assert second.lists[0].values == tuple(range(500))
    literal = parse_query(second).find(exp.In).expressions[0]
    assert list_index(literal) == 0


@pytest.mark.parametrize(
    ("items", "kind", "values"),
    [
        (["-1", "3000000000"], "int8", (-1, 3000000000)),
        (["1", "2.5"], "numeric", (Decimal(1), Decimal("2.5"))),
        (["'a'", "'b'"], "string", ("a", "b")),
    ],
)
def test_an_in_list_has_the_widest_class(items: list[str], kind: str, values: tuple[object, ...]) -> None:
    text = f"select 1 from t where a in ({', '.join(items * 5)})"
    found = normalise(text).lists[0]
    assert (found.kind, found.values) == (kind, values * 5)


@pytest.mark.parametrize("items", [["1", "b"], ["1", "'a'"], ["$1", "$2"], ["1", "null"]])
def test_in_lists_of_other_things_stay(items: list[str]) -> None:
    normalised = normalise(f"select 1 from t where a in ({', '.join(items * 5)})")
    assert normalised.lists == ()
    assert len(parse_query(normalised).find(exp.In).expressions) == 10


def test_short_lists_stay() -> None:
    assert normalise("insert into t values " + ", ".join(["(1, 2)"] * 8)).row_lists == ()
    assert normalise("select 1 from t where a in (1, 2, 3, 4, 5, 6, 7, 8)").lists == ()


def test_long_values_are_data_of_one_template() -> None:
    rows = ", ".join(f"({n}, 'x{n}', NULL, -{n}.5, true)" for n in range(100))
    found = row_list(f"insert into t values {rows}")
    assert [template.kinds for template in found.templates] == [("int4", "string", "null", "numeric", "bool")]
    assert found.rows[3] == (0, (3, "x3", None, Decimal("-3.5"), True))
    assert len(found.rows) == 100


def test_the_number_of_rows_is_not_in_the_key() -> None:
    texts = ["insert into t values " + ", ".join(["(1, 'a')"] * count) for count in (9, 900)]
    assert key(texts[0]) == key(texts[1])


def test_null_fits_any_template_and_numbers_widen() -> None:
    rows = "(1, 'a'), (null, 'b'), (2.5, null), (3000000000, 'c')" + ", (1, 'z')" * 9
    found = row_list(f"insert into t values {rows}")
    assert [template.kinds for template in found.templates] == [("numeric", "string")]
    assert found.rows[:4] == [
        (0, (Decimal(1), "a")),
        (0, (None, "b")),
        (0, (Decimal("2.5"), None)),
        (0, (Decimal(3000000000), "c")),
    ]


def test_rows_of_other_shapes_get_templates_of_their_own() -> None:
    rows = "(1, default), (now(), 2), (3, default), (now(), 4)" + ", (1, 2)" * 9
    found = row_list(f"insert into t values {rows}")
    assert [row[0] for row in found.rows[:5]] == [0, 1, 0, 1, 2]
    assert found.rows[1] == (1, (2,))


def test_template_rows_parse_with_their_slots() -> None:
    normalised = normalise("insert into t values " + ", ".join(["(1, default, 'x', lower('y'))"] * 20))
    values = parse_query(normalised).expression
    assert values.args["row_list"] == 0
    assert len(values.expressions) == 1
    assert [template_slot(node) for node in values.find_all(exp.Literal)] == [0, 1, 2]


def test_too_many_shapes_stay_in_the_text() -> None:
    rows = ", ".join(f"({'a' * n})" for n in range(1, 40))
    normalised = normalise(f"values {rows}")
    assert normalised.row_lists == ()
    assert len(parse_query(normalised).expressions) == 39


def test_unlifted_statements_keep_everything() -> None:
    text = "select 1, 'a' where 2 in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10)"
    plain = normalise(text, lift=False)
    assert (plain.literals, plain.lists) == ((), ())
    assert plain.key != normalise(text.replace("1,", "2,", 1), lift=False).key
