"""The change feed: committed changes of a database's tables, in the order of commits.

    txn/feed.py       by storage and row id                        [ e7: storage 12, row 3, old, new ]
    here              what that was, by the catalogs of e6 and e7  [ e7: update of public.t, key {id: 3}, old, new ]
    SQL               skerry.changes(since) and kin, as rows; NOTIFY skerry_changes when there are new ones
    driver            Database.changes(), as objects

Events have a place: (epoch, position), positions counting from 0 within a commit.  Whoever has come to a place
can go on from there.  Within a commit what happened to whole tables comes first, then rows by table, each row once,
from its state before the commit to that after it.

Whole tables:
    truncate   the table was emptied; inserts of the same commit follow
    drop       the table is gone
    rewrite    every row was made anew (ALTER TABLE ... TYPE): take the table as it is at this epoch; what else the
               commit has changed in it is in there

A new table shows by its inserts.  Other definitions are no events.  Temporary tables have none, nor has what deferred
materialized views remember.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from skerry_engine.catalog.catalog import Catalog, Database
from skerry_engine.catalog.flow_state import StateTable
from skerry_engine.catalog.graphs import ElementTable
from skerry_engine.catalog.objects import Table, ViewState
from skerry_engine.errors import HistoryNotRetained
from skerry_engine.functions.json_building import JsonWriter, json_writer, quoted
from skerry_engine.session.element_rows import ElementRows
from skerry_engine.session.pending_rows import TableTexts
from skerry_engine.storage.heap import Row
from skerry_engine.txn.feed import Commit, Subscription, changes_gone
from skerry_engine.txn.preview import DELETE, INSERT, UPDATE
from skerry_engine.values import oids
from skerry_engine.values.io import IoContext, text_encoder
from skerry_engine.values.json_text import read_jsonb
from skerry_engine.values.types import SqlType

if TYPE_CHECKING:
    from skerry_engine.abc import FunctionContext
    from skerry_engine.engine import Engine
    from skerry_engine.session.state import SessionState
    from skerry_engine.session.stores import Stores

CHANNEL: Final = "skerry_changes"
TRUNCATE: Final = "truncate"
DROP: Final = "drop"
REWRITE: Final = "rewrite"

CHANGES_PER_READ: Final = 1000
NO_LIMIT: Final = 1 << 60


class Event(NamedTuple):
    """Something that a commit did to a table.  `row_id` is 0 where it is the whole table."""

    commit: Commit
    position: int
    database: Database
    table: Table
    kind: str
    row_id: int
    old: Row | None
    new: Row | None


def events_of(engine: Engine, commit: Commit, database_oid: int) -> Iterator[Event]:
    """What a commit did in one database."""
    before = _database(engine, commit.epoch - 1, database_oid)
    after = _database(engine, commit.epoch, database_oid)
    position = 0
    if before is not None and after is not before:
        for database, table, kind in _table_events(before, after, commit.copies):
            yield Event(commit, position, database, table, kind, 0, None, None)
            position += 1
    if after is None:
        return
    tables: dict[int, Table] = after.cached("tables by storage", lambda: _tables_by_storage(after))
    for storage_id, row_id, old, new in commit.changes:
        table_of_row = tables.get(storage_id)
        if table_of_row is None:  # of another database, or dropped or replaced by the same commit
            continue
        kind = INSERT if old is None else DELETE if new is None else UPDATE
        yield Event(
            commit,
            position,
            after,
            table_of_row,
            kind,
            row_id,
            _full(engine, table_of_row, old),
            _full(engine, table_of_row, new),
        )
        position += 1


def _database(engine: Engine, epoch: int, database_oid: int) -> Database | None:
    catalog = engine.manager.catalog_at(epoch)
    assert isinstance(catalog, Catalog)
    return catalog.databases.get(database_oid)


def _tables_by_storage(database: Database) -> dict[int, Table]:
    return {table.storage_id: table for table in database.tables() if _is_watched(table)}


def _is_watched(table: Table) -> bool:
    return not table.is_temporary and not isinstance(table, (StateTable, ViewState))


def _table_events(
    before: Database, after: Database | None, copies: frozenset[int]
) -> Iterator[tuple[Database, Table, str]]:
    for table in sorted(before.tables(), key=lambda table: table.oid):
        if not _is_watched(table):
            continue
        now = None if after is None else after.relation(table.oid)
        if after is None or not isinstance(now, Table):
            yield before, table, DROP
        elif now.storage_id != table.storage_id:
            yield after, now, REWRITE if now.storage_id in copies else TRUNCATE


def _full(engine: Engine, table: Table, row: Row | None) -> Row | None:
    """The row with the columns that were added since it was written."""
    if row is None or len(row) >= table.width:
        return row
    storage = engine.stores.find(table.storage_id)
    return row if storage is None else storage.padded(row)


class ChangeReader:
    """Reads the events of one database after a place, up to an epoch."""

    def __init__(self, engine: Engine, database_oid: int, until: int) -> None:
        self._engine = engine
        self._database_oid = database_oid
        self.until = until

    def events(self, since: int, position: int | None, limit: int = NO_LIMIT) -> Iterator[Event]:
        """The events of commits above epoch `since`, and before them (unless `position` is None) those of `since`
        itself behind the position.  Commits are whole but for the last, which ends where `limit` events have come.

        Raises HistoryNotRetained.
        """
        after = since if position is None else since - 1
        while limit > 0:
            commits = self._engine.manager.feed.source.read(after, self.until, min(limit, CHANGES_PER_READ))
            if not commits:
                return
            for commit in commits:
                for event in events_of(self._engine, commit, self._database_oid):
                    if position is not None and commit.epoch == since and event.position <= position:
                        continue
                    yield event
                    limit -= 1
                    if limit == 0:
                        return
            after = commits[-1].epoch


# --- as rows ----------------------------------------


class _TableJson:
    """Writes one table's rows as JSON objects."""

    def __init__(self, table: Table, stores: Stores) -> None:
        self._elements = ElementRows(table, stores) if isinstance(table, ElementTable) else None
        if self._elements is not None:
            columns = [(each.name, n, each.type) for n, each in enumerate(self._elements.columns)]
            names: Sequence[str] = ("id",)
        else:
            columns = [(column.name, column.position, column.type) for column in table.live_columns]
            key = table.primary_key
            names = () if key is None else table.column_names(key.columns)
        self._columns: list[tuple[str, int, JsonWriter]] = [
            (quoted(name), position, _json_of(sql_type.oid)) for name, position, sql_type in columns
        ]
        wanted = {quoted(name) for name in names}
        self._key = [column for column in self._columns if column[0] in wanted]

    def row(self, functions: FunctionContext, row_id: int, row: Row | None) -> str | None:
        """A row as jsonb text."""
        return None if row is None else self._object(functions, self._columns, self._shown(row_id, row))

    def key(self, functions: FunctionContext, row_id: int, row: Row | None) -> str | None:
        """Its primary key; None where the table has none."""
        if row is None or not self._key:
            return None
        return self._object(functions, self._key, self._shown(row_id, row))

    def _shown(self, row_id: int, row: Row) -> Row:
        return row if self._elements is None else self._elements.values(row_id, row)

    def _object(
        self, functions: FunctionContext, columns: list[tuple[str, int, JsonWriter]], row: Row
    ) -> str:
        parts = []
        for name, position, write in columns:
            value = row[position]
            parts.append(f"{name}: {'null' if value is None else write(functions, value)}")
        return read_jsonb("{" + ", ".join(parts) + "}")


