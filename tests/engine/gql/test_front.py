"""Which language a statement is in, and what the front parser makes of a text."""

from __future__ import annotations

import pytest

from skerry_engine import errors
from skerry_engine.gql import statements as gst
from skerry_engine.gql import tree
from skerry_engine.gql.front import parse_batch, parse_statement
from skerry_engine.gql.language import beginning
from skerry_engine.sql import statements as st

GQL = """
MATCH (n) RETURN n
OPTIONAL MATCH (n) RETURN n
LET x = 1 RETURN x
FOR x IN [1] RETURN x
FILTER true RETURN 1
RETURN 1
FINISH
USE g MATCH (n) RETURN n
CALL { RETURN 1 } RETURN 1
CALL (x) { RETURN 1 } RETURN 1
CALL algo.pagerank() YIELD node RETURN node
SESSION SET GRAPH g
{ RETURN 1 }
INSERT (:A)
insert/* c */(:A)
INSERT p = (:A)
CREATE (:A)
MERGE (a:A)
CREATE GRAPH g
CREATE OR REPLACE GRAPH g ANY
CREATE GRAPH IF NOT EXISTS g ANY
CREATE PROPERTY GRAPH g ANY
CREATE PROPERTY GRAPH s.g {(:A)}
CREATE GRAPH TYPE t {(:A)}
CREATE SCHEMA /a
CREATE SCHEMA IF NOT EXISTS /a
CREATE INDEX FOR (n:A) ON (n.x)
CREATE INDEX i FOR (n:A) ON (n.x)
CREATE INDEX IF NOT EXISTS i FOR (n:A) ON (n.x)
CREATE CONSTRAINT c FOR (n:A) REQUIRE n.x IS UNIQUE
DROP GRAPH g
DROP PROPERTY GRAPH TYPE IF EXISTS t
DROP SCHEMA /a
DROP CONSTRAINT c
GRAPH g = h MATCH (n) RETURN n
TABLE t = x RETURN 1
VALUE x = 1 RETURN x
AT /a MATCH (n) RETURN n
START TRANSACTION READ ONLY MATCH (n) RETURN n COMMIT
EXPLAIN MATCH (n) RETURN n
EXPLAIN ANALYZE VERBOSE MATCH (n) RETURN n
EXPLAIN (costs off, timing (x)) MATCH (n) RETURN n
PREPARE p AS MATCH (n) RETURN n
PREPARE p (int, text) AS MATCH (n) RETURN n
DECLARE c NO SCROLL CURSOR WITH HOLD FOR MATCH (n) RETURN n
COPY (MATCH (n) RETURN n.x) TO STDOUT
-- c
// c
/* c */ MATCH (n) RETURN n
"""

SQL = """
SELECT 1
WITH a AS (SELECT 1) SELECT * FROM a
VALUES (1)
(SELECT 1)
TABLE t
INSERT INTO t VALUES (1)
MERGE INTO t USING u ON true WHEN MATCHED THEN DO NOTHING
DELETE FROM t
UPDATE t SET a = 1
CREATE TABLE graph (a int)
CREATE SCHEMA a
CREATE INDEX ON t (a)
CREATE INDEX i ON t (a)
CREATE INDEX IF NOT EXISTS i ON t (a)
CREATE UNIQUE INDEX i ON t (a)
CREATE PROPERTY GRAPH g VERTEX TABLES (a)
CREATE PROPERTY GRAPH s.g NODE TABLES (a)
DROP TABLE t
DROP SCHEMA a
DROP INDEX i
DROP PROPERTY GRAPH g
DROP PROPERTY GRAPH IF EXISTS g, h CASCADE
SET x = 1
SET language = 'gql'
BEGIN
BEGIN TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ ONLY
START TRANSACTION
START TRANSACTION READ WRITE
COMMIT
ROLLBACK TO SAVEPOINT a
EXPLAIN SELECT 1
EXPLAIN (costs off) (SELECT 1)
PREPARE p AS SELECT 1
PREPARE TRANSACTION 'x'
DECLARE c CURSOR FOR SELECT 1
COPY t FROM STDIN
COPY (SELECT 1) TO STDOUT
SELECT * FROM GRAPH_TABLE (g MATCH (a) COLUMNS (a.x))
"""


def lines(text: str) -> list[str]:
    return [line for line in text.strip().replace("-- c\n// c\n", "-- c\0// c\0").split("\n") if line]


