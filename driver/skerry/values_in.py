"""Values on their way from a server: the reader of each type's text.

Most are pg8000's; `text_values` has those where it fails, or gives something else than an embedded database.
"""

from __future__ import annotations

from collections.abc import Callable

from pg8000.converters import PG_TYPES

from skerry.text_values import READERS, own_reader

_readers: dict[int, Callable[[str], object]] = {**PG_TYPES, **READERS}
_readers.update(dict.fromkeys((18, 19, 25, 1042, 1043, 705), str))


def reader_of(type_oid: int) -> Callable[[str], object]:
    """The function that makes a Python value of a type's text; `str` for types that stay text."""
    return own_reader(type_oid) or _readers.get(type_oid, str)
