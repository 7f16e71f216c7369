"""The sorted set of entries against a sorted list."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from skerry_engine.storage.trees import KeyTree, entry_key, entry_order_key, entry_row_id

# Order keys are prefix-free, as codecs make them: here by a closing zero byte.
order_keys = st.binary(max_size=3).map(lambda key: key.replace(b"\x00", b"\x01") + b"\x00")
entries = st.tuples(order_keys, st.integers(0, 3)).map(lambda pair: entry_key(*pair))
bounds = st.one_of(st.none(), order_keys, st.binary(max_size=2))


def test_an_entry_is_its_order_key_and_row_id() -> None:
    entry = entry_key(b"abc", 77)
    assert entry_order_key(entry) == b"abc" and entry_row_id(entry) == 77


@given(st.sets(entries, max_size=60), bounds, bounds, st.one_of(st.none(), entries), st.integers(1, 5))
def test_ranges_both_ways(
    content: set[bytes], low: bytes | None, high: bytes | None, after: bytes | None, limit: int
) -> None:
    tree = KeyTree()
    tree.insert_many(content)
    within = [e for e in sorted(content) if (low is None or e >= low) and (high is None or e < high)]
    rising = [e for e in within if after is None or e > after]
    falling = [e for e in reversed(within) if after is None or e < after]
    assert tree.ascending(low, high, after, limit) == rising[:limit]
    assert tree.descending(low, high, after, limit) == falling[:limit]


@given(st.lists(st.tuples(st.booleans(), entries), max_size=60))
def test_insert_and_discard_are_idempotent(changes: list[tuple[bool, bytes]]) -> None:
    tree = KeyTree()
    model: set[bytes] = set()
    for adds, entry in changes:
        for _ in range(2):
            if adds:
                tree.insert(entry)
                model.add(entry)
            else:
                tree.discard(entry)
                model.discard(entry)
    assert tree.ascending(None, None, None, 1000) == sorted(model)
    assert len(tree) == len(model)
