"""CREATE, ALTER and DROP PROPERTY GRAPH: what is kept, what its text says, what is refused."""

from __future__ import annotations

import pytest
from support.sessions import SqlDatabase, SqlSession

from skerry_engine import errors

TABLES = """
create table person (id int primary key, name text, born int);
create table city (id int primary key, name text);
create table plain (x int, y text);
create table knows (a int references person, b int references person, since int, primary key (a, b));
create table lives (p int primary key references person, c int references city, other text)
"""
GRAPH = """
create property graph g
    vertex tables (
        person label human properties (id, name, born as year) label thing properties (name),
        city label place properties (name, id * 2 as twice) label thing properties (name))
    edge tables (
        knows source key (a) references person (id) destination key (b) references person no properties,
        lives source person destination city)
"""


@pytest.fixture
def session() -> SqlSession:
    return SqlDatabase(TABLES).session()


def definition(session: SqlSession, name: str = "g") -> str:
    text = session.rows(f"select pg_get_propgraphdef('{name}'::regclass)")[0][0]
    assert isinstance(text, str)
    return text


def test_the_definition_lists_what_was_left_out(session: SqlSession) -> None:
    session.run_all(GRAPH)
    assert definition(session) == (
        "CREATE PROPERTY GRAPH public.g\n"
        "    VERTEX TABLES (\n"
        "        public.person KEY (id) LABEL human PROPERTIES (id, name, born AS year)"
        " LABEL thing PROPERTIES (name),\n"
        "        public.city KEY (id) LABEL place PROPERTIES (name, (id * 2) AS twice)"
        " LABEL thing PROPERTIES (name)\n"
        "    )\n"
        "    EDGE TABLES (\n"
        "        public.knows KEY (a, b) SOURCE KEY (a) REFERENCES person (id)"
        " DESTINATION KEY (b) REFERENCES person (id) NO PROPERTIES,\n"
        "        public.lives KEY (p) SOURCE KEY (p) REFERENCES person (id)"
        " DESTINATION KEY (c) REFERENCES city (id) PROPERTIES (p, c, other)\n"
        "    )"
    )


def test_the_definition_makes_the_same_graph_again(session: SqlSession) -> None:
    session.run_all(GRAPH)
    text = definition(session)
    session.run_all("drop property graph g")
    session.run_all(text)
    assert definition(session) == text


def test_node_and_relationship_are_other_words(session: SqlSession) -> None:
    session.run_all(
        "create property graph g node tables (person) relationship tables (knows source key (a) references "
        "person destination key (b) references person)"
    )
    kinds = session.rows(
        "select element_table_alias, element_table_kind from information_schema.pg_element_tables"
    )
    assert kinds == [("person", "VERTEX"), ("knows", "EDGE")]


