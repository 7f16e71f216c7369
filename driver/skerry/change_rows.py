"""What a feed of changes is asked for, and how its rows are read: the same for blocking feeds and asyncio's.

    feed   [e7/0 e7/1 e7/2][e7/3 e8/0 ...] [end: nothing more up to e9]  wait_for_changes(9)  [e10/0 ...]

A feed reads in batches; each ends at a place, (epoch, position), from which the next one, or another feed tomorrow,
goes on.  Values come as text with their types and become Python values here, the same embedded and over the network.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from skerry.abc import Row
from skerry.text_values import reader_of
from skerry_engine import errors

BATCH_CHANGES = 1000
WAIT_S = 1.0
"""How long one wait lasts: whoever closes the feed, or cancels, is heard after that."""

ENDED = (errors.InterfaceError, errors.QueryCanceled)
"""What a reader meets when another thread closes the feed."""

Token = tuple[int, int | None]
"""A place in the feed: an epoch, and a position within it or None for the end of it."""


@dataclass(frozen=True, slots=True)
class Change:
    """Something that a commit did.

    `kind` is 'insert', 'update' or 'delete' of a row; or 'truncate', 'drop', 'rewrite' of the whole table: of the
    last, take what it holds AS OF this epoch.  `old` and `new` are the row's states by column name, None where there is
    none.  `key` is the primary key by column name, of the old state where there is one, None for a table without;
    `row_id` tells rows of one table apart, and a row keeps it for life.  `position` counts within the commit.
    """

    epoch: int
    time: datetime
    position: int
    schema: str
    table: str
    kind: str
    row_id: int | None
    key: dict[str, object] | None
    old: dict[str, object] | None
    new: dict[str, object] | None

    @property
    def token(self) -> Token:
        """The place behind this change: `db.changes(since=change.token)` goes on with the next."""
        return self.epoch, self.position


Query = tuple[str, list[object]]
"""A statement and its parameters."""


def subscription(since: int | Token | None) -> Query:
    """What has the database keep the changes after that place; from now on (None) it gives the epoch."""
    if since is None:
        return "SELECT skerry.subscribe()", []
    epoch, position = (since, None) if isinstance(since, int) else since
    return "SELECT skerry.subscribe($1)", [epoch if position is None else epoch - 1]


class ChangeReader:
    """Where a feed is, and its batches."""

    def __init__(self, since: int | Token | None, tables: Sequence[str] | None) -> None:
        self._tables = None if tables is None else list(tables)
        self._readers: dict[int, Callable[[str], object]] = {}
        self.place: Token = (since, None) if isinstance(since, int) else since or (0, None)

    def begin_at(self, epoch: int) -> None:
        """The feed begins behind that epoch."""
        self.place = epoch, None

    def next_batch(self) -> Query:
        """What gives the batch behind the present place."""
        epoch, position = self.place
        return (
            "SELECT * FROM skerry.raw_changes($1::bigint, $2::bigint, $3::bigint, $4::text[])",
            [epoch, position, BATCH_CHANGES, self._tables],
        )

    def wait_for_more(self, seconds: float) -> Query:
        """What returns when there is more, or after that time."""
        return "SELECT skerry.wait_for_changes($1, $2)", [self.place[0], seconds]

    def take(self, rows: Sequence[Row], into: list[Change]) -> bool:
        """Take in a batch; whether that was all there is."""
        epoch = self.place[0]
        for row in rows:
            if row[6] is not None:
                into.append(self._change(row))
                self.place = into[-1].token
            else:
                end, at = cast("tuple[int, int | None]", (row[0], row[2]))
                self.place = (end, at) if (at is not None or end >= epoch) else (epoch, None)
        return not rows or (rows[-1][6] is None and rows[-1][2] is None)

    def _change(self, row: Row) -> Change:
        epoch, time_, position, row_id, schema, table, kind, keys, names, types, old, new = cast("_Row", row)
        before, after = self._read(names, types, old), self._read(names, types, new)
        state = after if before is None else before
        key = {name: state[name] for name in keys} if keys and state is not None else None
        return Change(epoch, time_, position, schema, table, kind, row_id, key, before, after)

    def _read(
        self, names: Sequence[str], types: Sequence[int], texts: Sequence[str | None] | None
    ) -> dict[str, object] | None:
        if texts is None:
            return None
        return {
            name: None if text is None else self._reader(oid)(text)
            for name, oid, text in zip(names, types, texts, strict=True)
        }

    def _reader(self, oid: int) -> Callable[[str], object]:
        found = self._readers.get(oid)
        if found is None:
            found = self._readers[oid] = reader_of(oid)
        return found


_Texts = Sequence[str | None] | None
_Row = tuple[
    int,
    datetime,
    int,
    int | None,
    str,
    str,
    str,
    Sequence[str],
    Sequence[str],
    Sequence[int],
    _Texts,
    _Texts,
]