def _json_of(type_oid: int) -> JsonWriter:
    if type_oid != oids.GRAPHRECORD:
        return json_writer(type_oid)
    write = text_encoder(SqlType(type_oid), IoContext())  # the plain dialect, whatever the session's is
    return lambda _, value: write(value)


def change_rows(session: SessionState, since: int, limit: int | None) -> Iterator[tuple[object, ...]]:
    """The rows of skerry.changes(): whole commits, until there are `limit` events."""
    functions = session.functions
    writers: dict[tuple[int, int], _TableJson] = {}
    last = since
    for count, event in enumerate(_reader(session, since).events(since, None)):
        if limit is not None and count >= limit and event.commit.epoch != last:
            return
        last = event.commit.epoch
        table = event.table
        writer = writers.get((table.oid, table.version))
        if writer is None:
            writer = writers[table.oid, table.version] = _TableJson(table, session.engine.stores)
        yield (
            event.commit.epoch,
            event.commit.time_us,
            event.position,
            event.database.schema_of(table).name,
            table.name,
            event.kind,
            event.row_id or None,
            writer.key(functions, event.row_id, event.new if event.old is None else event.old),
            writer.row(functions, event.row_id, event.old),
            writer.row(functions, event.row_id, event.new),
        )


def raw_change_rows(
    session: SessionState, since: int, position: int | None, limit: int, names: Sequence[str] | None
) -> Iterator[tuple[object, ...]]:
    """The rows of skerry.raw_changes(), for drivers: values as text, with their types.

    The last row has no kind: it tells the epoch up to which there is nothing more, or NULL if there is.
    """
    io = IoContext(names=session.io.names)
    writers: dict[tuple[int, int], TableTexts] = {}
    reader = _reader(session, since)
    count = 0
    wanted = None if names is None else frozenset(names)
    for event in reader.events(since, position, limit):
        count += 1
        table = event.table
        writer = writers.get((table.oid, table.version))
        if writer is None:
            texts = TableTexts(event.database, table, session.engine.stores, io)
            writer = writers[table.oid, table.version] = texts
        place = (event.commit.epoch, event.commit.time_us, event.position, event.row_id or None)
        if wanted is None or table.name in wanted or f"{writer.schema_name}.{table.name}" in wanted:
            yield (*place, *writer.row(event.kind, event.row_id, event.old, event.new))
        elif count == limit:  # somebody may go on from here
            yield (*place, *[None] * 8)
    if count < limit:
        yield (reader.until, None, None, None, *[None] * 8)


