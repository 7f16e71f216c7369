"""Backups: the statement, and what it tells."""

from __future__ import annotations

import os
from datetime import datetime
from typing import NamedTuple


class Backup(NamedTuple):
    """What can be restored from a backup: the states from `first_epoch` to `last_epoch`."""

    first_epoch: int
    last_epoch: int
    last_commit: datetime | None


def backup_sql(path: str | os.PathLike[str], is_elsewhere: bool) -> str:
    """The statement; a path on another machine is taken as it is."""
    target = os.fspath(path) if is_elsewhere else os.path.abspath(path)
    quoted = target.replace("'", "''")
    return f"BACKUP TO '{quoted}'"
