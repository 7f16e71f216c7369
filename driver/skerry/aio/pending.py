"""What a transaction would commit, for asyncio: as `skerry.pending`, with what asks the database awaited."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from skerry.abc import Row
from skerry.pending import CHANGES, PendingChange, TableChanges, read_changes, read_table_counts

if TYPE_CHECKING:
    from skerry.aio.transactions import AsyncTransaction


class AsyncPendingCommit:
    """A transaction whose commit was prepared; made by `AsyncTransaction.prepare_commit`.

    `tables`, `definitions`, `nodes` and `edges` are those of `skerry.PendingCommit`.
    """

    def __init__(
        self,
        transaction: AsyncTransaction,
        tables: dict[str, TableChanges],
        definitions: int,
        nodes: int,
        edges: int,
    ) -> None:
        self.transaction = transaction
        self.tables = tables
        self.definitions = definitions
        self.nodes = nodes
        self.edges = edges

    @classmethod
    def of(cls, transaction: AsyncTransaction, rows: Iterable[Row]) -> AsyncPendingCommit:
        """The rows of PREPARE COMMIT as an object."""
        return cls(transaction, *read_table_counts(rows))

    async def changes(self) -> list[PendingChange]:
        """The changes themselves, by table in the order of writing."""
        return read_changes(await self.transaction.execute(CHANGES))

    async def commit(self) -> None:
        """Commit the transaction."""
        await self.transaction.commit()

    async def rollback(self) -> None:
        """Roll the transaction back."""
        await self.transaction.rollback()