def _reader(session: SessionState, since: int) -> ChangeReader:
    manager = session.engine.manager
    if since < manager.oldest_change():
        raise (
            not_recorded(since)
            if not manager.feed.is_recording
            else changes_gone(since, manager.oldest_change())
        )
    until = min(session.functions.current_epoch(), manager.newest_change())
    return ChangeReader(session.engine, session.database_oid, until)


def not_recorded(since: int) -> HistoryNotRetained:
    """The error for changes that nobody has recorded."""
    return HistoryNotRetained(
        f"the changes since epoch {since} are not retained",
        detail="No history is kept, and nobody has subscribed.",
        hint="Set a retention time (skerry.retention), or call skerry.subscribe() first.",
    )


# --- who reads ----------------------------------------


class SessionSubscription:
    """A session's place in the feed: what comes after it is kept for the session until it has asked for more."""

    def __init__(self, session: SessionState) -> None:
        self._session = session
        self._subscription: Subscription | None = None

    def begin(self, since: int | None) -> int:
        """Subscribe, or move to another place; the epoch after which changes are kept."""
        manager = self._session.engine.manager
        made = manager.subscribe(since)
        if self._subscription is None:
            self._session.on_close(self.end)
        else:
            manager.unsubscribe(self._subscription)
        self._subscription = made
        return made.position

    def has_read(self, epoch: int) -> None:
        """What came up to an epoch is not needed again."""
        subscription = self._subscription
        if (
            subscription is not None
            and subscription.position < epoch <= self._session.engine.manager.published
        ):
            subscription.position = epoch

    def end(self) -> None:
        """Nothing is kept for the session any more."""
        subscription, self._subscription = self._subscription, None
        if subscription is not None:
            self._session.engine.manager.unsubscribe(subscription)


def tell_listeners(engine: Engine) -> Callable[[Commit], None]:
    """What is done with each commit that is published: NOTIFY those databases that it has changed."""

    def tell(commit: Commit) -> None:
        for database_oid in engine.notifications.databases_listening(CHANNEL):
            if next(events_of(engine, commit, database_oid), None) is not None:
                engine.notifications.notify(database_oid, CHANNEL, str(commit.epoch))

    return tell
