"""The log behind the commit step.

Commit is append, then durable, then publish.  A log tells the transaction when its record is durable by
calling `Transaction.publish(epoch)`, in epoch order.  The memory log is durable at once: it calls back inside
`append`, so both steps of a commit fall into one unit, and a transaction may install frozen rows
(`is_instant`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from skerry_engine.txn.transaction import Transaction


class MemoryLog:
    """Keeps nothing."""

    __slots__ = ("is_instant",)

    def __init__(self) -> None:
        self.is_instant: bool = True

    def append(self, epoch: int, transaction: Transaction) -> None:
        """Take the transaction's record and publish it once durable: now."""
        transaction.publish(epoch)
