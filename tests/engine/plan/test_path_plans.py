"""Path searches planned and compiled: random patterns over a graph's tables, against brute force."""

from __future__ import annotations

import os
from collections import Counter
from random import Random
from typing import Any

import pytest
from support.graph_matcher import Match, RandomPatterns, matches, random_graph, variables, wrong_lengths
from support.graph_plans import (
    column,
    joined,
    labelled,
    node_property,
    nodes,
    number,
    row_id,
    same,
    select,
)
from support.path_plans import NODE, PATH, SEARCH, SearchMaker, stored

from skerry_engine.algebra import expressions as ex
from skerry_engine.algebra import paths as pt
from skerry_engine.algebra import queries as q

SEEDS = int(os.environ.get("SKERRY_PATH_SEEDS", "8"))
CASES_PER_SEED = 12
MODES = ("trail", "acyclic", "simple")

FROM, TO = 7, 8
"""Ranges of the nodes that a search is joined with."""


def ids(value: Any, edges: dict[int, int]) -> Any:
    """Elements of a list or path as the graph's numbers."""
    return tuple(edges[each[2]] if len(each) > 4 else each[2] for each in value)


def expected_row(match: Match, names: list[str]) -> tuple[Any, ...]:
    path, notes = match
    places = {name: sorted(position for position, noted in notes if noted == name) for name in names}
    return (path, *(tuple(path[position] for position in places[name]) for name in names))


def ends_at(range_id: int, random: Random) -> tuple[list[q.Relation], list[ex.Expr], str]:
    """Something that gives nodes: all, those with a label, one."""
    kind = random.choice(("all", "label", "one", "property"))
    conditions: list[ex.Expr] = []
    if kind == "label":
        conditions = [labelled(range_id, "A")]
    elif kind == "one":
        conditions = [same(row_id(range_id), number(2))]
    elif kind == "property":
        conditions = [same(node_property(range_id, "k"), number(2))]
    return [nodes(range_id)], conditions, kind


@pytest.mark.parametrize("seed", range(SEEDS))
def test_searches_over_tables_find_what_brute_force_finds(seed: int) -> None:
    random = Random(seed)
    for _ in range(CASES_PER_SEED):
        graph, patterns = random_graph(random), RandomPatterns(random)
        patterns.grouped_conditions = False
        part = patterns.pattern()
        mode, names = random.choice(MODES), sorted(variables(part))
        tables, node_ids, edge_ids = stored(graph)
        assert node_ids == {n: n for n in node_ids}
        maker = SearchMaker(random, part)
        selector, count, by_length = None, random.choice((1, 2)), random.random() < 0.5
        if random.random() < 0.5:
            selector = pt.PathSelector(number(count), True, by_length)
        search = maker.search(part, mode, selector)
        first, first_conditions, first_kind = ends_at(FROM, random)
        last, last_conditions, last_kind = ends_at(TO, random)
        items = [*first, *last, search]
        random.shuffle(items)
        outputs = [ex.Column(PATH, SEARCH, 2, "path")]
        outputs += [ex.Column(NODE, SEARCH, 3 + n, name) for n, name in enumerate(names)]
        query = select(
            joined(*items),
            list(outputs),
            same(row_id(FROM), column(SEARCH, 0)),
            same(column(SEARCH, 1), row_id(TO)),
            *first_conditions,
            *last_conditions,
        )
        by_row = {row: n for n, row in edge_ids.items()}
        found = [tuple(ids(value, by_row) for value in row) for row in tables.run(query)]
        among = {
            match
            for match in matches(graph, part, mode)
            if fits(graph, match[0][0], first_kind) and fits(graph, match[0][-1], last_kind)
        }
        expected = Counter(expected_row(m, names) for m in among)
        case = f"{mode} {part}\n{graph}"
        if selector is None:
            assert Counter(found) == expected, case
        else:
            assert not Counter(found) - expected, case
            paths = [row[0] for row in found]
            assert not wrong_lengths(paths, [m[0] for m in among], count, True, by_length), case


def fits(graph: Any, node: int, kind: str) -> bool:
    if kind == "label":
        return "A" in graph.labels[node]
    if kind == "one":
        return node == 2
    return kind == "all" or graph.properties[node].get("k") == 2
