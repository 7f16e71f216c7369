"""Sets of characters as sorted, disjoint ranges of code points: what a regular expression's atoms match.

Letters and classes are ASCII's: the collation is C.
"""

from __future__ import annotations

from collections.abc import Iterable

Ranges = tuple[tuple[int, int], ...]

LAST = 0x10FFFF
EVERYTHING: Ranges = ((0, LAST),)
NEWLINE: Ranges = ((10, 10),)

_UPPER, _LOWER, _DIGIT = ((65, 90),), ((97, 122),), ((48, 57),)
_SPACE = ((9, 13), (32, 32))
_PUNCTUATION = ((33, 47), (58, 64), (91, 96), (123, 126))

CLASSES: dict[str, Ranges] = {
    "alnum": (*_DIGIT, *_UPPER, *_LOWER),
    "alpha": (*_UPPER, *_LOWER),
    "blank": ((9, 9), (32, 32)),
    "cntrl": ((0, 31), (127, 127)),
    "digit": _DIGIT,
    "graph": ((33, 126),),
    "lower": _LOWER,
    "print": ((32, 126),),
    "punct": _PUNCTUATION,
    "space": _SPACE,
    "upper": _UPPER,
    "xdigit": (*_DIGIT, (65, 70), (97, 102)),
    "word": (*_DIGIT, *_UPPER, (95, 95), *_LOWER),
}

ESCAPES: dict[str, Ranges] = {"d": CLASSES["digit"], "s": CLASSES["space"], "w": CLASSES["word"]}


def union(parts: Iterable[tuple[int, int]]) -> Ranges:
    """The ranges, sorted and merged."""
    merged: list[tuple[int, int]] = []
    for low, high in sorted(parts):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    return tuple(merged)


def complement(ranges: Ranges) -> Ranges:
    """All characters outside the (sorted, disjoint) ranges."""
    result = []
    start = 0
    for low, high in ranges:
        if low > start:
            result.append((start, low - 1))
        start = high + 1
    if start <= LAST:
        result.append((start, LAST))
    return tuple(result)


def without_newline(ranges: Ranges) -> Ranges:
    """The ranges less the newline."""
    return complement(union((*complement(ranges), *NEWLINE)))


def any_case(ranges: Ranges) -> Ranges:
    """The ranges with the other case of each ASCII letter added."""
    extra = []
    for low, high in ranges:
        for first, last, shift in ((65, 90, 32), (97, 122, -32)):
            start, end = max(low, first), min(high, last)
            if start <= end:
                extra.append((start + shift, end + shift))
    return union((*ranges, *extra)) if extra else ranges