def test_renamed_tables_and_columns_show_in_the_definition(session: SqlSession) -> None:
    session.run_all(GRAPH)
    session.run_all("alter table person rename column born to birth")
    session.run_all("alter table city rename to town")
    assert "birth AS year" in definition(session)
    assert "public.town AS city KEY (id)" in definition(session)


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("vertex tables (nosuch)", errors.UndefinedTable, 'relation "nosuch" does not exist'),
        ("vertex tables (plain)", errors.UndefinedObject, "no key specified and no suitable primary key"),
        ("vertex tables (plain key (z))", errors.UndefinedColumn, 'column "z" of relation "plain"'),
        ("vertex tables (plain key (x, x))", errors.InvalidColumnReference, 'column "x" used more than once'),
        ("vertex tables (person, person)", errors.DuplicateObject, 'alias "person" used more than once'),
        ("vertex tables (person properties (born + 1))", errors.SyntaxError, "property name required"),
        ("vertex tables (person properties (random() as r))", errors.InvalidObjectDefinition, "volatile"),
        ("vertex tables (person properties (count(*) as r))", errors.GroupingError, "aggregate"),
        ("vertex tables (person properties (id, name as id))", errors.DuplicateObject, 'property "id" used'),
        ("vertex tables (person label a label a)", errors.DuplicateObject, 'label "a" used more than once'),
        (
            "vertex tables (person label a properties (id as x) label b properties (born as x))",
            errors.SyntaxError,
            'property "x" expression mismatch',
        ),
        (
            "vertex tables (person label a properties (id), city label a properties (name))",
            errors.SyntaxError,
            'mismatching property names in definition of label "a"',
        ),
        (
            "vertex tables (person properties (id as x), city properties (name as x))",
            errors.SyntaxError,
            'property "x" data type mismatch: integer vs. text',
        ),
        (
            "edge tables (knows source person destination person)",
            errors.UndefinedObject,
            'source vertex table "person" of edge table "knows" does not exist',
        ),
        (
            "vertex tables (person) edge tables (knows source person destination person)",
            errors.UndefinedObject,
            "more than one suitable foreign key",
        ),
        (
            "vertex tables (person) edge tables (plain key (x) source person destination person)",
            errors.UndefinedObject,
            "no SOURCE key specified and no suitable foreign key",
        ),
        (
            "vertex tables (person) edge tables (plain key (x) source key (y) references person"
            " destination key (x) references person)",
            errors.UndefinedFunction,
            "operator does not exist: text = integer",
        ),
        (
            "vertex tables (person) edge tables (plain key (x) source key (x, y) references person (id)"
            " destination key (x) references person)",
            errors.SyntaxError,
            "mismatching number of columns in SOURCE",
        ),
    ],
)
def test_what_can_not_be_is_refused(
    session: SqlSession, text: str, error: type[errors.DatabaseError], message: str
) -> None:
    with pytest.raises(error) as caught:
        session.run_all(f"create property graph g {text}")
    assert message in str(caught.value)
    assert (
        session.rows("select * from information_schema.property_graphs where property_graph_name = 'g'") == []
    )


def test_names_are_those_of_relations(session: SqlSession) -> None:
    with pytest.raises(errors.DuplicateTable):
        session.run_all("create property graph person")
    session.run_all("create property graph g")
    with pytest.raises(errors.DuplicateTable):
        session.run_all("create table g ()")
    for text in (
        "drop table g",
        "drop view g",
        "drop property graph person",
        "alter table g add column x int",
    ):
        with pytest.raises(errors.WrongObjectType):
            session.run_all(text)
    assert session.rows("select relkind from pg_class where relname = 'g'") == [("g",)]


@pytest.mark.parametrize(
    ("action", "part"),
    [
        ("add vertex tables (plain key (x))", "public.plain KEY (x) PROPERTIES (x, y)"),
        (
            "add edge tables (plain key (x) source key (x) references person destination key (x) references city)",
            "public.plain KEY (x) SOURCE KEY (x) REFERENCES person (id)",
        ),
        ("alter vertex table city add label town properties (id)", "LABEL town PROPERTIES (id)"),
        (
            "alter vertex table city alter label place add properties (id as number)",
            "PROPERTIES (name, (id * 2) AS twice, id AS number)",
        ),
        (
            "alter vertex table city alter label place drop properties (twice)",
            "LABEL place PROPERTIES (name)",
        ),
        ("alter edge table lives alter label lives drop properties (p, c)", "PROPERTIES (other)"),
    ],
)
def test_alter_adds_and_takes_away(session: SqlSession, action: str, part: str) -> None:
    session.run_all(GRAPH)
    before = definition(session)
    assert part not in before
    session.run_all(f"alter property graph g {action}")
    assert part in definition(session)
    session.run_all("begin")
    session.run_all("alter property graph g drop edge tables (knows)")
    session.run_all("rollback")
    assert part in definition(session)


def test_vertices_go_with_their_edges_or_not_at_all(session: SqlSession) -> None:
    session.run_all(GRAPH)
    with pytest.raises(errors.DependentObjectsStillExist) as caught:
        session.run_all("alter property graph g drop vertex tables (city)")
    assert caught.value.detail == "edge table lives has ends there"
    session.run_all("alter property graph g drop vertex tables (city) cascade")
    assert "city" not in definition(session)
    assert "knows" in definition(session)


@pytest.mark.parametrize(
    "action",
    [
        "drop vertex tables (nosuch)",
        "drop edge tables (person)",
        "alter vertex table knows add label x",
        "alter vertex table person drop label nosuch",
        "alter vertex table person alter label human drop properties (nosuch)",
    ],
)
def test_alter_names_what_is_not_there(session: SqlSession, action: str) -> None:
    session.run_all(GRAPH)
    with pytest.raises(errors.UndefinedObject):
        session.run_all(f"alter property graph g {action}")


