"""Anomaly by level: what is allowed, what is refused, and by what.

The goldenscripts of `goldenscripts/anomalies` are played by test_sql_goldenscripts.py.  Here is checked that
they show what they say, that this does not hang on one order of commands, that PostgreSQL agrees, and that
docs/isolation.md has the table that they give.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from stepper import Stepper
from support.anomaly_scripts import (
    ALL_COMMIT,
    ALLOWED,
    DIRECTORY,
    LEVELS,
    AnomalyScript,
    all_scripts,
    read_script,
)
from support.builds import this_builds
from support.concurrent_sessions import play_in_new_database
from support.interleaving import Story, read_story
from support.postgres_server import Address
from support.sessions import SqlDatabase

SCRIPTS = all_scripts()
ANOMALIES = [script for script in SCRIPTS if not script.is_harmless]
MIXTURES = int(os.environ.get("SKERRY_MIXTURES", "4"))
"""How many random mixtures of each story are played at each level; the environment can ask for more."""

DOCUMENT = Path(__file__).parents[3] / "docs" / "isolation.md"
_TABLE = re.compile(r"(<!-- (\w+): written by a test -->\n).*?(<!-- end -->)", re.DOTALL)

of_script = pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
of_anomaly = pytest.mark.parametrize("script", this_builds(ANOMALIES), ids=lambda script: script.name)


@of_script
def test_what_a_script_shows_is_what_it_says(script: AnomalyScript) -> None:
    assert list(script.parts) == list(LEVELS)
    assert {level: script.outcome(level) for level in LEVELS} == {
        level: part.expected for level, part in script.parts.items()
    }


def test_the_anomalies_of_the_literature_are_there() -> None:
    wanted = (
        "g0 g1a g1b g1c otv pmp p4 g_single g2_item g2_predicate write_skew phantom read_only receipts batch"
    )
    names = [script.name for script in SCRIPTS]
    assert [word for word in wanted.split() if not any(name.startswith(word) for name in names)] == []


def test_serializable_allows_nothing() -> None:
    assert [script.name for script in ANOMALIES if script.parts["Serializable"].expected == ALLOWED] == []


def test_no_level_refuses_what_is_harmless() -> None:
    expected = {part.expected for script in SCRIPTS if script.is_harmless for part in script.parts.values()}
    assert expected == {ALL_COMMIT}


def test_an_anomaly_would_be_noticed() -> None:
    """The lines that make an anomaly, among others, are one; without the last of them they are none."""
    for script in ANOMALIES:
        noise = [line for wanted in script.evidence for line in ("A: UPDATE 1", wanted, "main: SELECT 1")]
        assert script.outcome_of(noise) == ALLOWED
        assert script.outcome_of(noise[:-2]) != ALLOWED


# --- other orders ----------------------------------------


def player(
    script: AnomalyScript, level: str, cramped: bool = False
) -> tuple[Story, Callable[[list[str]], str]]:
    """A script's story at a level, and how to play it in an order, in a new database: returns the outcome.

    `cramped`: garbage is collected after each command, and SIREADs have next to no room.
    """
    setup = read_story(script.setup).before
    story = read_story(script.parts[level].lines)

    def play(order: list[str]) -> str:
        database = SqlDatabase()
        stepper = Cramped(database) if cramped else Stepper(database.open_session)
        for command in setup:
            stepper.run("main", command)
        return script.outcome_of(story.play(order, stepper))

    return story, play


class Cramped(Stepper):
    """A stepper that collects garbage after each command, of an engine with small limits."""

    def __init__(self, database: SqlDatabase) -> None:
        super().__init__(database.open_session)
        self._manager = database.engine.manager
        limits = self._manager.serializable.limits
        limits.rows = limits.keys = limits.ranges = limits.retained = 1
        limits.records = 4

    def run(self, name: str, command: str) -> list[str]:
        lines = super().run(name, command)
        self._manager.gc()
        return lines


@pytest.mark.parametrize("script", this_builds(SCRIPTS), ids=lambda script: script.name)
def test_one_after_the_other_is_never_an_anomaly(script: AnomalyScript) -> None:
    """What a script takes for an anomaly can't come of a serial order; nor does that need a retry."""
    for level in LEVELS:
        story, play = player(script, level)
        for order in story.serial_orders():
            outcome = play(order)
            assert outcome != ALLOWED
            assert "T0" not in outcome


