"""What the nodes of a flow remember, in a branch: values by (node, key), each node's apart from the others'.

    state table   key = node, 00, key      value          a row each, in the database's own hidden table
                  "sum\\0" b"\\x01"          (41, 7)
                  "sum\\0" b"\\x02"          (3, 1)         in the order of keys within a node
                  "uniq\\0" b"a"            ()

State is merged, committed, logged, backed up and kept in history as rows are: it is rows.  Two branches that have
written the same key of a node overlap.

A node is a name, a key is bytes, a value is any nesting of stored values (storage/row_codec.py says which).  What those
mean is the node's own business.
"""

from __future__ import annotations

from skerry_engine.catalog.flow_state import KEY_POSITION, VALUE_POSITION
from skerry_engine.errors import InvalidParameterValue
from skerry_engine.flow.branch_table import BranchTable
from skerry_engine.storage.index import Index

BATCH = 512


class BranchState:
    """The state of all nodes, in one branch: `table` is the branch's view of the database's state table."""

    __slots__ = ("table", "_index", "_prefixes")

    def __init__(self, table: BranchTable) -> None:
        assert table.index is not None, "a state table has a key"
        self.table: BranchTable = table
        self._index: Index = table.index
        self._prefixes: dict[str, bytes] = {}

    def get(self, node: str, key: bytes) -> object:
        """A node's value under a key; None where there is none."""
        row = self.table.get(self._prefix(node) + key)
        return None if row is None else row[VALUE_POSITION]

    def find(self, node: str, key: bytes) -> tuple[object] | None:
        """As `get`, where None may be a value: the value alone, or None where there is none."""
        row = self.table.get(self._prefix(node) + key)
        return None if row is None else (row[VALUE_POSITION],)

    def set(self, node: str, key: bytes, value: object) -> None:
        """Keep a value under a key.  Raises OutOfMemory."""
        self.table.set((self._prefix(node) + key, value))

    def remove(self, node: str, key: bytes) -> bool:
        """Forget what is under a key; whether there was something."""
        return self.table.remove(self._prefix(node) + key)

    def batch(
        self,
        node: str,
        low: bytes | None = None,
        high: bytes | None = None,
        after: bytes | None = None,
        n: int = BATCH,
    ) -> tuple[list[tuple[bytes, object]], bytes | None]:
        """Up to about `n` of a node's keys k with low <= k < high and their values, in the order of keys, and where to
        go on (None: the end); `after` is what the batch before gave."""
        prefix = self._prefix(node)
        order_key = self._index.codec.order_key
        start = order_key((prefix + (low or b""),))
        stop = order_key((node.encode() + b"\x01",)) if high is None else order_key((prefix + high,))
        rows, place = self.table.batch(start, stop, after, n)
        found: list[tuple[bytes, object]] = []
        skipped = len(prefix)
        for row in rows:
            key = row[KEY_POSITION]
            assert isinstance(key, bytes), "keys of state are bytes"
            found.append((key[skipped:], row[VALUE_POSITION]))
        return found, place

    def clear(self, node: str) -> int:
        """Forget everything of a node; how many keys it had."""
        count = 0
        after: bytes | None = None
        while True:
            found, after = self.batch(node, None, None, after)
            for key, _ in found:
                self.remove(node, key)
            count += len(found)
            if after is None:
                return count

    def _prefix(self, node: str) -> bytes:
        found = self._prefixes.get(node)
        if found is None:
            if not node or "\0" in node:
                raise InvalidParameterValue("a node's name is not empty, and has no zero character")
            found = node.encode() + b"\0"
            self._prefixes[node] = found
        return found
