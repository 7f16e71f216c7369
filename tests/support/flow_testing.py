"""Small things that tests of flows share."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

F = TypeVar("F", bound=Callable[..., object])


def only(*words: str) -> Callable[[F], F]:
    """Run the test on the databases whose names have one of these words."""

    def mark(test: F) -> F:
        test.backends = lambda name: any(word in name for word in words)  # type: ignore[attr-defined]
        return test

    return mark


def slow_statement(dialect: str, name: str) -> str:
    """A statement that takes far too long."""
    if dialect == "sqlite":
        return "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 300000000) SELECT count(*) FROM c"
    return "SELECT pg_sleep(20)"
