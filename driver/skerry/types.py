"""Type objects and constructors of PEP 249, and the one value type that Python lacks.

`cursor.description[i][1]` is the type's OID; it compares equal to the type object of its family.
"""

from __future__ import annotations

import datetime
import time
from dataclasses import dataclass

MICROSECONDS_PER_DAY = 86_400_000_000


@dataclass(frozen=True, slots=True)
class Interval:
    """An interval with months in it, which `datetime.timedelta` can't hold; others come as timedelta."""

    months: int = 0
    days: int = 0
    microseconds: int = 0

    def __str__(self) -> str:
        return f"{self.months} months {self.days} days {self.microseconds} microseconds"


class TypeObject:
    """Equal to the OIDs of one family of types."""

    def __init__(self, name: str, oids: frozenset[int]) -> None:
        self.name = name
        self.oids = oids

    def __eq__(self, other: object) -> bool:
        if isinstance(other, TypeObject):
            return self.oids == other.oids
        return other in self.oids

    def __hash__(self) -> int:
        return hash(self.oids)

    def __repr__(self) -> str:
        return f"<type object {self.name}>"


STRING = TypeObject("STRING", frozenset({18, 19, 25, 114, 1042, 1043, 2950, 3802}))
BINARY = TypeObject("BINARY", frozenset({17}))
NUMBER = TypeObject("NUMBER", frozenset({20, 21, 23, 700, 701, 1700}))
DATETIME = TypeObject("DATETIME", frozenset({1082, 1083, 1114, 1184, 1186, 1266}))
ROWID = TypeObject("ROWID", frozenset({26}))

Date = datetime.date
Time = datetime.time
Timestamp = datetime.datetime
Binary = bytes


def DateFromTicks(ticks: float) -> datetime.date:
    """A date from seconds since the epoch, local time."""
    return Date(*time.localtime(ticks)[:3])


def TimeFromTicks(ticks: float) -> datetime.time:
    """A time from seconds since the epoch, local time."""
    return Time(*time.localtime(ticks)[3:6])


def TimestampFromTicks(ticks: float) -> datetime.datetime:
    """A timestamp from seconds since the epoch, local time."""
    return Timestamp(*time.localtime(ticks)[:6])