@of_anomaly
def test_no_mixture_shows_what_a_level_refuses(script: AnomalyScript) -> None:
    for level in LEVELS:
        story, play = player(script, level)
        if script.parts[level].expected != ALLOWED:
            for seed in range(MIXTURES):
                order = story.random_order(seed)
                assert play(order) != ALLOWED, (level, order)


@of_anomaly
def test_nor_does_one_without_room(script: AnomalyScript) -> None:
    story, play = player(script, "Serializable", cramped=True)
    for seed in range(MIXTURES):
        order = story.random_order(seed)
        assert play(order) != ALLOWED, order


@pytest.mark.parametrize(
    "script", [script for script in SCRIPTS if script.in_any_order], ids=lambda script: script.name
)
def test_no_mixture_is_refused_where_none_can_do_harm(script: AnomalyScript) -> None:
    for level in LEVELS:
        story, play = player(script, level)
        for seed in range(MIXTURES):
            order = story.random_order(seed)
            assert play(order) == ALL_COMMIT, (level, order)


def test_mixtures_do_show_anomalies_where_they_are_allowed() -> None:
    """The test above can fail: the same mixtures at SNAPSHOT show what SERIALIZABLE refuses."""
    seen = set()
    skewed = [script for script in ANOMALIES if script.parts["Snapshot"].expected == ALLOWED]
    for script in skewed:
        story, play = player(script, "Snapshot")
        if any(play(story.random_order(seed)) == ALLOWED for seed in range(MIXTURES)):
            seen.add(script.name)
    assert len(seen) > 0.8 * len(skewed), seen


# --- PostgreSQL ----------------------------------------

_SKERRY_CODE = re.compile(r"(ERROR \w{5}) T\d{3}")


@pytest.mark.parametrize(
    "script",
    this_builds([script for script in SCRIPTS if "postgres" in script.runs]),
    ids=lambda script: script.name,
)
def test_postgres_agrees(postgres: Address, script: AnomalyScript) -> None:
    """PostgreSQL allows and refuses the same, at each level; at READ COMMITTED it prints the same lines.

    Where it is known to differ (the script says so), it must.
    """
    played = play_in_new_database(postgres, DIRECTORY / f"{script.name}.txt", 3)
    theirs = read_script(played, script.name)
    verdicts = {level: theirs.outcome(level).partition(":")[0] for level in LEVELS}
    for level in LEVELS:
        agrees = verdicts[level] == script.outcome(level).partition(":")[0]
        assert agrees == (level not in script.differs), verdicts
    if "Read committed" not in script.differs:
        ours = [_SKERRY_CODE.sub(r"\1", line) for line in script.parts["Read committed"].output]
        assert theirs.parts["Read committed"].output == ours


# --- the document ----------------------------------------


def table(scripts: list[AnomalyScript]) -> str:
    """A table of outcomes, as Markdown."""
    lines = [f"| | {' | '.join(LEVELS)} |", "|---|---|---|---|"]
    for script in scripts:
        cells = " | ".join(_cell(script.outcome(level)) for level in LEVELS)
        link = f"../tests/goldenscripts/anomalies/{script.name}.txt"
        lines.append(f"| [{script.title}]({link}) | {cells} |")
    return "\n".join(lines) + "\n"


def _cell(outcome: str) -> str:
    word, _, means = outcome.partition(": ")
    return f"**{word}**" if word == ALLOWED else f"{word} ({means})" if means else word


def tables() -> dict[str, str]:
    """The document's tables, by name."""
    reading = [script for script in ANOMALIES if script.name.startswith("skew_over_")]
    return {
        "anomalies": table([script for script in ANOMALIES if script not in reading]),
        "reading": table(reading),
        "harmless": table([script for script in SCRIPTS if script.is_harmless]),
    }


def test_the_document_has_these_tables() -> None:
    found = tables()
    text = DOCUMENT.read_text(encoding="utf-8")
    expected = _TABLE.sub(lambda match: match[1] + found[match[2]] + match[3], text)
    assert [match[2] for match in _TABLE.finditer(text)] == list(found)
    if os.environ.get("SKERRY_REGENERATE"):
        DOCUMENT.write_text(expected, encoding="utf-8")
        return
    assert text == expected
