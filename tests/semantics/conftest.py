"""The rows of the transaction semantics run twice: embedded and over the network."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest
from support.databases import another, connection, database

__all__ = ["another", "connection", "database"]


@pytest.fixture(scope="module", autouse=True)
def quick_collector() -> Iterator[None]:
    """Many of these tests collect cycles: what all the tests before have left is not to be looked through each time."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()
