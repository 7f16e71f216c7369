"""The state of a deferred view in its table (`catalog.objects.ViewState`), with changes gathered over it.

A `Branch` is what one view's operators write before anybody else sees it: it reads the table as of one snapshot, its
own writes over that, and is merged by `written` into the transaction that commits it, with those of other views.

A row of the table is (key, value); value is any tuple of atoms, whatever the catalog says of the column's type: no
statement can read it.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Final, cast

from skerry_engine.catalog.objects import Column, IndexKey, MaterializedView, ViewState, ViewStateIndex
from skerry_engine.session.definitions.waiting import wait_for
from skerry_engine.session.steps import PAUSE, Step
from skerry_engine.storage.heap import Row
from skerry_engine.storage.index import Index
from skerry_engine.storage.reader import TableReader
from skerry_engine.storage.trees import KeyMap
from skerry_engine.txn.writer import TableWriter
from skerry_engine.values import oids
from skerry_engine.values.keys import KeyCodec, KeyColumn, prefix_end
from skerry_engine.values.types import SqlType

ROWS_PER_UNIT: Final = 100
_CODEC: Final = KeyCodec([KeyColumn(oids.BYTEA)])
_ABSENT: Final = object()


def new_view_state(view: MaterializedView, oid: int, index_oid: int) -> ViewState:
    """The table of a view's state, its storage still to be given."""
    column = SqlType(oids.BYTEA)
    name = f"{view.name}.state"
    index = ViewStateIndex(
        oid=index_oid,
        name=f"{name}.key",
        schema_oid=view.schema_oid,
        owner_oid=view.owner_oid,
        table_oid=oid,
        keys=(IndexKey(type=column, attnum=1),),
    )
    return ViewState(
        oid=oid,
        name=name,
        schema_oid=view.schema_oid,
        owner_oid=view.owner_oid,
        columns=(Column("key", 1, 0, column, not_null=True), Column("value", 2, 1, column, not_null=True)),
        storage_id=0,
        indexes=(index,),
        view_oid=view.oid,
    )


class Branch:
    """One view's state as of a snapshot, with writes of its own (it implements `views.state.KeyedState`)."""

    def __init__(self, reader: TableReader, index: Index) -> None:
        self._reader = reader
        self._index = index
        self._pending: KeyMap = KeyMap()  # key -> value, None where it is gone

    def get(self, key: bytes) -> Row | None:
        found = self._pending.get(key, _ABSENT)
        if found is not _ABSENT:
            return cast("Row | None", found)
        row = self._reader.lookup(self._index, key)
        return None if row is None else cast(Row, row[1])

    def set(self, key: bytes, value: Row) -> None:
        self._pending.set(key, value)

    def remove(self, key: bytes) -> None:
        self._pending.set(key, None)

    def scan(self, prefix: bytes, limit: int) -> list[tuple[bytes, Row]]:
        own = dict(self._pending.entries(prefix, prefix_end(prefix), 1 << 60))
        found = self._stored(prefix, own, limit)
        if own:
            found += [(key, value) for key, value in own.items() if value is not None]
            found.sort(key=lambda entry: entry[0])
            del found[limit:]
        return found

    def _stored(self, prefix: bytes, own: dict[bytes, Any], limit: int) -> list[tuple[bytes, Row]]:
        """The first `limit` entries of the table under a prefix that are not written over."""
        low = _CODEC.order_key((prefix,))[:-2]  # without the end of the value
        high = prefix_end(low)
        found: list[tuple[bytes, Row]] = []
        after: bytes | None = None
        while len(found) < limit:
            wanted = min(limit - len(found) + 8, ROWS_PER_UNIT)
            _, rows, after = self._reader.index_batch(self._index, low, high, after, wanted)
            for row in rows:
                if len(found) < limit and row[0] not in own:
                    found.append(cast("tuple[bytes, Row]", row))
            if after is None:
                break
        return found

    def written(self, writer: TableWriter) -> Generator[Step, object, None]:
        """Write what has changed to the table."""
        after = b""
        while True:
            entries = self._pending.entries(after, None, ROWS_PER_UNIT)
            new: list[Row] = []
            for key, value in entries:
                ids, rows = self._reader.lookup_ids(self._index, key)
                if not ids:
                    if value is not None:
                        new.append((key, value))
                elif value is None:
                    yield from wait_for(lambda at=(ids[0], rows[0]): writer.delete(*at))  # type: ignore[misc]
                else:
                    row = (key, value)
                    yield from wait_for(lambda at=(ids[0], rows[0], row): writer.update(*at))  # type: ignore[misc]
            if new:
                yield from wait_for(lambda rows=new: writer.insert_many(rows))  # type: ignore[misc]
            if len(entries) < ROWS_PER_UNIT:
                return
            after = entries[-1][0] + b"\0"
            yield PAUSE