@pytest.mark.parametrize("text", [line.replace("\0", "\n") for line in lines(GQL)])
def test_first_words_of_gql(text: str) -> None:
    assert beginning(text).language == "gql"
    assert beginning(text.lower()).language == "gql"
    assert beginning(text, 0, "sql").language == "sql"


@pytest.mark.parametrize("text", [line.replace("\0", "\n") for line in lines(SQL)])
def test_first_words_of_sql(text: str) -> None:
    assert beginning(text).language == "sql"
    assert beginning("  /* a */ -- b\n" + text.lower()).language == "sql"


@pytest.mark.parametrize(
    ("text", "language"),
    [("SELECT 1", "gql"), ("DELETE n", "gql"), ("SET language = 'sql'", "sql"), ("COMMIT", "sql")],
)
def test_gql_can_be_forced_but_for_statements_about_the_session(text: str, language: str) -> None:
    assert beginning(text, 0, "gql").language == language


def only(text: str) -> st.Statement:
    ((statement, source),) = parse_batch(text)
    assert source == text.strip(" ;")
    return statement


def test_a_gql_query_is_a_query_with_its_literals_taken_out() -> None:
    query = only("MATCH (n {a: 42, b: 'x'}) WHERE n.c < 1.5 AND n.d > 1e3 RETURN 'x';")
    assert isinstance(query, st.Query)
    assert query.normalised.language == "gql"
    assert query.normalised.key.split() == (
        "gql MATCH ( n { a : ?l , b : ?s } ) WHERE n . c < ?n AND n . d > ?f RETURN ?s".split()
    )
    kinds = [(literal.kind, str(literal.value)) for literal in query.normalised.literals]
    assert kinds == [("int8", "42"), ("string", "x"), ("numeric", "1.5"), ("float8", "1e3"), ("string", "x")]


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("MATCH (a)-[e]->{2,5}(b) RETURN a", "{ 2 , 5 }"),
        ("MATCH (a)-[e]->{2}(b) RETURN a", "{ 2 }"),
        ("MATCH (a)-[e]->{,5}(b) RETURN a", "{ , 5 }"),
        ("MATCH ANY 3 (a)-[e]->(b) RETURN a", "ANY 3"),
        ("MATCH (a) RETURN a LIMIT 3", "LIMIT 3"),
        ("MATCH (a) RETURN a OFFSET 3", "OFFSET 3"),
        ("RETURN DATE '2020-01-01'", "DATE '2020-01-01'"),
        ("RETURN CAST(1.5 AS DECIMAL(5, 2))", "CAST ( ?n AS DECIMAL ( 5 , 2 ) )"),
        ("RETURN abs(5), left('abc', 2)", "abs ( ?l ) , left ( ?s , ?l )"),
        (
            "MATCH (n) RETURN n.x + 1, n.x + 1 ORDER BY n.x + 2",
            "n . x + ?l0 , n . x + ?l0 ORDER BY n . x + ?l1",
        ),
    ],
)
def test_what_decides_the_plan_stays_in_the_key(text: str, key: str) -> None:
    query = only(text)
    assert isinstance(query, st.Query)
    assert key in query.normalised.key


def test_names_keep_their_case_in_the_key() -> None:
    keys = set()
    for name in ("n.Age", "n.age", "n.`age`", 'n."age"'):
        query = only(f"MATCH (n) RETURN {name}")
        assert isinstance(query, st.Query)
        keys.add(query.normalised.key)
    assert len(keys) == 4


def test_a_text_may_mix_the_languages() -> None:
    text = (
        "SELECT ';'; MATCH (n) RETURN n; // a; b\nINSERT (:A {x: 'it\\'s; b', `y;`: \"c;\"});"
        "INSERT INTO t VALUES ($$;$$) /* ; */;; COMMIT"
    )
    found = parse_batch(text)
    assert [type(statement).__name__ for statement, _ in found] == ["Query"] * 4 + ["Commit"]
    assert [s.normalised.language for s, _ in found if isinstance(s, st.Query)] == [
        "sql",
        "gql",
        "gql",
        "sql",
    ]
    assert [source for _, source in found] == [
        "SELECT ';'",
        "MATCH (n) RETURN n",
        "INSERT (:A {x: 'it\\'s; b', `y;`: \"c;\"})",
        "INSERT INTO t VALUES ($$;$$)",
        "COMMIT",
    ]


