"""Random path patterns over random graphs: bound, planned and run, they give what trying everything gives."""

from __future__ import annotations

from random import Random

import pytest
from support.builds import this_builds
from support.gql_graphs import GqlGraph
from support.graph_matcher import (
    DIRECTIONS,
    Graph,
    Match,
    Part,
    RandomPatterns,
    allowed,
    matches,
    random_graph,
    singletons,
    variables,
    wrong_lengths,
)
from support.graph_plans import Row

from skerry_engine.values.graphs import ROW_ID


def filled(graph: Graph) -> GqlGraph:
    made = GqlGraph()
    made.fill(graph)
    return made


def shown(match: Match, part: Part, names: list[str]) -> tuple[object, ...]:
    """A match as a row: the path, then each variable: an element's id, or the list of them."""
    path, notes = match
    single = singletons(part)
    row: list[object] = [tuple(path)]
    for name in names:
        bound = tuple(path[position] for position, noted in sorted(notes) if noted == name)
        row.append((bound[0] if bound else None) if name in single else bound)
    return tuple(row)


def identities(row: Row, edge_names: set[str], names: list[str]) -> tuple[object, ...]:
    """A row of the database in the same form."""
    path = tuple(-v[ROW_ID] if n % 2 else v[ROW_ID] for n, v in enumerate(row[0]))
    cells: list[object] = [path]
    for name, value in zip(names, row[1:], strict=True):
        sign = -1 if name in edge_names else 1
        if value is None or not isinstance(value[0] if value else (), int):
            cells.append(None if value is None else tuple(sign * each[ROW_ID] for each in value))
        else:
            cells.append(sign * value[ROW_ID])
    return tuple(cells)


def edge_variables(part: Part) -> set[str]:
    from support.graph_matcher import Edge

    if isinstance(part, Edge):
        return variables(part)
    inner = getattr(part, "parts", None) or ((part.part,) if hasattr(part, "part") else ())
    return set().union(*map(edge_variables, inner)) if inner else set()


def run(
    seed: int, prefix: str, mode: str, repeatable: bool
) -> tuple[list[tuple[object, ...]], set[Match], Part]:
    random = Random(seed)
    graph = random_graph(random, random.randint(1, 4), random.randint(0, 6), random.choice((0.0, 0.5)))
    part = RandomPatterns(random, directions=("->", *DIRECTIONS)).pattern()
    names = sorted(variables(part))
    returned = ", ".join(["p", *names])
    elements = "REPEATABLE ELEMENTS " if repeatable else ""
    text = f"MATCH {elements}p = {prefix}{part} RETURN {returned}"
    rows = [identities(row, edge_variables(part), names) for row in filled(graph).rows(text)]
    return rows, matches(graph, part, mode), part


@pytest.mark.parametrize("seed", this_builds(range(150)))
def test_every_match_is_found_once(seed: int) -> None:
    mode, prefix = Random(seed).choice(
        (("trail", ""), ("trail", "TRAIL "), ("acyclic", "ACYCLIC "), ("simple", "SIMPLE "))
    )
    rows, expected, part = run(seed, prefix, mode, prefix != "")
    expected = {match for match in expected if mode != "simple" or prefix or allowed(match[0], "trail")}
    names = sorted(variables(part))
    assert sorted(map(repr, rows)) == sorted(repr(shown(match, part, names)) for match in expected)


@pytest.mark.parametrize("seed", this_builds(range(60)))
def test_a_selector_takes_of_the_shortest(seed: int) -> None:
    prefix, count, shortest, groups = Random(seed).choice(
        (
            ("ANY SHORTEST ", 1, True, False),
            ("ALL SHORTEST ", 1, True, True),
            ("SHORTEST 2 ", 2, True, False),
            ("SHORTEST 2 GROUPS ", 2, True, True),
            ("ANY ", 1, False, False),
        )
    )
    rows, expected, _ = run(seed + 1000, prefix, "trail", False)
    paths = {match[0] for match in expected}
    assert {row[0] for row in rows} <= paths
    among = [match[0] for match in expected]
    assert wrong_lengths([row[0] for row in rows], among, count, shortest, groups) == ""  # type: ignore[misc]
