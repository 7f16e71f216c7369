"""Path search against brute force: random patterns on random small graphs, in memory."""

from __future__ import annotations

import os
from collections import Counter
from random import Random
from typing import Any

import pytest
from support.builds import this_builds
from support.graph_matcher import (
    Graph,
    Match,
    Paren,
    Part,
    RandomPatterns,
    Repeat,
    Seq,
    matches,
    random_graph,
    variables,
    wrong_lengths,
)
from support.path_patterns import make_searcher

from skerry_engine.plan.path_search import NONE

SEEDS = int(os.environ.get("SKERRY_PATH_SEEDS", "16"))
CASES_PER_SEED = 40
MODES = ("trail", "acyclic", "simple")


def rows_of(work: Any) -> list[tuple[Any, ...]]:
    """All rows of a search."""
    return [row for batch in work if isinstance(batch, list) for row in batch]


def expected_row(match: Match, names: list[str]) -> tuple[Any, ...]:
    """What a search gives of a match: its path, and what each variable is bound to, in order."""
    path, notes = match
    places = {name: sorted(position for position, noted in notes if noted == name) for name in names}
    return (path, *(tuple(path[position] for position in places[name]) for name in names))


def ends_of(graph: Graph, random: Random, backward: bool) -> tuple[list[int], int]:
    """Nodes to begin at, and perhaps one to end at."""
    starts = random.sample(sorted(graph.labels), random.randint(1, len(graph.labels)))
    return starts, random.choice([NONE, NONE, *graph.labels])


def within(found: set[Match], starts: list[int], end: int, backward: bool) -> set[Match]:
    """The matches between the given ends; walking backward begins where they end."""
    first, last = (-1, 0) if backward else (0, -1)
    return {m for m in found if m[0][first] in starts and end in (NONE, m[0][last])}


@pytest.mark.parametrize("seed", this_builds(range(SEEDS)))
def test_all_matches_of_random_patterns_are_those_of_brute_force(seed: int) -> None:
    random = Random(seed)
    for _ in range(CASES_PER_SEED):
        graph, part = random_graph(random), RandomPatterns(random).pattern()
        mode, backward = random.choice(MODES), random.random() < 0.5
        starts, end = ends_of(graph, random, backward)
        names = sorted(variables(part))
        expected = within(matches(graph, part, mode), starts, end, backward)
        searcher = make_searcher(graph, part, mode, random, backward, random.random() < 0.5)
        found = rows_of(searcher.all_matches(starts, end))
        assert Counter(found) == Counter(expected_row(m, names) for m in expected), f"{mode} {part}\n{graph}"


@pytest.mark.parametrize("seed", this_builds(range(SEEDS)))
def test_ends_and_lengths_alone_are_those_of_brute_force(seed: int) -> None:
    random = Random(seed)
    for _ in range(CASES_PER_SEED):
        graph, part = random_graph(random), RandomPatterns(random).pattern()
        mode, backward = random.choice(MODES), random.random() < 0.5
        starts, end = ends_of(graph, random, backward)
        kinds = random.choice([["start", "end"], ["end"], ["length", "start", "end"]])
        expected = within(matches(graph, part, mode), starts, end, backward)
        searcher = make_searcher(graph, part, mode, random, backward, True, kinds)
        found = rows_of(searcher.all_matches(starts, end))
        shown = {"start": lambda p: p[0], "end": lambda p: p[-1], "length": lambda p: len(p) // 2}
        assert Counter(found) == Counter(tuple(shown[k](path) for k in kinds) for path, _ in expected), str(
            part
        )


@pytest.mark.parametrize("seed", this_builds(range(SEEDS)))
def test_bounded_patterns_need_no_mode(seed: int) -> None:
    random = Random(seed)
    for _ in range(CASES_PER_SEED):
        graph, part = random_graph(random, 3, 4), RandomPatterns(random, unbounded=False).pattern()
        names = sorted(variables(part))
        starts, backward = sorted(graph.labels), random.random() < 0.5
        searcher = make_searcher(graph, part, "walk", random, backward, True)
        expected = Counter(expected_row(m, names) for m in matches(graph, part, "walk", 99))
        assert Counter(rows_of(searcher.all_matches(starts, NONE))) == expected, str(part)


LONGEST_WALK = 6
"""Brute force knows walks up to this length; longer ones are not compared."""


@pytest.mark.parametrize("seed", this_builds(range(SEEDS)))
def test_selectors_choose_what_brute_force_allows(seed: int) -> None:
    random = Random(seed)
    for _ in range(CASES_PER_SEED):
        graph, patterns = random_graph(random, 4, 5), RandomPatterns(random)
        patterns.grouped_conditions = False
        part: Part = patterns.pattern()
        mode, backward = random.choice((*MODES, "walk", "walk")), random.random() < 0.5
        count, by_length = random.choice((1, 1, 1, 2, 3)), random.random() < 0.5
        starts, end = ends_of(graph, random, backward)
        names = sorted(variables(part))
        most = LONGEST_WALK if mode == "walk" else 12
        among = within(matches(graph, part, mode, most), starts, end, backward)
        searcher = make_searcher(graph, part, mode, random, backward, random.random() < 0.5)
        found = rows_of(searcher.selected(starts, end, count, by_length))
        case = f"{mode} {count} {by_length} {part}\n{graph}"
        known = [row for row in found if len(row[0]) // 2 <= most]
        assert not Counter(known) - Counter(expected_row(m, names) for m in among), case
        paths = [row[0] for row in known]
        assert not wrong_lengths(paths, [m[0] for m in among], count, True, by_length), case


@pytest.mark.parametrize("seed", this_builds(range(SEEDS)))
def test_one_step_repeated_between_two_nodes_is_searched_from_both(seed: int) -> None:
    random = Random(seed)
    met = 0
    for _ in range(CASES_PER_SEED):
        graph, patterns = random_graph(random, 6, 9), RandomPatterns(random)
        inner = [patterns.edge()]
        if random.random() < 0.3:
            inner.append(patterns.edge())
        least, most = random.choice(((0, None), (1, None), (0, 2), (1, 3), (1, 1)))
        part: Part = Repeat(Paren(Seq(tuple(inner))), least, most)
        mode, backward, by_length = (
            random.choice(("walk", *MODES)),
            random.random() < 0.5,
            random.random() < 0.5,
        )
        start, end = random.choice(sorted(graph.labels)), random.choice(sorted(graph.labels))
        names = sorted(variables(part))
        longest = LONGEST_WALK if mode == "walk" else 12
        among = within(matches(graph, part, mode, longest), [start], end, backward)
        searcher = make_searcher(graph, part, mode, random, backward, random.random() < 0.5)
        found = rows_of(searcher.selected([start], end, 1, by_length))
        met += searcher.program.step is not None and bool(found)
        known = [row for row in found if len(row[0]) // 2 <= longest]
        case = f"{mode} {by_length} {part} {start} {end}\n{graph}"
        assert not Counter(known) - Counter(expected_row(m, names) for m in among), case
        assert not wrong_lengths([row[0] for row in known], [m[0] for m in among], 1, True, by_length), case
    assert met, "some of these are such patterns"
