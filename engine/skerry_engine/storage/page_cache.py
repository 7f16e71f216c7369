"""The page cache: keeps the pages of all heaps that have a base below a number of bytes, by evicting clean ones.

Reading a page that is in memory tells the cache nothing and costs nothing.  Instead, before a page goes, a marker is
put in its place; whoever reads it meanwhile finds the marker, and the page is kept:

                                          read again
                        ┌──────────────────────────────────────────────┐
                        │                                              v
      loaded ──> inactive: a marker in the page's place            active: nothing but the page
                        │         ^                                    │   ^
                        │         └────────────────────────────────────┘   └── a dirty page, when it was written
                        v             the oldest, if it is frozen
                 evicted, the oldest

A page that is loaded starts inactive, so a scan of a large table pushes out little else.  What becomes dirty leaves the
cache, and comes back when a checkpoint has written it; its size counts all the while.  Sizes are estimates, and so is
the budget: whoever sets it can correct it by what the process really uses.

What it does not do: write.  If dirty pages alone are beyond the budget, only a checkpoint helps.
"""

from __future__ import annotations

import weakref
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Final

from skerry_engine.storage.heap import EVICTED, CachedPage, Pager, is_frozen

NO_LIMIT: Final = 1 << 60

INACTIVE_SHARE: Final = 4
"""One of so many bytes of the cache is inactive when pages are evicted."""

STEPS_PER_LOAD: Final = 4
"""How many pages are looked at for room whenever one is loaded: more than one, so that there comes to be room."""

FORGET_PAGES: Final = 16

NEWS_PAGES: Final = 32


def _nothing() -> None:
    """Nobody is told."""


class Lease:
    """A heap has it and nobody else, so that it ends when the heap does."""

    __slots__ = ("__weakref__",)


class PageCache:
    """The pages of all heaps with a base.

    `clean_bytes` and `dirty_bytes` are in memory now, by estimate; `loads` and `evictions` count.  `on_changes` is
    called whenever `NEWS_PAGES` more pages have become dirty, in the middle of a unit.
    """

    __slots__ = (
        "budget_bytes",
        "clean_bytes",
        "dirty_bytes",
        "loads",
        "evictions",
        "on_changes",
        "_until_news",
        "_active",
        "_inactive",
        "_inactive_bytes",
        "_leases",
        "_gone",
    )

    def __init__(self, budget_bytes: int = NO_LIMIT) -> None:
        self.budget_bytes: int = budget_bytes
        self.clean_bytes: int = 0
        self.dirty_bytes: int = 0
        self.loads: int = 0
        self.evictions: int = 0
        self.on_changes: Callable[[], None] = _nothing
        self._until_news: int = NEWS_PAGES
        self._active: OrderedDict[CachedPage, None] = OrderedDict()
        self._inactive: OrderedDict[CachedPage, None] = OrderedDict()
        self._inactive_bytes: int = 0
        self._leases: dict[weakref.ref[Lease], Pager] = {}
        self._gone: deque[Pager] = deque()

    @property
    def used_bytes(self) -> int:
        """What counts against the budget."""
        return self.clean_bytes + self.dirty_bytes

    # --- pages ----------------------------------------------------------------------------------------------

    def admit(self, entry: CachedPage) -> None:
        """Take a page that was just loaded, with the marker in its place."""
        self.loads += 1
        self.clean_bytes += entry.size_bytes
        self._inactive_bytes += entry.size_bytes
        self._inactive[entry] = None
        self.make_room(STEPS_PER_LOAD)

    def keep(self, entry: CachedPage) -> None:
        """Take a page that has become clean."""
        self.clean_bytes += entry.size_bytes
        self._active[entry] = None

    def revive(self, entry: CachedPage) -> None:
        """The page of a marker was read."""
        del self._inactive[entry]
        self._inactive_bytes -= entry.size_bytes
        self._active[entry] = None

    def remove(self, entry: CachedPage) -> None:
        """A page is not clean any more, or gone."""
        self.clean_bytes -= entry.size_bytes
        if entry in self._active:
            del self._active[entry]
        else:
            del self._inactive[entry]
            self._inactive_bytes -= entry.size_bytes

    def add_dirty(self, size_bytes: int) -> None:
        """A page has become dirty."""
        self.dirty_bytes += size_bytes
        if self.clean_bytes:
            self.make_room(STEPS_PER_LOAD)
        self._until_news -= 1
        if self._until_news <= 0:
            self._until_news = NEWS_PAGES
            self.on_changes()

    # --- room -----------------------------------------------------------------------------------------------

    def make_room(self, steps: int) -> bool:
        """Bring the cache below its budget, in so many steps, each about a page; whether it is there.

        False also where nothing can be evicted.
        """
        while self._gone and steps:
            steps -= 1
            self._forget_gone()
        while self.clean_bytes + self.dirty_bytes > self.budget_bytes:
            if not steps or not self.clean_bytes:
                return False
            steps -= 1
            if self._inactive_bytes * INACTIVE_SHARE >= self.clean_bytes or not self._active:
                self._evict()
            else:
                self._demote()
        return True

    def _evict(self) -> None:
        """Evict the page that has been inactive longest.  It is clean and frozen: a write would have removed it."""
        entry, _ = self._inactive.popitem(last=False)
        self._inactive_bytes -= entry.size_bytes
        self.clean_bytes -= entry.size_bytes
        self.evictions += 1
        entry.page = None
        pager = entry.pager
        del pager.cached[entry.number]
        pager.pages[entry.number] = EVICTED

    def _demote(self) -> None:
        """Put a marker in the place of the page that has been active longest, if it may be evicted."""
        entry, _ = self._active.popitem(last=False)
        pager = entry.pager
        page = pager.pages[entry.number]
        if not isinstance(page, list):  # emptied meanwhile
            self.clean_bytes -= entry.size_bytes
            del pager.cached[entry.number]
        elif is_frozen(page):
            entry.page = page
            pager.pages[entry.number] = entry
            self._inactive[entry] = None
            self._inactive_bytes += entry.size_bytes
        else:
            self._active[entry] = None

    # --- heaps that are gone --------------------------------------------------------------------------------

    def lease(self, pager: Pager) -> Lease:
        """What the heap of `pager` must hold; when it goes, so do the pages, by and by."""
        lease = Lease()
        self._leases[weakref.ref(lease, self._end_lease)] = pager
        return lease

    def _end_lease(self, reference: weakref.ref[Lease]) -> None:
        """Called wherever the last reference to a heap goes: so nothing happens here yet."""
        pager = self._leases.pop(reference, None)
        if pager is not None:
            self._gone.append(pager)

    def _forget_gone(self) -> None:
        """Let some pages go of heaps that are gone."""
        pager = self._gone[0]
        for _ in range(min(FORGET_PAGES, len(pager.cached))):
            _, entry = pager.cached.popitem()
            self.remove(entry)
            entry.page = None
        if not pager.cached:
            for sizes in (pager.dirty, pager.writing):
                self.dirty_bytes -= sum(sizes.values())
                sizes.clear()
            self._gone.popleft()
