"""Existing clients against a real server: nothing of theirs is changed, nothing of ours is imported but for starting it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.postgres_server import Address
from support.skerry_process import skerry_process


@pytest.fixture(scope="module")
def server() -> Iterator[Address]:
    """A server for one file's tests."""
    with skerry_process() as address:
        yield address
