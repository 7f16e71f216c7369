"""Path patterns that are searched for, one by one: what random patterns seldom are."""

from __future__ import annotations

import pytest
from support.gql_graphs import GqlGraph

from skerry_engine import errors


@pytest.fixture
def ring() -> GqlGraph:
    """Alix -> Bo -> Cy -> Alix, with w 1, 2, 3 and k 1, 2, 3."""
    graph = GqlGraph()
    nodes = [graph.node("P", name=name, k=k) for k, name in enumerate(("Alix", "Bo", "Cy"), 1)]
    for w in (1, 2, 3):
        graph.edge(nodes[w - 1], nodes[w % 3], "E", w=w)
    return graph


def test_conditions_inside_may_be_about_what_is_outside(ring: GqlGraph) -> None:
    text = "MATCH (a {name: 'Alix'}) ((x)-[e WHERE e.w > a.k]->(y)){1,3} (b) RETURN b.name"
    assert ring.rows(text) == []
    text = "MATCH (a {name: 'Alix'}) ((x)-[e WHERE e.w >= a.k]->(y)){1,3} (b) RETURN b.name ORDER BY b.name"
    assert ring.rows(text) == [("Alix",), ("Bo",), ("Cy",)]


def test_conditions_inside_may_be_about_an_earlier_match(ring: GqlGraph) -> None:
    text = "MATCH (z {name: 'Bo'}) MATCH (a {name: 'Alix'}) ((x)-[e WHERE e.w < z.k]->(y)){1,3} (b) RETURN b.name"
    assert ring.rows(text) == [("Bo",)]


@pytest.mark.parametrize(
    ("selector", "rows"), [("ANY SHORTEST", [(3,)]), ("ALL SHORTEST", [(3,)]), ("", [(3,)])]
)
def test_an_end_that_stands_inside_too_decides_which_is_the_shortest(
    ring: GqlGraph, selector: str, rows: list[tuple[int]]
) -> None:
    """The shortest path from a to a node has to pass a again: a selector must not choose one that does not."""
    text = f"MATCH p = {selector} (a {{name: 'Alix'}})-[:E]->+(a)-[:E]->{{0}}(b) RETURN path_length(p)"
    assert ring.rows(text) == rows
    text = f"MATCH p = {selector} (b)-[:E]->{{0}}(a)-[:E]->+(a {{name: 'Alix'}}) RETURN path_length(p)"
    assert ring.rows(text) == rows


def test_a_selector_takes_no_condition_between_an_end_and_the_inside(ring: GqlGraph) -> None:
    with pytest.raises(errors.NotSupportedError, match='"m"'):
        ring.rows("MATCH ANY SHORTEST (a)-[:E]->+(m)-[:E]->+(b WHERE b.k < m.k) RETURN b.name")
    text = "MATCH (a {name: 'Alix'})-[:E]->+(m)-[:E]->+(b WHERE b.k < m.k) RETURN m.name, b.name"
    assert sorted(ring.rows(text)) == [("Bo", "Alix"), ("Cy", "Alix")]