def test_a_syntax_error_in_a_later_statement_is_found_before_the_first_one_runs() -> None:
    text = "SELECT 1;\nMATCH (n) RETURN"
    with pytest.raises(errors.SyntaxError) as caught:
        parse_batch(text)
    assert (caught.value.position, caught.value.line_number, caught.value.column_number) == (27, 2, 17)
    with pytest.raises(errors.SyntaxError):
        parse_batch("MATCH (n) RETURN n; SELECT 1 +")


@pytest.mark.parametrize("text", ["", " ", ";", "; ;", "-- c", "// c", "/* c */"])
def test_nothing_is_no_statement(text: str) -> None:
    assert parse_batch(text) == []


def test_one_statement_is_asked_for() -> None:
    assert isinstance(parse_statement("MATCH (n) RETURN n ; "), st.Query)
    with pytest.raises(errors.SyntaxError, match="multiple commands"):
        parse_statement("MATCH (n) RETURN n; RETURN 1")
    with pytest.raises(errors.SyntaxError, match="multiple commands"):
        parse_statement("START TRANSACTION RETURN 1 COMMIT")


def test_a_program_with_its_transaction_is_several_statements() -> None:
    found = parse_batch("START TRANSACTION READ ONLY, ISOLATION LEVEL SERIALIZABLE MATCH (n) RETURN n COMMIT")
    assert [source for _, source in found] == [
        "START TRANSACTION READ ONLY, ISOLATION LEVEL SERIALIZABLE",
        "MATCH (n) RETURN n",
        "COMMIT",
    ]
    begin, query, commit = [statement for statement, _ in found]
    assert begin == st.Begin(st.TransactionModes("serializable", True), is_start=True)
    assert isinstance(query, st.Query) and query.normalised.tokens.text.startswith("START")
    assert commit == st.Commit()


def test_words_that_end_transactions_can_be_names() -> None:
    assert isinstance(only("RETURN 1 AS commit"), st.Query)
    assert isinstance(only("MATCH (n) RETURN n.close"), st.Query)


def test_catalog_statements_are_read_in_full() -> None:
    definition = only("USE g CREATE INDEX i FOR (n:A) ON (n.x)")
    assert isinstance(definition, gst.GraphDefinition)
    ((graph, index),) = definition.clauses
    assert isinstance(graph, tree.GraphReference) and isinstance(index, tree.CreateGraphIndex)
    assert isinstance(only("MATCH (n:Create) SET n.drop = 1, n:Graph"), st.Query)


def test_catalog_statements_and_queries_do_not_mix() -> None:
    with pytest.raises(errors.NotSupportedError, match="definitions and queries"):
        parse_batch("CREATE GRAPH g ANY NEXT USE g INSERT (:A)")


def test_session_statements() -> None:
    command = only("SESSION SET TIME ZONE 'UTC'")
    assert isinstance(command, gst.SessionCommand)
    assert isinstance(command.statement, tree.SessionSetTimeZone)


def test_statements_of_sql_around_gql() -> None:
    explain = only("EXPLAIN (costs off) MATCH (n) RETURN n")
    assert isinstance(explain, st.Explain) and explain.options == {"costs": "off"}
    assert isinstance(explain.statement, st.Query) and explain.statement.normalised.language == "gql"
    prepare = only("PREPARE p (int) AS MATCH (n {a: $1}) RETURN n")
    assert isinstance(prepare, st.Prepare) and prepare.query.normalised.language == "gql"
    cursor = only("DECLARE c CURSOR WITH HOLD FOR MATCH (n) RETURN n")
    assert isinstance(cursor, st.DeclareCursor) and cursor.hold
    assert cursor.query.normalised.language == "gql"
    copy = only("COPY (MATCH (n) RETURN (n.x)) TO STDOUT (FORMAT csv)")
    assert isinstance(copy, st.Copy) and copy.query is not None and copy.options.format == "csv"
    assert copy.query.normalised.key.split() == "gql MATCH ( n ) RETURN ( n . x )".split()


def test_as_of_is_taken_off() -> None:
    historic = only("MATCH (n) RETURN n.as AS of AS OF EPOCH 5")
    assert isinstance(historic, st.Historic) and historic.as_of.kind == "epoch"
    assert isinstance(historic.statement, st.Query)
    assert historic.statement.normalised.key.split() == "gql MATCH ( n ) RETURN n . as AS of".split()
    around = only("EXPLAIN MATCH (n) RETURN n AS OF TIMESTAMP '2020-01-01'")
    assert isinstance(around, st.Historic) and isinstance(around.statement, st.Explain)
    assert isinstance(only("RETURN 1 AS of"), st.Query)
