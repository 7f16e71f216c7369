"""Leaves: their form, and what a merge makes of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.memory_blocks import MemoryBlocks

from skerry_engine.base.blocks import MAX_KEY_BYTES, leaf_prefix
from skerry_engine.errors import DatabaseDamaged
from skerry_engine.storage.leaf_cache import IndexLeaves, LeafCache
from skerry_engine.storage.leaf_merge import SIZES, check_leaves, drop_blocks, has_leaves, merge_blocks
from skerry_engine.storage.leaves import (
    FENCE_BYTES,
    PREFIX_BYTES,
    decode_leaf,
    encode_leaf,
    fence_below,
    separator,
)
from skerry_engine.storage.row_codec import pack, unpack
from skerry_engine.storage.trees import KeyTree, entry_key
from skerry_engine.values import oids
from skerry_engine.values.keys import KeyCodec, KeyColumn

CODEC = KeyCodec([KeyColumn(oids.INT8)])

LONG = b"\x01" + b"prefix" * 90

order_keys = st.one_of(
    st.integers(0, 40).map(lambda n: b"\x01" + n.to_bytes(8, "big")),
    st.binary(max_size=4).map(lambda key: b"\x01" + key.replace(b"\x00", b"\x01") + b"\x00"),
    st.binary(max_size=2).map(lambda key: LONG + key.replace(b"\x00", b"\x01") + b"\x00"),
)
entries = st.builds(entry_key, order_keys, st.integers(0, 300))
fixed = st.integers(0, 2**40).map(lambda n: entry_key(b"\x01" + (n >> 20).to_bytes(8, "big"), n & 0xFFFFF))
fences = st.binary(min_size=1, max_size=6)


@pytest.fixture(autouse=True)
def small_leaves() -> Iterator[None]:
    before = SIZES.full_bytes, SIZES.full_entries, SIZES.slice_entries
    SIZES.full_bytes, SIZES.full_entries, SIZES.slice_entries = 120, 8, 5
    yield
    SIZES.full_bytes, SIZES.full_entries, SIZES.slice_entries = before


def tree(found: set[bytes]) -> KeyTree:
    made = KeyTree()
    made.insert_many(found)
    return made


def test_the_longest_fence_just_fits_a_key_of_the_base() -> None:
    assert len(leaf_prefix(2**64 - 1)) == PREFIX_BYTES
    assert PREFIX_BYTES + FENCE_BYTES == MAX_KEY_BYTES


@given(st.one_of(st.sets(entries, max_size=30), st.sets(fixed, max_size=30)), st.lists(entries, max_size=5))
def test_a_leaf_gives_back_its_entries(content: set[bytes], probes: list[bytes]) -> None:
    inside = sorted(content)
    leaf = decode_leaf(7, leaf_prefix(7), encode_leaf(b"", None, inside))
    assert leaf.count == len(inside) and leaf.slice(0, leaf.count) == inside
    assert [leaf.at(number) for number in range(leaf.count)] == inside
    for probe in [*probes, *inside, *(e[:-8] for e in inside), *(e + b"\0" for e in inside), b"", b"\xff"]:
        assert leaf.position(probe) == sum(entry < probe for entry in inside)


@given(st.sets(entries, min_size=2, max_size=2))
def test_a_separator_parts(pair: set[bytes]) -> None:
    left, right = sorted(pair)
    fence = separator(left, right)
    assert left < fence <= right
    assert not left < fence[:-1]


@given(fences, fences)
def test_nothing_lies_between_a_fence_and_what_is_below_it(fence: bytes, other: bytes) -> None:
    below = fence_below(fence)
    assert below < fence and len(below) <= FENCE_BYTES
    assert other <= below or other >= fence


@pytest.mark.parametrize(
    "block",
    [
        b"",
        b"\xc1",
        pack((b"a", None, b"", 0)),
        pack((b"b", None, b"", 0, ())),
        pack((b"a", None, b"", 3, 7)),
        pack((b"a", None, 5, 0, (b"b",))),
        pack((b"a", b"c", b"", 0, (b"b", b"d"))),
        pack((b"c", b"d", b"", 0, ())),
        pack((b"a", None, b"", 0, (b"A",))),
        pack((b"a", None, b"", 0, (b"c", b"b"))),
    ],
)
def test_a_block_that_is_no_leaf_of_its_key_is_damage(block: bytes) -> None:
    with pytest.raises(DatabaseDamaged, match="index 7"):
        decode_leaf(7, leaf_prefix(7) + b"a", block)


changes = st.lists(st.sets(entries, max_size=60), min_size=1, max_size=4)


@settings(max_examples=300, deadline=None)
@given(changes, st.data())
def test_merging_makes_the_leaves_hold_what_was_added_and_not_removed(
    rounds: list[set[bytes]], data: st.DataObject
) -> None:
    blocks = MemoryBlocks()
    other = leaf_prefix(8), encode_leaf(b"", None, [])
    blocks.apply([other, (leaf_prefix(6), encode_leaf(b"", None, []))])
    present: set[bytes] = set()
    cache = LeafCache(data.draw(st.sampled_from([0, 3000, 1 << 20])))
    leaves: IndexLeaves | None = None
    for touched in rounds:
        removed = {entry for entry in touched if data.draw(st.booleans())}
        added = touched - removed
        if present and data.draw(st.booleans()):
            removed |= data.draw(st.sets(st.sampled_from(sorted(present)))) - added
        slices = list(merge_blocks(7, leaves, tree(added), tree(removed)))
        written = [key for part in slices for key, _ in part]
        assert len(written) == len(set(written))
        for part in slices:
            blocks.apply(part)
        if leaves is None:
            leaves = IndexLeaves(7, CODEC, blocks, cache)
        leaves.switch()
        present = (present | added) - removed
        found = list(check_leaves(blocks, 7))
        assert [entry for part in found for entry in part] == sorted(present)
        assert leaves.ascending(None, None, None, 1000) == sorted(present)
        assert leaves.descending(None, None, None, 1000) == sorted(present, reverse=True)
    assert has_leaves(blocks, 7)
    for part in drop_blocks(blocks, 7):
        blocks.apply(part)
    assert blocks.keys == [leaf_prefix(6), leaf_prefix(8)]
    assert not has_leaves(blocks, 7)


def test_unchanged_leaves_are_not_written() -> None:
    blocks = MemoryBlocks()
    content = {entry_key(b"\x01" + n.to_bytes(8, "big"), n) for n in range(100)}
    for part in merge_blocks(7, None, tree(content), KeyTree()):
        blocks.apply(part)
    leaves = IndexLeaves(7, CODEC, blocks, LeafCache(0))
    again = set(sorted(content)[20:30])
    missing = {entry_key(b"\x01" + n.to_bytes(8, "big"), n + 1) for n in range(50, 60)}
    assert [part for part in merge_blocks(7, leaves, tree(again), tree(missing)) if part] == []


def test_entries_in_order_fill_leaves_and_slices_stay_small() -> None:
    blocks = MemoryBlocks()
    content = [entry_key(b"\x01" + n.to_bytes(8, "big"), n) for n in range(1000)]
    slices = list(merge_blocks(7, None, tree(set(content)), KeyTree()))
    assert max(len(part) for part in slices) <= 3
    for part in slices:
        blocks.apply(part)
    counts = [len(found) for found in check_leaves(blocks, 7)]
    assert sum(counts) == 1000 and min(counts[:-1]) >= SIZES.full_entries // 2 + 1
    assert sum(counts) / len(counts) >= 0.8 * SIZES.full_entries


def test_deleting_nearly_all_joins_leaves() -> None:
    blocks = MemoryBlocks()
    content = [entry_key(b"\x01" + n.to_bytes(8, "big"), n) for n in range(1000)]
    for part in merge_blocks(7, None, tree(set(content)), KeyTree()):
        blocks.apply(part)
    leaves = IndexLeaves(7, CODEC, blocks, LeafCache(1 << 20))
    for part in merge_blocks(7, leaves, KeyTree(), tree(set(content[1:-1]))):
        blocks.apply(part)
    leaves.switch()
    assert [entry for part in check_leaves(blocks, 7) for entry in part] == [content[0], content[-1]]
    assert len(blocks.keys) == 1


def test_entries_with_one_long_key_stay_in_one_leaf() -> None:
    blocks = MemoryBlocks()
    content = {entry_key(LONG + b"\0", n) for n in range(200)}
    content |= {entry_key(b"\x01" + n.to_bytes(8, "big"), n) for n in range(50)}
    for part in merge_blocks(7, None, tree(content), KeyTree()):
        blocks.apply(part)
    found = list(check_leaves(blocks, 7))
    assert max(len(part) for part in found) == 200
    assert sum(len(part) for part in found) == 250
    large = [block for block in blocks.blocks.values() if len(unpack(block)[4]) >= 200]
    assert len(large) == 1 and len(large[0]) < 200 * 10  # the key stands there once


@pytest.mark.parametrize("shared", range(FENCE_BYTES - 8, FENCE_BYTES + 3))
def test_fences_fit_the_keys_of_the_base(shared: int) -> None:
    blocks = MemoryBlocks()
    content = {entry_key(b"\x01" + b"p" * (shared - 1) + bytes((n, 0)), n) for n in range(1, 100)}
    for part in merge_blocks(7, None, tree(content), KeyTree()):
        blocks.apply(part)  # refuses keys that are too long
    counts = [len(found) for found in check_leaves(blocks, 7)]
    assert sum(counts) == 99
    assert (len(counts) > 5) == (shared < FENCE_BYTES)


@pytest.mark.parametrize("damage", ["first", "middle", "last", "older", "other"])
@pytest.mark.parametrize("descending", [False, True])
def test_leaves_that_do_not_fit_together_are_damage(damage: str, descending: bool) -> None:
    blocks = MemoryBlocks()
    content = [entry_key(b"\x01" + n.to_bytes(8, "big"), n) for n in range(100)]
    for part in merge_blocks(7, None, tree(set(content)), KeyTree()):
        blocks.apply(part)
    keys = list(blocks.keys)
    at = {"first": 0, "last": len(keys) - 1}.get(damage, len(keys) // 2)
    if damage == "older":  # a leaf as it stood before it was split in two
        low, _, prefix, size, blob = unpack(blocks.blocks[keys[at]])
        _, high, *_ = unpack(blocks.blocks[keys[at + 1]])
        blocks.apply([(keys[at], pack((low, high, prefix, size, blob)))])
    elif damage == "other":
        blocks.apply([(keys[at], blocks.blocks[keys[at + 1]])])
    else:
        blocks.remove(keys[at])
    leaves = IndexLeaves(7, CODEC, blocks, LeafCache(1 << 20))
    with pytest.raises(DatabaseDamaged, match="index 7"):
        if descending:
            leaves.descending(None, None, None, 1000)
        else:
            leaves.ascending(None, None, None, 1000)
    with pytest.raises(DatabaseDamaged, match="index 7"):
        list(check_leaves(blocks, 7))
    if damage != "older":  # searches end in the right leaf
        with pytest.raises(DatabaseDamaged, match="index 7"):
            for entry in content:
                IndexLeaves(7, CODEC, blocks, LeafCache(0)).find(entry)
