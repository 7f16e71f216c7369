"""What is SQLite's own in flows."""

from __future__ import annotations

import pytest
from support.flow_testing import only
from support.flow_world import TABLE, World

from skerry_engine.errors import NotSupportedError


@only("sqlite")
def test_a9_what_sqlite_cannot_do_is_an_error(world: World) -> None:
    """Its transactions are serializable, and neither read-only nor deferrable."""
    for level in ("read committed", "snapshot", "serializable"):
        with world.db.transaction(level):
            world.db.execute("SELECT 1")
    with pytest.raises(NotSupportedError, match="read-only"):
        world.db.transaction(read_only=True)
    with pytest.raises(NotSupportedError, match="read-only"):
        world.db.begin_transaction(deferrable=True)


@only("sqlite")
def test_a_transaction_that_sqlite_has_ended_is_not_gone_on_with(world: World) -> None:
    """What came next would commit by itself."""
    world.insert(1)
    with pytest.raises(Exception, match="ended by a statement"), world.db.transaction():
        world.insert(2)
        with pytest.raises(Exception, match="UNIQUE"):
            world.db.execute(f"INSERT OR ROLLBACK INTO {TABLE} VALUES (1, 'x')")
        world.insert(3)
    assert world.ids() == [1]


@only("sqlite")
def test_a_statement_after_a_caught_error_goes_on_in_sqlite(world: World) -> None:
    """Which has no failed transactions."""
    with world.db.transaction():
        world.insert(1)
        with pytest.raises(Exception, match="UNIQUE"):
            world.insert(1)
        world.insert(2)
    assert world.ids() == [1, 2]
