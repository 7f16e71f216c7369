"""The native interface: `skerry.open` gives a Database; its transactions are objects.

    db = skerry.open(":memory:")
    db.execute("INSERT INTO t VALUES ($1, $2)", (1, "one"))        commits by itself
    with db.begin_transaction() as tx:                             snapshot isolation, unless asked otherwise
        tx.execute("UPDATE t SET v = $v WHERE id = $id", {"v": "uno", "id": 1})
        tx.commit()                                                without it the block rolls back

A transaction has a session to itself and is active, committed or aborted.  One that is dropped without an
end, like one whose block is left by an exception, is rolled back and its locks go.  Threads may share a
transaction; it runs one statement at a time.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime
from typing import IO, cast

from skerry.backend import Source
from skerry.backing_up import Backup, backup_sql
from skerry.change_rows import Token
from skerry.changes import Changes
from skerry.dump import DumpOptions, as_writer, dump
from skerry.listening import Listener
from skerry.loading import Loading
from skerry.network import NetworkSource
from skerry_engine import errors


class Database(Loading):
    """An open database.  Threads may share it."""

    @classmethod
    def open(cls, source: Source) -> Database:
        """See `skerry.open`."""
        return cls(source, source.open_backend())

    def dump(
        self,
        stream: IO[bytes] | IO[str],
        *,
        schema: bool = True,
        data: bool = True,
        tables: Sequence[str] = (),
        inserts: bool = False,
        graphs: bool = True,
        roles: bool = False,
    ) -> list[str]:
        """Write the database to a stream as SQL that psql loads, as of one snapshot; returns warnings.

        `schema` and `data` say what is written; `tables` are names or patterns (`"app.*"`), none for
        everything; with `inserts` rows are INSERT statements rather than COPY blocks.  PostgreSQL takes what is
        dumped without `graphs`, and so without the views that read one, of which the warnings tell.  With `roles` it
        begins with the cluster's roles, which only a superuser may read.
        """
        session = self._sessions.take()
        try:
            options = DumpOptions(schema, data, tuple(tables), inserts, graphs, roles)
            return dump(session, as_writer(stream), options)
        finally:
            self._sessions.settle(session)

    def listen(self, *channels: str) -> Listener:
        """Listen to channels, from now on: gives what iterates over, or waits for, their notifications."""
        if not channels:
            raise errors.InterfaceError("listen() needs a channel")
        self._sessions.check_open()
        return Listener(self._source.open_backend(), channels)

    def changes(
        self,
        since: int | Token | None = None,
        tables: Sequence[str] | None = None,
        *,
        wait: bool = True,
        timeout: float | None = None,
    ) -> Changes:
        """Every committed change after `since`, in the order of commits, then those that are committed next.

        `since` is an epoch, or the `token` of a change or feed; None: from now on.  `tables` are names, perhaps with
        their schema; None for all.  Iterating waits for changes until none has come for `timeout` seconds (None: for
        ever); with `wait` False it ends where there are no more.  Raises HistoryNotRetained for changes that are
        gone: what is older than the database's retention, unless this feed was open by then.
        """
        self._sessions.check_open()
        return Changes(self._source.open_backend(), since, tables, wait, timeout)

    def backup(self, path: str | os.PathLike[str]) -> Backup:
        """Copy the whole cluster into a directory that does not exist yet, while everybody goes on.

        The directory is one of the machine where the database is: of a server's, give an absolute path.
        `skerry restore` makes a database of it, and so does opening it.  Raises DuplicateFile where something is
        already, NotSupportedError for a database in memory.
        """
        text = backup_sql(path, is_elsewhere=isinstance(self._source, NetworkSource))
        return Backup(*cast("tuple[int, int, datetime | None]", self.execute(text).one()))

    def __enter__(self) -> Database:
        self._sessions.check_open()
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
