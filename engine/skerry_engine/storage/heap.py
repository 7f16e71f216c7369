"""The heap: what is committed, by row id.

A row id is a number that a table gives out once and never again.  Ids are dense enough to be addresses: the
heap is a list of pages, each a list of 64 slots, and a slot is one of three things:

    None                     no committed version: never installed, or deleted and collected
    a bare tuple             *frozen*: one committed version that every snapshot sees; reading it costs nothing extra
    Version -> Version -> …  committed versions, newest first; the chain may end in a bare tuple or None

        slot ──> Version(stamp e9, row)   ──> Version(stamp e7, None)   ──> (a bare tuple, older than all)
                 seen by snapshots >= 9       a deletion: 7 and 8 see       seen by snapshots < 7
                                              no row

Every version of one transaction shares one `CommitStamp`, the *commit cell*.  Its epoch is INFINITY until the
transaction commits, so that a large transaction can install its versions slice by slice, unseen, and become
visible by one assignment.

What the heap does not do: it does not know transactions, locks or indexes.  `TableStorage` keeps indexes in
step with it, the collector (txn/collector.py) turns chains back into frozen tuples.
"""

from __future__ import annotations

from typing import Final

Row = tuple[object, ...]

PAGE_BITS: Final = 6
PAGE_ROWS: Final = 64
PAGE_MASK: Final = 63

INFINITY: Final = 1 << 60
"""The epoch of what is not committed: larger than every snapshot."""


class CommitStamp:
    """The commit cell that all versions of one transaction share.

    `writer` says, while the epoch is infinite, who is about to commit: for those that keep book of
    dependencies (txn/serializable.py).
    """

    __slots__ = ("epoch", "writer")

    def __init__(self, epoch: int = INFINITY, writer: object = None) -> None:
        self.epoch: int = epoch
        self.writer: object = writer


class Version:
    """One committed (or, with an infinite stamp, about to be committed) state of a row;
    `row` None is a deletion."""

    __slots__ = ("stamp", "row", "older")

    def __init__(self, stamp: CommitStamp, row: Row | None, older: object) -> None:
        self.stamp: CommitStamp = stamp
        self.row: Row | None = row
        self.older: object = older


def visible_row(slot: object, snapshot: int) -> Row | None:
    """The row that `snapshot` sees in `slot`, None when it sees none."""
    while True:
        if isinstance(slot, tuple):
            return slot
        if not isinstance(slot, Version):
            return None
        if slot.stamp.epoch <= snapshot:
            return slot.row
        slot = slot.older


def newest_row(slot: object) -> Row | None:
    """The newest committed row in `slot`, published or not; None when the newest state is a deletion."""
    return visible_row(slot, INFINITY - 1)


def newest_epoch(slot: object) -> int:
    """The epoch of the newest committed version in `slot`; 0 when it is frozen or empty."""
    while isinstance(slot, Version):
        epoch = slot.stamp.epoch
        if epoch < INFINITY:
            return epoch
        slot = slot.older
    return 0


def retained_rows(slot: object) -> list[Row]:
    """Every row in `slot`, newest first, deletions left out."""
    rows: list[Row] = []
    while isinstance(slot, Version):
        if slot.row is not None:
            rows.append(slot.row)
        slot = slot.older
    if isinstance(slot, tuple):
        rows.append(slot)
    return rows


class Heap:
    """Pages of slots by row id.  A page that holds nothing is None."""

    __slots__ = ("pages",)

    def __init__(self) -> None:
        self.pages: list[list[object] | None] = []

    def slot(self, row_id: int) -> object:
        """What stands at `row_id`: None, a tuple or a Version."""
        number = row_id >> PAGE_BITS
        pages = self.pages
        if number >= len(pages):
            return None
        page = pages[number]
        if page is None:
            return None
        return page[row_id & PAGE_MASK]

    def put(self, row_id: int, slot: object) -> None:
        """Put `slot` at `row_id`, making the page if need be."""
        number = row_id >> PAGE_BITS
        pages = self.pages
        while number >= len(pages):
            pages.append(None)
        page = pages[number]
        if page is None:
            page = [None] * PAGE_ROWS
            pages[number] = page
        page[row_id & PAGE_MASK] = slot

    def clear(self, row_id: int) -> None:
        """Empty the slot at `row_id`, and give up its page when that was its last one."""
        number = row_id >> PAGE_BITS
        page = self.pages[number]
        if page is None:
            return
        page[row_id & PAGE_MASK] = None
        if page.count(None) == PAGE_ROWS:
            self.pages[number] = None
