"""Whatever a random flow is made of, as many transactions commit as its outline says.

Programs have loops over ranges of known length, conditions on their counters, `each`, inner flows, blocks and stages
that call stages.  The outline says of each place in each round whether a commit comes there for certain, never, or
perhaps (behind a condition, or after a commit every few rows); the commits that the run's report counts must lie
between what is certain and what is possible, which without conditions is one number.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping

import pytest
from support.builds import this_builds
from support.flow_sources import flow_of

from skerry import flow
from skerry.flow.outline import Effect, Kind, Place, Rounds

STAGES = """
@stage(tx=True)
def load(): db.execute("SELECT 1")

@stage(tx=True, on_error=lambda error: False)
def store(): db.execute("SELECT 1")

@stage
def check(): pass

@stage(tx=True)
def store_all():
    load()
    check()
    inner_load()

@stage
def batch():
    for i in range(2):
        load()
    check()
    store()

@flow(db)
def inner_load():
    load()
    store()

@flow(db)
def inner_check():
    store()
    check()

def both():
    load()
    check()
"""
CALLS = ("load", "load", "store", "check", "store_all", "batch", "inner_load", "inner_check", "both")


def program(chance: random.Random, has_conditions: bool) -> str:
    """A flow's source."""
    body = "\n".join(statements(chance, 1, 0, has_conditions))
    return f"{STAGES}\n@flow(db)\ndef imp():\n{body}\n"


def statements(chance: random.Random, depth: int, loops: int, has_conditions: bool) -> Iterator[str]:
    indent = "    " * depth
    for _ in range(chance.randint(1, 3)):
        kind = chance.random()
        if kind < 0.25 and depth < 4:
            yield f"{indent}for i{loops} in range({chance.randint(1, 3)}):"
            yield from statements(chance, depth + 1, loops + 1, has_conditions)
        elif kind < 0.35 and depth < 4 and loops and has_conditions:
            yield f"{indent}if i{loops - 1} % 2 == {chance.randint(0, 1)}:"
            yield from statements(chance, depth + 1, loops, has_conditions)
        elif kind < 0.45:
            yield f"{indent}with db.transaction():"
            yield f"{indent}    {chance.choice(('load', 'inner_load'))}()"
        elif kind < 0.6:
            every = (
                f", commit_every={chance.randint(1, 3)}" if has_conditions and chance.random() < 0.7 else ""
            )
            called = chance.choice(("load", "check", "store", "both"))
            yield f"{indent}each(range({chance.randint(1, 5)}), lambda row: {called}(){every})"
        else:
            yield f"{indent}{chance.choice(CALLS)}()"


class Counting:
    """How many commits an outline promises: at least and at most."""

    def __init__(self) -> None:
        self.certain = 0
        self.possible = 0

    def go(self, places: tuple[Place, ...], rounds: Rounds, numbers: Mapping[str, int]) -> None:
        for place in places:
            self.place(place, rounds, numbers)

    def place(self, place: Place, rounds: Rounds, numbers: Mapping[str, int]) -> None:
        effects = place.effects_at(rounds)
        if place.kind is Kind.ARM and not eval(place.label.removeprefix("if "), {}, dict(numbers)):
            return
        if place.kind is not Kind.EACH and effects:
            self.certain += all(effect.is_commit for effect in effects)
            self.possible += any(effect.is_commit for effect in effects)
        found = re.fullmatch(r"(?:for (\w+) in|of) range\((\d+)\)", place.label)
        if found is None:
            self.go(place.parts, rounds, numbers)
            return
        name, count = found[1] or "row", int(found[2])
        for number in range(count):
            self.go(place.parts, (*rounds, number == 0), {**numbers, name: number})
        if Effect.EVERY in place.all_effects:
            assert isinstance(place.commit_every, int)
            self.possible += count // place.commit_every


@pytest.mark.parametrize("has_conditions", [False, True])
def test_as_many_commit_as_the_outline_says(has_conditions: bool) -> None:
    widest = 0
    with flow.open(":memory:") as db:
        for seed in this_builds(range(300)):
            source = program(random.Random(seed), has_conditions)
            imp = flow_of(source, f"random {seed}", db)
            outline = imp.outline()
            assert not outline.unseen
            promised = Counting()
            promised.go(outline.body, (), {})
            report = imp.run().report
            assert promised.certain <= report.commits <= promised.possible, f"{source}\n{outline}\n{report}"
            assert has_conditions or promised.certain == promised.possible, f"{source}\n{outline}"
            widest = max(widest, promised.certain)
    assert widest > 10
