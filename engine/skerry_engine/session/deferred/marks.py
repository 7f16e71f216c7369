"""How far a deferred view has come: kept in its state, beside what its operators remember.

epoch      the view has what its query gave at that epoch
storages   of the tables that it reads, by OID: another one means that all rows of a table are others (TRUNCATE,
           ALTER TABLE ... TYPE), and the view is computed anew
query      a digest of the query's text, and of those of the views in it: CREATE OR REPLACE VIEW makes it another
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final, cast

from skerry_engine.algebra import queries as q
from skerry_engine.algebra.traversal import walk_all
from skerry_engine.catalog.catalog import Database
from skerry_engine.catalog.objects import MaterializedView, Table, View
from skerry_engine.session.stores import Stores
from skerry_engine.storage.heap import Row
from skerry_engine.storage.reader import TableReader
from skerry_engine.views.state import KeyedState

_KEY: Final = b"\0\0mark"


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a view stands."""

    epoch: int
    storages: tuple[tuple[int, int], ...]
    query: bytes

    def keep(self, state: KeyedState) -> None:
        """Keep it in the view's state."""
        state.set(_KEY, self.row())

    def row(self) -> Row:
        return (self.epoch, self.storages, self.query)

    def entry(self) -> tuple[bytes, Row]:
        """Its key and value in the state."""
        return _KEY, self.row()


def mark_in(state: KeyedState) -> Mark | None:
    """The mark in a view's state; None before the view was filled."""
    found = state.get(_KEY)
    return None if found is None else Mark(*cast("tuple[int, tuple[tuple[int, int], ...], bytes]", found))


def mark_at(stores: Stores, database: Database, view: MaterializedView, epoch: int) -> Mark | None:
    """The mark that a view had at an epoch, in whose catalog it is."""
    state = database.table(view.state_oid)
    storage = stores.find(state.storage_id)
    if storage is None:
        return None
    row = TableReader(storage, epoch, None, 0).lookup(storage.indexes[state.indexes[0].oid], _KEY)
    return None if row is None else Mark(*cast("tuple[int, tuple[tuple[int, int], ...], bytes]", row[1]))


def present_mark(database: Database, view: MaterializedView, epoch: int) -> Mark:
    """The mark of a view that is up to date at an epoch, whose catalog is `database`'s."""
    tables: dict[int, int] = {}
    texts = [view.source]
    for relation in _read_by(database, view.query):
        if isinstance(relation, Table):
            tables[relation.oid] = relation.storage_id
        else:
            texts.append(f"{relation.oid} {relation.source}")
    digest = blake2b("\0".join(texts).encode(), digest_size=16).digest()
    return Mark(epoch, tuple(sorted(tables.items())), digest)


def _read_by(database: Database, query: object) -> Iterator[Table | View]:
    """The tables and views that a query reads, those within the views included."""
    for node in walk_all(query):
        if isinstance(node, q.Scan):
            relation = database.relation(node.table_oid)
            if isinstance(relation, View):
                yield relation
                yield from _read_by(database, relation.query)
            elif isinstance(relation, Table):
                yield relation