def test_every_element_keeps_a_label(session: SqlSession) -> None:
    session.run_all(GRAPH)
    session.run_all("alter property graph g alter vertex table person drop label thing")
    with pytest.raises(errors.InvalidObjectDefinition):
        session.run_all("alter property graph g alter vertex table person drop label human")


def test_if_exists_renaming_owner_schema_comment(session: SqlSession) -> None:
    session.run_all("alter property graph if exists g drop edge tables (knows)")
    session.run_all("drop property graph if exists g")
    with pytest.raises(errors.UndefinedTable):
        session.run_all("drop property graph g")
    session.run_all(GRAPH)
    session.run_all("alter property graph g rename to h")
    session.run_all("create schema s")
    session.run_all("alter property graph h set schema s")
    session.run_all("alter property graph s.h owner to current_user")
    session.run_all("comment on property graph s.h is 'a graph'")
    assert session.rows("select obj_description('s.h'::regclass)") == [("a graph",)]
    assert definition(session, "s.h").startswith("CREATE PROPERTY GRAPH s.h\n")
    session.run_all("drop property graph s.h")


def test_what_a_graph_reads_can_not_go_without_it(session: SqlSession) -> None:
    session.run_all(GRAPH)
    with pytest.raises(errors.DependentObjectsStillExist) as told:
        session.run_all("drop table city")
    assert "property graph g depends on table city" in (told.value.detail or "")
    for text in (
        "drop table city",
        "alter table person drop column born",
        "alter table lives drop column other",
    ):
        with pytest.raises(errors.DependentObjectsStillExist):
            session.run_all(text)
    with pytest.raises(errors.NotSupportedError):
        session.run_all("alter table person alter column born type bigint")
    session.run_all("alter table person add column more text")
    session.run_all("alter table person drop column more")
    session.run_all("drop table lives cascade")
    assert (
        session.rows("select * from information_schema.property_graphs where property_graph_name = 'g'") == []
    )


@pytest.mark.parametrize("kind", ["table", "view", "index", "sequence"])
def test_it_is_dropped_as_what_it_is(session: SqlSession, kind: str) -> None:
    session.run_all(GRAPH)
    with pytest.raises(errors.WrongObjectType) as told:
        session.run_all(f"drop {kind} g")
    assert told.value.hint == "Use DROP PROPERTY GRAPH to remove a property graph."


def test_information_schema_tells_of_every_part(session: SqlSession) -> None:
    session.run_all(GRAPH)

    def told(view: str, columns: str) -> list[tuple[object, ...]]:
        return session.rows(
            f"select {columns} from information_schema.{view} where property_graph_name = 'g'"
        )

    assert told("pg_element_tables", "element_table_alias, element_table_kind, table_name") == [
        ("person", "VERTEX", "person"),
        ("city", "VERTEX", "city"),
        ("knows", "EDGE", "knows"),
        ("lives", "EDGE", "lives"),
    ]
    assert ("knows", "b", 2) in told(
        "pg_element_table_key_columns", "element_table_alias, column_name, ordinal_position"
    )
    assert ("city", "thing") in told("pg_element_table_labels", "element_table_alias, label_name")
    assert ("city", "twice", "(id * 2)") in told(
        "pg_element_table_properties", "element_table_alias, property_name, property_expression"
    )
    assert ("lives", "city", "DESTINATION", "c", "id") in told(
        "pg_edge_table_components",
        "edge_table_alias, vertex_table_alias, edge_end, edge_table_column_name, vertex_table_column_name",
    )
    assert told("pg_labels", "label_name") == [("human",), ("knows",), ("lives",), ("place",), ("thing",)]
    assert told("pg_label_properties", "label_name, property_name").count(("thing", "name")) == 1
    assert ("year", "integer") in told("pg_property_data_types", "property_name, data_type")


def test_a_graph_over_temporary_tables_is_temporary(session: SqlSession) -> None:
    session.run_all("create temp table t (id int primary key)")
    session.run_all("create property graph g vertex tables (t)")
    assert session.rows("select relpersistence from pg_class where relname = 'g'") == [("t",)]
