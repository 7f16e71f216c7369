"""Fixtures that every package's tests share."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from support.postgres_server import Address, NoPostgres, postgres_server
from support.skerry_process import skerry_process


@pytest.fixture(scope="session")
def postgres() -> Iterator[Address]:
    """A real PostgreSQL to compare with; skips, saying why, only when none can be had."""
    running = postgres_server()
    try:
        address = running.__enter__()
    except NoPostgres as problem:
        pytest.skip(str(problem))
    try:
        yield address
    finally:
        running.__exit__(None, None, None)


@pytest.fixture(scope="session")
def skerry_server() -> Iterator[Address]:
    """A real `skerry serve :memory:` in a process of its own."""
    with skerry_process() as address:
        yield address


def pytest_configure(config: pytest.Config) -> None:
    """Refuse to claim that the compiled build was tested when it was not."""
    if os.environ.get("SKERRY_EXPECT_COMPILED"):
        import skerry_engine.values.types as compiled

        if not (compiled.__file__ or "").endswith((".so", ".pyd")):
            raise pytest.UsageError(f"SKERRY_EXPECT_COMPILED is set, but {compiled.__file__} is not compiled")
