"""Patterns that make a backtracking matcher run for ages are answered at once."""

from __future__ import annotations

import time

import pytest

from skerry_engine.errors import StatementTooComplex
from skerry_engine.functions.patterns import like_source, regex_is_match
from skerry_engine.functions.regex_matching import compiled

LONG = "a" * 3000


@pytest.mark.parametrize(
    "pattern", ["(a+)+b", "(a|aa)+$b", "^(a*)*b", "(a|a)*c", "a*a*a*a*b", "(.*)(.*)(.*)(.*)x"]
)
def test_evil_pattern_takes_linear_time(pattern: str) -> None:
    start = time.perf_counter()
    assert not regex_is_match(LONG, pattern)
    assert time.perf_counter() - start < 2.0


def test_evil_pattern_finds_what_is_there() -> None:
    assert regex_is_match(LONG + "b", "(a+)+b")
    spans = compiled("(?:a|aa)+b").find("xx" + LONG + "b")
    assert spans is not None and spans[0] == (2, 2 + len(LONG) + 1)


def test_back_reference_that_may_run_for_ages_is_refused() -> None:
    with pytest.raises(StatementTooComplex):
        regex_is_match(LONG, r"^(a+)+\1b")


def test_like_with_many_wildcards_takes_polynomial_time() -> None:
    import re

    start = time.perf_counter()
    assert re.match(like_source("%a" * 15 + "%b%a"), LONG, re.DOTALL) is None
    assert time.perf_counter() - start < 2.0
