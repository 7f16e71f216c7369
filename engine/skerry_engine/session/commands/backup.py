"""BACKUP TO 'directory': a copy of the whole cluster, made while it is served.

The directory is one of the machine that the database runs on, and must not exist or be empty.  One row tells which
epochs can be restored from it.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import TYPE_CHECKING

from skerry_engine import errors
from skerry_engine.session.steps import Complete, Description, ResultColumn, Rows, Step
from skerry_engine.sql import statements as st
from skerry_engine.values import oids
from skerry_engine.values.types import SqlType

if TYPE_CHECKING:
    from skerry_engine.session.session import Session

COLUMNS = (
    ResultColumn("first_epoch", SqlType(oids.INT8)),
    ResultColumn("last_epoch", SqlType(oids.INT8)),
    ResultColumn("last_commit", SqlType(oids.TIMESTAMPTZ)),
)


def backup(session: Session, statement: st.Backup) -> Generator[Step, object, None]:
    """BACKUP.  Raises ActiveTransaction, InsufficientPrivilege, NotSupportedError for a database in memory, and what
    keeps the files from being read or written."""
    if session.in_block:
        raise errors.ActiveTransaction("BACKUP cannot run inside a transaction block")
    role = session.engine.published_catalog().role_named(session.user)
    if role is None or not role.superuser:
        raise errors.InsufficientPrivilege("must be superuser to back up a database")
    durable = session.engine.durable
    if durable is None or durable.backups is None:
        raise errors.NotSupportedError(
            "a database in memory has no files to back up", hint="Use skerry dump, which writes SQL."
        )
    if not os.path.isabs(statement.path):
        raise errors.InvalidParameterValue(f"the path of a backup must be absolute: {statement.path!r}")
    copied = yield from durable.backups.run(statement.path)
    yield Description(COLUMNS)
    yield Rows([tuple(copied)])
    yield Complete("BACKUP")
