"""Values on their way to a database and back, where its driver does not know them.

SQLite stores numbers, texts and blobs: dates, decimals, UUIDs and JSON go as text, and come back by the model's types.
PostgreSQL's drivers differ in what they take for UUIDs and JSON: text, that all of them do.  Skerry takes Python's.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from functools import lru_cache
from uuid import UUID

from skerry.flow.workflows.model import Model

_PLAIN = frozenset((int, float, str, bytes, bool))
Decoder = Callable[[object], object]


def encoded(value: object, dialect: str, kind: type | None = None) -> object:
    """A value as the database's drivers take it; `kind` is its column's type."""
    if value is None or (type(value) in _PLAIN and kind is not dict):
        return value
    if kind is dict or isinstance(value, dict):
        return json.dumps(value)
    if dialect == "skerry":
        return value
    if isinstance(value, UUID):
        return str(value)
    if dialect != "sqlite":
        return value
    if isinstance(value, datetime):
        return value.isoformat(" ")
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, list | tuple):
        return json.dumps(value)
    return value


def decode_row(row: Sequence[object], model: Model, dialect: str) -> dict[str, object]:
    """A row of all of the model's columns, by their names."""
    found = dict(zip(model.names, row, strict=True))
    if dialect != "skerry":
        for name, decoder in _decoders(model, dialect):
            if found[name] is not None:
                found[name] = decoder(found[name])
    return found


@lru_cache(maxsize=256)
def _decoders(model: Model, dialect: str) -> tuple[tuple[str, Decoder], ...]:
    table = _DECODERS.get(dialect, {})
    return tuple((each.name, table[each.type]) for each in model.columns if each.type in table)


def _from_text(read: Callable[[str], object]) -> Decoder:
    return lambda value: read(value) if isinstance(value, str) else value


_UUID = _from_text(UUID)
_DECODERS: dict[str, dict[type | None, Decoder]] = {
    "postgresql": {UUID: _UUID},
    "sqlite": {
        UUID: _UUID,
        bool: bool,
        float: lambda value: float(value) if isinstance(value, int) else value,
        Decimal: lambda value: Decimal(str(value)),
        datetime: _from_text(datetime.fromisoformat),
        date: _from_text(date.fromisoformat),
        time: _from_text(time.fromisoformat),
        dict: _from_text(json.loads),
        list: _from_text(json.loads),
    },
}