@pytest.mark.parametrize(
    ("pattern", "error", "words"),
    [
        ("(a) ((x)-[]->{0,1}(y))* (b)", errors.SyntaxError, "needs an edge"),
        ("(a) (((x)-[]->(y))?){2} (b)", errors.SyntaxError, "needs an edge"),
        ("(a) ((x)){2} (b)", errors.SyntaxError, "needs an edge"),
        ("(a)-[e]->{2,1}(b)", errors.SyntaxError, "2,1"),
        ("(a)-[x]->{1,2}(b)-[x]->{1,2}(c)", errors.DuplicateColumn, '"x"'),
        ("(a)-[e]->{1,2}(e)", errors.ProgrammingError, "e"),
        ("SHORTEST 0 (a)-[]->*(b)", errors.InvalidParameterValue, "positive"),
        ("REPEATABLE ELEMENTS (a)-[]->*(b)", errors.SyntaxError, "infinitely many"),
        ("REPEATABLE ELEMENTS ALL (a)-[]->*(b)", errors.SyntaxError, "infinitely many"),
        ("REPEATABLE ELEMENTS (a) (TRAIL (x)-[]->(y))+ (b)", errors.SyntaxError, "infinitely many"),
        ("p = ANY (a)-[]->*(b) KEEP ANY", errors.SyntaxError, "KEEP"),
        (
            "REPEATABLE ELEMENTS ANY (a) ((x)-[e]->+(y) WHERE count(e) > 1) (b)",
            errors.SyntaxError,
            "without end",
        ),
        (
            "REPEATABLE ELEMENTS ANY (a) (((x)-[e]->(y))* ()-[f]->() WHERE size(e) > 1) (b)",
            errors.SyntaxError,
            "without end",
        ),
        ("(a) (q = (x)-[q]->(y)) (b) WHERE q IS NOT NULL", errors.DuplicateColumn, '"q"'),
        ("(a) (q = (x)->(y)) (q = (y)->(z)) WHERE q IS NOT NULL", errors.DuplicateColumn, '"q"'),
        ("(a) ((x)-[e]->(y)<-[e]-(z)){2} (b)", errors.NotSupportedError, '"e" stands twice'),
        ("(a)-[e]->(b)-[]->{2}()<-[e]-()", errors.NotSupportedError, '"e" stands twice'),
    ],
)
def test_patterns_that_make_no_sense_are_errors(
    ring: GqlGraph, pattern: str, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        ring.rows(f"MATCH {pattern} RETURN 1 AS one")


@pytest.mark.parametrize(
    ("pattern", "count"),
    [
        ("REPEATABLE ELEMENTS TRAIL (a {k: 1})-[]->*(b)", 4),
        ("REPEATABLE ELEMENTS ANY (a {k: 1})-[]->*(b)", 3),
        ("REPEATABLE ELEMENTS (a {k: 1}) (TRAIL (x)-[]->*(y)) (b)", 4),
        ("REPEATABLE ELEMENTS (a {k: 1})-[]->{5}(b)", 1),
        ("(a {k: 1})-[]->{5}(b)", 0),
        ("(a {k: 1})-[]->*(b)", 4),
        ("ACYCLIC (a {k: 1})-[]->*(b)", 3),
        ("SIMPLE (a {k: 1})-[]->*(b)", 4),
        ("SHORTEST 2 (a {k: 1})-[]->*(b)", 4),
        ("REPEATABLE ELEMENTS SHORTEST 2 (a {k: 1})-[]->*(b)", 6),
        ("REPEATABLE ELEMENTS SHORTEST 3 GROUPS (a {k: 1})-[]->*(b)", 9),
        ("(a {k: 1})-[]->{1,2}()-[]->{1,2}(b)", 2),
        ("(a {k: 1})-[]->{1,2}(m)-[]->{1,2}(b)", 3),
        ("(a {k: 1}) (()-[:E]->() | ()-[:E]->()) (b)", 1),
        ("(a {k: 1}) (()-[:E]->() |+| ()-[:E]->()) (b)", 2),
        ("(a {k: 1})-[:E]->{1,2}(b), (b)-[:E]->{1,2}(c)", 3),
        ("REPEATABLE ELEMENTS (a {k: 1})-[:E]->{1,2}(b), (b)-[:E]->{1,2}(c)", 4),
        ("(a {k: 1})-[:E]->{1,2}(b), (a)-[:E]->(c)", 0),
        ("(a {k: 1})-[:E]->*(b) KEEP ANY SHORTEST", 3),
        ("REPEATABLE ELEMENTS ANY (a {k: 1}) ((x)-[e]->{1,4}(y) WHERE count(e) > 1) (b)", 3),
        ("REPEATABLE ELEMENTS ANY (a {k: 1}) (TRAIL (x)-[e]->+(y) WHERE count(e) > 1) (b)", 2),
        ("REPEATABLE ELEMENTS TRAIL (a {k: 1}) ((x)-[e]->+(y) WHERE count(e) > 1) (b)", 2),
        ("REPEATABLE ELEMENTS (a {k: 1}) ((x)-[e]->(y)<-[e]-(z)){1,2} (b)", 2),
        ("REPEATABLE ELEMENTS (a {k: 1}) ((x)-[e]-(y)-[e]-(z)-[f]->(z2)){2} (b)", 4),
        ("TRAIL (a {k: 1}) ((x)-[e]->(y)<-[e]-(z)){1,2} (b)", 0),
    ],
)
def test_match_modes_path_modes_and_selectors_count_as_the_standard_says(
    ring: GqlGraph, pattern: str, count: int
) -> None:
    assert ring.rows(f"MATCH {pattern} RETURN count(*)") == [(count,)]


def test_group_variables_are_lists_and_aggregates_go_over_their_items(ring: GqlGraph) -> None:
    text = "MATCH (a {k: 1}) ((x)-[e:E]->(y)){2} (b) RETURN size(x), sum(e.w), max(y.k), count(e), collect_list(x.name)"
    assert ring.rows(text) == [(2, 3, 3, 2, ("Alix", "Bo"))]
    assert ring.rows("MATCH (a {k: 1})-[e:E]->{1,3}(b) WHERE sum(e.w) = 3 RETURN b.name") == [("Cy",)]
    with pytest.raises(errors.DatatypeMismatch, match="w"):
        ring.rows("MATCH (a {k: 1})-[e:E]->{2}(b) RETURN e.w")


@pytest.mark.parametrize("ends", ["(a {k: 1}) {} (b)", "(a) {} (b {k: 2})"])
@pytest.mark.parametrize(
    ("pattern", "value", "items"),
    [
        ("((x)-[e:E]->(y)){1,3}", "e.w * y.k", "[e[0].w * y[0].k, e[1].w * y[1].k, e[2].w * y[2].k]"),
        (
            "((x)-[e:E]->(y)-[f:E]->(z)){1,2}",
            "x.k + 10 * f.w",
            "[x[0].k + 10 * f[0].w, x[1].k + 10 * f[1].w]",
        ),
        ("(q = (x)-[e:E]->(y)){1,2}", "path_length(q) + e.w", "[1 + e[0].w, 1 + e[1].w]"),
        (
            "(((x)-[e:E]->(y)){1,2} ()-[]->()){1,2}",
            "x.k * e.w",
            "[x[0].k * e[0].w, x[1].k * e[1].w, x[2].k * e[2].w, x[3].k * e[3].w]",
        ),
    ],
)
def test_aggregates_go_over_the_iterations_of_a_quantifier(
    ring: GqlGraph, pattern: str, value: str, items: str, ends: str
) -> None:
    text = f"MATCH REPEATABLE ELEMENTS {ends.replace('{}', pattern)} RETURN sum({value}), {items}, count({value})"
    rows = ring.rows(text)
    assert rows
    for total, listed, count in rows:
        there = [each for each in listed if each is not None]
        assert (total, count) == (sum(there), len(there))


@pytest.mark.parametrize(
    ("pattern", "value"),
    [
        ("(a)-[e]->{1,2}()-[f]->{1,2}(b)", "e.w + f.w"),
        ("(a) ((x)-[e]->(y)-[f]->(z)-[g]->(x)){1,2} (b)", "x.k + e.w"),
        ("(a) ((x)-[e]->(y) (-[f]->(z))?){1,2} (b)", "f.w + e.w"),
    ],
)
def test_lists_that_do_not_go_together_are_not_aggregated_together(
    ring: GqlGraph, pattern: str, value: str
) -> None:
    with pytest.raises(errors.NotSupportedError, match="several quantifiers"):
        ring.rows(f"MATCH {pattern} RETURN sum({value})")


STRETCHES = [
    "(x)-[:E]->(y)",
    "(x)<-[e]-{1,2}(y)",
    "(x)-[:E]-(y)-[f]-(z)",
    "(x)-[]-+(y)",
    "((x)-[]->(y) | (x)<-[]-(y))",
]


@pytest.mark.parametrize("prefix", ["", "SHORTEST 3", "ACYCLIC"])
@pytest.mark.parametrize("first", STRETCHES)
def test_variables_of_stretches_are_the_path_between_them(ring: GqlGraph, first: str, prefix: str) -> None:
    """Where all of a path is in named brackets, the stretches are the path; from whichever end it is sought."""
    head = f"MATCH p = {prefix}"
    second = (
        first.replace("x", "u").replace("y", "v").replace("z", "w").replace("[e", "[g").replace("[f", "[h")
    )
    for ends in ("(a {k: 1}) {} (b)", "(a) {} (b {k: 2})", "(a {k: 1}) {} (b {k: 3})"):
        before, after = ends.split(" {} ")
        rows = ring.rows(f"{head} {before} (q = {first}) (r = {second}) {after} RETURN p, q, r, q || r")
        assert all(whole == joined for whole, _, _, joined in rows)
        rows = ring.rows(f"{head} {before} (q = {first}){{1,2}} {after} RETURN p, q")
        assert rows or "ACYCLIC" in prefix
        for whole, parts in rows:
            assert whole == parts[0] + tuple(item for part in parts[1:] for item in part[1:])
        longer = ring.rows(f"{head} {before} (q = {first} WHERE path_length(q) > 1) {after} RETURN p, q")
        assert all(whole == part and len(part) > 3 for whole, part in longer)


def test_a_stretch_that_is_not_there_is_null(ring: GqlGraph) -> None:
    text = "MATCH (a {k: 1}) (q = (x)-[e:E]->(y))? (b) RETURN path_length(q), b.name ORDER BY b.name"
    assert ring.rows(text) == [(None, "Alix"), (1, "Bo")]
    text = "MATCH p = ANY SHORTEST (a {k: 1}) (q = (x)-[e]->+(y) WHERE path_length(q) > 2) (b) RETURN b.name"
    assert ring.rows(text) == [("Alix",)]


def test_questioned_and_alternative_variables_may_be_null(ring: GqlGraph) -> None:
    text = "MATCH (a {k: 1}) (-[e:E]->)? (b) RETURN e.w, b.name ORDER BY b.name"
    assert ring.rows(text) == [(None, "Alix"), (1, "Bo")]
    text = "MATCH (a {k: 1}) (()-[e:E]->() | ()<-[f:E]-()) (b) RETURN e.w, f.w ORDER BY b.name"
    assert ring.rows(text) == [(1, None), (None, 3)]


def test_a_search_begins_at_one_of_its_ends_though_its_middle_is_known(ring: GqlGraph) -> None:
    text = "MATCH (m {k: 2}) MATCH (x)-[e]->{1,2}(m)-[f]->{1,2}(y) RETURN x.k, y.k"
    expected = [(1, 3), (1, 1), (3, 3)]
    assert sorted(ring.rows(text)) == sorted(expected)
    assert ring.rows(f"{text.partition('RETURN')[0]} RETURN count(*)") == [(3,)]


def test_optional_and_tested_patterns_are_searched(ring: GqlGraph) -> None:
    lone = ring.node("P", name="Di", k=4)
    assert lone
    text = "MATCH (a) OPTIONAL MATCH p = (a)-[:E]->{2}(b) RETURN a.name, b.name ORDER BY a.name"
    assert ring.rows(text) == [("Alix", "Cy"), ("Bo", "Alix"), ("Cy", "Bo"), ("Di", None)]
    text = "MATCH (a) WHERE NOT EXISTS {(a)-[:E]->+(b {name: 'Cy'})} RETURN a.name"
    assert ring.rows(text) == [("Di",)]


# --- where only the ends matter ----------------------------------------


@pytest.fixture
def mesh() -> GqlGraph:
    """Twelve nodes, each with edges to all: more trails than could ever be counted."""
    graph = GqlGraph()
    nodes = [graph.node("P", n=n) for n in range(12)]
    for one in nodes:
        for other in nodes:
            graph.edge(one, other, "E")
    graph.node("Far", n=99)
    return graph


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("MATCH (a {n: 0})-[:E]->*(b) RETURN DISTINCT b.n ORDER BY b.n LIMIT 2", [(0,), (1,)]),
        ("MATCH (a {n: 0})-[:E]->+(b) RETURN count(DISTINCT b)", [(12,)]),
        ("MATCH (a {n: 0})-[:E]->+(b) RETURN min(b.n), max(b.n)", [(0, 11)]),
        ("MATCH (a) WHERE EXISTS {(a)-[:E]->+(b:Far)} RETURN a.n", []),
        ("MATCH (a) WHERE NOT EXISTS {(a)-[:E]->+(b {n: 3})} RETURN a.n", [(99,)]),
        ("MATCH (a {n: 0}), (b:Far) WHERE EXISTS {(a)-[:E]-+(b)} RETURN 1 AS one", []),
    ],
)
def test_nobody_counts_paths_where_only_their_ends_matter(
    mesh: GqlGraph, text: str, rows: list[tuple[object, ...]]
) -> None:
    assert mesh.rows(text) == rows


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("MATCH p = ANY SHORTEST (a:Lone)-[:E]-+(b) RETURN count(*)", 12),
        ("MATCH p = ALL SHORTEST (a:Lone)-[:E]-+(b) RETURN count(*)", 23),
        ("MATCH p = ANY SHORTEST (a:Lone)-[:E]-*(b) RETURN count(*)", 13),
        ("MATCH p = SHORTEST 2 (a:Lone)-[:E]-*(b:Lone) RETURN count(*)", 1),
        ("MATCH p = ANY SHORTEST ACYCLIC (a:Lone)-[:E]-+(b) RETURN count(*)", 12),
    ],
)
def test_a_search_for_a_way_back_ends_where_there_is_none(mesh: GqlGraph, text: str, count: int) -> None:
    """One edge leads from the lone node into the mesh, and none back: no trail returns, however long it is sought."""
    mesh.edge(mesh.node("Lone", n=50), 1, "E")
    assert mesh.rows(text) == [(count,)]


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("MATCH (a {k: 1})-[:E]->{1,3}(b) RETURN count(b)", 3),
        ("MATCH (a {k: 1})-[:E]-{1,3}(b) RETURN count(b), count(DISTINCT b)", (6, 3)),
        ("MATCH p = (a {k: 1})-[:E]-{1,3}(b) RETURN count(DISTINCT p)", 6),
    ],
)
def test_paths_are_counted_where_that_matters(ring: GqlGraph, text: str, count: object) -> None:
    assert ring.rows(text) == [count if isinstance(count, tuple) else (count,)]
