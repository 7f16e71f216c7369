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

A page may be out of memory, when the base has it and nobody needs more of it than the base has: see `Heap`.

What the heap does not do: it does not know transactions, locks or indexes, nor how pages are kept in the base.
`TableStorage` keeps indexes in step with it, the collector (txn/collector.py) turns chains back into frozen tuples,
paging.py fetches pages.
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


class Evicted:
    """The type of EVICTED."""

    __slots__ = ()


EVICTED: Final = Evicted()
"""What stands for a page that is in the base and not in memory."""


class CachedPage:
    """A clean page in the eyes of the cache (page_cache.py), and the marker of one that it may soon evict.

    `page` is the page while this object stands in its place; None while the page itself stands there.
    """

    __slots__ = ("pager", "number", "size_bytes", "page")

    def __init__(self, pager: Pager, number: int, size_bytes: int) -> None:
        self.pager: Pager = pager
        self.number: int = number
        self.size_bytes: int = size_bytes
        self.page: list[object] | None = None


class Pager:
    """Where a heap's pages come from that are not in memory, and what is known of those that are.

    `dirty` are the pages whose newest content may differ from the base's, `writing` those that the checkpoint under
    way has taken over from it; both with their size in bytes as estimated.  `cached` are the others in memory.  A
    heap without a pager is all in memory.
    """

    __slots__ = ("pages", "dirty", "writing", "cached")

    def __init__(self) -> None:
        self.pages: list[object] = []
        self.dirty: dict[int, int] = {}
        self.writing: dict[int, int] = {}
        self.cached: dict[int, CachedPage] = {}

    def fetch(self, number: int) -> list[object] | None:
        """Put a page that is not in memory, or about to be evicted, into `pages`, and return it; None when it is empty.

        Raises DatabaseDamaged.
        """
        raise NotImplementedError

    def loads(self) -> int:
        """How many pages were fetched so far, of all heaps with the same cache: what reading has cost."""
        raise NotImplementedError

    def touch(self, number: int) -> None:
        """Note that a page becomes dirty, which stands in its place by now."""
        raise NotImplementedError


class Heap:
    """Pages of slots by row id.

    `pages` holds, by page number, the page: a list; None when it holds nothing; EVICTED, or a CachedPage, when the
    pager has to be asked.  Only a page that is clean and wholly frozen is ever evicted: so every snapshot sees in the
    base's block what it would have seen in memory, and a page with a version on it is a list.  The list of pages
    itself is never replaced; a page may be read for as long as its reader likes, but is written through the heap only.
    """

    __slots__ = ("pages", "pager", "lease", "changes")

    def __init__(self, pager: Pager | None = None, lease: object = None) -> None:
        self.pages: list[object] = [] if pager is None else pager.pages
        self.pager: Pager | None = pager
        # What goes with the heap, so that the cache learns that nobody needs its pages any more.
        self.lease: object = lease
        # Grows whenever a slot gets other content, or might.
        self.changes: int = 0

    def slot(self, row_id: int) -> object:
        """What stands at `row_id`: None, a tuple or a Version.  Raises DatabaseDamaged."""
        number = row_id >> PAGE_BITS
        pages = self.pages
        if number >= len(pages):
            return None
        page = pages[number]
        if isinstance(page, list):
            return page[row_id & PAGE_MASK]
        if page is None:
            return None
        fetched = self.fetch(number)
        return None if fetched is None else fetched[row_id & PAGE_MASK]

    def resident_slot(self, row_id: int) -> object:
        """As `slot`, but None for a page that is not in memory: no version is on it."""
        number = row_id >> PAGE_BITS
        pages = self.pages
        if number >= len(pages):
            return None
        page = pages[number]
        return page[row_id & PAGE_MASK] if isinstance(page, list) else None

    def fetch(self, number: int) -> list[object] | None:
        """The page of that number, brought into memory; None when it is empty.  Raises DatabaseDamaged."""
        page = self.pages[number]
        if isinstance(page, list):
            return page
        if page is None:
            return None
        pager = self.pager
        assert pager is not None
        return pager.fetch(number)

    def loads(self) -> int:
        """How many pages were fetched from the base so far, perhaps for others: what reading has cost."""
        pager = self.pager
        return 0 if pager is None else pager.loads()

    def prepare(self, row_id: int) -> None:
        """See to it that `put` can't fail: have the row's page in memory, and keep it.  Raises DatabaseDamaged."""
        number = row_id >> PAGE_BITS
        pager = self.pager
        if pager is not None and number < len(self.pages) and number not in pager.dirty:
            self.pages[number] = self.fetch(number)
            pager.touch(number)

    def put(self, row_id: int, slot: object) -> None:
        """Put `slot` at `row_id`, making the page if need be."""
        number = row_id >> PAGE_BITS
        pages = self.pages
        pager = self.pager
        self.changes += 1
        while number >= len(pages):
            if pager is not None:
                pager.touch(len(pages))
            pages.append(None)
        page = pages[number]
        if not isinstance(page, list):
            page = self._page_to_write(number)
        if pager is not None and number not in pager.dirty:
            pager.touch(number)
        page[row_id & PAGE_MASK] = slot

    def _page_to_write(self, number: int) -> list[object]:
        page = self.fetch(number)
        if page is None:
            page = [None] * PAGE_ROWS
        self.pages[number] = page
        return page

    def clear(self, row_id: int) -> None:
        """Empty the slot at `row_id`, and give up its page when that was its last one."""
        number = row_id >> PAGE_BITS
        self.changes += 1
        page = self.fetch(number)
        if page is None:
            return
        self.pages[number] = page
        pager = self.pager
        if pager is not None and number not in pager.dirty:
            pager.touch(number)
        page[row_id & PAGE_MASK] = None
        if page.count(None) == PAGE_ROWS:
            self.pages[number] = None

    def settle(self, row_id: int, slot: object) -> None:
        """Put `slot` where a Version stands, saying the same in fewer words: the newest committed content stays."""
        number = row_id >> PAGE_BITS
        self.changes += 1
        page = self.pages[number]
        assert isinstance(page, list), "a page with a version on it stays in memory"
        page[row_id & PAGE_MASK] = slot
        if slot is None and page.count(None) == PAGE_ROWS:
            self.pages[number] = None


def is_frozen(page: list[object]) -> bool:
    """Whether no slot of a page holds a Version."""
    return all(not isinstance(slot, Version) for slot in page)
