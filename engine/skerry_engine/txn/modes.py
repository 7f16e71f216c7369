"""Lock modes and which of them conflict: PostgreSQL's eight table modes and four row modes,
and the engine's own.

    class          modes                                                    who takes them
    table          ACCESS_SHARE … ACCESS_EXCLUSIVE                          every statement, LOCK, DDL
    row            ROW_KEY_SHARE … ROW_UPDATE                               writers, FOR …, foreign keys
    key, name      EXCLUSIVE                                                writers of a unique key, MERGE
    unique index   INTENT, BULK                                             key writers; bulk inserts, for all keys
    advisory       SHARED, EXCLUSIVE                                        pg_advisory_lock and kin

A set of modes is a bit mask, so a conflict test is one `&`.
"""

from __future__ import annotations

from typing import Final

ACCESS_SHARE: Final = 0
ROW_SHARE_TABLE: Final = 1
ROW_EXCLUSIVE: Final = 2
SHARE_UPDATE_EXCLUSIVE: Final = 3
SHARE: Final = 4
SHARE_ROW_EXCLUSIVE: Final = 5
EXCLUSIVE_TABLE: Final = 6
ACCESS_EXCLUSIVE: Final = 7
ROW_KEY_SHARE: Final = 8
ROW_SHARE: Final = 9
ROW_NO_KEY_UPDATE: Final = 10
ROW_UPDATE: Final = 11
SHARED: Final = 12
EXCLUSIVE: Final = 13
INTENT: Final = 14
BULK: Final = 15

_CONFLICTING: dict[int, tuple[int, ...]] = {
    ACCESS_SHARE: (7,),
    ROW_SHARE_TABLE: (6, 7),
    ROW_EXCLUSIVE: (4, 5, 6, 7),
    SHARE_UPDATE_EXCLUSIVE: (3, 4, 5, 6, 7),
    SHARE: (2, 3, 5, 6, 7),
    SHARE_ROW_EXCLUSIVE: (2, 3, 4, 5, 6, 7),
    EXCLUSIVE_TABLE: (1, 2, 3, 4, 5, 6, 7),
    ACCESS_EXCLUSIVE: (0, 1, 2, 3, 4, 5, 6, 7),
    ROW_KEY_SHARE: (ROW_UPDATE,),
    ROW_SHARE: (ROW_NO_KEY_UPDATE, ROW_UPDATE),
    ROW_NO_KEY_UPDATE: (ROW_SHARE, ROW_NO_KEY_UPDATE, ROW_UPDATE),
    ROW_UPDATE: (ROW_KEY_SHARE, ROW_SHARE, ROW_NO_KEY_UPDATE, ROW_UPDATE),
    SHARED: (EXCLUSIVE,),
    EXCLUSIVE: (SHARED, EXCLUSIVE),
    INTENT: (BULK,),
    BULK: (INTENT, BULK),
}


BULK_KEYS: Final = 256
"""From this many keys at once on, one lock on the whole index is tried first."""


def _mask(modes: tuple[int, ...]) -> int:
    mask = 0
    for mode in modes:
        mask |= 1 << mode
    return mask


def _family(mode: int) -> range:
    for members in (range(8), range(8, 12), range(12, 14), range(14, 16)):
        if mode in members:
            return members
    raise AssertionError(mode)


def _covering(mode: int) -> int:
    """The modes (of the same class) that conflict with all that `mode` conflicts with:
    holding one is enough."""
    needed = _mask(_CONFLICTING[mode])
    return _mask(tuple(m for m in _family(mode) if needed & ~_mask(_CONFLICTING[m]) == 0))


CONFLICTS: Final[list[int]] = [_mask(_CONFLICTING[mode]) for mode in range(16)]
"""For each mode the mask of the modes it conflicts with."""

COVERED_BY: Final[list[int]] = [_covering(mode) for mode in range(16)]
"""For each mode the mask of the modes whose holder needs nothing more."""

MODE_NAMES: Final[list[str]] = [
    "AccessShareLock",
    "RowShareLock",
    "RowExclusiveLock",
    "ShareUpdateExclusiveLock",
    "ShareLock",
    "ShareRowExclusiveLock",
    "ExclusiveLock",
    "AccessExclusiveLock",
    "ShareLock",
    "ShareLock",
    "ShareLock",
    "ShareLock",
    "ShareLock",
    "ExclusiveLock",
    "ShareLock",
    "ExclusiveLock",
]
"""PostgreSQL's names; a wait for a row or key is shown as it shows one:
a ShareLock on the holder's transaction."""

TABLE_MODES: Final[dict[str, int]] = {
    "ACCESS SHARE": ACCESS_SHARE,
    "ROW SHARE": ROW_SHARE_TABLE,
    "ROW EXCLUSIVE": ROW_EXCLUSIVE,
    "SHARE UPDATE EXCLUSIVE": SHARE_UPDATE_EXCLUSIVE,
    "SHARE": SHARE,
    "SHARE ROW EXCLUSIVE": SHARE_ROW_EXCLUSIVE,
    "EXCLUSIVE": EXCLUSIVE_TABLE,
    "ACCESS EXCLUSIVE": ACCESS_EXCLUSIVE,
}
"""LOCK TABLE's modes by name."""

ROW_MODES: Final[dict[str, int]] = {
    "KEY SHARE": ROW_KEY_SHARE,
    "SHARE": ROW_SHARE,
    "NO KEY UPDATE": ROW_NO_KEY_UPDATE,
    "UPDATE": ROW_UPDATE,
}
"""SELECT FOR …'s modes by name."""
