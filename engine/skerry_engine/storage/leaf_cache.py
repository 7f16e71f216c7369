"""Reading an index's leaves from the base, and keeping those in memory that are read often.

Two things are kept, and both hold what the base holds, nothing newer:

    leaves    of all indexes together, up to a budget of bytes; second chance: a leaf that was used since its turn
              came last stays, another goes
    keys      equality key -> row ids, per index, up to a number of keys, in two generations: a hot look-up is one
              look-up in a dict and touches no leaf

The base changes only when a checkpoint ends, all at once for this module (`IndexLeaves.switch`).  From then on the
leaves that the checkpoint has replaced must not be used: they are marked while it runs, so that its end costs no
more than counting up.

        find(key) ──> fences kept in memory ──> the leaf, if it is kept and covers the key
                                 │ no
                                 └──> Blocks.at_or_before ──> decoded, kept

What always holds: whatever `find` gives covers what was searched, else it raises DatabaseDamaged; so do `next` and
`previous` where two leaves do not join.  No call leaves an iterator behind; each seeks anew.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import OrderedDict
from typing import TYPE_CHECKING, Final, cast

from skerry_engine.base.blocks import leaf_prefix
from skerry_engine.storage.leaves import (
    FENCE_BYTES,
    Leaf,
    damaged_index,
    decode_leaf,
    fence_below,
    missing_leaf,
)
from skerry_engine.storage.trees import entry_row_id

if TYPE_CHECKING:
    from skerry_engine.abc import Blocks
    from skerry_engine.values.keys import KeyCodec

MAX_SPARED: Final = 64
"""Leaves in use that one look-up passes over for one that is not."""

MAX_IDS: Final = 32
"""A key with more row ids is not kept."""

MAX_KEY_BYTES: Final = 200
"""A longer one isn't kept either."""

KEY_BYTES: Final = 250
"""About what a key takes that is kept with its row id."""

MIN_KEYS: Final = 64
MAX_KEYS: Final = 16_384
"""Keys kept per index and generation, at least and at most."""

_TOP: Final = b"\xff" * FENCE_BYTES
"""Above every entry: none begins with such a byte."""


class LeafCache:
    """The memory that all indexes of an engine have for leaves and keys."""

    __slots__ = ("budget_bytes", "loads", "used_bytes", "keys_per_index", "_ring", "_indexes")

    def __init__(self, budget_bytes: int) -> None:
        self.budget_bytes: int = budget_bytes
        self.loads: int = 0
        """Leaves read from the base so far."""
        self.used_bytes: int = 0
        """What the kept leaves take; the keys have an eighth of the budget beside it."""
        self.keys_per_index: int = MIN_KEYS
        self._ring: OrderedDict[Leaf, IndexLeaves] = OrderedDict()
        self._indexes: int = 0
        self.set_budget(budget_bytes)

    def set_budget(self, budget_bytes: int) -> None:
        """Change the budget; what is too much goes at once."""
        self.budget_bytes = budget_bytes
        self._share_keys()
        self._shrink()

    def enter(self) -> None:
        """An index takes part."""
        self._indexes += 1
        self._share_keys()

    def leave(self) -> None:
        """An index is gone."""
        self._indexes -= 1
        self._share_keys()

    def keep(self, owner: IndexLeaves, leaf: Leaf) -> None:
        """Keep a leaf; `owner.drop` is told when its memory is wanted for others."""
        self._ring[leaf] = owner
        self.used_bytes += leaf.weight
        self._shrink()

    def forget(self, leaf: Leaf) -> None:
        """Its owner has no use for a leaf any more."""
        if self._ring.pop(leaf, None) is not None:
            self.used_bytes -= leaf.weight

    def _share_keys(self) -> None:
        generations = 2 * max(1, self._indexes)
        share = self.budget_bytes // 8 // KEY_BYTES // generations
        self.keys_per_index = min(MAX_KEYS, max(MIN_KEYS, share))

    def _shrink(self) -> None:
        spared = 0
        while self.used_bytes > self.budget_bytes and self._ring:
            leaf, owner = self._ring.popitem(last=False)
            if leaf.is_hot and spared < MAX_SPARED:
                leaf.is_hot = False
                self._ring[leaf] = owner
                spared += 1
                continue
            self.used_bytes -= leaf.weight
            owner.drop(leaf)


