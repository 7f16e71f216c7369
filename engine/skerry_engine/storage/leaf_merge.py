"""What a checkpoint writes of an index: its frozen delta merged into the leaves.

The delta's changes are taken in the order of entries.  Each leaf that they fall into is read, merged and written
again, perhaps as several:

    changes      +b      -e +e'  -f                      +x
    leaves    | a  c |  e  f  g | h  i | k ... | u ... | w  y |
    becomes   | a b c | e' g  h  i     | (same)        | w x y |

A *run* is one leaf, together with its right neighbours as long as what is left of it is small.  Its first fence and
its end stay what they were, so the leaves tile the key space before and after; leaves whose fences are not used
again are deleted.  Sizes follow what the base is made of (pages of 4 kB): a leaf's block is to fit one.

    runs in the middle     halves, where a leaf overflows: entries come anywhere
    the index's right end  full leaves and a rest: entries come in order (serial keys, bulk loads)

Everything comes in slices of a few hundred entries, lists of (block key, block or None: deleted), so that whoever
asks for them can let others run in between.  Nothing here is remembered by the index; a checkpoint that fails is
begun again from the delta.

What it does not do: it does not write, and does not know which entries are live.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from skerry_engine.base.blocks import leaf_prefix
from skerry_engine.storage.leaf_cache import IndexLeaves
from skerry_engine.storage.leaves import (
    FENCE_BYTES,
    PREFIX_BYTES,
    Leaf,
    common_bytes,
    damaged_index,
    decode_leaf,
    encode_leaf,
    separator,
)
from skerry_engine.storage.trees import KeyTree

if TYPE_CHECKING:
    from skerry_engine.abc import Blocks


class Sizes:
    """How large leaves and slices are (tests make them small)."""

    __slots__ = ("full_bytes", "full_entries", "slice_entries")

    def __init__(self) -> None:
        self.full_bytes: int = 3_900
        """Entries of a full leaf, with the prefix that they share once."""
        self.full_entries: int = 512
        self.slice_entries: int = 512
        """Entries of a leaf, added ones and removed ones that one slice handles at most, each."""


SIZES: Final = Sizes()

Block = tuple[bytes, bytes | None]
"""A block's key and the block, None to delete it."""


def merge_blocks(
    index_id: int, leaves: IndexLeaves | None, added: KeyTree, removed: KeyTree
) -> Iterator[list[Block]]:
    """What makes the leaves hold `added` (and, of what they held, nothing in `removed`), in slices.

    The two trees share no entry and do not change meanwhile.  Without `leaves` the index has none yet.
    """
    if leaves is None:
        run = Run(index_id, None, added, removed, Leaf(b"", None, b"", 0, b"", ()))
        yield from run.blocks()
        return
    start: bytes | None = b""
    while start is not None:
        change = _first_change(added, removed, start)
        if change is None:
            return
        run = Run(index_id, leaves, added, removed, leaves.peek(change))
        yield from run.blocks()
        start = run.high


def _first_change(added: KeyTree, removed: KeyTree, start: bytes) -> bytes | None:
    """The first entry not below `start` that is added or removed."""
    found = added.ascending(start, None, None, 1) + removed.ascending(start, None, None, 1)
    return min(found) if found else None


