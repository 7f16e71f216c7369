"""Expressions and definitions print as PostgreSQL 15 prints them; the expected texts are its own."""

from __future__ import annotations

import pytest
from support.catalog_world import (
    BOOL,
    INT,
    NUMERIC,
    TEXT,
    FakeSystem,
    World,
    call,
    column,
    explicit,
    implicit,
    integer,
    operation,
    text,
)

from skerry_engine.algebra.expressions import (
    Aggregate,
    And,
    AnyAll,
    ArrayOf,
    Case,
    Cast,
    Coalesce,
    Column,
    Const,
    Expr,
    Extreme,
    IsDistinct,
    IsNull,
    IsTruth,
    Not,
    NullIf,
    Or,
    SortKey,
    Subscript,
)
from skerry_engine.algebra.queries import Aggregation, Derived, Filter, Join, OutputColumn, Scan, Select
from skerry_engine.catalog import changes
from skerry_engine.catalog.bootstrap import POSTGRES
from skerry_engine.catalog.definitions import DefinitionPrinter
from skerry_engine.catalog.deparse import Deparser, Names
from skerry_engine.catalog.objects import IndexDef, View
from skerry_engine.functions.casts import find_cast
from skerry_engine.functions.operators import find_operator
from skerry_engine.functions.registry import AggregateFunction, Function, functions_named
from skerry_engine.values.types import SqlType, format_type

A, B, C = column(0), column(1), column(2, TEXT)
VARCHAR = SqlType(1043)
V, N = column(3, SqlType(1043, 24)), column(4, SqlType(1700))


def plain_type_name(sql_type: SqlType) -> str:
    return format_type(sql_type.oid, sql_type.typmod)


def equality(type_oid: int) -> Function:
    operator = find_operator("=", type_oid, type_oid)
    assert operator is not None
    return operator.function


INT_EQUAL = equality(23)


def to_numeric(arg: Expr) -> Cast:
    """The implicit cast from integer, by its function."""
    found = find_cast(23, 1700)
    assert found is not None
    return Cast(SqlType(1700), arg, found.function, False)


ONE_TO_THREE = ArrayOf(SqlType(1007), (integer(1), integer(2), integer(3)))

