"""What a transaction would commit: the counts and the changes that `prepare_commit()` shows.

Over SQL these are the rows of PREPARE COMMIT and of `skerry.pending_changes()`, which give each change with its
columns' types and its values as text; here they become Python values, the same embedded and over the network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, cast

from skerry.abc import Row
from skerry.text_values import reader_of

if TYPE_CHECKING:
    from skerry.transactions import Transaction

PREPARE = "PREPARE COMMIT"
CHANGES = "SELECT * FROM skerry.pending_changes()"


@dataclass(frozen=True, slots=True)
class TableChanges:
    """How many rows of one table would be inserted, updated and deleted."""

    inserted: int = 0
    updated: int = 0
    deleted: int = 0


@dataclass(frozen=True, slots=True)
class PendingChange:
    """One row that would be changed.

    `kind` is 'insert', 'update' or 'delete'.  `old` and `new` are the row's states by column name, None where
    there is none.  `key` is the primary key by column name, None for a table without: of the old state, where
    there is one.
    """

    schema: str
    table: str
    kind: str
    key: dict[str, object] | None
    old: dict[str, object] | None
    new: dict[str, object] | None


@dataclass(frozen=True, slots=True)
class PendingCommit:
    """A transaction whose commit was prepared; made by `Transaction.prepare_commit`.

    `tables` gives counts by "schema.table", tables without changes left out; `definitions` counts changes to
    the catalog (CREATE, ALTER, DROP, TRUNCATE).  `nodes` and `edges` count changed elements of graphs; in `tables`
    these stand under the graph's name: "public.home.nodes".
    """

    transaction: Transaction = field(repr=False)
    tables: dict[str, TableChanges]
    definitions: int = 0
    nodes: int = 0
    edges: int = 0
    _loaded: list[list[PendingChange]] = field(default_factory=list, repr=False, compare=False)

    @classmethod
    def of(cls, transaction: Transaction, rows: Iterable[Row]) -> PendingCommit:
        """The rows of PREPARE COMMIT as an object."""
        return cls(transaction, *read_table_counts(rows))

    @property
    def changes(self) -> list[PendingChange]:
        """The changes themselves, by table in the order of writing.

        They are fetched when first asked for: raises InvalidTransactionState (T004) when that is after the
        transaction's end.
        """
        if not self._loaded:
            self._loaded.append(read_changes(self.transaction.execute(CHANGES)))
        return self._loaded[0]

    @property
    def inserted(self) -> int:
        """Rows inserted, in all tables."""
        return sum(each.inserted for each in self.tables.values())

    @property
    def updated(self) -> int:
        """Rows updated, in all tables."""
        return sum(each.updated for each in self.tables.values())

    @property
    def deleted(self) -> int:
        """Rows deleted, in all tables."""
        return sum(each.deleted for each in self.tables.values())

    def commit(self) -> None:
        """Commit the transaction; raises as `Transaction.commit`."""
        self.transaction.commit()

    def rollback(self) -> None:
        """Roll the transaction back."""
        self.transaction.rollback()


def read_table_counts(rows: Iterable[Row]) -> tuple[dict[str, TableChanges], int, int, int]:
    """The rows of PREPARE COMMIT, (schema, table, kind, count, element): counts by table, of definitions, nodes and
    edges."""
    tables: dict[str, TableChanges] = {}
    definitions = 0
    fields = {"insert": "inserted", "update": "updated", "delete": "deleted"}
    elements = {"node": 0, "edge": 0}
    for schema, table, kind, count, element in cast("Iterable[tuple[str, str, str, int, str | None]]", rows):
        if kind == "definition":
            definitions = count
            continue
        name = f"{schema}.{table}"
        tables[name] = replace(tables.get(name, TableChanges()), **{fields[kind]: count})
        if element is not None:
            elements[element] += count
    return tables, definitions, elements["node"], elements["edge"]


def read_changes(rows: Iterable[Row]) -> list[PendingChange]:
    """The rows of skerry.pending_changes() as objects."""
    readers: dict[tuple[str, str], list[Callable[[str], object]]] = {}
    changes: list[PendingChange] = []
    for row in rows:
        schema, table, kind, key_columns, names, types, old, new = cast("_Row", row)
        reads = readers.get((schema, table))
        if reads is None:
            reads = readers[(schema, table)] = [reader_of(oid) for oid in types]
        before, after = _read(names, reads, old), _read(names, reads, new)
        state = before if before is not None else after
        key = {name: state[name] for name in key_columns} if key_columns and state is not None else None
        changes.append(PendingChange(schema, table, kind, key, before, after))
    return changes


_Texts = Sequence[str | None] | None
_Row = tuple[str, str, str, Sequence[str], Sequence[str], Sequence[int], _Texts, _Texts]


def _read(
    names: Sequence[str], reads: Sequence[Callable[[str], object]], texts: _Texts
) -> dict[str, object] | None:
    if texts is None:
        return None
    return {
        name: None if text is None else read(text)
        for name, read, text in zip(names, reads, texts, strict=True)
    }
