"""Bulk loading of a graph: nodes and edges from mappings, CSV, Arrow tables and pandas frames.

    await db.load_nodes("people.csv", "Person", types={"id": int, "born": date.fromisoformat})
    await db.load_edges(rows, "KNOWS", start=End("Person", "id", column="from"), end=End("Person", "id", column="to"))
    await db.load_edges(rows, "BORDERS", start="a", end="b", directed=False)

`loadable` says what is sent: a statement for each batch of rows.  Edges find their ends by a property (an index over it
helps, from some thousand nodes on), or by element ids.  Every row makes one edge: a row whose end is missing, or
is there twice, is an error that names it, unless missing ends are to be skipped.

What it does not do: it loads into native graphs and graphs over tables alike, but only by statements; nothing goes
around locks, constraints or the log.  The rows themselves are read as any iterable is, between two statements.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Protocol

from skerry.aio.transactions import AsyncTransactions
from skerry.loadable import BATCH_ROWS, Edges, End, Loadable, Progress, check_found, node_statements
from skerry.parameters import Parameters
from skerry.result import Result


class AsyncExecutor(Protocol):
    """A transaction, or a database, whose statements commit by themselves."""

    async def execute(self, statement: str, parameters: Parameters | None = None) -> Result: ...


class AsyncLoading(AsyncTransactions):
    """What loads graphs into an open database."""

    async def load_nodes(
        self,
        source: Loadable,
        labels: str | Iterable[str],
        *,
        graph: str | None = None,
        types: Mapping[str, Callable[[str], object]] | None = None,
        progress: Progress | None = None,
        atomic: bool = True,
    ) -> int:
        """Insert a node with the labels for each row; how many.

        `source`: mappings, the path of a CSV file or an open one (`types` makes values of its texts, by column), an
        Arrow table or reader, a pandas frame.  Items become properties; those that are None do not.  `graph`: another
        than the session's.  `progress` is called with the number of rows done, after each batch.  All in one
        transaction, unless not `atomic`: then each batch commits by itself.
        """
        async with self._loading(atomic) as executor:
            return await load_nodes(executor, source, labels, graph=graph, types=types, progress=progress)

    async def load_edges(
        self,
        source: Loadable,
        label: str | Iterable[str],
        *,
        start: End | str,
        end: End | str,
        graph: str | None = None,
        types: Mapping[str, Callable[[str], object]] | None = None,
        progress: Progress | None = None,
        atomic: bool = True,
        skip_missing: bool = False,
        directed: bool = True,
    ) -> int:
        """Insert an edge with the label for each row, from its start to its end; how many.

        `start` and `end` say how a row finds its nodes: an `End`, or the name of a column of element ids.  The other
        columns become properties.  Edges that are not `directed` are between the two.  Raises DataError for a row with
        an end that is missing (`skip_missing`: the row is left out), CardinalityViolation where several nodes fit.  As
        for the rest, see `load_nodes`.
        """
        edges = Edges(label, start, end, graph, directed)
        async with self._loading(atomic) as executor:
            return await load_edges(
                executor, source, edges, types=types, progress=progress, skip_missing=skip_missing
            )

    @asynccontextmanager
    async def _loading(self, atomic: bool) -> AsyncIterator[AsyncExecutor]:
        """What a load runs its statements in; a transaction is committed if the block ends well."""
        if not atomic:
            yield self
            return
        async with await self.begin_transaction() as transaction:
            yield transaction
            await transaction.commit()


async def load_nodes(
    executor: AsyncExecutor,
    source: Loadable,
    labels: str | Iterable[str],
    *,
    graph: str | None = None,
    types: Mapping[str, Callable[[str], object]] | None = None,
    progress: Progress | None = None,
    batch_rows: int = BATCH_ROWS,
) -> int:
    """Insert a node for each row; how many."""
    done = 0
    for text, batch in node_statements(source, labels, graph, types, batch_rows):
        await executor.execute(text, {"rows": batch})
        done += len(batch)
        if progress is not None:
            progress(done)
    return done


async def load_edges(
    executor: AsyncExecutor,
    source: Loadable,
    edges: Edges,
    *,
    types: Mapping[str, Callable[[str], object]] | None = None,
    progress: Progress | None = None,
    batch_rows: int = BATCH_ROWS,
    skip_missing: bool = False,
) -> int:
    """Insert an edge for each row; how many.

    Raises DataError for a row with an end that is missing (`skip_missing`: it is left out), CardinalityViolation for
    one with an end that several nodes may be.
    """
    read = rows = 0
    for text, batch in edges.statements(source, types, batch_rows):
        made = (await executor.execute(text, {"rows": batch})).rowcount
        if made != len(batch):
            await _check_ends(executor, batch, edges, skip_missing)
        read += len(batch)
        rows += made
        if progress is not None:
            progress(read)
    return rows


async def _check_ends(
    executor: AsyncExecutor, batch: list[Mapping[str, Any]], edges: Edges, skip_missing: bool
) -> None:
    """Raise for the first row whose start or end is not one node."""
    for end, text, numbered in edges.questions(batch):
        result = await executor.execute(text, {"rows": numbered})
        found: dict[object, object] = {row[0]: row[1] for row in result}
        check_found(end, batch, found, skip_missing)
