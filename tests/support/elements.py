"""Labels and properties of graph elements, for tests that have no graph: each row says itself what it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from skerry_engine.values.io import DEFAULT_IO, IoContext


class RowsThatTell:
    """An ElementResolver for rows of the form ((label, ...), ((property, type OID, value), ...)), of undirected edges with
    False behind."""

    def check_readable(self, table_oid: int, row: tuple[object, ...]) -> None:
        """Nothing is deleted here."""

    def element_id(self, graph_oid: int, table_oid: int, row_id: int) -> int | str:
        return row_id

    def labels(self, graph_oid: int, table_oid: int, row: tuple[object, ...]) -> Sequence[str]:
        return row[0] if row and isinstance(row[0], tuple) else ()

    def properties(
        self, graph_oid: int, table_oid: int, row: tuple[object, ...]
    ) -> Sequence[tuple[str, int, object]]:
        return row[1] if len(row) > 1 and isinstance(row[1], tuple) else ()

    def is_directed(self, graph_oid: int, table_oid: int, row: tuple[object, ...]) -> bool:
        return len(row) < 3 or row[2] is not False


PLAIN: IoContext = replace(DEFAULT_IO, elements=RowsThatTell())
TYPED: IoContext = replace(PLAIN, typed_json=True)