CASES: list[tuple[Expr, str, str]] = [
    (operation(A, "=", integer(-5)), "(a = '-5'::integer)", "a = '-5'::integer"),
    (
        And(
            BOOL,
            (
                operation(
                    operation(operation(A, "+", operation(B, "*", integer(2))), "-", integer(1)),
                    ">",
                    integer(3),
                ),
                Or(BOOL, (IsNull(BOOL, C, negated=True), Not(BOOL, operation(A, "=", B)))),
            ),
        ),
        "((((a + (b * 2)) - 1) > 3) AND ((c IS NOT NULL) OR (NOT (a = b))))",
        "(a + b * 2 - 1) > 3 AND (c IS NOT NULL OR NOT a = b)",
    ),
    (
        operation(operation(operation(A, "+", B), "*", integer(2)), "=", integer(4)),
        "(((a + b) * 2) = 4)",
        "((a + b) * 2) = 4",
    ),
    (
        AnyAll(BOOL, A, ONE_TO_THREE, INT_EQUAL, "=", False, True),
        "(a = ANY (ARRAY[1, 2, 3]))",
        "a = ANY (ARRAY[1, 2, 3])",
    ),
    (operation(C, "~~", text("x%")), "(c ~~ 'x%'::text)", "c ~~ 'x%'::text"),
    (
        operation(implicit(V, TEXT), "=", text("q")),
        "((v)::text = 'q'::text)",
        "v::text = 'q'::text",
    ),
    (
        operation(N, ">", implicit(integer(10), SqlType(1700))),
        "(n > (10)::numeric)",
        "n > 10::numeric",
    ),
    (
        operation(explicit(A, SqlType(1700, ((5 << 16) | 1) + 4)), ">", implicit(integer(1), SqlType(1700))),
        "((a)::numeric(5,1) > (1)::numeric)",
        "a::numeric(5,1) > 1::numeric",
    ),
    (
        operation(Coalesce(INT, (A, B, integer(0))), ">", integer(1)),
        "(COALESCE(a, b, 0) > 1)",
        "COALESCE(a, b, 0) > 1",
    ),
    (
        Case(BOOL, ((operation(A, ">", integer(0)), Const(BOOL, True)),), Const(BOOL, False)),
        "\nCASE\n    WHEN (a > 0) THEN true\n    ELSE false\nEND",
        "\nCASE\n    WHEN a > 0 THEN true\n    ELSE false\nEND",
    ),
    (IsDistinct(BOOL, A, B, INT_EQUAL), "(a IS DISTINCT FROM b)", "a IS DISTINCT FROM b"),
    (
        And(BOOL, (operation(call("lower", C), "=", C), IsTruth(BOOL, operation(A, "=", integer(1)), True))),
        "((lower(c) = c) AND ((a = 1) IS TRUE))",
        "lower(c) = c AND (a = 1) IS TRUE",
    ),
    (
        Not(BOOL, And(BOOL, (operation(A, "=", integer(1)), operation(B, "=", integer(2))))),
        "(NOT ((a = 1) AND (b = 2)))",
        "NOT (a = 1 AND b = 2)",
    ),
    (
        operation(Subscript(INT, column(5, SqlType(1007)), ((None, integer(1)),), False), "=", integer(2)),
        "(arr[1] = 2)",
        "arr[1] = 2",
    ),
    (
        operation(NullIf(INT, A, integer(0), INT_EQUAL), "=", integer(1)),
        "(NULLIF(a, 0) = 1)",
        "NULLIF(a, 0) = 1",
    ),
    (
        operation(Extreme(INT, (A, B), True, INT_EQUAL), ">", integer(1)),
        "(GREATEST(a, b) > 1)",
        "GREATEST(a, b) > 1",
    ),
    (Const(SqlType(20), 3000000000), "'3000000000'::bigint", "'3000000000'::bigint"),
    (Const(SqlType(1043), "x"), "'x'::character varying", "'x'::character varying"),
    (Const(TEXT, "a'b\\c"), "'a''b\\c'::text", "'a''b\\c'::text"),
    (Const(TEXT, None), "NULL::text", "NULL::text"),
    (implicit(integer(0), NUMERIC), "0", "0"),
    (implicit(Const(VARCHAR, "x"), SqlType(1043, 104)), "'x'::character varying", "'x'::character varying"),
    (
        operation(operation(N, "-", to_numeric(operation(A, "-", B))), ">", Const(SqlType(1700), 1)),
        "((n - ((a - b))::numeric) > '1'::numeric)",
        "(n - (a - b)::numeric) > '1'::numeric",
    ),
]


def printer(pretty: bool) -> Deparser:
    columns = ("a", "b", "c", "v", "n", "arr")
    names = Names(
        lambda _range, position: columns[position], plain_type_name, lambda _type, value: str(value)
    )
    return Deparser(names, pretty)


@pytest.mark.parametrize(("expr", "plain", "pretty"), CASES, ids=[plain for _, plain, _ in CASES])
def test_expressions_print_as_postgresql_does(expr: Expr, plain: str, pretty: str) -> None:
    assert printer(False).expression(expr) == plain
    assert printer(True).expression(expr) == pretty


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def definitions(world: World) -> DefinitionPrinter:
    return DefinitionPrinter(world.database, FakeSystem(world).search_path)


def index_definition(definitions: DefinitionPrinter, oid: int, pretty: bool = False) -> str:
    index = definitions.database.relation(oid)
    assert isinstance(index, IndexDef)
    return definitions.index(index, pretty)


def test_constraint_definitions(world: World, definitions: DefinitionPrinter) -> None:
    constraints = world.database.constraints()
    by_name = {c.name: definitions.constraint(c) for c in constraints.values()}
    assert by_name == {
        "author_pkey": "PRIMARY KEY (id)",
        "author_email_key": "UNIQUE (email)",
        "book_pkey": "PRIMARY KEY (id)",
        "book_price_check": "CHECK ((price >= (0)::numeric))",
        "book_author_id_fkey": "FOREIGN KEY (author_id) REFERENCES author(id) ON DELETE CASCADE",
    }
    assert definitions.constraint(constraints[world.price_check], True) == "CHECK (price >= 0::numeric)"