class Run:
    """A leaf that changes, with those right neighbours that join it."""

    __slots__ = (
        "index_id",
        "leaves",
        "added",
        "removed",
        "leaf",
        "low",
        "high",
        "is_changed",
        "_old",
        "_new",
    )

    def __init__(
        self, index_id: int, leaves: IndexLeaves | None, added: KeyTree, removed: KeyTree, leaf: Leaf
    ) -> None:
        self.index_id: int = index_id
        self.leaves: IndexLeaves | None = leaves
        self.added: KeyTree = added
        self.removed: KeyTree = removed
        self.leaf: Leaf = leaf
        self.low: bytes = leaf.low
        self.high: bytes | None = leaf.high
        self.is_changed: bool = leaves is None
        self._old: list[Leaf] = [leaf]
        self._new: set[bytes] = set()

    def blocks(self) -> Iterator[list[Block]]:
        """The new leaves, and the deletion of old ones."""
        builder = LeafBuilder(self.index_id, self.low)
        while True:
            leaf = self.leaf
            start = leaf.low
            position = 0
            while True:
                merged, position, bound = self._merge(start, position)
                builder.add(merged)
                yield self._note(builder.take_full())
                if bound is None:
                    break
                start = bound + b"\0"
            if not self.is_changed or self.leaves is None or not builder.is_small():
                break
            neighbour = self.leaves.peek_next(leaf)
            if neighbour is None:
                break
            self.leaf = neighbour
            self._old.append(neighbour)
        self.high = self.leaf.high
        if self.is_changed:
            yield self._note(builder.take_rest(self.high)) + self._leave_old()

    def _merge(self, start: bytes, position: int) -> tuple[list[bytes], int, bytes | None]:
        """The leaf's next entries, from number `position` and bytes `start` on, with the changes among them.

        Also the number to go on from, and the last entry that was looked at, None if that was the leaf's end.
        """
        leaf = self.leaf
        stop = min(leaf.count, position + SIZES.slice_entries)
        present = leaf.slice(position, stop)
        added = self.added.ascending(start, leaf.high, None, SIZES.slice_entries)
        removed = self.removed.ascending(start, leaf.high, None, SIZES.slice_entries)
        ends = [some[-1] for some in (added, removed) if len(some) == SIZES.slice_entries]
        if stop < leaf.count:
            ends.append(present[-1])
        bound: bytes | None = None
        if ends:
            bound = min(ends)
            present = _through(present, bound)
            added = _through(added, bound)
            removed = _through(removed, bound)
        position += len(present)
        if not added and not removed:
            return present, position, bound
        if not present and not removed:
            self.is_changed = True
            return added, position, bound
        merged = sorted({*present, *added}.difference(removed))
        if merged != present:
            self.is_changed = True
        return merged, position, bound

    def _note(self, new: list[Block]) -> list[Block]:
        if new:
            self.is_changed = True
            for key, _ in new:
                self._new.add(key)
        return new

    def _leave_old(self) -> list[Block]:
        """Have the old leaves no longer used after the checkpoint; delete those that are not written over."""
        prefix = leaf_prefix(self.index_id)
        deleted: list[Block] = []
        for leaf in self._old:
            if self.leaves is not None:
                self.leaves.replace(leaf)
            key = prefix + leaf.low
            if key not in self._new:
                deleted.append((key, None))
        return deleted


def _through(entries: list[bytes], bound: bytes) -> list[bytes]:
    """The entries up to and with `bound`."""
    if not entries or entries[-1] <= bound:
        return entries
    return [entry for entry in entries if entry <= bound]


