"""Thousands of random histories keep what their levels promise.  See the package for how to run a seed again."""

from __future__ import annotations

from collections import Counter
from functools import cache

import pytest
from support.builds import this_builds

from histories.checker import Runner
from histories.report import describe
from histories.script import READ_COMMITTED, SERIALIZABLE, SNAPSHOT
from histories.workload import make_script

CHUNK = 250
CHUNKS = 24


@cache
def statistics_of(chunk: int, has_base: bool = False) -> Counter[str]:
    """Run a chunk of histories, none of which may break a rule; what happened in them."""
    runner = Runner(has_base=has_base)
    for seed in range(chunk * CHUNK, (chunk + 1) * CHUNK):
        verdict = runner.run_seed(seed)
        if verdict.rule:
            pytest.fail(describe(runner.shrink(verdict), seed), pytrace=False)
    return runner.statistics.counts


@pytest.mark.parametrize("chunk", this_builds(range(CHUNKS)))
def test_histories(chunk: int) -> None:
    statistics_of(chunk)


@pytest.mark.parametrize("chunk", this_builds(range(400, 404)))
def test_histories_while_checkpoints_are_written(chunk: int) -> None:
    statistics_of(chunk, has_base=True)


def test_there_is_life_in_the_histories() -> None:
    """Sessions meet: they wait, conflict, are chosen as victims, and do what their level allows."""
    counts: Counter[str] = Counter()
    for chunk in this_builds(range(CHUNKS))[:4]:
        counts.update(statistics_of(chunk))
    assert counts["waits"] > 50
    for level in (READ_COMMITTED, SNAPSHOT, SERIALIZABLE):
        assert counts[f"{level}: committed"] > counts[f"{level}: aborted"] > 50
        for error in ("23505", "23503", "25006"):
            assert counts[f"{level}: {error}"] > 0
    for level in (READ_COMMITTED, SNAPSHOT):
        assert counts[f"{level}: allowed G2"] + counts[f"{level}: allowed G2-item"] > 5
    for level in (SNAPSHOT, SERIALIZABLE):
        assert counts[f"{level}: 40001"] > 10 and counts[f"{level}: commit 40001"] > 10
    assert counts[f"{READ_COMMITTED}: 40P01"] > 0
    assert sum(counts[f"{level}: 55P03"] for level in (READ_COMMITTED, SNAPSHOT, SERIALIZABLE)) > 0
    assert counts[f"{READ_COMMITTED}: allowed G-single"] > 5
    assert counts[f"{SERIALIZABLE}: commit 40001 by SSI"] > 10
    assert counts["unchecked"] < 10, "few statements go on in place"


def test_a_seed_alone_decides() -> None:
    """The same units, results and rows, whatever ran in the engine before."""
    used = Runner()
    for seed in (31, 17, 90, 55, 8, 17):
        made = used.run_seed(seed).history
        alone = Runner().run(*make_script(seed)).history
        assert [(line.text, line.result) for line in made.transcript] == [
            (line.text, line.result) for line in alone.transcript
        ]
        assert made.units == alone.units and made.final == alone.final
