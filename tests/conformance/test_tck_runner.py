"""The openCypher TCK's runner: feature files, the translation to GQL, tables of values, judging."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from scores import Failure, SuiteScore, render
from tck.cursor import NotGql
from tck.cypher import NotCypher
from tck.gherkin import Scenario, Step, read_feature
from tck.judging import FAILED, NOT_APPLICABLE, PASSED, Suite, judge
from tck.rulings import Rulings
from tck.translate import translate
from tck.values import (
    Element,
    Map,
    Walk,
    canonical,
    parse_parameter,
    parse_value,
    sort_key,
    without_list_order,
)

from skerry_engine.errors import (
    DatabaseError,
    DeadlockDetected,
    NotSupportedError,
    UndefinedColumn,
    UndefinedFunction,
)

TRANSLATIONS = [
    ("MATCH (n) RETURN n", "MATCH (n)\nRETURN n"),
    ("MATCH (n:A:B {x: 1}) RETURN n.x", "MATCH (n:A&B {x: 1})\nRETURN n.x AS `n.x`"),
    ("MATCH (a)-[r:A|:B*1..3]->(b) RETURN r", "MATCH (a)-[r:A|B]->{1,3}(b)\nRETURN r"),
    ("MATCH (a)<-[*]-(b) RETURN a", "MATCH (a)<-[]-+(b)\nRETURN a"),
    ("MATCH (a)-[*..2]-(b) RETURN a", "MATCH (a)-[]-{1,2}(b)\nRETURN a"),
    ("MATCH (a)-[*0..]->(b) RETURN a", "MATCH (a)-[]->{0,}(b)\nRETURN a"),
    ("MATCH (a)-[:A*2 {x: 1}]->(b) RETURN a", "MATCH (a)-[:A {x: 1}]->{2}(b)\nRETURN a"),
    ("MATCH (a)-->()<--()--() RETURN a", "MATCH (a)-[]->()<-[]-()-[]-()\nRETURN a"),
    ("MATCH (a)<-->(b) RETURN a", "MATCH (a)<-[]->(b)\nRETURN a"),
    ("MATCH p = shortestPath((a)-[:T*]->(b)) RETURN p", "MATCH p = ANY SHORTEST (a)-[:T]->+(b)\nRETURN p"),
    ("CREATE (:A)-[:T]->(:B)", "INSERT (:A)-[:T]->(:B)"),
    ("UNWIND [1, 2] AS x RETURN x", "FOR x IN [1, 2]\nRETURN x"),
    ("MATCH (a) WITH a WHERE a.x > 1 RETURN a", "MATCH (a)\nRETURN a\nNEXT\nFILTER a.x > 1\nRETURN a"),
    ("MATCH (a) WITH *, a.x AS x RETURN x", "MATCH (a)\nLET x = a.x\nRETURN x"),
    (
        "MATCH (a) RETURN a.x AS x, count(*) AS n ORDER BY n SKIP 1 LIMIT 2",
        "MATCH (a)\nRETURN a.x AS x, COUNT(*) AS n GROUP BY x ORDER BY n OFFSET 1 LIMIT 2",
    ),
    ("MATCH (a) RETURN collect(a)", "MATCH (a)\nRETURN COLLECT_LIST(a) AS `collect(a)` GROUP BY ()"),
    (
        "MATCH (a) WHERE (a)-->() RETURN a",
        "MATCH (a) WHERE EXISTS { (a)-[]->() }\nRETURN a",
    ),
    ("MATCH (a) WHERE exists(a.x) RETURN a", "MATCH (a) WHERE (a.x IS NOT NULL)\nRETURN a"),
    ("MATCH (a) WHERE a:X RETURN a", "MATCH (a) WHERE a IS LABELED X\nRETURN a"),
    ("RETURN 'a' + \"b'\" AS x", "RETURN 'a' || 'b\\'' AS x"),
    ("RETURN 1 < 2 < 3 AS x", "RETURN (1 < 2 AND 2 < 3) AS x"),
    ("RETURN a XOR b OR c AS x", "RETURN ((a) XOR (b)) OR c AS x"),
    ("RETURN 7 % 2 ^ 2 AS x", "RETURN MOD(7, POWER(2, 2)) AS x"),
    ("MATCH (n) SET n:A:B, n += {x: 1}", "MATCH (n)\nSET n:A, n:B, n.x = 1"),
    ("MATCH (n) DETACH DELETE n", "MATCH (n)\nDETACH DELETE n"),
    ("MATCH (end) RETURN end", "MATCH (`end`)\nRETURN `end`"),
    ("RETURN 1 AS x UNION ALL RETURN 2 AS x", "RETURN 1 AS x\nUNION ALL\nRETURN 2 AS x"),
    ("MERGE (n:A) ON CREATE SET n.x = 1", "MERGE (n:A) ON CREATE SET n.x = 1"),
    (
        "RETURN [1, 2][0] AS x, [1][..-1] AS y, [1][1..] AS z",
        "RETURN [1, 2][0] AS x, [1][..-1] AS y, [1][1..] AS z",
    ),
    ("RETURN CASE WHEN true THEN 1 ELSE 2 END AS x", "RETURN CASE WHEN TRUE THEN 1 ELSE 2 END AS x"),
]


@pytest.mark.parametrize(("cypher", "gql"), TRANSLATIONS, ids=[cypher for cypher, _ in TRANSLATIONS])
def test_cypher_becomes_gql(cypher: str, gql: str) -> None:
    assert translate(cypher).text == gql


@pytest.mark.parametrize(
    ("cypher", "reason"),
    [
        ("RETURN [x IN [1] | x] AS y", "list comprehensions"),
        ("MATCH (n) RETURN [(n)-->(m) | m.x] AS y", "pattern comprehensions"),
        ("RETURN all(x IN [1] WHERE x > 0) AS y", "all(), any(), none() and single() of a list"),
        ("CALL db.labels()", "CALL as Cypher has it"),
        ("MATCH (n) SET n = $all", "SET of all properties by an expression"),
        ("RETURN 'a' =~ 'b' AS y", "=~: regular expressions"),
    ],
)
def test_what_gql_can_not_say_is_named(cypher: str, reason: str) -> None:
    with pytest.raises(
        NotGql, match="^" + reason.replace("(", r"\(").replace(")", r"\)").replace("[", r"\[")
    ):
        translate(cypher)


def test_constructs_of_cypher_s_own_are_passed_on_and_noted() -> None:
    assert translate("MATCH (n) RETURN labels(n), 1 IN [1]").extensions == {"labels()", "IN"}
    assert not translate("MATCH (n) RETURN count(n), size([1])").extensions


@pytest.mark.parametrize(
    "text", ["RETURN", "MATCH n", "MATCH (n RETURN n", "RETURN 1 AS", "FROB (n)", "RETURN 'a"]
)
def test_what_is_no_cypher_is_refused(text: str) -> None:
    with pytest.raises(NotCypher):
        translate(text)


FEATURE = '''
# a comment
Feature: Things

  Background:
    Given an empty graph

  Scenario: [1] One
    And having executed:
      """
      CREATE (:A)

        indented
      """
    Then the result should be, in any order:
      | a    | b \\| c |
      | 'x'  |        |

  Scenario Outline: [2] Two
    When executing query: RETURN <x>
    Then the result should be, in any order:
      | <x> |

    Examples:
      | x | y |
      | 1 | 2 |
      | 3 | 4 |
'''


def test_feature_files_are_read_with_backgrounds_blocks_tables_and_outlines() -> None:
    one, two, three = read_feature(FEATURE, "Things1")
    assert (one.feature, one.name) == ("Things1", "[1] One")
    assert one.steps[0].words == "an empty graph"
    assert one.steps[1].text == "CREATE (:A)\n\n  indented"
    assert one.steps[2].table == (("a", "b | c"), ("'x'", ""))
    assert (two.name, three.name) == ("[2] Two #1", "[2] Two #2")
    assert three.steps[1].words == "executing query: RETURN 3"
    assert three.steps[2].table == (("3",),)


def test_tables_hold_values_of_every_kind() -> None:
    assert parse_value("[1, -2.5, 'a\\'b', true, null]") == (1, -2.5, "a'b", True, None)
    assert parse_value("{b: 1, a: []}") == Map((("a", ()), ("b", 1)))
    assert parse_value("(:B:A {x: 1})") == Element("node", ("A", "B"), (("x", 1),))
    assert parse_value("[:T]") == Element("edge", ("T",), ())
    node, edge = Element("node", (), ()), Element("edge", ("T",), ())
    assert parse_value("<()-[:T]->()<-[:T]-()>") == Walk((node, (">", edge), node, ("<", edge), node))
    assert parse_parameter("{a: [1, 'x']}") == {"a": [1, "x"]}
    with pytest.raises(NotCypher):
        parse_value("(")


def test_values_compare_by_what_they_are_worth() -> None:
    assert sort_key(1) == sort_key(1.0) != sort_key(True)
    assert sort_key(canonical([1, None])) == sort_key(parse_value("[1, null]"))
    assert sort_key(canonical({"b": 1, "a": 2})) == sort_key(parse_value("{a: 2, b: 1}"))
    assert sort_key(canonical(float("nan"))) == sort_key(parse_value("NaN"))
    assert without_list_order(parse_value("[[2, 1], [1]]")) == without_list_order(
        parse_value("[[1], [1, 2]]")
    )


# --- judging ------------------------------------------------------------------------------------------------------


@dataclass
class Column:
    name: str


@dataclass(frozen=True)
class Thing:
    id: int
    labels: tuple[str, ...]
    properties: Mapping[str, object] = field(default_factory=dict)


@dataclass
class Result:
    rows: list[list[object]]
    names: list[str] = field(default_factory=list)

    def __iter__(self) -> Iterator[list[object]]:
        return iter(self.rows)

    @property
    def columns(self) -> list[Column]:
        return [Column(name) for name in self.names]


class FakeDatabase:
    """Gives the results it was told; INSERT adds a node."""

    def __init__(self, results: dict[str, Result | DatabaseError]) -> None:
        self.results = results
        self.nodes: list[Thing] = []
        self.is_closed = False

    def execute(self, statement: str, parameters: Mapping[str, object] | None = None, /) -> Result:
        if statement == "MATCH (n) RETURN n":
            return Result([[node] for node in self.nodes])
        if statement.startswith("MATCH ()-[r]->()"):
            return Result([])
        if statement.startswith("INSERT"):
            self.nodes.append(Thing(len(self.nodes), ("A",), {"x": 1}))
            return Result([])
        result = self.results[statement]
        if isinstance(result, DatabaseError):
            raise result
        return result

    def close(self) -> None:
        self.is_closed = True


def judged(
    *steps: Step, results: dict[str, Result | DatabaseError] | None = None, rulings: Rulings | None = None
) -> tuple[str, str]:
    database = FakeDatabase(results or {})
    suite = Suite(lambda: database, translate, Path("nowhere"), rulings or Rulings({}))
    verdict = judge(suite, Scenario("Thing1", "[1] It", (Step("any graph"), *steps)))
    assert database.is_closed
    return verdict.status, verdict.reason


def asking(query: str, *then: Step) -> tuple[Step, ...]:
    return (Step("executing query:", query), *then)


ROWS = Step("the result should be, in any order:", None, (("x",), ("1",), ("2",)))
ORDERED = Step("the result should be, in order:", None, (("x",), ("1",), ("2",)))
SYNTAX = Step("a SyntaxError should be raised at compile time: UndefinedVariable")


def test_rows_in_any_order_pass_and_in_order_do_not() -> None:
    results: dict[str, Result | DatabaseError] = {"RETURN x": Result([[2], [1]], ["x"])}
    assert judged(*asking("RETURN x", ROWS), results=results)[0] == PASSED
    assert judged(*asking("RETURN x", ORDERED), results=results)[0] == FAILED


@pytest.mark.parametrize(
    "result", [Result([[1]], ["x"]), Result([[1], [2]], ["y"]), Result([[1], [3]], ["x"]), Result([], ["x"])]
)
def test_other_rows_or_columns_fail(result: Result) -> None:
    assert judged(*asking("RETURN x", ROWS), results={"RETURN x": result})[0] == FAILED


def test_side_effects_are_compared() -> None:
    effects = (("+nodes", "1"), ("+labels", "1"), ("+properties", "1"))
    assert (
        judged(*asking("CREATE (:A {x: 1})", Step("the side effects should be:", None, effects)))[0] == PASSED
    )
    assert judged(*asking("CREATE (:A {x: 1})", Step("no side effects")))[0] == FAILED


def test_an_error_passes_where_one_of_its_kind_is_expected() -> None:
    undefined, deadlock = UndefinedColumn("no x"), DeadlockDetected("no")
    assert judged(*asking("RETURN x", SYNTAX), results={"RETURN x": undefined})[0] == PASSED
    assert judged(*asking("RETURN x", SYNTAX), results={"RETURN x": deadlock})[0] == FAILED
    assert judged(*asking("RETURN x", ROWS), results={"RETURN x": undefined})[0] == FAILED
    assert judged(*asking("RETURN x", SYNTAX), results={"RETURN x": Result([])})[0] == FAILED
    assert judged(*asking("RETURN x"), results={"RETURN x": undefined})[0] == FAILED


def test_what_is_not_supported_is_never_the_error_expected() -> None:
    refused = NotSupportedError("RETURN x")
    assert judged(*asking("RETURN x", SYNTAX), results={"RETURN x": refused})[0] == FAILED


def test_a_refused_construct_of_cypher_s_own_is_not_applicable() -> None:
    query = "RETURN labels(x) AS x"
    refused = UndefinedFunction("no such function")
    assert judged(*asking(query, ROWS), results={query: refused}) == (
        NOT_APPLICABLE,
        "labels(): Cypher's own",
    )
    assert judged(*asking(query, SYNTAX), results={query: refused})[0] == NOT_APPLICABLE
    assert judged(*asking(query, ROWS), results={query: Result([[1]], ["x"])})[0] == FAILED


def test_what_gql_can_not_say_is_not_applicable() -> None:
    assert judged(*asking("RETURN [x IN [1] | x]", ROWS))[0] == NOT_APPLICABLE
    assert judged(Step("there exists a procedure test.my.proc()"))[0] == NOT_APPLICABLE


def test_rulings_excuse_what_fails_and_say_which_of_them_are_idle() -> None:
    rulings = Rulings({"Thing1 [1]*": "because", "Other1 [1]*": "never"})
    wrong: dict[str, Result | DatabaseError] = {"RETURN x": Result([], ["x"])}
    assert judged(*asking("RETURN x", ROWS), results=wrong, rulings=rulings) == (NOT_APPLICABLE, "because")
    assert rulings.idle() == ["Other1 [1]*"]


def test_the_score_table_counts_what_does_not_apply() -> None:
    score = SuiteScore(
        suite="s",
        title="A suite",
        command="make it",
        date="2026-01-01",
        cases=10,
        postgres=None,
        skerry=6,
        breakdown="1 failing, 3 not applicable",
        failures=[Failure("Thing1 [1]", "failing", "rows a | b")],
        excluded=[("list comprehensions", 3)],
        is_compared=False,
    )
    text = render([score])
    assert "| A suite | 10 | – | 6 | 1 failing, 3 not applicable | `make it` | 2026-01-01 |" in text
    assert "| rows a \\| b | Thing1 [1] |" in text
    assert "| list comprehensions | 3 |" in text