def test_index_definitions(world: World, definitions: DefinitionPrinter) -> None:
    expected = "CREATE INDEX book_lower ON public.book USING btree (lower(title))"
    assert index_definition(definitions, world.lower_index) == expected
    expected = "CREATE INDEX book_part ON public.book USING btree (price DESC) WHERE flag"
    assert index_definition(definitions, world.part_index) == expected
    expected = "CREATE UNIQUE INDEX author_pkey ON author USING btree (id)"
    assert index_definition(definitions, world.author_key, pretty=True) == expected


def test_a_renamed_column_prints_under_its_new_name(world: World) -> None:
    world.catalog = changes.rename_column(world.catalog, POSTGRES, world.book, 4, "Cost")
    fresh = DefinitionPrinter(world.database, FakeSystem(world).search_path)
    check = world.database.constraints()[world.price_check]
    assert fresh.constraint(check) == 'CHECK (("Cost" >= (0)::numeric))'


def test_sequences_in_defaults_are_qualified_when_not_visible(world: World) -> None:
    book = world.database.table(world.book)
    default = book.columns[0].default
    assert default is not None
    seen = DefinitionPrinter(world.database, FakeSystem(world).search_path)
    assert seen.expression(book, default) == "nextval('book_id_seq'::regclass)"
    unseen = DefinitionPrinter(world.database, FakeSystem(world, ()).search_path)
    assert unseen.expression(book, default) == "nextval('public.book_id_seq'::regclass)"


def printed_query(world: World, query: Select, pretty: bool = False) -> str:
    view = View(oid=1, name="v", schema_oid=2200, columns=(), source="", query=query)
    return DefinitionPrinter(world.database, FakeSystem(world).search_path).view(view, pretty)


def books_of_authors(world: World) -> Select:
    book = Scan(1, world.book, 5, "b")
    author = Scan(2, world.author, 3, "author")
    big = SqlType(20)
    same = operation(Column(big, 2, 0, "id"), "=", Column(big, 1, 1, "author_id"))
    cheap = operation(Column(INT, 1, 0, "id"), "<", integer(10))
    return Select(
        (OutputColumn("id", INT), OutputColumn("writer", VARCHAR)),
        Filter(Join("left", book, author, same), cheap),
        (Column(INT, 1, 0, "id"), Column(VARCHAR, 2, 1, "name")),
        order_by=(SortKey(Column(INT, 1, 0, "id"), True, True),),
        limit=Const(SqlType(20), 5),
    )


def test_a_join_prints_as_postgresql_does(world: World) -> None:
    assert printed_query(world, books_of_authors(world)) == (
        " SELECT b.id,\n"
        "    author.name AS writer\n"
        "   FROM (book b\n"
        "     LEFT JOIN author ON ((author.id = b.author_id)))\n"
        "  WHERE (b.id < 10)\n"
        "  ORDER BY b.id DESC\n"
        " LIMIT '5'::bigint;"
    )
    assert printed_query(world, books_of_authors(world), True) == (
        " SELECT b.id,\n"
        "    author.name AS writer\n"
        "   FROM book b\n"
        "     LEFT JOIN author ON author.id = b.author_id\n"
        "  WHERE b.id < 10\n"
        "  ORDER BY b.id DESC\n"
        " LIMIT '5'::bigint;"
    )


def test_grouping_and_a_subquery_in_from(world: World) -> None:
    inner = books_of_authors(world)
    count = next(f for f in functions_named("count") if isinstance(f, AggregateFunction) and not f.arg_types)
    grouped = Aggregation(
        9, Derived(8, inner), (Column(INT, 8, 0, "id"),), (Aggregate(SqlType(20), count, ()),)
    )
    many = operation(Column(SqlType(20), 9, 1, "count"), ">", Const(SqlType(20), 1))
    query = Select(
        (OutputColumn("id", INT), OutputColumn("n", SqlType(20))),
        Filter(grouped, many),
        (Column(INT, 9, 0, "id"), Column(SqlType(20), 9, 1, "count")),
    )
    assert printed_query(world, query) == (
        " SELECT subquery.id,\n"
        "    count(*) AS n\n"
        "   FROM ( SELECT b.id,\n"
        "            author.name AS writer\n"
        "           FROM (book b\n"
        "             LEFT JOIN author ON ((author.id = b.author_id)))\n"
        "          WHERE (b.id < 10)\n"
        "          ORDER BY b.id DESC\n"
        "         LIMIT '5'::bigint) subquery\n"
        "  GROUP BY subquery.id\n"
        " HAVING (count(*) > '1'::bigint);"
    )
