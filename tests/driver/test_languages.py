"""The driver tells GQL from SQL as the database does."""

from __future__ import annotations

import pytest

from skerry.languages import is_gql
from skerry.parameters import from_native
from skerry_engine.gql.language import GQL, beginning

TEXTS = """
MATCH (n) RETURN n
match (n) return n
// words
-- words
/* words */ RETURN 1
OPTIONAL MATCH (n) RETURN n
LET x = 1 RETURN x
FOR x IN [1] RETURN x
FILTER TRUE RETURN 1
RETURN 1
FINISH
USE g MATCH (n) RETURN n
CALL { RETURN 1 }
CALL p()
SESSION CLOSE
REMOVE n.a
DETACH DELETE n
NODETACH DELETE n
AT /a RETURN 1
ORDER BY x
LIMIT 1
VALUE x = 1 RETURN x
VALUES (1)
{ RETURN 1 }
INSERT (:A)
INSERT p = (:A)
INSERT INTO t VALUES (1)
insert  /* a */ into t values (1)
MERGE (:A {k: 1})
MERGE INTO t USING s ON true WHEN MATCHED THEN DELETE
CREATE (:A)
CREATE p = (:A)-[:B]->(:C)
CREATE TABLE t (x int)
SELECT 1
WITH x AS (SELECT 1) SELECT * FROM x
UPDATE t SET x = 1
DELETE FROM t
EXPLAIN MATCH (n) RETURN n
EXPLAIN (ANALYZE, COSTS OFF) MATCH (n) RETURN n
EXPLAIN ANALYZE VERBOSE RETURN 1
EXPLAIN SELECT 1
BEGIN
COMMIT
SET language = 'gql'
matching
returning
format
""".strip().splitlines()


@pytest.mark.parametrize("text", TEXTS)
def test_the_driver_and_the_database_agree(text: str) -> None:
    assert is_gql(text) == (beginning(text).language == GQL and bool(text.strip("-/* words")))


@pytest.mark.parametrize(
    ("text", "translated", "names"),
    [
        (r"RETURN 'it\'s $a', $b", r"RETURN 'it\'s $a', $1", ["b"]),
        ('RETURN "$a\\"$a", $b', 'RETURN "$a\\"$a", $1', ["b"]),
        ("RETURN `$a`, $b // $c\n, $b", "RETURN `$a`, $1 // $c\n, $1", ["b"]),
        (r"RETURN @'\', $b", r"RETURN @'\', $1", ["b"]),
        ("USE $$g MATCH (n {a: $a}) RETURN n", "USE $$g MATCH (n {a: $1}) RETURN n", ["a"]),
        ("SELECT 'a\\', $b", "SELECT 'a\\', $1", ["b"]),
    ],
)
def test_named_parameters_stand_outside_what_the_language_quotes(
    text: str, translated: str, names: list[str]
) -> None:
    values = {name: name for name in names}
    assert from_native(text, values) == (translated, names)
