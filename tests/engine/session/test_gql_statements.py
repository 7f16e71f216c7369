"""GQL through a session: texts in either language, plans shared by key, what a plan rests on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.sessions import SqlDatabase

import skerry
from skerry_engine import errors
from skerry_engine.gql.front import parse_statement
from skerry_engine.sql import statements as st


def query(text: str) -> st.Query:
    statement = parse_statement(text)
    assert isinstance(statement, st.Query)
    return statement


@pytest.fixture
def db() -> Iterator[skerry.Database]:
    with skerry.open() as database:
        yield database


def test_the_first_words_tell_the_language(db: skerry.Database) -> None:
    assert db.execute("RETURN 1 AS x, 'a' AS y").fetchall() == [(1, "a")]
    assert db.execute("SELECT 1 AS x").fetchall() == [(1,)]
    assert db.execute("MATCH (n) RETURN count(*) AS c").scalar() == 0


def test_a_setting_forces_the_language(db: skerry.Database) -> None:
    db.execute("SET language = 'sql'")
    with pytest.raises(skerry.ProgrammingError):
        db.execute("RETURN 1 AS x")
    db.execute("SET language = 'gql'")
    with pytest.raises(skerry.ProgrammingError):
        db.execute("SELECT 1")
    assert db.execute("RETURN 2 AS x").scalar() == 2
    db.execute("RESET language")
    assert db.execute("SELECT 3").scalar() == 3


TRANSACTIONS = [
    ("START TRANSACTION", "START TRANSACTION", "T"),
    ("SAVEPOINT X", "SAVEPOINT", "T"),
    ("INSERT (:P {n: 1})", "INSERT 0 1", "T"),
    ("ROLLBACK TO SAVEPOINT X", "ROLLBACK", "T"),
    ("ROLLBACK WORK TO x", "ROLLBACK", "T"),
    ("RELEASE SAVEPOINT x", "RELEASE", "T"),
    ("SAVEPOINT `a b` // named as GQL names", "SAVEPOINT", "T"),
    ("ROLLBACK TO `a b`", "ROLLBACK", "T"),
    ("RELEASE `a b`", "RELEASE", "T"),
    ("COMMIT WORK // done", "COMMIT", "I"),
    ("BEGIN READ ONLY // quick", "BEGIN", "T"),
    ("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", "SET", "T"),
    ("ROLLBACK // nothing was done", "ROLLBACK", "I"),
    ("START TRANSACTION READ WRITE; SAVEPOINT `y`; RELEASE Y", "RELEASE", "T"),
    ("COMMIT AND CHAIN", "COMMIT", "T"),
    ("PREPARE COMMIT", "PREPARE COMMIT", "T"),
    ("END", "COMMIT", "I"),
    ("START TRANSACTION READ ONLY RETURN 1 AS x COMMIT", "COMMIT", "I"),
    ("BEGIN", "BEGIN", "T"),
    ("PREPARE TRANSACTION 'p'", "PREPARE TRANSACTION", "I"),
    ("COMMIT PREPARED 'p'", "COMMIT PREPARED", "I"),
    ("BEGIN", "BEGIN", "T"),
    ("ABORT", "ROLLBACK", "I"),
]


@pytest.mark.parametrize("language", ["auto", "gql"])
def test_transactions_are_spoken_of_alike_in_both_languages(language: str) -> None:
    session = SqlDatabase().session()
    session.run_all(f"SET language = '{language}'")
    found = [
        (text, session.lines(text)[-1], session.session.transaction_status) for text, _, _ in TRANSACTIONS
    ]
    assert found == TRANSACTIONS


def test_statements_that_differ_in_literals_share_a_plan() -> None:
    session = SqlDatabase().engine.open_session("postgres", "skerry", {})
    plans = [session.plan_query(query(f"RETURN {n} + 1 AS x, 'v{n}' AS y"), ()) for n in range(3)]
    assert plans[0] is plans[1] is plans[2]
    assert session.plan_query(query("RETURN 1 + 1 AS x, 2 AS y"), ()) is not plans[0]


def test_a_syntax_error_tells_line_and_column(db: skerry.Database) -> None:
    with pytest.raises(errors.SyntaxError) as caught:
        db.execute("MATCH (n)\nRETRUN n")
    assert (caught.value.line_number, caught.value.column_number) == (2, 1)
    assert caught.value.hint == "Perhaps RETURN was meant."


def test_a_parameter_by_number_and_by_name(db: skerry.Database) -> None:
    assert db.execute("RETURN $1 + 1 AS x", [5]).scalar() == 6
    assert db.execute("RETURN $n + 1 AS x", {"n": 6}).scalar() == 7
    assert db.execute("RETURN $1 AS x", ["text"]).scalar() == "text"


def test_explain_prepare_and_cursor_of_gql(db: skerry.Database) -> None:
    lines = [row[0] for row in db.execute("EXPLAIN (costs off) MATCH (n) RETURN n")]
    assert lines == ["NodeScan (n) in home"]
    db.execute("PREPARE p (bigint) AS RETURN $1 * 2 AS x")
    assert db.execute("EXECUTE p (4)").scalar() == 8
    with db.begin_transaction() as transaction:
        transaction.execute("DECLARE c CURSOR FOR FOR x IN [1, 2, 3] RETURN x")
        assert transaction.execute("FETCH 2 FROM c").fetchall() == [(1,), (2,)]


DELETED_READS = [
    "n.name",
    "n[$name]",
    "labels(n)",
    "properties(n)",
    "property_names(n)",
    "n:Person",
    "PROPERTY_EXISTS(n, name)",
    "e.since",
    "nodes(p)[0].name",
]


@pytest.mark.parametrize("read", DELETED_READS)
def test_what_the_statement_has_deleted_cannot_be_read(db: skerry.Database, read: str) -> None:
    db.execute("INSERT (:Person {name: 'Ada'})-[:KNOWS {since: 1833}]->(:Person {name: 'Bo'})")
    text = f"MATCH p = (n)-[e]->(m) DETACH DELETE n RETURN {read} AS x, m.name AS name"
    with pytest.raises(errors.ElementDeleted) as caught:
        db.execute(text, {"name": "name"}).fetchall()
    assert caught.value.gqlstatus == "22G11"
    assert db.execute(f"MATCH p = (n)-[e]->(m) RETURN {read} AS x", {"name": "name"}).scalar()


def test_what_the_statement_has_deleted_is_shown_as_it_was(db: skerry.Database) -> None:
    db.execute("INSERT (:Person {name: 'Ada'})-[:KNOWS {since: 1833}]->(:Person {name: 'Bo'})")
    found = db.execute(
        "MATCH p = (n)-[e]->(m) DELETE e DELETE n RETURN n, e, p, element_id(n) AS id, m.name AS m"
    )
    node, edge, path, number, name = found.one()
    assert (node["name"], edge["since"], path.nodes[0]["name"], name) == ("Ada", 1833, "Ada", "Bo")
    assert number == node.id


def test_as_of_an_epoch(db: skerry.Database) -> None:
    epoch = db.execute("SELECT skerry.current_epoch()").scalar()
    assert db.execute(f"MATCH (n) RETURN count(*) AS c AS OF EPOCH {epoch}").scalar() == 0


def test_texts_that_differ_where_no_value_stands_do_not_share_a_plan(db: skerry.Database) -> None:
    db.execute("INSERT (:Person {name: 'a'})-[:X]->(:Robot {name: 'b'})-[:X]->(:Robot {name: 'c'})")
    pairs = [
        ("RETURN CAST(1.239 AS DECIMAL(5, %s)) AS x", "2", "1", "1.24", "1.2"),
        ("FOR x IN [1, 2] RETURN x LIMIT %s", "1", "0", "1", "None"),
        ('MATCH (n:"%s") RETURN count(*) AS x', "Person", "Robot", "1", "2"),
        ("MATCH (:Person)-[:X]->{1,%s}(n) RETURN count(*) AS x", "1", "2", "1", "2"),
        ('MATCH (n:Person) RETURN n."%s" AS x', "name", "none", "a", "None"),
    ]
    for _ in range(2):
        for text, one, other, result, other_result in pairs:
            assert str(first_of(db, text % one)) == result
            assert str(first_of(db, text % other)) == other_result


def first_of(db: skerry.Database, text: str) -> object:
    rows = db.execute(text).fetchall()
    return rows[0][0] if rows else None


@pytest.mark.parametrize(
    "text",
    ["SESSION SET VALUE $p = $1", "create table t as select $1", "declare c cursor with hold for select $1"],
)
def test_a_parameter_where_nobody_gives_one_is_undefined(db: skerry.Database, text: str) -> None:
    with pytest.raises(errors.UndefinedParameter, match=r"there is no parameter \$1"):
        db.execute(text)