class LeafBuilder:
    """Makes entries that come in order into leaves that tile the space from `low` on."""

    __slots__ = ("_index_id", "_prefix", "_low", "_entries", "_sought")

    def __init__(self, index_id: int, low: bytes) -> None:
        self._index_id: int = index_id
        self._prefix: bytes = leaf_prefix(index_id)
        self._low: bytes = low
        self._entries: list[bytes] = []
        self._sought: int = 0  # no fence can stand among so many of the first entries

    def add(self, entries: list[bytes]) -> None:
        """Add entries, above those before."""
        self._entries += entries

    def is_small(self) -> bool:
        """Whether what is left should be joined with a neighbour."""
        entries = self._entries
        return (
            len(entries) < SIZES.full_entries // 4
            and _bytes_of(entries, len(entries)) < SIZES.full_bytes // 4
        )

    def take_full(self) -> list[Block]:
        """Full leaves, as long as enough for two more remains."""
        blocks: list[Block] = []
        while len(self._entries) > 1:
            full = _full_count(self._entries)
            if len(self._entries) <= 2 * full:
                break
            cut = self._place_near(full)
            if cut == 0:
                break
            blocks.append(self._cut(cut))
        return blocks

    def take_rest(self, high: bytes | None) -> list[Block]:
        """Leaves up to `high` of all that is left; there is one even of nothing."""
        blocks: list[Block] = []
        while True:
            count = len(self._entries)
            full = _full_count(self._entries)
            if count <= full:
                break
            cut = self._place_near(full if high is None or count > 2 * full else (count + 1) // 2)
            if cut == 0:
                break
            blocks.append(self._cut(cut))
        blocks.append((self._prefix + self._low, encode_leaf(self._low, high, self._entries)))
        self._entries = []
        return blocks

    def _place_near(self, count: int) -> int:
        """After how many entries a fence can stand: `count`, else the next below, else the next above; else 0."""
        for cut in range(count, 0, -1):
            if self._can_cut(cut):
                return cut
        cut = max(count + 1, self._sought)
        while cut < len(self._entries):
            if self._can_cut(cut):
                return cut
            cut += 1
        self._sought = cut
        return 0

    def _can_cut(self, count: int) -> bool:
        entries = self._entries
        return count < len(entries) and common_bytes(entries[count - 1], entries[count]) < FENCE_BYTES

    def _cut(self, count: int) -> Block:
        """A leaf of the first `count` entries."""
        entries = self._entries
        fence = separator(entries[count - 1], entries[count])
        block = (self._prefix + self._low, encode_leaf(self._low, fence, entries[:count]))
        del entries[:count]
        self._low = fence
        self._sought = 0
        return block


def _bytes_of(entries: list[bytes], count: int) -> int:
    """About how many bytes of a block the first `count` entries take."""
    if count == 0:
        return 0
    shared = common_bytes(entries[0], entries[count - 1]) if count > 1 else 0
    total = shared
    for position in range(count):
        total += len(entries[position]) - shared
    return total


def _full_count(entries: list[bytes]) -> int:
    """How many of the entries make a full leaf; all of them if they are fewer."""
    count = min(len(entries), SIZES.full_entries)
    while count > 1:
        taken = _bytes_of(entries, count)
        if taken <= SIZES.full_bytes:
            break
        count = max(1, min(count - 1, count * SIZES.full_bytes // taken))
    return count


# --- whole indexes ----------------------------------------------------------------------------------------------------


def has_leaves(blocks: Blocks, index_id: int) -> bool:
    """Whether the base has leaves of an index."""
    key = leaf_prefix(index_id)
    found = blocks.at_or_before(key)
    return found is not None and found[0] == key


def drop_blocks(blocks: Blocks, index_id: int) -> Iterator[list[Block]]:
    """The deletion of all leaves of an index, one to a slice."""
    prefix = leaf_prefix(index_id)
    found = blocks.at_or_before(prefix)
    if found is None or found[0] != prefix:
        found = blocks.after(prefix)
    while found is not None and found[0].startswith(prefix):
        yield [(found[0], None)]
        found = blocks.after(found[0])


def check_leaves(blocks: Blocks, index_id: int) -> Iterator[list[bytes]]:
    """The entries of an index, leaf by leaf, all that can be checked of them checked: order, fences, tiling.

    Raises DatabaseDamaged.
    """
    prefix = leaf_prefix(index_id)
    found = blocks.at_or_before(prefix)
    fence: bytes | None = b""
    while fence is not None:
        if found is None or found[0] != prefix + fence:
            raise damaged_index(index_id, f"its leaf at key {fence[:40].hex()} is missing")
        leaf = decode_leaf(index_id, found[0], found[1])
        entries = leaf.slice(0, leaf.count)
        for position in range(1, len(entries)):
            if entries[position - 1] >= entries[position]:
                raise damaged_index(index_id, f"its leaf at key {fence[:40].hex()} is out of order")
        yield entries
        fence = leaf.high
        found = blocks.after(found[0])
    if found is not None and found[0].startswith(prefix):
        beyond = found[0][PREFIX_BYTES:]
        raise damaged_index(index_id, f"a leaf stands behind the last, at key {beyond[:40].hex()}")
