"""What a transaction is told when another one was faster, and where it looks for the newest state.

READ COMMITTED restarts its statement (`RestartStatement`); SNAPSHOT fails with T001.
"""

from __future__ import annotations

from typing import Final

from skerry_engine.errors import WriteConflict
from skerry_engine.storage.heap import INFINITY

NEWEST_EPOCH: Final = INFINITY - 1
"""A snapshot that sees every committed version, published or not."""


class RestartStatement(Exception):
    """READ COMMITTED: the row is newer than the statement's snapshot, and its lock is in hand.

    `restart_statement(mark)` and run the statement again; after three times go on in place with
    `TableWriter.newest`.
    """

    def __init__(self, storage_id: int, row_id: int) -> None:
        super().__init__("the row changed after the statement's snapshot")
        self.storage_id: int = storage_id
        self.row_id: int = row_id


def write_conflict(is_deletion: bool = False) -> WriteConflict:
    """T001, in PostgreSQL's words."""
    what = "delete" if is_deletion else "update"
    return WriteConflict(f"could not serialize access due to concurrent {what}")