class IndexLeaves:
    """The leaves of one index.  Every method may raise DatabaseDamaged."""

    __slots__ = (
        "index_id",
        "_codec",
        "_blocks",
        "_cache",
        "_prefix",
        "_fences",
        "_kept",
        "_young",
        "_old",
        "_generation",
        "_replaced",
        "_is_closed",
    )

    def __init__(self, index_id: int, codec: KeyCodec, blocks: Blocks, cache: LeafCache) -> None:
        self.index_id: int = index_id
        self._codec: KeyCodec = codec
        self._blocks: Blocks = blocks
        self._cache: LeafCache = cache
        self._prefix: bytes = leaf_prefix(index_id)
        self._fences: list[bytes] = []  # the low fences of `_kept`, in order
        self._kept: list[Leaf] = []
        self._young: dict[object, object] = {}
        self._old: dict[object, object] = {}
        self._generation: int = 0
        self._replaced: set[bytes] = set()
        self._is_closed: bool = False
        cache.enter()

    # --- leaves ---------------------------------------------------------------------------------------------

    def find(self, bound: bytes) -> Leaf:
        """The leaf that covers `bound`, to be kept."""
        leaf = self._find_kept(bound)
        if leaf is None:
            leaf = self._read(bound)
            self._keep(leaf)
        return leaf

    def peek(self, bound: bytes) -> Leaf:
        """The leaf that covers `bound`, for one use."""
        leaf = self._find_kept(bound)
        return self._read(bound) if leaf is None else leaf

    def next(self, leaf: Leaf) -> Leaf | None:
        """The leaf to the right."""
        found = self._kept_next(leaf)
        if found is None and leaf.high is not None:
            found = self._read_next(leaf)
            self._keep(found)
        return found

    def peek_next(self, leaf: Leaf) -> Leaf | None:
        """The leaf to the right, for one use."""
        found = self._kept_next(leaf)
        return self._read_next(leaf) if found is None and leaf.high is not None else found

    def _kept_next(self, leaf: Leaf) -> Leaf | None:
        high = leaf.high
        if high is None:
            return None
        kept = self._find_kept(high)
        return kept if kept is not None and kept.low == high else None

    def _read_next(self, leaf: Leaf) -> Leaf:
        # Not a search for the high fence: that would pass over a leaf between the two.
        high = leaf.high
        assert high is not None
        self._cache.loads += 1
        found = self._blocks.after(self._prefix + leaf.low)
        if found is None or found[0] != self._prefix + high:
            raise damaged_index(self.index_id, f"the leaves beside key {high[:40].hex()} do not join")
        return decode_leaf(self.index_id, found[0], found[1])

    def previous(self, leaf: Leaf) -> Leaf | None:
        """The leaf to the left."""
        low = leaf.low
        if not low:
            return None
        at = bisect_left(self._fences, low) - 1
        if at >= 0:
            kept = self._kept[at]
            if kept.high == low and self._generation < kept.valid_below:
                kept.is_hot = True
                return kept
        found = self._read(fence_below(low))
        if found.high != low:
            raise damaged_index(self.index_id, f"the leaves beside key {low[:40].hex()} do not join")
        self._keep(found)
        return found

    def _find_kept(self, bound: bytes) -> Leaf | None:
        at = bisect_right(self._fences, bound) - 1
        if at < 0:
            return None
        leaf = self._kept[at]
        high = leaf.high
        if high is not None and bound >= high:
            return None
        if self._generation < leaf.valid_below:
            leaf.is_hot = True
            return leaf
        self._cache.forget(leaf)
        del self._fences[at]
        del self._kept[at]
        return None

    def _read(self, bound: bytes) -> Leaf:
        # Fences are no longer than FENCE_BYTES: what follows in `bound` has no part in the order among them.
        self._cache.loads += 1
        found = self._blocks.at_or_before(self._prefix + bound[:FENCE_BYTES])
        if found is None or not found[0].startswith(self._prefix):
            raise missing_leaf(self.index_id, bound)
        leaf = decode_leaf(self.index_id, found[0], found[1])
        if not leaf.covers(bound):
            raise missing_leaf(self.index_id, bound)
        return leaf

    def _keep(self, leaf: Leaf) -> None:
        low = leaf.low
        if low in self._replaced:
            leaf.valid_below = self._generation + 1
        at = bisect_left(self._fences, low)
        if at < len(self._fences) and self._fences[at] == low:
            self._cache.forget(self._kept[at])
            self._kept[at] = leaf
        else:
            self._fences.insert(at, low)
            self._kept.insert(at, leaf)
        self._cache.keep(self, leaf)

    def drop(self, leaf: Leaf) -> None:
        """The cache wants a leaf's memory for others."""
        at = bisect_left(self._fences, leaf.low)
        if at < len(self._kept) and self._kept[at] is leaf:
            del self._fences[at]
            del self._kept[at]

    def close(self) -> None:
        """Give back what is kept: the index was dropped."""
        if self._is_closed:
            return
        self._is_closed = True
        for leaf in self._kept:
            self._cache.forget(leaf)
        self._fences = []
        self._kept = []
        self._young = {}
        self._old = {}
        self._cache.leave()

    # --- checkpoints ----------------------------------------------------------------------------------------

    def replace(self, leaf: Leaf) -> None:
        """The checkpoint under way replaces a leaf: it is not to be used after `switch`."""
        low = leaf.low
        self._replaced.add(low)
        at = bisect_left(self._fences, low)
        if at < len(self._fences) and self._fences[at] == low:
            self._kept[at].valid_below = self._generation + 1

    def switch(self) -> None:
        """The checkpoint has ended: use what the base holds now."""
        if self._replaced:
            self._generation += 1
            self._replaced = set()
            self._young = {}
            self._old = {}

    # --- entries --------------------------------------------------------------------------------------------

    def ids(self, key: object) -> list[int]:
        """The row ids under equality key `key`, ascending.  The list belongs to the caller."""
        found = self._young.get(key)
        if found is None:
            found = self._old.get(key)
            if found is None:
                return self._search(key)
            self._remember(key, found)
        if isinstance(found, int):
            return [found]
        return list(cast("tuple[int, ...]", found))

    def _search(self, key: object) -> list[int]:
        order_key = self._codec.order_key_of(key)
        ids: list[int] = []
        leaf: Leaf | None = self.find(order_key)
        assert leaf is not None
        at = leaf.position(order_key)
        while leaf is not None:
            while at < leaf.count:
                entry = leaf.at(at)
                if not entry.startswith(order_key):
                    break
                ids.append(entry_row_id(entry))
                at += 1
            if at < leaf.count:
                break
            leaf = self.next(leaf)
            at = 0
        if 0 < len(ids) <= MAX_IDS and len(order_key) <= MAX_KEY_BYTES:
            self._remember(key, ids[0] if len(ids) == 1 else tuple(ids))
        return ids

    def _remember(self, key: object, found: object) -> None:
        if len(self._young) >= self._cache.keys_per_index:
            self._old = self._young
            self._young = {}
        self._young[key] = found

    def count(self, key: object, limit: int) -> int:
        """How many row ids are under equality key `key`; counting may stop beyond `limit`."""
        found = self._young.get(key)
        if found is not None:
            return 1 if isinstance(found, int) else len(cast("tuple[int, ...]", found))
        order_key = self._codec.order_key_of(key)
        end = self._codec.prefix_end(order_key)
        assert end is not None
        leaf: Leaf | None = self.find(order_key)
        assert leaf is not None
        total = -leaf.position(order_key)
        while leaf is not None:
            stop = leaf.position(end)
            total += stop
            if stop < leaf.count or total > limit:
                break
            leaf = self.next(leaf)
        return total

    def ascending(
        self, low: bytes | None, high: bytes | None, after: bytes | None, limit: int
    ) -> list[bytes]:
        """Up to `limit` entries e in order, low <= e < high and e > after; None bounds nothing."""
        start = low or b""
        if after is not None and after >= start:
            start = after + b"\0"
        found: list[bytes] = []
        leaf: Leaf | None = self.find(start)
        assert leaf is not None
        at = leaf.position(start)
        while leaf is not None:
            stop = leaf.count if high is None else leaf.position(high)
            found += leaf.slice(at, min(stop, at + limit - len(found)))
            if len(found) >= limit or stop < leaf.count:
                break
            if high is not None and leaf.high is not None and leaf.high >= high:
                break
            leaf = self.next(leaf)
            at = 0
        return found

    def descending(
        self, low: bytes | None, high: bytes | None, after: bytes | None, limit: int
    ) -> list[bytes]:
        """Up to `limit` entries e in falling order, low <= e < high and e < after; None bounds nothing."""
        bound = high
        if after is not None and (bound is None or after < bound):
            bound = after
        found: list[bytes] = []
        leaf: Leaf | None = self.find(_TOP if bound is None else bound)
        assert leaf is not None
        stop = leaf.count if bound is None else leaf.position(bound)
        while leaf is not None:
            start = 0 if low is None else leaf.position(low)
            entries = leaf.slice(max(start, stop - (limit - len(found))), stop)
            entries.reverse()
            found += entries
            if len(found) >= limit or start > 0 or (low is not None and leaf.low <= low):
                break
            leaf = self.previous(leaf)
            stop = 0 if leaf is None else leaf.count
        return found
