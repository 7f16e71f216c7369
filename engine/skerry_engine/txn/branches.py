"""What a transaction knows of its flow branches: who they are, what they pin, which of its statements they merged in.

    transaction ── statement 1 ── statement 2 ── statement 3 ── ...
                                       │              └ its own
                                       └ merged branch "b1", whose writes hold from epoch 41 on

A merge is one statement of the parent, so that every pending write in the parent says by its statement's number
whether a branch has made it, and which one.  That costs nothing per entry.

Two things follow from it.  An overlap can name both sides.  And a write that a branch made at an epoch newer than
the parent's snapshot is validated from that epoch (`base_of`): the branch has seen what was committed until then.

A branch keeps the state at its epoch from being collected until it is closed, at the latest when its parent ends:
so a branch that is forgotten holds nothing back for longer than the transaction it belongs to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from skerry_engine.storage.pending import Entry, PendingTable

if TYPE_CHECKING:
    from skerry_engine.txn.transaction import Transaction


class Branches:
    """The branches of one transaction.

    `pins` hold the snapshots of those that are open, by number; `keys` are keys that branches have written without
    leaving a row behind (removed, while no row had them), as (index id, key) -> statement.
    """

    __slots__ = ("count", "pins", "names", "epochs", "newest_epoch", "keys")

    def __init__(self) -> None:
        self.count: int = 0
        self.pins: dict[int, Transaction] = {}
        self.names: dict[int, tuple[int, str]] = {}
        self.epochs: dict[int, int] = {}
        self.newest_epoch: int = 0
        self.keys: dict[tuple[int, object], int] = {}

    def add(self) -> int:
        """The number of a new branch."""
        self.count += 1
        return self.count

    def pin(self, number: int, holder: Transaction) -> None:
        """A branch reads at the epoch that `holder` holds; what it held before goes."""
        self.unpin(number)
        self.pins[number] = holder

    def unpin(self, number: int) -> None:
        """A branch reads no more."""
        holder = self.pins.pop(number, None)
        if holder is not None:
            holder.close()

    def note_merge(self, statement: int, number: int, name: str, epoch: int) -> None:
        """A statement of the parent merges a branch that reads at an epoch."""
        self.names[statement] = (number, name)
        self.epochs[statement] = epoch
        self.newest_epoch = max(self.newest_epoch, epoch)

    def merged_by(self, statement: int) -> int:
        """The number of the branch that a statement has merged; 0 for the parent's own."""
        found = self.names.get(statement)
        return 0 if found is None else found[0]

    def writer_of(self, statement: int) -> str:
        """Who has written in a statement of the parent, in words."""
        found = self.names.get(statement)
        return "its parent" if found is None else f'branch "{found[1]}"'

    def base_of(self, table: PendingTable, row_id: int) -> int:
        """The epoch up to which whoever was the first to write a row has seen what others committed; 0 for the parent's
        snapshot."""
        entry: Entry | None = table.entries.get(row_id)
        if entry is None:
            return 0
        while entry.older is not None:
            entry = entry.older
        return self.epochs.get(entry.statement, 0)

    def end(self) -> None:
        """The parent has ended, and its branches with it."""
        for number in list(self.pins):
            self.unpin(number)
