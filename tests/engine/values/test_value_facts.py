"""Reading and printing values, against facts that a real PostgreSQL 15 stated
(see support/value_facts.py)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from support.value_facts import FACTS_FILE

from skerry_engine import errors
from skerry_engine.values.io import IoContext, binary_decoder, binary_encoder, text_decoder, text_encoder
from skerry_engine.values.types import SqlType

ENTRIES: list[dict[str, Any]] = json.loads(FACTS_FILE.read_text())
IDS = [f"{entry['type']} {entry['settings'] or ''}".strip() for entry in ENTRIES]

KNOWN_GAPS: set[tuple[str, str]] = set()
"""(type, input) pairs on which Skerry knowingly differs."""


def io_of(settings: dict[str, str]) -> IoContext:
    return IoContext(
        timezone=settings.get("TimeZone", "UTC"),
        date_style=settings.get("DateStyle", "ISO, MDY"),
        interval_style=settings.get("IntervalStyle", "postgres"),
        extra_float_digits=int(settings.get("extra_float_digits", "1")),
        bytea_output=settings.get("bytea_output", "hex"),
    )


def observe(type_: SqlType, io: IoContext, text: str) -> list[Any]:
    try:
        value = text_decoder(type_, io)(text)
    except errors.DatabaseError as problem:
        return [
            text,
            None,
            None,
            [problem.sqlstate, problem.message, problem.detail, problem.hint, problem.context],
        ]
    shown = text_encoder(type_, io)(value)
    packed = binary_encoder(type_, io)(value)
    assert binary_decoder(type_, io)(packed) == value or value != value
    return [text, shown, packed.hex(), None]


def differences(entry: dict[str, Any]) -> list[tuple[Any, Any]]:
    type_, io = SqlType(entry["oid"], entry["typmod"]), io_of(entry["settings"])
    found = []
    for fact in entry["facts"]:
        seen = observe(type_, io, fact[0])
        if fact[2] is None:
            seen[2] = None
        if seen != fact and (entry["type"], fact[0]) not in KNOWN_GAPS:
            found.append((fact, seen))
    return found


@pytest.mark.parametrize("entry", ENTRIES, ids=IDS)
def test_values_read_and_print_as_in_postgresql(entry: dict[str, Any]) -> None:
    found = differences(entry)
    assert not found, "\n".join(f"PostgreSQL {fact}\nSkerry     {seen}" for fact, seen in found)
